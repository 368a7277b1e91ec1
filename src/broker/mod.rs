//! Brokers: what speaks a protocol with the people and with the targets.
//!
//! Here is what they share: the door that accepts connections, within limits and with a
//! deadline for signing in. A broker never opens a socket, reads a store or holds a secret
//! of its own; it asks the gate for a session and works on leashed streams.

mod door;
mod hashing;
pub mod rdp;
pub mod ssh;
pub mod web;

use std::{net::SocketAddr, time::Duration};

use tokio::net::TcpStream;

pub use self::door::{Arrival, GRACE, Limits, listen};
use crate::kill::{KillSwitch, Leashed};

/// One protocol's side of the door.
pub trait Broker: Send + Sync + 'static {
    /// How long a connection outlives its switch, to read why it ended.
    const GRACE: Duration = GRACE;

    /// Serves one connection until it is over. Whatever it starts for it, it has ended
    /// when it returns.
    fn serve(&self, connection: Connection) -> impl Future<Output = ()> + Send;
}

/// Somebody at the door, not signed in yet.
pub struct Connection {
    /// Cut a short grace after the switch is pulled, so that the person reads why.
    pub stream: Leashed<TcpStream>,
    pub peer: SocketAddr,
    /// Of this connection alone; it exists before the first byte is read.
    pub switch: KillSwitch,
    /// Counts against the limits of the door until they have signed in.
    pub arrival: Arrival,
}
