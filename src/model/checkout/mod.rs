//! A check-out: one person's request and the grant that may follow, from asking to the end.
//!
//! Answers what a check-out is and when it falls due; `request` makes one, `apply` moves it.
//! Never reads a clock and never writes: the caller brings `now` and keeps what comes back.

mod apply;
mod request;
#[cfg(test)]
mod tests;
mod vote;

use serde::{Deserialize, Serialize};

pub use self::request::{Ask, Place};
use super::{
    ids::{AccountId, CheckoutId, Code, PersonId, TargetId, UserId},
    name::{AccountName, PermissionSet, PolicyName, TargetName, UserName},
    policy::Terms,
    principal::Principal,
    refusal::Refusal,
    session::KillReason,
    text::Text,
    ticket::TicketRef,
    time::{Span, Timestamp},
};

/// Who ends a check-out when no person does.
const GATEWAY: &str = "the gateway";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Checkout {
    pub id: CheckoutId,
    pub code: Code,
    pub requester: UserId,
    pub requester_name: UserName,
    pub person: PersonId,
    pub target: TargetId,
    pub target_name: TargetName,
    pub account: AccountId,
    pub account_name: AccountName,
    pub asked: Asked,
    pub reason: Text,
    pub ticket: Option<TicketRef>,
    /// The one who alone is asked; none means every approver.
    pub approver: Option<UserName>,
    /// Who gave it without having been asked.
    pub granted_by: Option<UserName>,
    pub policy: PolicyName,
    /// The rules as they were when it was asked for.
    pub terms: Terms,
    pub duration: Span,
    pub window: Option<Window>,
    pub requested_at: Timestamp,
    pub lapses_at: Timestamp,
    pub votes: Vec<Vote>,
    pub extension: Option<Extension>,
    pub state: State,
    /// Counts the changes; a write names the version it changes.
    pub version: i64,
}

/// What the requester wants to do with the account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// Sessions, with all that the policy allows.
    #[default]
    Use,
    /// To see the secret.
    Reveal,
    /// Sessions, with a named set of capabilities.
    Set(PermissionSet),
}

/// A time frame of the requester's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Window {
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
}

impl Window {
    pub fn length(&self) -> Span {
        Span::whole(self.ends_at.since(self.starts_at))
    }
}

/// One approver's yes; a no ends the request and is kept in its `End`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Vote {
    pub by: UserId,
    pub name: UserName,
    pub person: PersonId,
    pub at: Timestamp,
    pub stage: usize,
    pub duration: Span,
    pub message: Text,
}

/// More time, asked for while active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Extension {
    pub duration: Span,
    pub reason: Text,
    pub asked_at: Timestamp,
    pub votes: Vec<Vote>,
}

/// INVARIANT: `Ended` is final; `Approved` and `Active` carry enough votes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum State {
    Requested,
    /// Granted; the window has not opened yet.
    Approved {
        grant: Window,
    },
    Active {
        grant: Window,
    },
    Ended {
        end: End,
        grant: Option<Window>,
    },
}

impl State {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved { .. } => "approved",
            Self::Active { .. } => "active",
            Self::Ended { .. } => "ended",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct End {
    pub reason: EndReason,
    pub at: Timestamp,
    /// A user's name, or `the gateway`.
    pub by: String,
    pub message: Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    Denied,
    Cancelled,
    Lapsed,
    CheckedIn,
    Revoked,
    Expired,
}

impl EndReason {
    pub const ALL: [Self; 6] = [
        Self::Denied,
        Self::Cancelled,
        Self::Lapsed,
        Self::CheckedIn,
        Self::Revoked,
        Self::Expired,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Cancelled => "cancelled",
            Self::Lapsed => "lapsed",
            Self::CheckedIn => "checked-in",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }

    pub fn past_tense(self) -> &'static str {
        match self {
            Self::CheckedIn => "checked in",
            other => other.as_str(),
        }
    }
}

/// What can happen to a check-out.
#[derive(Debug, Clone)]
pub enum Command {
    /// A yes to the request, or to the extension that is waiting.
    /// `other_approvers` is how many people besides `by` could give it.
    Approve {
        by: Principal,
        duration: Option<Span>,
        message: Text,
        other_approvers: usize,
    },
    /// A no to the request (which ends it), or to the extension that is waiting.
    Deny {
        by: Principal,
        message: Text,
    },
    /// The requester takes back what has not become active.
    Cancel {
        by: Principal,
        message: Text,
    },
    /// An approver hands the answer over to another.
    Assign {
        by: Principal,
        to: Principal,
    },
    Extend {
        by: Principal,
        duration: Span,
        reason: Text,
    },
    /// By its owner, or by force by somebody who may end it.
    CheckIn {
        by: Principal,
        message: Text,
        live_sessions: usize,
    },
    Revoke {
        by: Principal,
        message: Text,
    },
    /// The gateway ends it because its user, target or account is gone.
    Withdraw {
        message: Text,
    },
    /// The last session under it has closed.
    LastSessionClosed,
    /// Time has passed.
    Tick,
}

impl Command {
    /// The verb, as the audit log says it.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::Deny { .. } => "deny",
            Self::Cancel { .. } => "cancel",
            Self::Assign { .. } => "assign",
            Self::Extend { .. } => "extend",
            Self::CheckIn { .. } => "check-in",
            Self::Revoke { .. } => "revoke",
            Self::Withdraw { .. } => "withdraw",
            Self::LastSessionClosed => "last-session-closed",
            Self::Tick => "tick",
        }
    }

    /// What was written with it; of an extension it is the reason.
    pub fn message(&self) -> Text {
        match self {
            Self::Approve { message, .. }
            | Self::Deny { message, .. }
            | Self::Cancel { message, .. }
            | Self::CheckIn { message, .. }
            | Self::Revoke { message, .. }
            | Self::Withdraw { message } => message.clone(),
            Self::Assign { .. } | Self::Extend { .. } | Self::LastSessionClosed | Self::Tick => {
                Text::default()
            }
        }
    }

    /// Who gives it; none where the gateway does.
    pub fn by(&self) -> Option<&Principal> {
        match self {
            Self::Approve { by, .. }
            | Self::Deny { by, .. }
            | Self::Cancel { by, .. }
            | Self::Assign { by, .. }
            | Self::Extend { by, .. }
            | Self::CheckIn { by, .. }
            | Self::Revoke { by, .. } => Some(by),
            Self::Withdraw { .. } | Self::LastSessionClosed | Self::Tick => None,
        }
    }
}

impl Checkout {
    /// When time alone will change it.
    pub fn due(&self) -> Option<Timestamp> {
        match &self.state {
            State::Requested => Some(self.lapses_at),
            State::Approved { grant } => Some(grant.starts_at),
            State::Active { grant } => Some(grant.ends_at),
            State::Ended { .. } => None,
        }
    }

    pub fn grant(&self) -> Option<&Window> {
        match &self.state {
            State::Requested => None,
            State::Approved { grant } | State::Active { grant } => Some(grant),
            State::Ended { grant, .. } => grant.as_ref(),
        }
    }

    pub fn end(&self) -> Option<&End> {
        match &self.state {
            State::Ended { end, .. } => Some(end),
            _ => None,
        }
    }

    /// Until when it admits a use that begins now, by its own end and by the week's hours.
    pub fn open_until(&self, now: Timestamp) -> Result<Timestamp, Refusal> {
        let none = || Refusal::NoCheckout {
            target: self.target_name.to_string(),
        };
        let grant = match &self.state {
            State::Active { grant } if now < grant.ends_at => grant,
            State::Requested => {
                let target = self.target_name.clone();
                return Err(Refusal::StillWaiting {
                    code: self.code.clone(),
                    target,
                });
            }
            State::Approved { grant } => {
                let starts_at = grant.starts_at;
                return Err(Refusal::NotYetOpen {
                    code: self.code.clone(),
                    starts_at,
                });
            }
            State::Active { .. } | State::Ended { .. } => return Err(none()),
        };
        match &self.terms.weekly_hours {
            None => Ok(grant.ends_at),
            Some(hours) => match hours.open_until(now) {
                Some(until) => Ok(until.min(grant.ends_at)),
                None => Err(Refusal::OutsideHours {
                    target: self.target_name.clone(),
                }),
            },
        }
    }

    /// Why its streams are cut when its time is over, before anybody has written that down.
    pub fn expired(&self) -> KillReason {
        KillReason::CheckoutEnded {
            code: self.code.clone(),
            reason: EndReason::Expired,
            by: GATEWAY.to_owned(),
            message: Text::default(),
        }
    }

    /// Why the streams under it are cut; none while it has not ended.
    pub fn kill_reason(&self) -> Option<KillReason> {
        let end = self.end()?;
        Some(KillReason::CheckoutEnded {
            code: self.code.clone(),
            reason: end.reason,
            by: end.by.clone(),
            message: end.message.clone(),
        })
    }

    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Active { .. })
    }
}
