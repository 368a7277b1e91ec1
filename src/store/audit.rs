//! The rows of the audit chain. What a link is, and whether the chain holds, is `crate::audit`.

use super::{
    Result, Source, Tx,
    select::Select,
    sql::{Row, hex, sql},
};
use crate::model::{
    audit::{AuditRecord, Checkpoint},
    ids::{AccountId, CheckoutId, SessionId, TargetId, UserId},
    time::Timestamp,
};

/// The newest link: its number and its hash. `(0, zeros)` before the first.
pub type Head = (i64, [u8; 32]);

/// The copies beside the body, to search by. `crate::audit` makes and holds them to the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    pub kind: String,
    pub outcome: String,
    pub actor: String,
    pub user: Option<UserId>,
    pub checkout: Option<CheckoutId>,
    pub session: Option<SessionId>,
    pub target: Option<TargetId>,
    pub account: Option<AccountId>,
}

/// A record as it lies there. `keys` is none where the columns hold what no writer of ours
/// could have put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lying {
    pub record: AuditRecord,
    pub keys: Option<Keys>,
}

#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub kinds: Vec<String>,
    /// Only what begins with this: `checkout.`.
    pub noun: Option<String>,
    pub actor: Option<String>,
    pub user: Option<UserId>,
    pub checkout: Option<CheckoutId>,
    pub session: Option<SessionId>,
    pub target: Option<TargetId>,
    /// Only refusals.
    pub refused: bool,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Only records behind this one.
    pub after: Option<i64>,
    /// Only records before this one.
    pub before: Option<i64>,
}

const COLUMNS: &str = "seq, at, kind, outcome, actor, user_id, checkout, session, target, \
    account, body, previous, hash";

/// Takes the next number, and with it the chain, until the transaction ends. Answers the
/// number and the hash of the link before.
pub async fn take_next(tx: &mut Tx) -> Result<Head> {
    let take = sql(
        "taking the next link of the audit chain",
        "update audit_head set seq = seq + 1 where id = 1 returning seq, hash",
    );
    let mut from = tx;
    head_of(&from.one(take).await?)
}

/// Writes the link that `take_next` made room for.
pub async fn insert(tx: &mut Tx, record: &AuditRecord, keys: &Keys) -> Result<()> {
    let write = sql(
        "writing an audit record",
        "insert into audit_record (seq, at, kind, outcome, actor, user_id, checkout, session,
             target, account, body, previous, hash)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    );
    let write = write
        .number(record.seq)
        .time(record.at)
        .text(&keys.kind)
        .text(&keys.outcome)
        .text(&keys.actor)
        .maybe_text(keys.user.as_ref().map(UserId::as_str))
        .maybe_text(keys.checkout.as_ref().map(CheckoutId::as_str))
        .maybe_text(keys.session.as_ref().map(SessionId::as_str))
        .maybe_text(keys.target.as_ref().map(TargetId::as_str))
        .maybe_text(keys.account.as_ref().map(AccountId::as_str))
        .text(&record.body)
        .text(hex(&record.previous))
        .text(hex(&record.hash));
    tx.run(write).await?;
    let head = sql(
        "writing the head of the audit chain",
        "update audit_head set hash = $1 where id = 1 and seq = $2",
    );
    tx.run_guarded(head.text(hex(&record.hash)).number(record.seq))
        .await
}

pub async fn head(mut from: impl Source) -> Result<Head> {
    let query = sql(
        "reading the head of the audit chain",
        "select seq, hash from audit_head where id = 1",
    );
    head_of(&from.one(query).await?)
}

/// The newest time in the chain: no clock may answer an earlier one.
pub async fn newest_at(mut from: impl Source) -> Result<Option<Timestamp>> {
    let query = sql(
        "reading the newest time of the audit chain",
        "select max(at) as at from audit_record",
    );
    from.one(query).await?.maybe_time("at")
}

/// The records behind `after`, in their order, at most `limit`.
pub async fn records_after(mut from: impl Source, after: i64, limit: usize) -> Result<Vec<Lying>> {
    let query = sql(
        "reading audit records",
        format!("select {COLUMNS} from audit_record where seq > $1 order by seq limit $2"),
    );
    let rows = from.rows(query.number(after).count(limit as u64)).await?;
    rows.iter().map(lying).collect()
}

/// The records that fit, newest first, at most `limit`.
pub async fn list(from: impl Source, filter: &Filter, limit: usize) -> Result<Vec<AuditRecord>> {
    let noun = filter.noun.as_ref().map(|noun| format!("{noun}."));
    let select = Select::new("listing audit records", COLUMNS, "audit_record")
        .one_of("kind", &filter.kinds)
        .beginning("kind", noun.as_deref())
        .equal("actor", filter.actor.as_ref())
        .equal("user_id", filter.user.as_ref().map(UserId::as_str))
        .equal("checkout", filter.checkout.as_ref().map(CheckoutId::as_str))
        .equal("session", filter.session.as_ref().map(SessionId::as_str))
        .equal("target", filter.target.as_ref().map(TargetId::as_str))
        .when(filter.refused, "outcome <> 'done'")
        .since_time("at", filter.since)
        .until_time("at", filter.until)
        .above("seq", filter.after)
        .below("seq", filter.before);
    // Whoever goes forward from a record wants the ones right behind it.
    let order = match filter.after {
        Some(_) => "seq",
        None => "seq desc",
    };
    let rows = select.first(from, order, limit).await?;
    rows.iter().map(record).collect()
}

/// Locks the chain; answers its head. For what must see it at rest.
pub async fn hold(tx: &mut Tx) -> Result<Head> {
    let hold = sql(
        "holding the audit chain",
        "update audit_head set seq = seq where id = 1 returning seq, hash",
    );
    let mut from = tx;
    head_of(&from.one(hold).await?)
}

pub async fn insert_checkpoint(tx: &mut Tx, checkpoint: &Checkpoint) -> Result<()> {
    let write = sql(
        "writing an audit checkpoint",
        "insert into audit_checkpoint (seq, at, hash, signature) values ($1, $2, $3, $4)",
    );
    let write = write
        .number(checkpoint.seq)
        .time(checkpoint.at)
        .text(hex(&checkpoint.hash))
        .text(hex(&checkpoint.signature));
    tx.run(write).await.map(drop)
}

pub async fn newest_checkpoint(mut from: impl Source) -> Result<Option<Checkpoint>> {
    let query = sql(
        "reading the newest audit checkpoint",
        "select seq, at, hash, signature from audit_checkpoint order by seq desc limit 1",
    );
    let row = from.maybe_one(query).await?;
    row.as_ref().map(checkpoint).transpose()
}

/// The checkpoints behind `after`, in their order, at most `limit`.
pub async fn checkpoints_after(
    mut from: impl Source,
    after: i64,
    limit: usize,
) -> Result<Vec<Checkpoint>> {
    let query = sql(
        "reading audit checkpoints",
        "select seq, at, hash, signature from audit_checkpoint
         where seq > $1 order by seq limit $2",
    );
    let rows = from.rows(query.number(after).count(limit as u64)).await?;
    rows.iter().map(checkpoint).collect()
}

fn head_of(row: &Row) -> Result<Head> {
    Ok((row.number("seq")?, row.hash("hash")?))
}

fn record(row: &Row) -> Result<AuditRecord> {
    Ok(AuditRecord {
        seq: row.number("seq")?,
        at: row.time("at")?,
        body: row.text("body")?,
        // What is not 32 bytes in hexadecimal hashes to nothing: zeros never match either.
        previous: row.hash("previous").unwrap_or_default(),
        hash: row.hash("hash").unwrap_or_default(),
    })
}

fn lying(row: &Row) -> Result<Lying> {
    Ok(Lying {
        record: record(row)?,
        keys: keys(row).ok(),
    })
}

fn keys(row: &Row) -> Result<Keys> {
    Ok(Keys {
        kind: row.text("kind")?,
        outcome: row.text("outcome")?,
        actor: row.text("actor")?,
        user: row.maybe_parsed("user_id")?,
        checkout: row.maybe_parsed("checkout")?,
        session: row.maybe_parsed("session")?,
        target: row.maybe_parsed("target")?,
        account: row.maybe_parsed("account")?,
    })
}

fn checkpoint(row: &Row) -> Result<Checkpoint> {
    Ok(Checkpoint {
        seq: row.number("seq")?,
        at: row.time("at")?,
        hash: row.hash("hash").unwrap_or_default(),
        signature: row.bytes("signature").unwrap_or_default(),
    })
}
