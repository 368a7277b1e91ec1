//! Accepts connections: so many in all, so many that have not signed in, so many of those
//! from one address, and none of them for long.
//!
//! It never reads a byte: a connection too many is closed before its protocol begins.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{Broker, Connection};
use crate::{
    kill::{KillSwitch, Leashed},
    model::{session::KillReason, time::Span},
};

/// How long the person's leg outlives the target's, to read why it ended (P2).
pub const GRACE: Duration = Duration::from_millis(250);

/// After a failed accept, which mostly means that the process is out of descriptors.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections that have not signed in.
    pub handshakes: usize,
    /// Of those, from one address (of IPv6, one /64).
    pub handshakes_per_address: usize,
    /// All connections.
    pub connections: usize,
    /// From accept until signed in.
    pub handshake_timeout: Span,
}

/// Accepts until `stop`, then waits for the connections that are there.
///
/// Stopping cuts those that have not signed in; sessions live until their switches are
/// pulled, which is the drain's business.
pub async fn listen<B: Broker>(
    listener: TcpListener,
    broker: Arc<B>,
    limits: Limits,
    stop: CancellationToken,
) {
    let hall = Hall::new(limits);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    warn!(%error, "Connection ended by a fault");
                }
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "Connection not accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(place) = hall.enter(peer.ip()) else {
            debug!(%peer, "Connection turned away, too many");
            continue;
        };
        match connection(stream, (peer, place), B::GRACE, &hall, &stop) {
            Ok(connection) => {
                let (broker, hall) = (broker.clone(), hall.clone());
                connections.spawn(async move {
                    let _room = hall;
                    broker.serve(connection).await;
                });
            }
            Err(error) => debug!(%peer, %error, "Connection gone at once"),
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

fn connection(
    stream: TcpStream,
    (peer, place): (SocketAddr, Place),
    grace: Duration,
    hall: &Arc<Hall>,
    stop: &CancellationToken,
) -> io::Result<Connection> {
    // Keystrokes go out one by one; waiting to fill a segment is felt as lag.
    stream.set_nodelay(true)?;
    let switch = KillSwitch::new();
    let stream = Leashed::with_grace(stream, switch.clone(), grace);
    let signed_in = CancellationToken::new();
    tokio::spawn(hurry(
        switch.clone(),
        signed_in.clone(),
        hall.limits.handshake_timeout,
        stop.clone(),
    ));
    Ok(Connection {
        stream,
        peer,
        switch,
        arrival: Arrival {
            place: Some(place),
            signed_in,
        },
    })
}

/// Cuts a connection that does not sign in in time, or not before the stop.
async fn hurry(
    switch: KillSwitch,
    signed_in: CancellationToken,
    limit: Span,
    stop: CancellationToken,
) {
    tokio::select! {
        biased;
        () = signed_in.cancelled() => {}
        () = stop.cancelled() => {
            switch.pull(KillReason::Shutdown);
        }
        () = tokio::time::sleep(limit.duration()) => {
            switch.pull(KillReason::HandshakeTooSlow(limit));
        }
    }
}

/// A connection's claim on the door's limits. Dropping it says that the connection is over.
#[derive(Debug)]
pub struct Arrival {
    place: Option<Place>,
    signed_in: CancellationToken,
}

impl Arrival {
    /// They have proven who they are: the deadline is lifted, the half-open place is free.
    pub fn signed_in(&mut self) {
        self.signed_in.cancel();
        if let Some(place) = &mut self.place {
            place.leave_handshake();
        }
    }

    /// The claim of a connection that comes through this one: it counts as one more, and
    /// `hurry` gives it the time that every connection has to sign in.
    pub fn inside(
        &self,
        switch: KillSwitch,
    ) -> Option<(Self, impl Future<Output = ()> + Send + use<>)> {
        let hall = self.place.as_ref()?.hall.clone();
        let room = hall.room.clone().try_acquire_owned().ok()?;
        let limit = hall.limits.handshake_timeout;
        let signed_in = CancellationToken::new();
        let hurry = hurry(switch, signed_in.clone(), limit, CancellationToken::new());
        let place = Place {
            hall,
            half_open: None,
            _room: room,
        };
        let arrival = Self {
            place: Some(place),
            signed_in,
        };
        Some((arrival, hurry))
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.signed_in.cancel();
    }
}

/// Counts who is here.
struct Hall {
    limits: Limits,
    room: Arc<Semaphore>,
    handshakes: Mutex<Handshakes>,
}

#[derive(Default)]
struct Handshakes {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Hall {
    fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            room: Arc::new(Semaphore::new(limits.connections)),
            limits,
            handshakes: Mutex::default(),
        })
    }

    fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let room = self.room.clone().try_acquire_owned().ok()?;
        let address = network(address);
        let mut handshakes = self
            .handshakes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let from_there = handshakes.by_address.get(&address).copied().unwrap_or(0);
        if handshakes.all >= self.limits.handshakes
            || from_there >= self.limits.handshakes_per_address
        {
            return None;
        }
        handshakes.all += 1;
        handshakes.by_address.insert(address, from_there + 1);
        Some(Place {
            hall: self.clone(),
            half_open: Some(address),
            _room: room,
        })
    }
}

struct Place {
    hall: Arc<Hall>,
    half_open: Option<IpAddr>,
    _room: tokio::sync::OwnedSemaphorePermit,
}

impl Place {
    fn leave_handshake(&mut self) {
        let Some(address) = self.half_open.take() else {
            return;
        };
        let mut handshakes = self
            .hall
            .handshakes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        handshakes.all -= 1;
        if let Some(count) = handshakes.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                handshakes.by_address.remove(&address);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave_handshake();
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place")
            .field("half_open", &self.half_open)
            .finish_non_exhaustive()
    }
}

/// What counts as one address. Whoever has one address of an IPv6 network has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}
