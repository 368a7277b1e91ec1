//! Recordings: what sessions left. Who looks into one is written down first.

mod content;
mod desktop;
mod evidence;
mod search;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

pub use self::{
    content::{content, export},
    desktop::{AT, FROM, frames, still},
    evidence::{Verified, verify},
    search::{FILTERS as SEARCH, search},
};
use super::{
    Api, auth::Caller, body::At, error::Problem, page::List, query::Params, sessions, sight, write,
};
use crate::{
    model::{
        audit::{Actor, AuditEvent},
        ids::{Code, RecordingId},
        name::{AccountName, TargetName, UserName},
        principal::{Principal, Role},
        recording::Recording,
    },
    store::{
        self, Order, StoreError,
        recording::{RecordingView as Kept, Sort},
    },
};

pub const FILTERS: &[(&str, &str)] = &[
    ("session", "a session's id"),
    ("checkout", "a check-out's id or code"),
    ("user", "a user's name"),
    ("target", "a target's name"),
    ("since", "started at this time or later"),
    ("until", "started before this time"),
];

/// A recording with the names people know it by.
#[derive(Serialize, ToSchema)]
pub struct RecordingView {
    #[serde(flatten)]
    row: Recording,
    code: Code,
    user_name: UserName,
    target_name: TargetName,
    account_name: AccountName,
    /// `open` while it is written or if its gateway died under it, `whole`, `cut-short`,
    /// `deleted`.
    state: &'static str,
    /// How long it is, in seconds; none before the end.
    duration_s: Option<u64>,
}

impl From<Kept> for RecordingView {
    fn from(kept: Kept) -> Self {
        let row = kept.row;
        Self {
            state: state(&row),
            duration_s: row.finished_at.map(|at| at.since(row.started_at).as_secs()),
            row,
            code: kept.code,
            user_name: kept.user_name,
            target_name: kept.target_name,
            account_name: kept.account_name,
        }
    }
}

fn state(row: &Recording) -> &'static str {
    match row {
        row if row.deleted_at.is_some() => "deleted",
        row if row.failure.is_some() => "cut-short",
        row if row.finished_at.is_some() => "whole",
        _ => "open",
    }
}

pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
) -> Result<Json<List<RecordingView>>, Problem> {
    let by = &caller.principal;
    let filter = filter(&api, by, &params).await?;
    let (order, page) = write::page(&params, Order::descending(Sort::StartedAt))?;
    let listing = store::recording::list(api.store(), &filter, order, &page).await?;
    Ok(Json(List {
        items: listing.items.into_iter().map(RecordingView::from).collect(),
        next: listing.next.map(|cursor| cursor.to_string()),
    }))
}

/// What the parameters ask for, as far as `by` may ask for it.
async fn filter(
    api: &Api,
    by: &Principal,
    params: &Params,
) -> Result<store::recording::Filter, Problem> {
    let mut filter = store::recording::Filter {
        session: params.read("session")?,
        user_name: params.read("user")?,
        target: params.read("target")?,
        since: params.read("since")?,
        until: params.read("until")?,
        ..Default::default()
    };
    // Who sees a check-out or a session sees all its recordings.
    if let Some(named) = params.text("checkout") {
        filter.checkout = Some(sight::checkout(api, by, named).await?.id);
    }
    if let Some(session) = &filter.session {
        sessions::seen(api, by, session).await?;
    }
    let sees_others = by.is(Role::Approver) || sight::reads_everything(by);
    if filter.checkout.is_none() && filter.session.is_none() {
        // In the database: no cursor and no end of a page tells of what is not theirs.
        filter.reader = sight::reader(by);
        filter.user = (!sees_others).then(|| by.user.clone());
    }
    Ok(filter)
}

pub async fn show(
    State(api): State<Api>,
    caller: Caller,
    At(id): At<RecordingId>,
) -> Result<Json<RecordingView>, Problem> {
    Ok(Json(seen(&api, &caller.principal, &id).await?.into()))
}

/// The recording, if its check-out may be seen.
async fn seen(api: &Api, by: &Principal, id: &RecordingId) -> Result<Kept, Problem> {
    match store::recording::by_id(api.store(), id).await {
        Ok(kept) if sees(api, by, &kept).await? => Ok(kept),
        Ok(_) | Err(StoreError::NotFound(_)) => Err(Problem::not_found("recording")),
        Err(error) => Err(error.into()),
    }
}

async fn sees(api: &Api, by: &Principal, kept: &Kept) -> Result<bool, Problem> {
    if kept.user == by.user || sight::reads_everything(by) {
        return Ok(true);
    }
    let checkout = store::checkout::by_id(api.store(), &kept.row.checkout).await?;
    Ok(sight::sees(by, &checkout))
}

/// An audit event about a recording, and about everything it belongs to.
async fn event(
    api: &Api,
    kind: &str,
    actor: Actor,
    message: String,
    row: &Recording,
) -> Result<AuditEvent, Problem> {
    let session = store::session::by_id(api.store(), &row.session).await?;
    let event = AuditEvent::done(api.now(), kind, actor, message)
        .with(serde_json::json!({ "recording": row.id }));
    Ok(event.about_row(&session.row))
}
