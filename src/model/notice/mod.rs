//! What people are told of check-outs: which events there are, and whom each concerns.
//!
//! A pure function of a decision's before and after. Never holds a secret, never knows how or
//! where a notice is sent.

mod channel;
mod words;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use self::{
    channel::{
        Channel, ChannelKind, ChannelName, Email, Hook, HookUrl, NotAChannel, NotAHookUrl,
        NotAKind, Place, Scope, Security, Subject, Subscription,
    },
    words::{Words, words},
};
use super::{
    checkout::{Checkout, EndReason, State},
    ids::{ChannelId, CheckoutId, Code, DeliveryId, NoticeId, UserId},
    name::{AccountName, TargetName, UserName},
    text::Text,
    ticket::TicketRef,
    time::{Span, Timestamp},
};

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident $text:literal)*) => {
        /// Something that people are told of.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Event {
            $($(#[$doc])* $name,)*
        }

        impl Event {
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

events! {
    /// Somebody asks, and these people may answer now.
    Requested "requested"
    /// The answer was handed over to somebody else.
    HandedOver "handed-over"
    Approved "approved"
    /// Given without having been asked for.
    Granted "granted"
    /// The window that was approved has begun.
    Opened "opened"
    Denied "denied"
    Cancelled "cancelled"
    /// Nobody answered in time.
    Lapsed "lapsed"
    ExtensionRequested "extension-requested"
    Extended "extended"
    ExtensionDenied "extension-denied"
    /// It ends in a few minutes.
    EndingSoon "ending-soon"
    Expired "expired"
    CheckedIn "checked-in"
    Revoked "revoked"
    /// An admin tries a channel.
    Test "test"
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not an event: requested, approved, denied, revoked and so on are expected")]
pub struct NotAnEvent;

impl FromStr for Event {
    type Err = NotAnEvent;
    fn from_str(text: &str) -> Result<Self, NotAnEvent> {
        let mut all = Self::ALL.iter().copied();
        all.find(|event| event.as_str() == text).ok_or(NotAnEvent)
    }
}

/// Whom an event concerns by itself, before anybody subscribes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concerned {
    /// Everybody who may answer now.
    Approvers,
    Requester,
    /// Whoever subscribed, and nobody else.
    Nobody,
}

impl Event {
    pub fn concerned(self) -> Concerned {
        match self {
            Self::Requested | Self::HandedOver | Self::ExtensionRequested => Concerned::Approvers,
            Self::Approved
            | Self::Granted
            | Self::Opened
            | Self::Denied
            | Self::Lapsed
            | Self::Extended
            | Self::ExtensionDenied
            | Self::EndingSoon
            | Self::Expired
            | Self::CheckedIn
            | Self::Revoked => Concerned::Requester,
            Self::Cancelled | Self::Test => Concerned::Nobody,
        }
    }
}

/// What is to be told, as it was when it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub id: NoticeId,
    pub event: Event,
    pub at: Timestamp,
    /// The same for the same thing, however often it is found: told once.
    pub key: String,
    pub facts: Facts,
}

/// What a message may say. Nothing of it is a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// None where an admin tries a channel.
    pub checkout: Option<CheckoutId>,
    pub code: Option<Code>,
    pub requester: Option<UserName>,
    pub target: Option<TargetName>,
    pub account: Option<AccountName>,
    pub reason: Text,
    pub ticket: Option<TicketRef>,
    /// For how long it was asked for, or with an extension how much longer.
    pub duration: Option<Span>,
    pub starts_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
    /// A user's name, or `the gateway`.
    pub by: Option<String>,
    /// What they wrote.
    pub message: Text,
    /// Who did it: nobody is told of what they did themselves.
    #[serde(default)]
    pub actor: Option<UserId>,
}

impl Notice {
    /// Which event a decision is, if it is one that people are told of.
    pub fn event_of(before: Option<&Checkout>, after: &Checkout) -> Option<Event> {
        let Some(before) = before else {
            return match (&after.state, &after.granted_by) {
                (State::Requested, _) => Some(Event::Requested),
                (_, Some(_)) => Some(Event::Granted),
                (_, None) => Some(Event::Approved),
            };
        };
        match (&before.state, &after.state) {
            (_, State::Ended { end, .. }) => Some(match end.reason {
                EndReason::Denied => Event::Denied,
                EndReason::Cancelled => Event::Cancelled,
                EndReason::Lapsed => Event::Lapsed,
                EndReason::CheckedIn => Event::CheckedIn,
                EndReason::Revoked => Event::Revoked,
                EndReason::Expired => Event::Expired,
            }),
            (State::Requested, State::Requested) if before.approver != after.approver => {
                Some(Event::HandedOver)
            }
            // The next stage has others to ask.
            (State::Requested, State::Requested) => {
                (before.asked_stage() != after.asked_stage()).then_some(Event::Requested)
            }
            (State::Requested, _) => Some(Event::Approved),
            (State::Approved { .. }, State::Active { .. }) => Some(Event::Opened),
            (State::Active { grant: was }, State::Active { grant: is }) => {
                match (&before.extension, &after.extension) {
                    _ if was != is => Some(Event::Extended),
                    (None, Some(_)) => Some(Event::ExtensionRequested),
                    (Some(_), None) => Some(Event::ExtensionDenied),
                    (Some(_), Some(_)) => (before.asked_stage() != after.asked_stage())
                        .then_some(Event::ExtensionRequested),
                    (None, None) => None,
                }
            }
            _ => None,
        }
    }

    /// Of a decision: what is told, if anything is. `by` and `message` are whose decision it
    /// was and what they wrote.
    pub fn of(
        id: NoticeId,
        before: Option<&Checkout>,
        after: &Checkout,
        actor: Option<(&UserId, &UserName)>,
        message: &Text,
        at: Timestamp,
    ) -> Option<Self> {
        let event = Self::event_of(before, after)?;
        let key = format!("{}:{}:{event}", after.id, after.version);
        let mut facts = Facts::of(after);
        if let Some((user, name)) = actor {
            facts.by = Some(name.to_string());
            facts.actor = Some(user.clone());
        } else {
            facts.by = after.end().map(|end| end.by.clone());
        }
        facts.message = message.clone();
        // An extension that was answered is gone from the check-out; what was asked is not.
        if let Some(extension) = before.and_then(|before| before.extension.as_ref()) {
            facts.duration = Some(extension.duration);
        }
        Some(Self {
            id,
            event,
            at,
            key,
            facts,
        })
    }

    /// That a check-out will end soon; once for each end that it has had.
    pub fn ending_soon(id: NoticeId, checkout: &Checkout, at: Timestamp) -> Self {
        let facts = Facts::of(checkout);
        let ends = facts.ends_at.unwrap_or(at).millis();
        Self {
            id,
            event: Event::EndingSoon,
            at,
            key: format!("{}:{}:{ends}", checkout.id, Event::EndingSoon),
            facts,
        }
    }

    /// An admin tries a channel.
    pub fn test(id: NoticeId, by: (&UserId, &UserName), at: Timestamp) -> Self {
        let (_, name) = by;
        Self {
            event: Event::Test,
            at,
            key: format!("{id}:{}", Event::Test),
            id,
            facts: Facts {
                checkout: None,
                code: None,
                requester: None,
                target: None,
                account: None,
                reason: Text::default(),
                ticket: None,
                duration: None,
                starts_at: None,
                ends_at: None,
                by: Some(name.to_string()),
                message: Text::default(),
                actor: None,
            },
        }
    }
}

impl Facts {
    fn of(checkout: &Checkout) -> Self {
        let grant = checkout.grant();
        let extension = checkout.extension.as_ref();
        Self {
            checkout: Some(checkout.id.clone()),
            code: Some(checkout.code.clone()),
            requester: Some(checkout.requester_name.clone()),
            target: Some(checkout.target_name.clone()),
            account: Some(checkout.account_name.clone()),
            reason: extension.map_or(&checkout.reason, |it| &it.reason).clone(),
            ticket: checkout.ticket.clone(),
            duration: Some(extension.map_or(checkout.duration, |it| it.duration)),
            starts_at: grant.map(|grant| grant.starts_at),
            ends_at: grant.map(|grant| grant.ends_at),
            by: None,
            message: Text::default(),
            actor: None,
        }
    }
}

/// One notice on its way to one place: the outbox's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Delivery {
    pub id: DeliveryId,
    pub notice: NoticeId,
    pub channel: ChannelId,
    pub channel_name: ChannelName,
    pub event: Event,
    pub code: Option<Code>,
    /// The mail address; of a channel with one place only it is empty.
    pub recipient: String,
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    pub created_at: Timestamp,
    /// When it is tried next, while it waits.
    pub due_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// Why the last try failed, in a sentence.
    pub error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryState {
    Waiting,
    Delivered,
    /// Given up: it is tried again when an admin says so.
    Dead,
}

impl DeliveryState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not the state of a delivery: waiting, delivered or dead is expected")]
pub struct NotADeliveryState;

impl FromStr for DeliveryState {
    type Err = NotADeliveryState;
    fn from_str(text: &str) -> Result<Self, NotADeliveryState> {
        [Self::Waiting, Self::Delivered, Self::Dead]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(NotADeliveryState)
    }
}

/// How long until the next try after so many, none once there were enough: about a day in all.
pub fn pause_after(attempts: u32) -> Option<Span> {
    const PAUSES: [u64; 12] = [
        5, 15, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 14_400, 21_600, 21_600,
    ];
    let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    PAUSES.get(index).copied().map(Span::seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_read_back() {
        for event in Event::ALL {
            assert_eq!(event.as_str().parse(), Ok(*event));
            let json = serde_json::to_value(event).unwrap();
            assert_eq!(json, event.as_str());
        }
    }

    #[test]
    fn a_dead_channel_is_tried_for_about_a_day_and_then_no_more() {
        let mut attempts = 1;
        let mut whole = 0;
        while let Some(pause) = pause_after(attempts) {
            whole += pause.as_secs();
            attempts += 1;
        }
        assert!((20 * 3_600..28 * 3_600).contains(&whole), "{whole}");
        assert_eq!(pause_after(0), Some(Span::seconds(5)));
        assert_eq!(pause_after(u32::MAX), None);
    }
}
