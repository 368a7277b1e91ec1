//! One client connection: who has been on it, and what of which session is in flight.
//!
//! Ends only what belongs to a session that was ended: requests to other targets on the same
//! connection go on, as long as the client reads.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::{body::Incoming, header::HeaderValue};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::{sessions::WebSession, unread};
use crate::{
    broker::Arrival,
    kill::{KillSwitch, Registration},
    model::{
        ids::{SessionId, UserId},
        principal::Principal,
    },
    session::Gate,
};

/// How long after the end of a session a client may take to read what is on its way to it.
/// With the connection's own grace it is what every person's leg has (P2).
const LAST_WORDS: Duration = Duration::from_millis(150);

pub struct Visit {
    pub peer: SocketAddr,
    /// The peer's address as headers tell it.
    pub address: HeaderValue,
    switch: KillSwitch,
    state: Mutex<State>,
}

struct State {
    arrival: Arrival,
    /// Who has proven who they are; the connection ends with each of them.
    present: HashMap<UserId, Registration>,
    watches: HashMap<SessionId, Watch>,
    /// What was upgraded, or is still sent, lives on beside its request.
    sockets: JoinSet<()>,
}

struct Watch {
    in_flight: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

/// Something of a session on this connection that is not over yet.
pub struct InFlight(Arc<AtomicUsize>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Visit {
    pub fn new(peer: SocketAddr, switch: KillSwitch, arrival: Arrival) -> Arc<Self> {
        let address = peer.ip().to_canonical().to_string();
        Arc::new(Self {
            peer,
            address: HeaderValue::from_str(&address).expect("an address is printable"),
            switch,
            state: Mutex::new(State {
                arrival,
                present: HashMap::new(),
                watches: HashMap::new(),
                sockets: JoinSet::new(),
            }),
        })
    }

    /// Somebody has proven who they are. The connection ends when they are disabled.
    pub fn signed_in(&self, by: &Principal, gate: &Gate) {
        let mut state = self.state();
        if !state.present.contains_key(&by.user) {
            let registration = gate.attend(by, self.switch.clone());
            state.present.insert(by.user.clone(), registration);
            state.arrival.signed_in();
        }
    }

    /// Counts one more request of a session. A client that does not read after its end is cut.
    pub fn in_flight(&self, session: &WebSession) -> InFlight {
        let mut state = self.state();
        if let Some(watch) = state.watches.get(session.id()) {
            watch.in_flight.fetch_add(1, Ordering::AcqRel);
            return InFlight(watch.in_flight.clone());
        }
        // Those of sessions that are over make room.
        state
            .watches
            .retain(|_, watch| watch.in_flight.load(Ordering::Acquire) > 0);
        let in_flight = Arc::new(AtomicUsize::new(1));
        let task = watch(
            session.switch().clone(),
            in_flight.clone(),
            self.switch.clone(),
        );
        let watch = Watch {
            in_flight: in_flight.clone(),
            _task: AbortOnDropHandle::new(tokio::spawn(task)),
        };
        state.watches.insert(session.id().clone(), watch);
        InFlight(in_flight)
    }

    /// Drives what goes on when its request was answered.
    pub fn drive(&self, socket: impl Future<Output = ()> + Send + 'static) {
        let sockets = &mut self.state().sockets;
        while sockets.try_join_next().is_some() {}
        sockets.spawn(socket);
    }

    /// Reads on what nobody reads any more, beside its answer.
    pub fn let_finish(&self, rest: Incoming) {
        // Where there is no runtime any more there is no connection either.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.drive(unread::let_finish(rest));
        }
    }

    /// Waits for what was upgraded, and for what is still read.
    pub async fn over(&self) {
        let mut sockets = std::mem::take(&mut self.state().sockets);
        while sockets.join_next().await.is_some() {}
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn watch(session: KillSwitch, in_flight: Arc<AtomicUsize>, connection: KillSwitch) {
    let reason = session.killed().await;
    tokio::time::sleep(LAST_WORDS).await;
    if in_flight.load(Ordering::Acquire) > 0 {
        connection.pull(reason);
    }
}
