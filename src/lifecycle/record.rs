//! What the audit log says of a decision, and of a refusal.
//!
//! A decision's event is written in the decision's transaction; a refusal's stands alone.

use serde_json::json;
use tracing::warn;

use super::{Lifecycle, LifecycleError};
use crate::{
    audit,
    model::{
        audit::{Actor, AuditEvent},
        checkout::{Checkout, Command, State},
        ids::{NoticeId, TargetId},
        notice::Notice,
        principal::Principal,
        refusal::Refusal,
        text::Text,
        time::Timestamp,
    },
    store::StoreError,
    vault::entropy,
};

impl Lifecycle {
    /// Writes an event that stands alone. A refusal stays a refusal when it cannot be noted.
    pub async fn note(&self, event: &AuditEvent) {
        if let Err(error) = self.try_note(event).await {
            warn!(kind = event.kind, %error, "Audit event not written");
        }
    }

    pub async fn try_note(&self, event: &AuditEvent) -> Result<(), StoreError> {
        let mut tx = self.0.store.begin().await?;
        audit::append(&mut tx, event).await?;
        tx.commit().await
    }

    pub(super) async fn refused(
        &self,
        checkout: &Checkout,
        command: &Command,
        refusal: Refusal,
    ) -> LifecycleError {
        // Time that is not over yet and an auto check-in that does not apply are no news, and
        // a window that waits for its exclusive account is asked about every second.
        let is_news = refusal != Refusal::NothingDue && !matches!(command, Command::Tick);
        if is_news {
            let actor = command.by().map_or(Actor::Gateway, Actor::from);
            let kind = format!("checkout.{}", command.verb());
            let event = AuditEvent::refused(self.0.clock.now(), &kind, actor, &refusal)
                .about_checkout(checkout);
            self.note(&event).await;
        }
        refusal.into()
    }

    pub(super) async fn audit_refusal<T>(
        &self,
        kind: &str,
        by: &Principal,
        target: Option<&TargetId>,
        result: Result<T, LifecycleError>,
        wanted: &str,
    ) -> Result<T, LifecycleError> {
        if let Err(LifecycleError::Refused(refusal)) = &result {
            let mut event = AuditEvent::refused(self.0.clock.now(), kind, Actor::from(by), refusal)
                .with(json!({ "target": Text::ours(wanted) }));
            event.target = target.cloned();
            self.note(&event).await;
        }
        result
    }
}

pub(super) fn event_of(
    before: &Checkout,
    after: &Checkout,
    command: &Command,
    now: Timestamp,
) -> AuditEvent {
    let actor = command.by().map_or(Actor::Gateway, Actor::from);
    let by = command.by().map_or("the gateway", |by| by.name.as_str());
    let kind = match (command, &after.state) {
        (Command::Tick, State::Ended { end, .. }) => format!("checkout.{}", end.reason.as_str()),
        (Command::Tick, _) => "checkout.open".to_owned(),
        _ => format!("checkout.{}", command.verb()),
    };
    let message = match (&before.state, &after.state) {
        (_, State::Ended { end, .. }) if end.message.is_empty() => {
            format!("{} by {by}", end.reason.past_tense())
        }
        (_, State::Ended { end, .. }) => {
            format!("{} by {by}: {}", end.reason.past_tense(), end.message)
        }
        (State::Active { grant: was }, State::Active { grant: is }) if was != is => {
            format!("extended to {} by {by}", is.ends_at)
        }
        (_, State::Active { grant }) => {
            format!("{} by {by}, active until {}", done(command), grant.ends_at)
        }
        (_, State::Approved { grant }) => {
            format!("{} by {by}, opens at {}", done(command), grant.starts_at)
        }
        (_, State::Requested) => format!("{} by {by}", done(command)),
    };
    AuditEvent::done(now, &kind, actor, message)
        .about_checkout(after)
        .with(facts(after))
}

/// What people are told of a decision: written with it, and sent by whoever comes to it.
pub(super) fn notice_of(
    before: &Checkout,
    after: &Checkout,
    command: &Command,
    now: Timestamp,
) -> Option<Notice> {
    let id = NoticeId::new(now, entropy());
    let actor = command.by().map(|by| (&by.user, &by.name));
    Notice::of(id, Some(before), after, actor, &command.message(), now)
}

/// What an auditor wants to see beside the sentence.
pub(super) fn facts(checkout: &Checkout) -> serde_json::Value {
    json!({
        "code": checkout.code,
        "state": checkout.state.as_str(),
        "requester": checkout.requester_name,
        "target": checkout.target_name,
        "account": checkout.account_name,
        "policy": checkout.policy,
        "reason": checkout.reason,
        "ticket": checkout.ticket,
        "duration": checkout.duration,
        "grant": checkout.grant(),
        "votes": checkout.votes,
    })
}

/// The verb as something that has happened.
fn done(command: &Command) -> &'static str {
    match command {
        Command::Approve { .. } => "approved",
        Command::Deny { .. } => "extension denied",
        Command::Cancel { .. } => "cancelled",
        Command::Assign { .. } => "handed over",
        Command::Extend { .. } => "more time asked for",
        Command::CheckIn { .. } | Command::LastSessionClosed => "checked in",
        Command::Revoke { .. } | Command::Withdraw { .. } => "revoked",
        Command::Tick => "opened",
    }
}
