//! What time and other nodes do to check-outs while nobody asks.
//!
//! Opens windows, lapses requests, expires grants, finds what other nodes have ended, and
//! pulls everything when the store stays silent. Never decides: it only says `Tick`.

mod others;

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub use self::others::Others;
use crate::{
    clock::{Clock, Stopwatch},
    kill::Switchboard,
    lifecycle::{Lifecycle, LifecycleError},
    model::{checkout::Command, session::KillReason, time::Span},
    store::{self, Store, StoreError, node::Node},
};

const ROUND: Duration = Duration::from_secs(1);

/// At most so many due check-outs are moved in one round; the rest in the next.
const BATCH: usize = 500;

pub struct Sweeper {
    pub store: Store,
    pub lifecycle: Lifecycle,
    pub switchboard: Switchboard,
    pub clock: Clock,
    /// This one.
    pub node: Node,
    pub others: Others,
    /// How long the store may be silent before every session ends.
    pub fail_closed_after: Duration,
}

impl Sweeper {
    /// Sweeps once a second until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut silence = Stopwatch::start();
        let mut closed = false;
        while !stop.is_cancelled() {
            let patience = self
                .fail_closed_after
                .saturating_sub(silence.elapsed())
                .max(ROUND);
            // A store that hangs is as silent as one that refuses.
            match tokio::time::timeout(patience, self.round()).await {
                Ok(Ok(())) => {
                    if closed {
                        info!("Store answers again");
                    }
                    closed = false;
                    silence = Stopwatch::start();
                }
                Ok(Err(error)) => warn!(%error, "Sweep failed"),
                Err(_) => warn!("Sweep got no answer from the store"),
            }
            // INVARIANT (P7): a bounded silence ends every session.
            if !closed && silence.elapsed() >= self.fail_closed_after {
                let reason = KillReason::StoreLost(Span::whole(self.fail_closed_after));
                let cut = self.switchboard.pull_all(reason);
                error!(cut, "Store lost, every session ended");
                closed = true;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(ROUND) => {}
            }
        }
    }

    /// One look at everything that is due.
    pub async fn round(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.show_life().await?;
        for checkout in store::checkout::due(&self.store, now, BATCH).await? {
            match self.lifecycle.command(&checkout.id, Command::Tick).await {
                // Refused: somebody ended it between the look and the tick.
                Ok(_) | Err(LifecycleError::Refused(_) | LifecycleError::NotFound) => {}
                Err(LifecycleError::Store(StoreError::Conflict)) => {}
                Err(LifecycleError::Store(error)) => return Err(error),
            }
        }
        self.cut_ended_elsewhere().await?;
        let nodes = store::node::list(&self.store).await?;
        let others = nodes.into_iter().filter(|node| node.id != self.node.id);
        for gone in self.others.silent(others.collect()) {
            self.lifecycle.close_lost(&gone).await?;
        }
        Ok(())
    }

    /// A sign of life. Who was given up meanwhile ends what others have written down as lost,
    /// and enters anew.
    async fn show_life(&mut self) -> Result<(), StoreError> {
        self.node.seen_at = self.clock.now();
        let mut tx = self.store.begin().await?;
        match store::node::heartbeat(&mut tx, &self.node.id, self.node.seen_at).await {
            Err(StoreError::Conflict) => {
                drop(tx);
                let reason = KillReason::StoreLost(Span::whole(self.fail_closed_after));
                let cut = self.switchboard.pull_all(reason);
                error!(cut, "Given up by another node, every session ended");
                let mut tx = self.store.begin().await?;
                store::node::register(&mut tx, &self.node).await?;
                tx.commit().await
            }
            Ok(()) => tx.commit().await,
            Err(error) => Err(error),
        }
    }

    /// Live streams whose check-out another node, or a transaction we lost sight of, has ended.
    async fn cut_ended_elsewhere(&self) -> Result<(), StoreError> {
        let live = self.switchboard.live_checkouts();
        for checkout in store::checkout::ended_among(&self.store, &live).await? {
            if let Some(reason) = checkout.kill_reason() {
                self.switchboard.pull_checkout(&checkout.id, reason);
            }
        }
        Ok(())
    }
}
