//! Ways beside the sessions: forwarded connections in both directions, the person's SSH
//! agent and display.
//!
//! The target connects and listens, never the gateway. Each way is admitted by itself (P6),
//! stands in the connection log from before its first byte, and ends with the session's
//! switch. What the target opens is taken only where this session asked for it.

mod arrival;
mod forward;
mod listen;
mod log;
mod openings;
mod pipe;

use std::fmt;

use russh::ChannelOpenFailure;

pub use self::{
    arrival::{Arrival, Door, Opened, receive},
    forward::Forward,
    listen::{Listen, Listeners},
    openings::Openings,
};
use crate::{
    kill::KillSwitch,
    model::{refusal::Refusal, text::Text},
};

/// Where a forwarded connection comes from, as the side that opens it says. For the other
/// side's information, nothing more.
#[derive(Debug, Clone)]
pub struct Originator {
    pub address: String,
    pub port: u32,
}

impl Originator {
    /// Passed on if it looks like an address or a word such as `UNKNOWN`.
    pub fn new(address: &str, port: u32) -> Self {
        let plain = (1..=64).contains(&address.len())
            && address
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".:%-_".contains(&byte));
        Self {
            address: if plain { address } else { "UNKNOWN" }.to_owned(),
            port,
        }
    }
}

impl fmt::Display for Originator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.address, self.port)
    }
}

/// SSH_OPEN_ADMINISTRATIVELY_PROHIBITED (RFC 4254 s5.1), with the sentence: clients show it.
pub fn prohibited(sentence: String) -> ChannelOpenFailure {
    ChannelOpenFailure::Other {
        code: ChannelOpenFailure::AdministrativelyProhibited.code(),
        reason: sentence,
    }
}

/// There is no seat left.
pub fn crowded() -> ChannelOpenFailure {
    ChannelOpenFailure::Other {
        code: ChannelOpenFailure::ResourceShortage.code(),
        reason: "too many channels on this connection".to_owned(),
    }
}

/// Why there is none on a connection with this switch: it is over, or full.
pub fn no_seat(switch: &KillSwitch) -> ChannelOpenFailure {
    match switch.reason() {
        Some(reason) => prohibited(reason.to_string()),
        None => crowded(),
    }
}

/// The refusal of something that the gateway does for nobody, `what` being the client's word.
pub fn unsupported(kind: &str, what: &str) -> Refusal {
    let what: String = what.chars().take(253).collect();
    Refusal::Unsupported(format!("{kind} {}", Text::ours(&what).one_line()))
}
