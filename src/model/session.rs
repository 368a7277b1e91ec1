//! One live use of a check-out, and why it was cut.
//!
//! The `Display` of a `KillReason` is the sentence the person reads.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    checkout::EndReason,
    ids::{AccountId, CheckoutId, Code, NodeId, SessionId, TargetId, UserId},
    target::Protocol,
    text::Text,
    time::{Span, Timestamp},
};

/// A session as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SessionRow {
    pub id: SessionId,
    pub checkout: CheckoutId,
    pub user: UserId,
    pub target: TargetId,
    pub account: AccountId,
    pub protocol: Protocol,
    pub node: NodeId,
    /// The address the person came from.
    pub peer: String,
    /// What their client calls itself.
    pub client: String,
    pub opened_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    /// Why it ended: an `Outcome`'s code.
    pub outcome: Option<String>,
    pub message: String,
    /// From the person to the target.
    pub bytes_in: u64,
    /// From the target to the person.
    pub bytes_out: u64,
}

/// How a session ended, as its row and its audit event say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// One of the two sides closed it.
    Closed,
    Killed(KillReason),
    /// The target could not be reached, or refused us.
    TargetFailed(String),
    /// The gateway died under it; found at the next start.
    Lost,
}

impl Outcome {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Killed(reason) => reason.code(),
            Self::TargetFailed(_) => "target-failed",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by one of the two sides"),
            Self::Killed(reason) => fmt::Display::fmt(reason, f),
            Self::TargetFailed(why) => f.write_str(why),
            Self::Lost => f.write_str("the gateway stopped without closing it"),
        }
    }
}

/// Why live streams were cut. The first reason wins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KillReason {
    CheckoutEnded {
        code: Code,
        reason: EndReason,
        by: String,
        message: Text,
    },
    SessionKilled {
        by: String,
        message: Text,
    },
    SessionLimit(Span),
    IdleLimit(Span),
    OutsideHours,
    UserDisabled,
    /// What they had signed in with is no more.
    SignedOut,
    TargetGone,
    RecordingFailed,
    /// The store gave no answer for this long.
    StoreLost(Span),
    HandshakeTooSlow(Span),
    /// It was told that there is nothing for it here, and stayed.
    NotLeaving,
    Shutdown,
}

impl KillReason {
    pub fn code(&self) -> &'static str {
        match self {
            Self::CheckoutEnded { reason, .. } => reason.as_str(),
            Self::SessionKilled { .. } => "killed",
            Self::SessionLimit(_) => "session-limit",
            Self::IdleLimit(_) => "idle-limit",
            Self::OutsideHours => "outside-hours",
            Self::UserDisabled => "user-disabled",
            Self::SignedOut => "signed-out",
            Self::TargetGone => "target-gone",
            Self::RecordingFailed => "recording-failed",
            Self::StoreLost(_) => "store-lost",
            Self::HandshakeTooSlow(_) => "handshake-too-slow",
            Self::NotLeaving => "not-leaving",
            Self::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for KillReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access ended: ")?;
        match self {
            Self::CheckoutEnded {
                code,
                reason,
                by,
                message,
            } => {
                match reason {
                    EndReason::Expired => f.write_str("the check-out's time is over")?,
                    reason => write!(f, "{} by {by}", reason.past_tense())?,
                }
                if !message.is_empty() {
                    write!(f, ": {}", message.one_line())?;
                }
                write!(f, " (check-out {code})")
            }
            Self::SessionKilled { by, message } if message.is_empty() => {
                write!(f, "this session was closed by {by}")
            }
            Self::SessionKilled { by, message } => {
                write!(f, "this session was closed by {by}: {}", message.one_line())
            }
            Self::SessionLimit(limit) => write!(f, "a single session lasts {limit} at most"),
            Self::IdleLimit(limit) => write!(f, "nothing was typed or shown for {limit}"),
            Self::OutsideHours => {
                f.write_str("the hours in which this target may be used are over")
            }
            Self::UserDisabled => f.write_str("your user was disabled"),
            Self::SignedOut => f.write_str("what you had signed in with is no more"),
            Self::TargetGone => f.write_str("the target was disabled or removed"),
            Self::RecordingFailed => {
                f.write_str("this session must be recorded, and its recording failed")
            }
            Self::StoreLost(silence) => {
                write!(
                    f,
                    "the gateway has had no answer from its database for {silence}"
                )
            }
            Self::HandshakeTooSlow(limit) => write!(f, "signing in took longer than {limit}"),
            Self::NotLeaving => f.write_str("the connection was over and your client stayed"),
            Self::Shutdown => f.write_str("the gateway is being stopped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revoke_reads_as_a_sentence() {
        let reason = KillReason::CheckoutEnded {
            code: "7K3F".parse().unwrap(),
            reason: EndReason::Revoked,
            by: "bob".to_owned(),
            message: "maintenance is over".parse().unwrap(),
        };
        assert_eq!(
            reason.to_string(),
            "Access ended: revoked by bob: maintenance is over (check-out 7K3F)"
        );
    }
}
