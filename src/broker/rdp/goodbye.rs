//! Telling somebody in their RDP client why it is over (MS-RDPBCGR 2.2.5.1).
//!
//! Clients show a sentence of their own for a number; the gateway's own sentence has no way
//! into them. Never waits: it only says which bytes are the last.

use bytes::Bytes;

use super::{bytes::Result, mcs};
use crate::model::{checkout::EndReason, session::KillReason};

/// Numbers of which clients have a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// "disconnected by an administrative tool"
    Administrator = 0x01,
    /// "the idle session limit was reached"
    Idle = 0x03,
    /// "the active session limit was reached"
    TimeIsOver = 0x04,
    /// "the server denied the connection"
    Denied = 0x07,
    /// "insufficient access privileges"
    NoRight = 0x09,
    /// "logged off"
    LoggedOff = 0x0c,
}

/// The number that fits best.
pub fn last(reason: &KillReason) -> Last {
    match reason {
        KillReason::CheckoutEnded { reason, .. } => match reason {
            EndReason::Expired | EndReason::Lapsed => Last::TimeIsOver,
            EndReason::CheckedIn | EndReason::Cancelled => Last::LoggedOff,
            EndReason::Revoked | EndReason::Denied => Last::Administrator,
        },
        KillReason::SessionKilled { .. } | KillReason::SignedOut | KillReason::Shutdown => {
            Last::Administrator
        }
        KillReason::SessionLimit(_) | KillReason::OutsideHours => Last::TimeIsOver,
        KillReason::IdleLimit(_) => Last::Idle,
        KillReason::UserDisabled => Last::NoRight,
        KillReason::TargetGone
        | KillReason::RecordingFailed
        | KillReason::StoreLost(_)
        | KillReason::HandshakeTooSlow(_)
        | KillReason::NotLeaving => Last::Denied,
    }
}

/// As if the server itself had said it.
const SERVER: u16 = 1002;
const SET_ERROR_INFO: u8 = 47;

/// Why, and that it is over: two frames.
pub fn frames(last: Last, io: u16, share: u32) -> Result<[Bytes; 2]> {
    let mut pdu = vec![22, 0, 0x17, 0];
    pdu.extend(SERVER.to_le_bytes());
    pdu.extend(share.to_le_bytes());
    // A pad, the stream, and how long it is without this head.
    pdu.extend([0, 1, 4, 0]);
    pdu.extend([SET_ERROR_INFO, 0, 0, 0]);
    pdu.extend((last as u32).to_le_bytes());
    Ok([mcs::indication(SERVER, io, &pdu)?, mcs::disconnect()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_says_how_long_it_is() {
        let [why, over] = frames(Last::Administrator, 1003, 0x0001_03ea).unwrap();
        let Ok(Some(mcs::Said::Data(data))) = mcs::Said::read(&why) else {
            panic!("no data")
        };
        assert_eq!(data.bytes.len(), usize::from(data.bytes[0]));
        assert_eq!(data.bytes[18..], [1, 0, 0, 0]);
        assert_eq!(data.bytes[6..10], [0xea, 3, 1, 0]);
        assert_eq!(mcs::Said::read(&over), Ok(Some(mcs::Said::Disconnect)));
    }
}
