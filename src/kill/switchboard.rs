//! Which live sessions a check-out, a user or a target has.
//!
//! Finds the switches that a decision made elsewhere has to pull. It knows nothing of
//! sessions on other nodes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use tokio::sync::watch;

use super::{KillSwitch, locked};
use crate::model::{
    ids::{CheckoutId, SessionId, TargetId, UserId},
    session::KillReason,
};

/// The live sessions of this process; clones share it.
#[derive(Clone, Default)]
pub struct Switchboard(Arc<Board>);

#[derive(Default)]
struct Board {
    entries: Mutex<Entries>,
    live: watch::Sender<usize>,
}

#[derive(Default)]
struct Entries {
    next: u64,
    live: BTreeMap<u64, Entry>,
    /// Who is connected and in no session: they end with their user and with the process.
    present: BTreeMap<u64, (UserId, KillSwitch)>,
    /// Set once the process stops: nothing registers alive any more.
    closed: Option<KillReason>,
}

struct Entry {
    checkout: CheckoutId,
    user: UserId,
    target: TargetId,
    session: SessionId,
    switch: KillSwitch,
}

impl Switchboard {
    pub fn new() -> Self {
        Self::default()
    }

    /// From here on the pulls below reach `switch`, until the registration is dropped.
    ///
    /// A decision taken before is not seen: read the state again after registering.
    pub fn register(
        &self,
        checkout: CheckoutId,
        user: UserId,
        target: TargetId,
        session: SessionId,
        switch: KillSwitch,
    ) -> Registration {
        let mut entries = locked(&self.0.entries);
        let closed = entries.closed.clone();
        let key = entries.next;
        entries.next += 1;
        let entry = Entry {
            checkout,
            user,
            target,
            session,
            switch: switch.clone(),
        };
        entries.live.insert(key, entry);
        self.0.live.send_replace(entries.live.len());
        drop(entries);
        if let Some(reason) = closed {
            switch.pull(reason);
        }
        Registration {
            board: self.0.clone(),
            key,
        }
    }

    /// Reaches a connection that is in no session: it ends with its user and with the process,
    /// and no drain waits for it.
    pub fn attend(&self, user: UserId, switch: KillSwitch) -> Registration {
        let mut entries = locked(&self.0.entries);
        let closed = entries.closed.clone();
        let key = entries.next;
        entries.next += 1;
        entries.present.insert(key, (user, switch.clone()));
        drop(entries);
        if let Some(reason) = closed {
            switch.pull(reason);
        }
        Registration {
            board: self.0.clone(),
            key,
        }
    }

    /// Ends every session of a check-out here, and says how many were still alive.
    pub fn pull_checkout(&self, checkout: &CheckoutId, reason: KillReason) -> usize {
        self.pull(reason, |entry| entry.checkout == *checkout)
    }

    pub fn pull_session(&self, session: &SessionId, reason: KillReason) -> usize {
        self.pull(reason, |entry| entry.session == *session)
    }

    pub fn pull_user(&self, user: &UserId, reason: KillReason) -> usize {
        self.pull_present(&reason, |present| present == user);
        self.pull(reason, |entry| entry.user == *user)
    }

    pub fn pull_target(&self, target: &TargetId, reason: KillReason) -> usize {
        self.pull(reason, |entry| entry.target == *target)
    }

    pub fn pull_all(&self, reason: KillReason) -> usize {
        self.pull_present(&reason, |_| true);
        self.pull(reason, |_| true)
    }

    /// Ends every session, and every one that registers from now on: the process stops.
    pub fn close(&self, reason: KillReason) -> usize {
        locked(&self.0.entries).closed.get_or_insert(reason.clone());
        self.pull_all(reason)
    }

    /// The check-outs with live sessions here, each once.
    pub fn live_checkouts(&self) -> Vec<CheckoutId> {
        let entries = locked(&self.0.entries);
        let checkouts: BTreeSet<_> = entries.live.values().map(|entry| &entry.checkout).collect();
        checkouts.into_iter().cloned().collect()
    }

    /// Whether it runs here, and not on another node.
    pub fn has_session(&self, session: &SessionId) -> bool {
        let entries = locked(&self.0.entries);
        entries.live.values().any(|entry| entry.session == *session)
    }

    pub fn live_sessions(&self, checkout: &CheckoutId) -> usize {
        let entries = locked(&self.0.entries);
        entries
            .live
            .values()
            .filter(|entry| entry.checkout == *checkout)
            .count()
    }

    /// Waits until no session is registered.
    pub async fn drained(&self) {
        let mut live = self.0.live.subscribe();
        live.wait_for(|count| *count == 0)
            .await
            .expect("the switchboard holds the sender");
    }

    fn pull_present(&self, reason: &KillReason, which: impl Fn(&UserId) -> bool) {
        let switches: Vec<KillSwitch> = {
            let entries = locked(&self.0.entries);
            let concerned = entries.present.values().filter(|(user, _)| which(user));
            concerned.map(|(_, switch)| switch.clone()).collect()
        };
        for switch in switches {
            switch.pull(reason.clone());
        }
    }

    fn pull(&self, reason: KillReason, which: impl Fn(&Entry) -> bool) -> usize {
        // Collected first: a pull closes sockets, and their owners deregister.
        let switches: Vec<KillSwitch> = {
            let entries = locked(&self.0.entries);
            let concerned = entries.live.values().filter(|entry| which(entry));
            concerned.map(|entry| entry.switch.clone()).collect()
        };
        switches
            .iter()
            .filter(|switch| switch.pull(reason.clone()))
            .count()
    }
}

/// Keeps a session on the switchboard; dropped with the session.
#[must_use = "dropping it takes the session off the switchboard"]
pub struct Registration {
    board: Arc<Board>,
    key: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut entries = locked(&self.board.entries);
        entries.present.remove(&self.key);
        entries.live.remove(&self.key);
        // Sent under the lock, so that the counts arrive in the order they were true.
        self.board.live.send_replace(entries.live.len());
    }
}
