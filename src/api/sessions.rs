//! Sessions: what is and was open under check-outs, and closing one.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Api,
    auth::Caller,
    body::{At, BodyOrDefault},
    checkouts::Message,
    error::Problem,
    page::List,
    query::Params,
    sight, write,
};
use crate::{
    model::{
        ids::{Code, SessionId},
        name::{AccountName, TargetName, UserName},
        principal::{Principal, Role},
        session::SessionRow,
        ticket::TicketRef,
    },
    store::{
        self, Order, StoreError,
        session::{SessionView as Kept, Sort},
    },
};

pub const FILTERS: &[(&str, &str)] = &[
    ("live", "true for open ones, false for closed ones"),
    ("checkout", "a check-out's id or code"),
    ("user", "a user's name"),
    ("target", "a target's name"),
    ("since", "opened at this time or later"),
    ("until", "opened before this time"),
];

/// A session with the names people know it by.
#[derive(Serialize, ToSchema)]
pub struct SessionView {
    #[serde(flatten)]
    row: SessionRow,
    code: Code,
    user_name: UserName,
    target_name: TargetName,
    account_name: AccountName,
    ticket: Option<TicketRef>,
    live: bool,
}

impl From<Kept> for SessionView {
    fn from(kept: Kept) -> Self {
        Self {
            live: kept.row.closed_at.is_none(),
            row: kept.row,
            code: kept.code,
            user_name: kept.user_name,
            target_name: kept.target_name,
            account_name: kept.account_name,
            ticket: kept.ticket,
        }
    }
}

pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
) -> Result<Json<List<SessionView>>, Problem> {
    let by = &caller.principal;
    let checkout = match params.text("checkout") {
        Some(named) => Some(sight::checkout(&api, by, named).await?.id),
        None => None,
    };
    let mut filter = store::session::Filter {
        reader: None,
        // A check-out that the caller sees shows all its sessions.
        user: None,
        user_name: params.read("user")?,
        target: params.read("target")?,
        live: params.yes("live")?,
        since: params.read("since")?,
        until: params.read("until")?,
        checkout,
    };
    let sees_others = by.is(Role::Approver) || sight::reads_everything(by);
    if filter.checkout.is_none() {
        filter.reader = sight::reader(by);
        filter.user = (!sees_others).then(|| by.user.clone());
    }
    let (order, page) = write::page(&params, Order::descending(Sort::OpenedAt))?;
    let listing = store::session::list(api.store(), &filter, order, &page).await?;
    Ok(Json(List {
        items: listing.items.into_iter().map(SessionView::from).collect(),
        next: listing.next.map(|cursor| cursor.to_string()),
    }))
}

pub async fn show(
    State(api): State<Api>,
    caller: Caller,
    At(id): At<SessionId>,
) -> Result<Json<SessionView>, Problem> {
    let kept = seen(&api, &caller.principal, &id).await?;
    Ok(Json(kept.into()))
}

/// Ends one session; its check-out lives on. For its holder and for who could end the check-out.
pub async fn kill(
    State(api): State<Api>,
    caller: Caller,
    At(id): At<SessionId>,
    BodyOrDefault(body): BodyOrDefault<Message>,
) -> Result<Json<SessionView>, Problem> {
    let by = &caller.principal;
    let kept = seen(&api, by, &id).await?;
    api.lifecycle()
        .kill_session(by, &kept.row, body.message)
        .await?;
    Ok(Json(kept.into()))
}

/// The session, if its check-out may be seen.
pub(super) async fn seen(api: &Api, by: &Principal, id: &SessionId) -> Result<Kept, Problem> {
    let kept = match store::session::by_id(api.store(), id).await {
        Ok(kept) => kept,
        Err(StoreError::NotFound(_)) => return Err(Problem::not_found("session")),
        Err(error) => return Err(error.into()),
    };
    if sees(api, by, &kept).await? {
        Ok(kept)
    } else {
        Err(Problem::not_found("session"))
    }
}

async fn sees(api: &Api, by: &Principal, kept: &Kept) -> Result<bool, Problem> {
    if kept.row.user == by.user || sight::reads_everything(by) {
        return Ok(true);
    }
    let checkout = store::checkout::by_id(api.store(), &kept.row.checkout).await?;
    Ok(sight::sees(by, &checkout))
}
