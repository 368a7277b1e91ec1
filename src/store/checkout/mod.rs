//! The check-outs: written by version, held to the legal moves by the schema, read every way.
//! Decides nothing: what may happen to one is `model::checkout`.

mod list;
mod reader;
mod row;

pub(super) use self::reader::enter_missing as enter_missing_readers;
use self::row::{COLUMNS, checkout, values};
pub use self::{
    list::{Filter, NotASort, NotAStatus, Sort, Status, list},
    reader::Reader,
};
use super::{
    Result, Source, StoreError, Tx,
    meta::pass_gate,
    sql::{Row, sql},
};
use crate::model::{
    checkout::{Checkout, State},
    ids::{AccountId, CheckoutId, Code, TargetId, UserId},
    name::TargetName,
    time::{Span, Timestamp},
};

/// What became of a new check-out.
#[must_use]
#[derive(Debug)]
pub enum Insertion {
    New,
    /// The requester already waits for an answer to the same thing: this is that request, and
    /// nothing was written.
    Joined(Box<Checkout>),
    /// Another check-out has the code: take a longer one and try again.
    CodeTaken,
}

/// Adds a check-out. `Exclusive` if it begins active and the account is held. After an error
/// the transaction is over.
pub async fn insert(tx: &mut Tx, new: &Checkout) -> Result<Insertion> {
    await_turn(tx, new).await?;
    let write = sql(
        "adding a check-out",
        // Conflicts are looked up rather than raised: a raised one ends the transaction on PostgreSQL.
        "insert into checkout (id, code, requester, requester_name, person, target, target_name,
             account, account_name, asked, granted_by, policy, terms, exclusive, requested_at,
             prior_state, openings,
             reason, ticket, approver, duration_s, window_starts_at, window_ends_at, lapses_at,
             votes, extension, state, status, grant_starts_at, grant_ends_at, authorised_s,
             ended_at, end_reason, ended_by, end_message, answered_by, readers, due_at, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 'none', 0,
             $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31,
             $32, $33, $34, $35, $36, $37)
         on conflict do nothing",
    );
    let write = write
        .text(new.id.as_str())
        .text(new.code.as_str())
        .text(new.requester.as_str())
        .text(new.requester_name.as_str())
        .text(new.person.as_str())
        .text(new.target.as_str())
        .text(new.target_name.as_str())
        .text(new.account.as_str())
        .text(new.account_name.as_str())
        .text(row::asked_text(&new.asked))
        .maybe_text(new.granted_by.as_ref())
        .text(new.policy.as_str())
        .json(&new.terms)
        .flag(new.terms.exclusive)
        .time(new.requested_at);
    if tx.run(values(write, new)).await? > 0 {
        keep_apart(tx, new).await?;
        return Ok(Insertion::New);
    }
    if let State::Requested = new.state
        && let Some(pending) = pending_like(tx, new).await?
    {
        return Ok(Insertion::Joined(Box::new(pending)));
    }
    match by_code(&mut *tx, &new.code).await {
        Ok(_) => return Ok(Insertion::CodeTaken),
        Err(StoreError::NotFound(_)) => {}
        Err(error) => return Err(error),
    }
    match in_the_way_of(&mut *tx, new).await? {
        Some(_) if new.is_active() => Err(StoreError::Exclusive),
        // What was in the way is gone already.
        _ => Err(StoreError::Conflict),
    }
}

/// Writes what became of a check-out that was at version `from_version`. `Conflict` if it is
/// not any more, `Exclusive` if it becomes active while another holds the account,
/// `IllegalMove` if the life cycle has no such step. After an error the transaction is over.
pub async fn update(tx: &mut Tx, now: &Checkout, from_version: i64) -> Result<()> {
    await_turn(tx, now).await?;
    let write = sql(
        "changing a check-out",
        "update checkout set prior_state = state,
             reason = $1, ticket = $2, approver = $3, duration_s = $4, window_starts_at = $5,
             window_ends_at = $6, lapses_at = $7, votes = $8, extension = $9, state = $10,
             status = $11, grant_starts_at = $12, grant_ends_at = $13, authorised_s = $14,
             ended_at = $15, end_reason = $16, ended_by = $17, end_message = $18,
             answered_by = $19, readers = $20, due_at = $21, version = $22
         where id = $23 and version = $24",
    );
    let write = values(write, now)
        .text(now.id.as_str())
        .number(from_version);
    match tx.run_guarded(write).await {
        Err(error) if error.is_foreign_key() => Err(StoreError::IllegalMove),
        Err(error) => Err(error),
        Ok(()) => keep_apart(tx, now).await,
    }
}

pub async fn by_id(mut from: impl Source, id: &CheckoutId) -> Result<Checkout> {
    let query = sql("reading a check-out", select("where id = $1"));
    one(from.maybe_one(query.text(id.as_str())).await?)
}

pub async fn by_code(mut from: impl Source, code: &Code) -> Result<Checkout> {
    let query = sql("reading a check-out", select("where code = $1"));
    one(from.maybe_one(query.text(code.as_str())).await?)
}

/// By what people type: the id or the code.
pub async fn by_id_or_code(from: impl Source, text: &str) -> Result<Checkout> {
    if let Ok(id) = text.parse::<CheckoutId>() {
        return by_id(from, &id).await;
    }
    match text.parse::<Code>() {
        Ok(code) => by_code(from, &code).await,
        Err(_) => Err(StoreError::NotFound("check-out")),
    }
}

/// The check-outs of a user on one target that have not ended, oldest first.
pub async fn open_of_user_on(
    mut from: impl Source,
    user: &UserId,
    target: &TargetName,
) -> Result<Vec<Checkout>> {
    let query = sql(
        "reading the check-outs of a user on a target",
        select("where requester = $1 and target_name = $2 and due_at is not null order by id"),
    );
    many(
        from.rows(query.text(user.as_str()).text(target.as_str()))
            .await?,
    )
}

/// All check-outs of a user that have not ended.
pub async fn open_of_user(mut from: impl Source, user: &UserId) -> Result<Vec<Checkout>> {
    let query = sql(
        "reading the check-outs of a user",
        select("where requester = $1 and due_at is not null order by id"),
    );
    many(from.rows(query.text(user.as_str())).await?)
}

/// All check-outs of a target that have not ended.
pub async fn open_of_target(mut from: impl Source, target: &TargetId) -> Result<Vec<Checkout>> {
    let query = sql(
        "reading the check-outs of a target",
        select("where target = $1 and due_at is not null order by id"),
    );
    many(from.rows(query.text(target.as_str())).await?)
}

/// All check-outs of an account that have not ended.
pub async fn open_of_account(mut from: impl Source, account: &AccountId) -> Result<Vec<Checkout>> {
    let query = sql(
        "reading the check-outs of an account",
        select("where account = $1 and due_at is not null order by id"),
    );
    many(from.rows(query.text(account.as_str())).await?)
}

/// What waits for an answer: requests, and extensions of active ones. Oldest first.
pub async fn waiting(mut from: impl Source) -> Result<Vec<Checkout>> {
    let query = sql(
        "reading what waits for an answer",
        select(
            "where state = 'requested' or (state = 'active' and extension is not null)
             order by requested_at, id",
        ),
    );
    many(from.rows(query).await?)
}

/// The active ones.
pub async fn live(mut from: impl Source) -> Result<Vec<Checkout>> {
    let query = sql(
        "reading the active check-outs",
        select("where state = 'active' order by id"),
    );
    many(from.rows(query).await?)
}

/// What time alone changes by `now`, the longest due first.
pub async fn due(mut from: impl Source, now: Timestamp, limit: usize) -> Result<Vec<Checkout>> {
    let query = sql(
        "reading what is due",
        select("where due_at is not null and due_at <= $1 order by due_at, id limit $2"),
    );
    many(from.rows(query.time(now).count(limit as u64)).await?)
}

/// The active ones that end by `until`, were given for no less than `length`, and whose holders
/// have not been warned of this end.
pub async fn ending(
    mut from: impl Source,
    until: Timestamp,
    length: Span,
    limit: usize,
) -> Result<Vec<Checkout>> {
    let query = sql(
        "reading what ends soon",
        select(
            "where state = 'active' and due_at <= $1 and due_at - grant_starts_at >= $2
                 and not exists (select 1 from notice
                     where notice.key = checkout.id || ':ending-soon:' || checkout.due_at)
             order by due_at, id limit $3",
        ),
    );
    let query = query
        .time(until)
        .count(length.as_secs() * 1_000)
        .count(limit as u64);
    many(from.rows(query).await?)
}

/// Those still open though their user, target or account is disabled or gone.
pub async fn orphans(mut from: impl Source) -> Result<Vec<Checkout>> {
    let query = sql(
        "reading what has lost its user, target or account",
        select(
            "where due_at is not null and (
                 not exists (select 1 from users where users.id = checkout.requester
                     and users.disabled = 0)
                 or not exists (select 1 from target where target.id = checkout.target
                     and target.disabled = 0)
                 or not exists (select 1 from account where account.id = checkout.account
                     and account.disabled = 0))
             order by id",
        ),
    );
    many(from.rows(query).await?)
}

/// When time will change something next.
pub async fn next_due(mut from: impl Source) -> Result<Option<Timestamp>> {
    let query = sql(
        "reading what is due next",
        "select min(due_at) as due_at from checkout where due_at is not null",
    );
    from.one(query).await?.maybe_time("due_at")
}

/// Those of `ids` that have ended, on whatever node. What is not there at all is not among
/// them: compare the answer's length where that matters.
pub async fn ended_among(mut from: impl Source, ids: &[CheckoutId]) -> Result<Vec<Checkout>> {
    let mut ended = Vec::new();
    // SQLite takes 32,766 values in one statement, and nobody reads longer ones.
    for part in ids.chunks(500) {
        let mut query = sql("asking which check-outs have ended", "");
        let mut places = Vec::with_capacity(part.len());
        for id in part {
            places.push(query.next_place());
            query = query.text(id.as_str());
        }
        let places = places.join(", ");
        query.push(&select(&format!(
            "where state = 'ended' and id in ({places})"
        )));
        ended.extend(many(from.rows(query).await?)?);
    }
    Ok(ended)
}

/// Who keeps `checkout` from being active: whoever holds its account alone, or anybody who holds
/// it where `checkout` would hold it alone. Of several the one who holds it longest.
pub async fn in_the_way_of(mut from: impl Source, checkout: &Checkout) -> Result<Option<Checkout>> {
    let query = sql(
        "reading who holds an account",
        select(
            "where account = $1 and id <> $2 and state = 'active' and (exclusive = 1 or $3 = 1)
             order by grant_ends_at desc, id limit 1",
        ),
    );
    let query = query
        .text(checkout.account.as_str())
        .text(checkout.id.as_str())
        .flag(checkout.terms.exclusive);
    let row = from.maybe_one(query).await?;
    row.as_ref().map(self::checkout).transpose()
}

/// One activation after the other, because what is active already decides them.
async fn await_turn(tx: &mut Tx, now: &Checkout) -> Result<()> {
    if now.is_active() {
        pass_gate(tx, "holders").await?;
    }
    Ok(())
}

/// INVARIANT: whoever holds an account alone is alone. Two who would be are kept apart by an
/// index; one who would be and one who would not, here, behind the gate.
async fn keep_apart(tx: &mut Tx, now: &Checkout) -> Result<()> {
    if !now.is_active() {
        return Ok(());
    }
    let query = sql(
        "reading whether an account is held",
        "select count(*) as others from checkout own join checkout other
             on other.account = own.account and other.id <> own.id and other.state = 'active'
         where own.id = $1 and own.prior_state <> 'active'
             and (own.exclusive = 1 or other.exclusive = 1)",
    );
    let mut from = &mut *tx;
    match from
        .one(query.text(now.id.as_str()))
        .await?
        .count("others")?
    {
        0 => Ok(()),
        _ => Err(StoreError::Exclusive),
    }
}

async fn pending_like(tx: &mut Tx, new: &Checkout) -> Result<Option<Checkout>> {
    let query = sql(
        "reading a pending request",
        select(
            "where requester = $1 and target = $2 and account = $3 and asked = $4
             and state = 'requested'",
        ),
    );
    let query = query
        .text(new.requester.as_str())
        .text(new.target.as_str())
        .text(new.account.as_str())
        .text(row::asked_text(&new.asked));
    let mut from = tx;
    let row = from.maybe_one(query).await?;
    row.as_ref().map(checkout).transpose()
}

fn select(rest: &str) -> String {
    format!("select {COLUMNS} from checkout {rest}")
}

fn one(row: Option<Row>) -> Result<Checkout> {
    checkout(&row.ok_or(StoreError::NotFound("check-out"))?)
}

fn many(rows: Vec<Row>) -> Result<Vec<Checkout>> {
    rows.iter().map(checkout).collect()
}
