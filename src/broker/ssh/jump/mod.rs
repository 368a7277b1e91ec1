//! `ssh -J gateway target`: the SSH connection inside a channel of another one.
//!
//! The gateway ends it here, under the target's name, and everything after that is as at the
//! front door: the same admission, the same relays, a switch of its own. The bytes of the
//! channel go to our own server and never anywhere else.

mod guest;
mod stream;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{io::DuplexStream, time::timeout};
use tracing::debug;

pub use self::guest::Guest;
use super::{
    SshBroker,
    channel::Left,
    inbox::{Inbox, Item},
    person::PersonChannel,
    read_ahead::ReadAhead,
    server::FromPerson,
    talk::{Ask, Tell},
};
use crate::{
    broker::{Arrival, GRACE},
    kill::{KillSwitch, Leashed},
};

/// What lies between the channel and our server, each way.
const PIPE: usize = 64 * 1024;

/// How long after its grace a killed connection may take to be gone from the client, too.
const SPARE: Duration = Duration::from_millis(250);

/// How long a client may take to leave the outer connection once the inner one has ended.
const LEAVE: Duration = Duration::from_millis(10);

pub struct Jump {
    pub broker: SshBroker,
    pub guest: Guest,
    pub peer: SocketAddr,
    pub person: PersonChannel,
    pub asks: Arc<Inbox<Ask>>,
    /// Of the connection that it goes through.
    pub outer: KillSwitch,
    /// Of the connection inside.
    pub switch: KillSwitch,
    pub arrival: Arrival,
}

impl Jump {
    pub async fn serve(self) -> Left {
        let (near, far) = tokio::io::duplex(PIPE);
        let near = Leashed::with_grace(near, self.switch.clone(), GRACE);
        let (person, asks) = (&self.person, &self.asks);
        let (outer, switch) = (&self.outer, &self.switch);
        let carried = async {
            let over = async {
                tokio::select! {
                    reason = outer.killed() => drop(switch.pull(reason)),
                    _ = switch.killed() => {}
                }
                tokio::time::sleep(GRACE + SPARE).await;
            };
            tokio::select! {
                biased;
                // The client takes nothing any more.
                () = over => {}
                () = stream::join(person, asks, far) => {}
            }
        };
        let served = serve(
            self.broker,
            self.guest,
            self.peer,
            switch,
            self.arrival,
            near,
        );
        tokio::join!(carried, served);
        if person.pass_on(Tell::Close).await.is_err() {
            return Left::Orderly;
        }
        let Some(reason) = switch.reason() else {
            return Left::Orderly;
        };
        // What was under way before the cut is under way in the outer connection. Who has not
        // taken the end of it in time loses that, too: a stream that nobody reads is no place
        // to keep a target's bytes (P2).
        if timeout(SPARE, closed(asks)).await.is_err() && outer.pull(reason) {
            debug!(peer = %self.peer, "Client takes no end, its outer connection is cut");
            return Left::Untold;
        }
        Left::Told(LEAVE)
    }
}

async fn serve(
    broker: SshBroker,
    guest: Guest,
    peer: SocketAddr,
    switch: &KillSwitch,
    arrival: Arrival,
    near: Leashed<DuplexStream>,
) {
    let config = broker.faces().of_target(&guest.target, broker.gate().now());
    let handler = FromPerson::through(broker, peer, switch.clone(), arrival, guest);
    let running = russh::server::run_stream(config, ReadAhead::new(near), handler);
    // Its task ends with its stream, whose other end is held above.
    let ended = match running.await {
        Ok(session) => session.await,
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "Inner connection ended");
    }
}

async fn closed(asks: &Inbox<Ask>) {
    while let Some(item) = asks.next().await {
        if matches!(item, Item::Control(Ask::Close)) {
            return;
        }
    }
}
