//! Whether the store still answers, and which live streams it says have ended.
//!
//! Only reads, so that no queue of writers stands before it: a busy store is not a lost one.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::ROUND;
use crate::{
    clock::Stopwatch,
    kill::Switchboard,
    model::{session::KillReason, time::Span},
    store::{self, Store, StoreError},
};

pub struct Watch {
    pub store: Store,
    pub switchboard: Switchboard,
    /// How long the store may be silent before every session ends.
    pub fail_closed_after: Duration,
}

impl Watch {
    /// Looks once a second until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut silence = Stopwatch::start();
        let mut closed = false;
        while !stop.is_cancelled() {
            let patience = self
                .fail_closed_after
                .saturating_sub(silence.elapsed())
                .max(ROUND);
            // A store that hangs is as silent as one that refuses.
            match tokio::time::timeout(patience, self.look()).await {
                Ok(Ok(())) => {
                    if closed {
                        info!("Store answers again");
                    }
                    closed = false;
                    silence = Stopwatch::start();
                }
                Ok(Err(error)) => warn!(%error, "Store not read"),
                Err(_) => warn!("Store gave no answer"),
            }
            // INVARIANT (P7): a bounded silence ends every session.
            if !closed && silence.elapsed() >= self.fail_closed_after {
                let reason = KillReason::StoreLost(Span::whole(self.fail_closed_after));
                let cut = self.switchboard.pull_all(reason);
                error!(cut, "Store lost, every session ended");
                closed = true;
            }
            stop.run_until_cancelled(tokio::time::sleep(ROUND)).await;
        }
    }

    /// Cuts live streams whose check-out another node, or a transaction we lost sight of, has
    /// ended.
    async fn look(&self) -> Result<(), StoreError> {
        // Asked also when nothing is live: the answer says that there is one.
        self.store.ping().await?;
        let live = self.switchboard.live_checkouts();
        for checkout in store::checkout::ended_among(&self.store, &live).await? {
            if let Some(reason) = checkout.kill_reason() {
                self.switchboard.pull_checkout(&checkout.id, reason);
            }
        }
        Ok(())
    }
}
