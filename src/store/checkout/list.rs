//! The list of check-outs: what people filter it by, and sort it by.

use super::{
    super::{Listing, Order, Page, Result, Source, list::sorts, select::Select},
    reader::Reader,
    row::{COLUMNS, checkout},
};
use crate::model::{
    checkout::{Checkout, EndReason, State},
    ids::{TargetId, UserId},
    name::{AccountName, TargetName, UserName},
    ticket::TicketRef,
    time::Timestamp,
};

sorts! {
    Code "code" Text("code");
    Account "account" Text("account_name");
    Target "target" Text("target_name");
    Requester "requester" Text("requester_name");
    /// Who was asked, else who answered.
    Approver "approver" Text("coalesce(approver, answered_by)");
    Status "status" Text("status");
    Ticket "ticket" Text("coalesce(ticket, '')");
    Reason "reason" Text("reason");
    RequestedAt "requested_at" Number("requested_at");
    WindowStartsAt "window_starts_at" Number("coalesce(window_starts_at, requested_at)");
    WindowEndsAt "window_ends_at" Number("coalesce(window_ends_at, requested_at + 1000 * duration_s)");
    Duration "duration" Number("duration_s");
    Authorised "authorised" Number("coalesce(authorised_s, 0)");
    StartsAt "starts_at" Number("coalesce(grant_starts_at, 0)");
    /// When it ended, else when it will.
    EndsAt "ends_at" Number("coalesce(ended_at, grant_ends_at, 0)");
}

#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only what they may see; none means all.
    pub reader: Option<Reader>,
    /// Only of this user.
    pub requester: Option<UserId>,
    pub requester_name: Option<UserName>,
    pub target: Option<TargetName>,
    pub account: Option<AccountName>,
    pub ticket: Option<TicketRef>,
    /// Any of these; empty means all.
    pub statuses: Vec<Status>,
    /// Only what has not ended.
    pub open: bool,
    /// Only what waits for an answer: requests and extensions.
    pub waiting: bool,
    /// Only what is for one of these targets; none means all.
    pub among_targets: Option<Vec<TargetId>>,
    /// Part of the code, a name, the reason, the ticket or the end's message.
    pub text: Option<String>,
    /// Asked for at this time or later.
    pub since: Option<Timestamp>,
    /// Asked for before this time.
    pub until: Option<Timestamp>,
}

/// The state, and once it has ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Requested,
    Approved,
    Active,
    Ended(EndReason),
}

impl Status {
    pub fn of(checkout: &Checkout) -> Self {
        match &checkout.state {
            State::Requested => Self::Requested,
            State::Approved { .. } => Self::Approved,
            State::Active { .. } => Self::Active,
            State::Ended { end, .. } => Self::Ended(end.reason),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved => "approved",
            Self::Active => "active",
            Self::Ended(reason) => reason.as_str(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a status: requested, approved, active, denied, cancelled, lapsed, checked-in, revoked or expired is expected"
)]
pub struct NotAStatus;

impl std::str::FromStr for Status {
    type Err = NotAStatus;
    fn from_str(text: &str) -> Result<Self, NotAStatus> {
        [Self::Requested, Self::Approved, Self::Active]
            .into_iter()
            .chain(EndReason::ALL.map(Self::Ended))
            .find(|status| status.as_str() == text)
            .ok_or(NotAStatus)
    }
}

pub async fn list(
    from: impl Source,
    filter: &Filter,
    order: Order<Sort>,
    page: &Page,
) -> Result<Listing<Checkout>> {
    let waiting = "(state = 'requested' or (state = 'active' and extension is not null))";
    let none = filter.among_targets.as_ref().is_some_and(Vec::is_empty);
    let select = Select::new("listing check-outs", COLUMNS, "checkout")
        .readable("", filter.reader.as_ref())
        .equal("requester", filter.requester.as_ref().map(UserId::as_str))
        .equal("requester_name", filter.requester_name.as_ref())
        .equal("target_name", filter.target.as_ref())
        .equal("account_name", filter.account.as_ref())
        .equal("ticket", filter.ticket.as_ref())
        .one_of(
            "status",
            filter.statuses.iter().map(|status| status.as_str()),
        )
        .when(filter.open, "due_at is not null")
        .when(filter.waiting, waiting)
        .when(none, "1 = 0")
        .one_of(
            "target",
            filter.among_targets.iter().flatten().map(TargetId::as_str),
        )
        .containing(
            &[
                "code",
                "requester_name",
                "target_name",
                "account_name",
                "reason",
                "coalesce(ticket, '')",
                "answered_by",
                "coalesce(end_message, '')",
            ],
            filter.text.as_deref(),
        )
        .since_time("requested_at", filter.since)
        .until_time("requested_at", filter.until);
    let by = (order.by.as_str(), order.by.column(), "id");
    select
        .page(from, by, order.descending, page, checkout)
        .await
}
