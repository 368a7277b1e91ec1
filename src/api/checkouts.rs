//! Check-outs: asking, answering, ending, and the lists people work from.
//!
//! Every decision is `lifecycle`'s; here is only what was asked and who may see it.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    audit::Entry,
    auth::Caller,
    body::{At, Body, BodyOrDefault},
    csv,
    error::Problem,
    page::List,
    query::Params,
    sight, write,
};
use crate::{
    lifecycle,
    model::{
        checkout::{Ask, Asked, Checkout, Window},
        name::{AccountName, UserName},
        principal::{Principal, Role},
        text::Text,
        ticket::TicketRef,
        time::Span,
    },
    store::{
        self, Listing, Order,
        checkout::{Filter, Sort, Status},
    },
};

pub const FILTERS: &[(&str, &str)] = &[
    (
        "view",
        "mine, waiting (for an answer of yours) or all that you may see",
    ),
    (
        "state",
        "requested, approved, active, denied, cancelled, lapsed, checked-in, revoked, expired, or ended for all of the last six; several with commas between",
    ),
    ("target", "a target's name"),
    ("account", "an account's name"),
    ("user", "the requester's name"),
    ("ticket", "a ticket's number"),
    (
        "q",
        "part of the code, a name, the reason, the ticket or a message",
    ),
    ("since", "asked for at this time or later"),
    ("until", "asked for before this time"),
    ("format", "json or csv; accept: text/csv does the same"),
];

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCheckout {
    /// A target's name.
    target: String,
    account: Option<AccountName>,
    #[serde(default)]
    asked: Asked,
    #[serde(default)]
    reason: Text,
    ticket: Option<TicketRef>,
    duration: Option<Span>,
    window: Option<NewWindow>,
    /// The one approver who shall be asked; left out, all are.
    approver: Option<UserName>,
}

/// As `NewCheckout`, for somebody else.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    user: UserName,
    target: String,
    account: Option<AccountName>,
    #[serde(default)]
    asked: Asked,
    #[serde(default)]
    reason: Text,
    ticket: Option<TicketRef>,
    duration: Option<Span>,
    window: Option<NewWindow>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWindow {
    starts_at: crate::model::time::Timestamp,
    ends_at: crate::model::time::Timestamp,
}

impl From<NewWindow> for Window {
    fn from(window: NewWindow) -> Self {
        Self {
            starts_at: window.starts_at,
            ends_at: window.ends_at,
        }
    }
}

#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Left out, as long as was asked for.
    duration: Option<Span>,
    #[serde(default)]
    message: Text,
}

#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Message {
    #[serde(default)]
    pub message: Text,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewExtension {
    duration: Span,
    #[serde(default)]
    reason: Text,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Handover {
    /// Another approver's name.
    to: UserName,
}

/// A check-out, and what the caller may do with it now.
#[derive(Serialize, ToSchema)]
pub struct CheckoutView {
    #[serde(flatten)]
    checkout: Checkout,
    /// `requested`, `approved`, `active`, or how it ended.
    status: &'static str,
    /// Whether the caller's vote is waited for.
    may_approve: bool,
    /// Whether the caller may end it for its holder.
    may_revoke: bool,
    mine: bool,
    /// Whose vote is waited for; told of a single check-out only.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<Vec<UserName>>,
}

impl CheckoutView {
    fn new(by: &Principal, checkout: Checkout) -> Self {
        // Whether nobody else could is asked when the vote is cast.
        let may_approve = checkout.may_vote(by, usize::MAX).is_ok();
        let ended = checkout.end().is_some();
        Self {
            status: Status::of(&checkout).as_str(),
            may_approve: !ended && may_approve,
            may_revoke: !ended && checkout.may_end(by),
            mine: checkout.requester == by.user,
            waits_for: None,
            checkout,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Mine,
    Waiting,
    All,
}

pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Problem> {
    let by = &caller.principal;
    let format = params.choice("format", &[("json", false), ("csv", true)])?;
    let wants_csv = format.unwrap_or_else(|| {
        let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
        accept.is_some_and(|accept| accept.contains("text/csv"))
    });
    let views = [
        ("mine", View::Mine),
        ("waiting", View::Waiting),
        ("all", View::All),
    ];
    let view = params.choice("view", &views)?.unwrap_or(View::All);
    let mut filter = filter(&params)?;
    let only_own = !by.is(Role::Approver) && !sight::reads_everything(by);
    if view == View::Mine || only_own {
        filter.requester = Some(by.user.clone());
    }
    filter.waiting = view == View::Waiting;
    // In the database: no bound, no cursor and no end of a page tells of what is not theirs.
    filter.reader = sight::reader(by);
    let (order, page) = write::page(&params, Order::descending(Sort::RequestedAt))?;
    let shown = |checkout: &Checkout| match view {
        View::Mine => true,
        View::Waiting => checkout.may_vote(by, usize::MAX).is_ok(),
        View::All => sight::sees(by, checkout),
    };
    if wants_csv {
        let rows = everything(&api, &filter, order, shown).await?;
        return Ok(csv::checkouts(&rows));
    }
    let listing = visible(&api, &filter, order, page, shown).await?;
    let items = listing.items.into_iter();
    let list = List {
        items: items
            .map(|checkout| CheckoutView::new(by, checkout))
            .collect(),
        next: listing.next.map(|cursor| cursor.to_string()),
    };
    Ok(Json(list).into_response())
}

/// A page of what is wanted out of a list of what may be seen.
async fn visible(
    api: &Api,
    filter: &Filter,
    order: Order<Sort>,
    page: store::Page,
    shown: impl Fn(&Checkout) -> bool,
) -> Result<Listing<Checkout>, Problem> {
    /// So many pages are looked through for one; then the caller asks on by the cursor.
    const LOOKS: usize = 10;
    let wanted = page.limit;
    let mut cursor = page.cursor;
    let mut items: Vec<Checkout> = Vec::new();
    for _ in 0..LOOKS {
        // Never more than what is missing, so that the cursor stands behind the last one shown.
        let rest = store::Page::of(wanted - items.len()).after(cursor.take());
        let listing = store::checkout::list(api.store(), filter, order, &rest).await?;
        items.extend(listing.items.into_iter().filter(&shown));
        cursor = listing.next;
        if cursor.is_none() || items.len() >= wanted {
            break;
        }
    }
    Ok(Listing {
        items,
        next: cursor,
    })
}

/// A spreadsheet gets the whole list, up to what one still opens.
async fn everything(
    api: &Api,
    filter: &Filter,
    order: Order<Sort>,
    shown: impl Fn(&Checkout) -> bool,
) -> Result<Vec<Checkout>, Problem> {
    const MOST: usize = 20_000;
    let mut rows = Vec::new();
    let mut page = store::Page::of(store::Page::LARGEST);
    loop {
        let listing = store::checkout::list(api.store(), filter, order, &page).await?;
        rows.extend(listing.items.into_iter().filter(&shown));
        match listing.next {
            Some(next) if rows.len() < MOST => page = page.after(Some(next)),
            _ => return Ok(rows),
        }
    }
}

fn filter(params: &Params) -> Result<Filter, Problem> {
    let mut filter = Filter {
        requester_name: params.read("user")?,
        target: params.read("target")?,
        account: params.read("account")?,
        ticket: params.read("ticket")?,
        text: params.text("q").map(str::to_owned),
        since: params.read("since")?,
        until: params.read("until")?,
        ..Filter::default()
    };
    for word in params.text("state").into_iter().flat_map(|s| s.split(',')) {
        if word == "ended" {
            filter
                .statuses
                .extend(crate::model::checkout::EndReason::ALL.map(Status::Ended));
        } else {
            let status = word.parse().map_err(|why| Problem::invalid("state", why))?;
            filter.statuses.push(status);
        }
    }
    Ok(filter)
}

pub async fn request(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<NewCheckout>,
) -> Result<(StatusCode, Json<CheckoutView>), Problem> {
    let by = &caller.principal;
    let ask = Ask {
        asked: body.asked,
        reason: body.reason,
        ticket: body.ticket,
        duration: body.duration,
        window: body.window.map(Window::from),
        approver: body.approver,
    };
    let asked = api
        .lifecycle()
        .request(by, &body.target, body.account.as_ref(), ask)
        .await?;
    Ok(answer(by, asked))
}

pub async fn grant(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<Grant>,
) -> Result<(StatusCode, Json<CheckoutView>), Problem> {
    let by = &caller.principal;
    let ask = Ask {
        asked: body.asked,
        reason: body.reason,
        ticket: body.ticket,
        duration: body.duration,
        window: body.window.map(Window::from),
        approver: None,
    };
    let asked = api
        .lifecycle()
        .grant(by, &body.user, &body.target, body.account.as_ref(), ask)
        .await?;
    Ok(answer(by, asked))
}

fn answer(by: &Principal, asked: lifecycle::Asked) -> (StatusCode, Json<CheckoutView>) {
    let (status, checkout) = match asked {
        lifecycle::Asked::New(checkout) => (StatusCode::CREATED, checkout),
        lifecycle::Asked::Joined(checkout) => (StatusCode::OK, checkout),
    };
    (status, Json(CheckoutView::new(by, checkout)))
}

pub async fn show(
    State(api): State<Api>,
    caller: Caller,
    At(named): At<String>,
) -> Result<Json<CheckoutView>, Problem> {
    let by = &caller.principal;
    let checkout = sight::checkout(&api, by, &named).await?;
    let waits_for = match checkout.end() {
        Some(_) => Vec::new(),
        None => api.lifecycle().approvers(&checkout).await?,
    };
    Ok(Json(CheckoutView {
        waits_for: Some(waits_for),
        ..CheckoutView::new(by, checkout)
    }))
}

pub async fn history(
    State(api): State<Api>,
    caller: Caller,
    At(named): At<String>,
) -> Result<Json<List<Entry>>, Problem> {
    let checkout = sight::checkout(&api, &caller.principal, &named).await?;
    let filter = store::audit::Filter {
        checkout: Some(checkout.id),
        after: Some(0),
        ..Default::default()
    };
    let records = store::audit::list(api.store(), &filter, 1_000).await?;
    let items = records.into_iter().map(Entry::from).collect();
    Ok(Json(List { items, next: None }))
}

pub async fn approve(
    State(api): State<Api>,
    caller: Caller,
    At(named): At<String>,
    BodyOrDefault(body): BodyOrDefault<Approval>,
) -> Result<Json<CheckoutView>, Problem> {
    let by = &caller.principal;
    let id = sight::checkout(&api, by, &named).await?.id;
    let after = api
        .lifecycle()
        .approve(by, &id, body.duration, body.message)
        .await?;
    Ok(Json(CheckoutView::new(by, after)))
}

pub async fn deny(
    State(api): State<Api>,
    caller: Caller,
    At(named): At<String>,
    BodyOrDefault(body): BodyOrDefault<Message>,
) -> Result<Json<CheckoutView>, Problem> {
    let by = &caller.principal;
    let id = sight::checkout(&api, by, &named).await?.id;
    let after = api.lifecycle().deny(by, &id, body.message).await?;
    Ok(Json(CheckoutView::new(by, after)))
}

pub async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    At(named): At<String>,
    BodyOrDefault(body): BodyOrDefault<Message>,
) -> Result<Json<CheckoutView>, Problem> {
    let by = &caller.principal;
    let id = sight::checkout(&api, by, &named).await?.id;
    let after = api.lifecycle().revoke(by, &id, body.message).await?;
    Ok(Json(CheckoutView::new(by, after)))
}

pub async fn check_in(
    State(api): State<Api>,
    caller: Caller,
    At(named): At<String>,
    BodyOrDefault(body): BodyOrDefault<Message>,
) -> Result<Json<CheckoutView>, Problem> {
    let by = &caller.principal;
    let id = sight::checkout(&api, by, &named).await?.id;
    let after = api.lifecycle().check_in(by, &id, body.message).await?;
    Ok(Json(CheckoutView::new(by, after)))
}

pub async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    At(named): At<String>,
    BodyOrDefault(body): BodyOrDefault<Message>,
) -> Result<Json<CheckoutView>, Problem> {
    let by = &caller.principal;
    let id = sight::checkout(&api, by, &named).await?.id;
    let after = api.lifecycle().cancel(by, &id, body.message).await?;
    Ok(Json(CheckoutView::new(by, after)))
}

pub async fn extend(
    State(api): State<Api>,
    caller: Caller,
    At(named): At<String>,
    Body(body): Body<NewExtension>,
) -> Result<Json<CheckoutView>, Problem> {
    let by = &caller.principal;
    let id = sight::checkout(&api, by, &named).await?.id;
    let after = api
        .lifecycle()
        .extend(by, &id, body.duration, body.reason)
        .await?;
    Ok(Json(CheckoutView::new(by, after)))
}

pub async fn assign(
    State(api): State<Api>,
    caller: Caller,
    At(named): At<String>,
    Body(body): Body<Handover>,
) -> Result<Json<CheckoutView>, Problem> {
    let by = &caller.principal;
    let id = sight::checkout(&api, by, &named).await?.id;
    let after = api.lifecycle().assign(by, &id, &body.to).await?;
    Ok(Json(CheckoutView::new(by, after)))
}
