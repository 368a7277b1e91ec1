//! The sessions: opened only under an active check-out, closed once, never left open for ever.

use super::{
    Listing, Order, Page, Result, Source, StoreError, Tx,
    checkout::Reader,
    list::sorts,
    select::Select,
    sql::{Row, sql},
};
use crate::model::{
    ids::{CheckoutId, Code, NodeId, SessionId, UserId},
    name::{AccountName, TargetName, UserName},
    session::{Outcome, SessionRow},
    text::forbidden,
    ticket::TicketRef,
    time::Timestamp,
};

const COLUMNS: &str = "s.id, s.checkout, s.user_id, s.target, s.account, s.protocol, s.node, \
    s.peer, s.client, s.opened_at, s.closed_at, s.outcome, s.message, s.bytes_in, s.bytes_out";
const VIEW: &str = "s.id, s.checkout, s.user_id, s.target, s.account, s.protocol, s.node, \
    s.peer, s.client, s.opened_at, s.closed_at, s.outcome, s.message, s.bytes_in, s.bytes_out, \
    c.code, c.requester_name, c.target_name, c.account_name, c.ticket";
const FROM: &str = "session s join checkout c on c.id = s.checkout";

sorts! {
    OpenedAt "opened_at" Number("s.opened_at");
    ClosedAt "closed_at" Number("coalesce(s.closed_at, 9223372036854775807)");
    User "user" Text("c.requester_name");
    Target "target" Text("c.target_name");
    Account "account" Text("c.account_name");
    BytesIn "bytes_in" Number("s.bytes_in");
    BytesOut "bytes_out" Number("s.bytes_out");
}

#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only under check-outs that they may see; none means all.
    pub reader: Option<Reader>,
    pub checkout: Option<CheckoutId>,
    pub user: Option<UserId>,
    pub user_name: Option<UserName>,
    pub target: Option<TargetName>,
    /// Yes: only open ones. No: only closed ones.
    pub live: Option<bool>,
    /// Opened at this time or later.
    pub since: Option<Timestamp>,
    /// Opened before this time.
    pub until: Option<Timestamp>,
}

/// A session with the names people know it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    pub row: SessionRow,
    pub code: Code,
    pub user_name: UserName,
    pub target_name: TargetName,
    pub account_name: AccountName,
    pub ticket: Option<TicketRef>,
}

/// What became of a session that wanted to open.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    Opened,
    /// The check-out is not active at that time, or there is none.
    NotActive,
    /// As many as allowed are open under it.
    TooMany,
}

/// Opens a session if its check-out is active at `opened_at` and has room.
pub async fn open(tx: &mut Tx, session: &SessionRow, maximum: Option<u32>) -> Result<Opening> {
    // INVARIANT: the check-out's row is locked from here to the commit, so that no end of it
    // and no other opening slips between.
    let lock = sql(
        "opening a session",
        "update checkout set openings = openings + 1
         where id = $1 and state = 'active' and grant_ends_at > $2",
    );
    let lock = lock.text(session.checkout.as_str()).time(session.opened_at);
    if tx.run(lock).await? == 0 {
        return Ok(Opening::NotActive);
    }
    if let Some(maximum) = maximum
        && count_open_under(&mut *tx, &session.checkout).await? >= u64::from(maximum)
    {
        return Ok(Opening::TooMany);
    }
    let write = sql(
        "opening a session",
        "insert into session (id, checkout, user_id, target, account, protocol, node, peer,
             client, opened_at, closed_at, outcome, message, bytes_in, bytes_out)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, null, null, '', 0, 0)",
    );
    let write = write
        .text(session.id.as_str())
        .text(session.checkout.as_str())
        .text(session.user.as_str())
        .text(session.target.as_str())
        .text(session.account.as_str())
        .text(session.protocol.as_str())
        .text(session.node.as_str())
        .text(inert(&session.peer))
        .text(inert(&session.client))
        .time(session.opened_at);
    tx.run(write).await?;
    Ok(Opening::Opened)
}

/// Closes a session. `Conflict` if it is closed already: the first outcome stays.
pub async fn close(
    tx: &mut Tx,
    id: &SessionId,
    outcome: &Outcome,
    bytes_in: u64,
    bytes_out: u64,
    at: Timestamp,
) -> Result<()> {
    let write = sql(
        "closing a session",
        "update session set closed_at = $1, outcome = $2, message = $3, bytes_in = $4,
             bytes_out = $5
         where id = $6 and closed_at is null",
    );
    let write = write
        .time(at)
        .text(outcome.code())
        .text(inert(&outcome.to_string()))
        .count(bytes_in)
        .count(bytes_out)
        .text(id.as_str());
    tx.run_guarded(write).await
}

/// Closes what a node that is gone left open, as lost; answers what that was. The caller
/// audits each in the same transaction.
pub async fn close_lost(tx: &mut Tx, node: &NodeId, at: Timestamp) -> Result<Vec<SessionRow>> {
    let write = sql(
        "closing the sessions of a lost node",
        "update session set closed_at = $1, outcome = $2, message = $3
         where node = $4 and closed_at is null
         returning id, checkout, user_id, target, account, protocol, node, peer, client,
             opened_at, closed_at, outcome, message, bytes_in, bytes_out",
    );
    let write = write
        .time(at)
        .text(Outcome::Lost.code())
        .text(Outcome::Lost.to_string())
        .text(node.as_str());
    let mut from = tx;
    from.rows(write).await?.iter().map(session).collect()
}

/// Keeps how much has gone through a session that is still open.
pub async fn count_bytes(tx: &mut Tx, id: &SessionId, bytes_in: u64, bytes_out: u64) -> Result<()> {
    let write = sql(
        "counting the bytes of a session",
        "update session set bytes_in = $1, bytes_out = $2 where id = $3 and closed_at is null",
    );
    let write = write.count(bytes_in).count(bytes_out).text(id.as_str());
    tx.run(write).await.map(drop)
}

pub async fn by_id(mut from: impl Source, id: &SessionId) -> Result<SessionView> {
    let query = sql(
        "reading a session",
        format!("select {VIEW} from {FROM} where s.id = $1"),
    );
    let row = from.maybe_one(query.text(id.as_str())).await?;
    view(&row.ok_or(StoreError::NotFound("session"))?)
}

/// The open sessions under a check-out.
pub async fn open_under(mut from: impl Source, checkout: &CheckoutId) -> Result<Vec<SessionRow>> {
    let query = sql(
        "reading the open sessions of a check-out",
        select("where s.checkout = $1 and s.closed_at is null order by s.id"),
    );
    let rows = from.rows(query.text(checkout.as_str())).await?;
    rows.iter().map(session).collect()
}

pub async fn count_open_under(mut from: impl Source, checkout: &CheckoutId) -> Result<u64> {
    let query = sql(
        "counting the open sessions of a check-out",
        "select count(*) as open from session where checkout = $1 and closed_at is null",
    );
    let row = from.one(query.text(checkout.as_str())).await?;
    row.count("open")
}

/// The sessions that are open on a node.
pub async fn open_on_node(mut from: impl Source, node: &NodeId) -> Result<Vec<SessionRow>> {
    let query = sql(
        "reading the open sessions of a node",
        select("where s.node = $1 and s.closed_at is null order by s.id"),
    );
    let rows = from.rows(query.text(node.as_str())).await?;
    rows.iter().map(session).collect()
}

pub async fn list(
    from: impl Source,
    filter: &Filter,
    order: Order<Sort>,
    page: &Page,
) -> Result<Listing<SessionView>> {
    let select = Select::new("listing sessions", VIEW, FROM)
        .readable("c.", filter.reader.as_ref())
        .equal(
            "s.checkout",
            filter.checkout.as_ref().map(CheckoutId::as_str),
        )
        .equal("s.user_id", filter.user.as_ref().map(UserId::as_str))
        .equal("c.requester_name", filter.user_name.as_ref())
        .equal("c.target_name", filter.target.as_ref())
        .when(filter.live == Some(true), "s.closed_at is null")
        .when(filter.live == Some(false), "s.closed_at is not null")
        .since_time("s.opened_at", filter.since)
        .until_time("s.opened_at", filter.until);
    let by = (order.by.as_str(), order.by.column(), "s.id");
    select.page(from, by, order.descending, page, view).await
}

/// What a peer said of itself, bounded and without anything that moves a cursor.
fn inert(text: &str) -> String {
    let clean = text.chars().filter(|letter| !forbidden(*letter));
    clean.take(500).collect()
}

fn select(rest: &str) -> String {
    format!("select {COLUMNS} from session s {rest}")
}

fn session(row: &Row) -> Result<SessionRow> {
    Ok(SessionRow {
        id: row.parsed("id")?,
        checkout: row.parsed("checkout")?,
        user: row.parsed("user_id")?,
        target: row.parsed("target")?,
        account: row.parsed("account")?,
        protocol: row.parsed("protocol")?,
        node: row.parsed("node")?,
        peer: row.text("peer")?,
        client: row.text("client")?,
        opened_at: row.time("opened_at")?,
        closed_at: row.maybe_time("closed_at")?,
        outcome: row.maybe_text("outcome")?,
        message: row.text("message")?,
        bytes_in: row.count("bytes_in")?,
        bytes_out: row.count("bytes_out")?,
    })
}

fn view(row: &Row) -> Result<SessionView> {
    Ok(SessionView {
        row: session(row)?,
        code: row.parsed("code")?,
        user_name: row.parsed("requester_name")?,
        target_name: row.parsed("target_name")?,
        account_name: row.parsed("account_name")?,
        ticket: row.maybe_parsed("ticket")?,
    })
}
