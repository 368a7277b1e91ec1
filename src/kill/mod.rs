//! How live byte streams are cut.
//!
//! A `KillSwitch` belongs to one connection, the `Switchboard` finds the switches of a
//! check-out, user or target, a `Leashed` stream dies with its switch. It never decides
//! that or why something ends, and never touches a row.

mod leash;
mod switchboard;
#[cfg(test)]
mod tests;

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::{
    leash::{Leashed, Meter, Stream},
    switchboard::{Registration, Switchboard},
};
use crate::{clock::Stopwatch, model::session::KillReason};

/// Ends everything that was tied to it, once, for the first reason given.
///
/// Level-triggered: whoever asks or attaches after the pull sees it as whoever waited
/// before. Clones are the same switch.
#[derive(Clone, Default)]
pub struct KillSwitch(Arc<Inner>);

#[derive(Default)]
struct Inner {
    pulled: OnceLock<(KillReason, Stopwatch)>,
    token: CancellationToken,
    lines: Mutex<Lines>,
    attached: watch::Sender<Attached>,
}

/// The sockets that hang on a switch.
#[derive(Default)]
struct Attached {
    open: usize,
    /// How long after the pull the last of them was closed.
    severed_after: Option<Duration>,
}

#[derive(Default)]
struct Lines {
    next: u64,
    live: Vec<(u64, Weak<dyn Line>)>,
}

/// What a pull cuts; `Leashed` streams of any kind stand behind it.
trait Line: Send + Sync {
    /// Called once after the pull, with no lock of this module held.
    fn pulled(self: Arc<Self>);
}

impl KillSwitch {
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts everything attached, and says whether this call was the first.
    ///
    /// When the first call returns, every line without a grace is closed, whatever its
    /// tasks were doing.
    pub fn pull(&self, reason: KillReason) -> bool {
        // INVARIANT: the reason is set before the lines are taken; `attach` looks at it
        // under the same lock. A line is either taken here or sees the reason there.
        if self.0.pulled.set((reason, Stopwatch::start())).is_err() {
            return false;
        }
        let lines = mem::take(&mut locked(&self.0.lines).live);
        for line in lines.iter().filter_map(|(_, line)| line.upgrade()) {
            line.pulled();
        }
        self.0.token.cancel();
        true
    }

    pub fn is_pulled(&self) -> bool {
        self.0.pulled.get().is_some()
    }

    pub fn reason(&self) -> Option<KillReason> {
        self.0.pulled.get().map(|(reason, _)| reason.clone())
    }

    /// Waits for the pull. Safe to drop and to call again.
    pub async fn killed(&self) -> KillReason {
        self.0.token.cancelled().await;
        self.reason()
            .expect("the reason is set before the token is cancelled")
    }

    /// Waits until the switch is pulled and its last socket is closed, and says how long
    /// after the pull that was.
    pub async fn severed(&self) -> Duration {
        self.0.token.cancelled().await;
        let mut attached = self.0.attached.subscribe();
        let gone = attached.wait_for(|attached| attached.open == 0).await;
        gone.expect("the switch holds the sender")
            .severed_after
            .unwrap_or_default()
    }

    /// How long ago it was pulled.
    pub fn pulled_for(&self) -> Option<Duration> {
        self.0.pulled.get().map(|(_, since)| since.elapsed())
    }

    /// Ties a line to this switch. A switch already pulled pulls the line at once.
    fn attach(&self, line: Arc<dyn Line>) -> Attachment {
        self.0.attached.send_modify(|attached| attached.open += 1);
        let mut lines = locked(&self.0.lines);
        let key = lines.next;
        lines.next += 1;
        if self.is_pulled() {
            drop(lines);
            line.pulled();
        } else {
            lines.live.push((key, Arc::downgrade(&line)));
        }
        Attachment {
            switch: self.clone(),
            key,
        }
    }
}

impl fmt::Debug for KillSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KillSwitch").field(&self.reason()).finish()
    }
}

/// Held by a line for as long as its socket is open.
struct Attachment {
    switch: KillSwitch,
    key: u64,
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let mut lines = locked(&self.switch.0.lines);
        if let Some(index) = lines.live.iter().position(|(key, _)| *key == self.key) {
            lines.live.swap_remove(index);
        }
        drop(lines);
        let severed_after = self.switch.pulled_for();
        self.switch.0.attached.send_modify(|attached| {
            attached.open -= 1;
            attached.severed_after = severed_after;
        });
    }
}

/// A panic elsewhere must not keep the kill from working: what these locks guard is whole
/// at every step.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
