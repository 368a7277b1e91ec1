//! Closing one session while its check-out lives on.

use super::{Lifecycle, LifecycleError};
use crate::{
    model::{
        audit::{Actor, AuditEvent},
        principal::{Principal, Scope},
        refusal::Refusal,
        session::{KillReason, SessionRow},
        text::Text,
    },
    store,
};

impl Lifecycle {
    /// Closes a session of this node: for its holder, and for whoever could end its check-out.
    ///
    /// Runs to its end also when nobody waits for it any more, as every command does.
    pub async fn kill_session(
        &self,
        by: &Principal,
        session: &SessionRow,
        message: Text,
    ) -> Result<(), LifecycleError> {
        let (lifecycle, by, session) = (self.clone(), by.clone(), session.clone());
        let decided = tokio::spawn(async move { lifecycle.kill(&by, &session, message).await });
        match decided.await {
            Ok(decided) => decided,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    async fn kill(
        &self,
        by: &Principal,
        session: &SessionRow,
        message: Text,
    ) -> Result<(), LifecycleError> {
        let Self(inner) = self;
        let found = store::found(store::checkout::by_id(&inner.store, &session.checkout).await)?;
        let checkout = found.ok_or(LifecycleError::NotFound)?;
        let own = session.user == by.user && by.may(Scope::Request);
        let verdict = if !own && !checkout.may_end(by) {
            Err(Refusal::NotYours)
        } else if session.closed_at.is_some() {
            Err(Refusal::SessionClosed)
        } else if !inner.switchboard.has_session(&session.id) {
            Err(Refusal::SessionElsewhere)
        } else {
            Ok(())
        };
        let about = |event: AuditEvent| event.about_checkout(&checkout).about_session(&session.id);
        let now = inner.clock.now();
        if let Err(refusal) = verdict {
            let event = AuditEvent::refused(now, "session.kill", Actor::from(by), &refusal);
            self.note(&about(event)).await;
            return Err(refusal.into());
        }
        let reason = KillReason::SessionKilled {
            by: by.name.to_string(),
            message,
        };
        let event = AuditEvent::done(now, "session.kill", Actor::from(by), reason.to_string());
        self.try_note(&about(event)).await?;
        inner.switchboard.pull_session(&session.id, reason);
        Ok(())
    }
}
