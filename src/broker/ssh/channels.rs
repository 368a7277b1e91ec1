//! The open channels of one connection: which there are, and how they were left.
//!
//! Bounded, and what a client that is sent away is waited for. Carries no byte itself.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use russh::ChannelId;
use tokio::{sync::watch, time::timeout};

use super::{channel::Left, inbox::Inbox, talk::Ask};

/// How long the last words on all channels may take. What is left of the grace of the leg is
/// for the disconnect.
const TELLING: Duration = Duration::from_millis(100);

/// The open channels of a connection.
#[derive(Clone, Default)]
pub struct Channels(Arc<Inner>);

#[derive(Default)]
struct Inner {
    open: Mutex<HashMap<ChannelId, Arc<Inbox<Ask>>>>,
    /// How long a client may take to leave that was told, and so may go by itself.
    leave: Mutex<Option<Duration>>,
    untold: AtomicBool,
    /// How many are open.
    count: watch::Sender<usize>,
}

impl Channels {
    pub fn enter(&self, id: ChannelId, most: usize) -> Option<Arc<Inbox<Ask>>> {
        let mut open = self.open();
        if open.len() >= most {
            return None;
        }
        let asks = Arc::new(Inbox::default());
        open.insert(id, asks.clone());
        self.0.count.send_replace(open.len());
        Some(asks)
    }

    pub fn of(&self, id: ChannelId) -> Option<Arc<Inbox<Ask>>> {
        self.open().get(&id).cloned()
    }

    pub fn leave(&self, id: ChannelId, left: Left) {
        // First how it was left: whoever sees no channel open any more looks at that.
        match left {
            Left::Orderly => {}
            Left::Told(leave) => {
                let mut longest = self.0.leave.lock().unwrap_or_else(PoisonError::into_inner);
                *longest = (*longest).max(Some(leave));
            }
            Left::Untold => self.0.untold.store(true, Ordering::Release),
        }
        let mut open = self.open();
        open.remove(&id);
        self.0.count.send_replace(open.len());
    }

    /// After a cut: waits until the client had its chance to read why and to leave by
    /// itself. One that was told on no channel, or not on each, has none to wait for.
    pub async fn told_or_untold(&self) {
        let told = async {
            self.settle(|count| count == 0).await;
            *self.0.leave.lock().unwrap_or_else(PoisonError::into_inner)
        };
        let leave = timeout(TELLING, told).await.ok().flatten();
        if let Some(leave) = leave.filter(|_| !self.0.untold.load(Ordering::Acquire)) {
            tokio::time::sleep(leave).await;
        }
    }

    /// Waits until no channel has been open for so long.
    pub async fn deserted(&self, length: Duration) {
        while timeout(length, self.settle(|count| count > 0))
            .await
            .is_ok()
        {
            self.settle(|count| count == 0).await;
        }
    }

    async fn settle(&self, so: impl Fn(usize) -> bool) {
        let mut count = self.0.count.subscribe();
        let seen = count.wait_for(|count| so(*count)).await;
        seen.expect("the sender is held here");
    }

    fn open(&self) -> MutexGuard<'_, HashMap<ChannelId, Arc<Inbox<Ask>>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
