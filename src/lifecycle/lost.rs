//! Writing down as lost what a gateway left open that is gone.

use tracing::info;

use super::Lifecycle;
use crate::{
    audit,
    model::{
        audit::{Actor, AuditEvent},
        session::Outcome,
    },
    store::{self, StoreError, node::Node},
};

impl Lifecycle {
    /// Strikes a node and closes its sessions. Of several that try, one does.
    pub async fn close_lost(&self, gone: &Node) -> Result<(), StoreError> {
        let Self(inner) = self;
        let now = inner.clock.now();
        let mut tx = inner.store.begin().await?;
        match store::node::strike(&mut tx, &gone.id).await {
            Ok(()) => {}
            // Another node was faster and has closed them.
            Err(StoreError::Conflict) => return Ok(()),
            Err(error) => return Err(error),
        }
        let lost = store::session::close_lost(&mut tx, &gone.id, now).await?;
        for session in &lost {
            let event = AuditEvent::done(
                now,
                "session.close",
                Actor::Gateway,
                Outcome::Lost.to_string(),
            );
            audit::append(&mut tx, &event.about_row(session)).await?;
        }
        tx.commit().await?;
        info!(node = %gone.id, name = gone.name, sessions = lost.len(), "Closed what a gateway left open that is gone");
        Ok(())
    }
}
