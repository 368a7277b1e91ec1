//! Somebody who proved who they are some time ago and goes on from there.
//!
//! Looks again at what may have changed since. It opens nothing: that is the gate's to decide.

use std::net::SocketAddr;

use super::{Gate, gate::lost};
use crate::{
    model::{
        audit::{Actor, AuditEvent},
        name::{AccountName, TargetName},
        principal::Principal,
        refusal::Refusal,
    },
    store,
};

impl Gate {
    /// The same person with the rights they have now; nobody who was disabled since.
    pub async fn as_of_now(&self, by: &Principal) -> Result<Principal, Refusal> {
        let found = store::user::by_id(&self.0.parts.store, &by.user).await;
        let user = store::found(found).map_err(lost)?;
        let user = user.filter(|user| !user.disabled);
        let user = user.ok_or(Refusal::UserDisabled)?;
        Ok(user.scoped_principal(by.proof.clone(), by.scopes.clone()))
    }

    /// Whether this is an account on that target which they hold a check-out of or may ask for.
    pub async fn may_name(
        &self,
        by: &Principal,
        target: &TargetName,
        account: &AccountName,
    ) -> Result<bool, Refusal> {
        let store = &self.0.parts.store;
        let open = store::checkout::open_of_user(store, &by.user)
            .await
            .map_err(lost)?;
        let held = open
            .iter()
            .any(|held| held.target_name == *target && held.account_name == *account);
        if held {
            return Ok(true);
        }
        let place = store::place::find(store, target, Some(account), by).await;
        Ok(place.map_err(lost)?.is_ok_and(|place| place.may_ask(by)))
    }

    /// Has the auditor told of something refused to somebody who is in no session.
    pub async fn audit_refused(
        &self,
        by: &Principal,
        peer: SocketAddr,
        kind: &str,
        refusal: &Refusal,
    ) {
        let event = AuditEvent::refused(self.now(), kind, Actor::from(by), refusal)
            .about_user(&by.user)
            .with(serde_json::json!({ "peer": peer.to_string() }));
        self.note(event).await;
    }
}
