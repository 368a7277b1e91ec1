//! The open channels of one connection of a person: how many there are, and what has
//! arrived for each.
//!
//! Never reads or answers anything itself. Every channel of either direction has a seat, so
//! the limit of the connection holds for all of them together.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use russh::ChannelId;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

use super::{channel::Left, inbox::Inbox, talk::Ask};

/// How long the last words on all channels may take. What is left of the grace of the leg is
/// for the disconnect.
const TELLING: Duration = Duration::from_millis(180);

#[derive(Clone)]
pub struct Channels(Arc<Inner>);

struct Inner {
    seats: Arc<Semaphore>,
    open: Mutex<HashMap<ChannelId, Arc<Inbox<Ask>>>>,
    /// How long a client may take to leave that was told, and so may go by itself.
    leave: Mutex<Option<Duration>>,
    untold: AtomicBool,
    /// How many are open.
    count: watch::Sender<usize>,
}

impl Channels {
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Inner {
            seats: Arc::new(Semaphore::new(most)),
            open: Mutex::default(),
            leave: Mutex::default(),
            untold: AtomicBool::default(),
            count: watch::Sender::default(),
        }))
    }

    /// Room for one more channel, while there is.
    pub fn seat(&self) -> Option<Seat> {
        let permit = self.0.seats.clone().try_acquire_owned().ok()?;
        Some(Seat {
            channels: self.clone(),
            _permit: permit,
        })
    }

    /// What has arrived for a channel; none where nobody sits.
    pub fn of(&self, id: ChannelId) -> Option<Arc<Inbox<Ask>>> {
        self.open().get(&id).cloned()
    }

    /// The client has confirmed a channel that was opened towards it. It may speak before
    /// whoever opened it sits.
    pub fn confirmed(&self, id: ChannelId) {
        self.enter(id);
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

    fn enter(&self, id: ChannelId) -> Arc<Inbox<Ask>> {
        let mut open = self.open();
        let asks = open.entry(id).or_default().clone();
        self.0.count.send_replace(open.len());
        asks
    }

    fn open(&self) -> MutexGuard<'_, HashMap<ChannelId, Arc<Inbox<Ask>>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for one channel. It counts before the channel is there, so that a flood of opens that
/// are still being decided has the same bound.
pub struct Seat {
    channels: Channels,
    _permit: OwnedSemaphorePermit,
}

impl Seat {
    /// From here on what the client sends on the channel is kept.
    pub fn take(self, id: ChannelId) -> Seated {
        let asks = self.channels.enter(id);
        Seated {
            seat: self,
            id,
            asks,
        }
    }
}

/// A channel that is open. Dropped, it is none any more.
pub struct Seated {
    seat: Seat,
    id: ChannelId,
    asks: Arc<Inbox<Ask>>,
}

impl Seated {
    pub fn asks(&self) -> &Arc<Inbox<Ask>> {
        &self.asks
    }

    pub fn leave(self, left: Left) {
        // First how it was left: whoever sees no channel open any more looks at that.
        let inner = &self.seat.channels.0;
        match left {
            Left::Orderly => {}
            Left::Told(leave) => {
                let mut longest = inner.leave.lock().unwrap_or_else(PoisonError::into_inner);
                *longest = (*longest).max(Some(leave));
            }
            Left::Untold => inner.untold.store(true, Ordering::Release),
        }
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        let channels = &self.seat.channels;
        let mut open = channels.open();
        open.remove(&self.id);
        channels.0.count.send_replace(open.len());
    }
}
