//! What time and other nodes do to check-outs while nobody asks.
//!
//! Opens windows, lapses requests, expires grants, ends what has lost its user or target,
//! and gives up nodes that are gone. Beside it, what other nodes have ended is cut, and
//! everything when the store stays silent. Never decides: it only says `Tick`.

mod others;
mod watch;

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

pub use self::others::Others;
use self::watch::Watch;
use crate::{
    clock::Clock,
    kill::Switchboard,
    lifecycle::{Lifecycle, LifecycleError},
    model::{checkout::Command, session::KillReason, time::Span},
    store::{self, Store, StoreError, node::Node},
};

const ROUND: Duration = Duration::from_secs(1);

/// At most so many due check-outs are moved in one round; the rest in the next.
const BATCH: usize = 100;

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
    /// Sweeps and watches, each once a second, until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let watch = Watch {
            store: self.store.clone(),
            switchboard: self.switchboard.clone(),
            fail_closed_after: self.fail_closed_after,
        };
        let sweeping = async {
            while !stop.is_cancelled() {
                if let Err(error) = self.round().await {
                    warn!(%error, "Sweep failed");
                }
                stop.run_until_cancelled(tokio::time::sleep(ROUND)).await;
            }
        };
        tokio::join!(watch.run(stop.clone()), sweeping);
    }

    /// One look at everything that is due.
    pub async fn round(&mut self) -> Result<(), LifecycleError> {
        self.show_life().await?;
        let now = self.clock.now();
        for checkout in store::checkout::due(&self.store, now, BATCH).await? {
            match self.lifecycle.command(&checkout.id, Command::Tick).await {
                // Refused: somebody ended it between the look and the tick.
                Ok(_) | Err(LifecycleError::Refused(_) | LifecycleError::NotFound) => {}
                Err(LifecycleError::Store(StoreError::Conflict)) => {}
                Err(error) => return Err(error),
            }
        }
        self.lifecycle.withdraw_orphans().await?;
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
}
