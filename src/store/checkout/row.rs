//! A check-out as a row, both ways. Every column a list shows or sorts by is a column of its
//! own; what only the rules read is JSON text.

use super::{
    super::{
        Result, StoreError,
        sql::{Row, Sql},
    },
    reader::readers,
};
use crate::model::{
    checkout::{Asked, Checkout, End, EndReason, State, Window},
    time::Span,
};

pub(super) const COLUMNS: &str = "id, code, requester, requester_name, person, target, \
    target_name, account, account_name, asked, reason, ticket, approver, granted_by, policy, \
    terms, duration_s, window_starts_at, window_ends_at, requested_at, lapses_at, votes, \
    extension, state, grant_starts_at, grant_ends_at, ended_at, end_reason, ended_by, \
    end_message, version";

/// What can change, in the order of both writes.
pub(super) fn values(sql: Sql, checkout: &Checkout) -> Sql {
    let grant = checkout.grant();
    let end = checkout.end();
    let status = end.map_or(checkout.state.as_str(), |end| end.reason.as_str());
    let authorised = grant.map(|grant| seconds(grant.length()));
    let extension = checkout.extension.as_ref();
    sql.text(checkout.reason.as_str())
        .maybe_text(checkout.ticket.as_ref())
        .maybe_text(checkout.approver.as_ref())
        .number(seconds(checkout.duration))
        .maybe_time(checkout.window.map(|window| window.starts_at))
        .maybe_time(checkout.window.map(|window| window.ends_at))
        .time(checkout.lapses_at)
        .json(&checkout.votes)
        .maybe_text(extension.map(json))
        .text(checkout.state.as_str())
        .text(status)
        .maybe_time(grant.map(|grant| grant.starts_at))
        .maybe_time(grant.map(|grant| grant.ends_at))
        .maybe_number(authorised)
        .maybe_time(end.map(|end| end.at))
        .maybe_text(end.map(|end| end.reason.as_str()))
        .maybe_text(end.map(|end| &end.by))
        .maybe_text(end.map(|end| end.message.as_str()))
        .text(answered_by(checkout))
        .text(readers(checkout))
        .maybe_time(checkout.due())
        .number(checkout.version)
}

pub(super) fn checkout(row: &Row) -> Result<Checkout> {
    Ok(Checkout {
        id: row.parsed("id")?,
        code: row.parsed("code")?,
        requester: row.parsed("requester")?,
        requester_name: row.parsed("requester_name")?,
        person: row.parsed("person")?,
        target: row.parsed("target")?,
        target_name: row.parsed("target_name")?,
        account: row.parsed("account")?,
        account_name: row.parsed("account_name")?,
        asked: asked(&row.text("asked")?)?,
        reason: row.parsed("reason")?,
        ticket: row.maybe_parsed("ticket")?,
        approver: row.maybe_parsed("approver")?,
        granted_by: row.maybe_parsed("granted_by")?,
        policy: row.parsed("policy")?,
        terms: row.json("terms")?,
        duration: Span::seconds(row.count("duration_s")?),
        window: window(row, "window_starts_at", "window_ends_at")?,
        requested_at: row.time("requested_at")?,
        lapses_at: row.time("lapses_at")?,
        votes: row.json("votes")?,
        extension: row.maybe_json("extension")?,
        state: state(row)?,
        version: row.number("version")?,
    })
}

fn state(row: &Row) -> Result<State> {
    let grant = window(row, "grant_starts_at", "grant_ends_at")?;
    match (row.text("state")?.as_str(), grant) {
        ("requested", None) => Ok(State::Requested),
        ("approved", Some(grant)) => Ok(State::Approved { grant }),
        ("active", Some(grant)) => Ok(State::Active { grant }),
        ("ended", grant) => Ok(State::Ended {
            end: end(row)?,
            grant,
        }),
        // What is unknown is refused: no row opens anything by being strange.
        (other, _) => Err(StoreError::unreadable("state", other)),
    }
}

fn end(row: &Row) -> Result<End> {
    let reason = row.text("end_reason")?;
    let reason = EndReason::ALL
        .into_iter()
        .find(|known| known.as_str() == reason)
        .ok_or_else(|| StoreError::unreadable("end_reason", reason))?;
    Ok(End {
        reason,
        at: row.time("ended_at")?,
        by: row.text("ended_by")?,
        message: row.parsed("end_message")?,
    })
}

fn window(row: &Row, starts: &str, ends: &str) -> Result<Option<Window>> {
    let window = row.maybe_time(starts)?.zip(row.maybe_time(ends)?);
    Ok(window.map(|(starts_at, ends_at)| Window { starts_at, ends_at }))
}

/// `use`, `reveal`, or the name of a permission set, which cannot be either.
pub(super) fn asked_text(asked: &Asked) -> &str {
    match asked {
        Asked::Use => "use",
        Asked::Reveal => "reveal",
        Asked::Set(name) => name.as_str(),
    }
}

fn asked(text: &str) -> Result<Asked> {
    match text {
        "use" => Ok(Asked::Use),
        "reveal" => Ok(Asked::Reveal),
        name => match name.parse() {
            Ok(name) => Ok(Asked::Set(name)),
            Err(error) => Err(StoreError::unreadable("asked", error)),
        },
    }
}

/// Who voted, or who denied it.
fn answered_by(checkout: &Checkout) -> String {
    let mut names: Vec<&str> = Vec::new();
    for vote in &checkout.votes {
        names.push(vote.name.as_str());
    }
    if let Some(end) = checkout.end()
        && end.reason == EndReason::Denied
        && !names.contains(&end.by.as_str())
    {
        names.push(&end.by);
    }
    names.join(", ")
}

fn seconds(span: Span) -> i64 {
    i64::try_from(span.as_secs()).expect("a span is ten years at most")
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("our own types have text keys and always serialise")
}
