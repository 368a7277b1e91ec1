//! The parts that read what strangers send, for the fuzz targets alone.
//!
//! A door into private modules. Nothing in the gateway comes through it, and it decides nothing.

use sspi::credssp::TsRequest;

use super::{capabilities, knock};
pub use super::{
    capabilities::Watched,
    channels::Channels,
    client_info::{Injected, is_info, replace},
    clipboard::{Clipboard, Side},
    downward::{Downward, Passed as PassedDown},
    frame::{Frames, length},
    mcs::{Said, indication},
    names::Names,
    preconnection::read as read_request,
    protocol::{Protocols, confirm, read_confirm, request},
    screen::Screen,
    settings::{for_client, for_target},
    ts_request::{read as read_ts_request, write as write_ts_request},
    typing::Typing,
    upward::{Passed as PassedUp, Upward},
};

/// What a client says it can, as the target is to see it.
pub fn capabilities_for_target(confirm: &[u8], watched: Watched) -> Option<Vec<u8>> {
    capabilities::for_target(confirm, watched).ok()
}

/// Whether somebody who sends these messages is let in by whoever expects `secret`.
pub fn is_let_in(messages: Vec<TsRequest>, secret: &str) -> bool {
    knock::is_let_in(messages, secret)
}
