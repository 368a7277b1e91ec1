//! How the two sides of RDP agree on what protects the connection (MS-RDPBCGR 2.2.1.2).
//!
//! Writes and reads the short messages before TLS. Which protection is enough is decided by
//! who calls.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::frame::{TPKT, invalid};

/// A set of protections, or one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocols(pub u32);

impl Protocols {
    /// RDP's own encryption, which protects against nobody. Never spoken here.
    pub const STANDARD: Self = Self(0);
    pub const TLS: Self = Self(1);
    /// TLS, and in it CredSSP: the client proves who it is before there is a session.
    pub const NLA: Self = Self(2);
    /// The same, and behind it a word on whether they may come in at all.
    pub const NLA_WITH_A_WORD: Self = Self(8);

    pub fn offers(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }

    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Why no connection comes about, told before TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    NlaRequired = 5,
}

/// The other side may be told of displays and of a way to resize.
const EXTENDED: u8 = 0x01;

const CONFIRM: u8 = 0xd0;
const RESPONSE: u8 = 2;
const FAILURE: u8 = 3;
const LENGTH: u8 = 19;

/// What a target has chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    pub protocol: Protocols,
    /// Whether it takes the newer blocks of a client's settings.
    pub extended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotConfirmed {
    #[error("it does not answer as RDP does")]
    Form,
    #[error("it refuses the protection that was offered (failure {0})")]
    Refused(u32),
}

/// What the gateway has chosen, for a client.
pub fn confirm(protocol: Protocols) -> Vec<u8> {
    message(CONFIRM, RESPONSE, EXTENDED, protocol.0)
}

pub fn failure(failure: Failure) -> Vec<u8> {
    message(CONFIRM, FAILURE, 0, failure as u32)
}

/// What the gateway offers a target.
pub fn request(protocols: Protocols) -> Vec<u8> {
    message(0xe0, 1, 0, protocols.0)
}

fn message(kind: u8, negotiation: u8, flags: u8, value: u32) -> Vec<u8> {
    let mut message = vec![TPKT, 0, 0, LENGTH, LENGTH - 5, kind, 0, 0, 0, 0, 0];
    message.extend([negotiation, flags, 8, 0]);
    message.extend(value.to_le_bytes());
    message
}

/// Reads the target's answer, and not a byte of the TLS behind it.
pub async fn read_confirm(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Chosen> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let short = u8::try_from(u16::from_be_bytes([head[2], head[3]])).unwrap_or(0);
    // Without the second half it knows RDP's own encryption only.
    if head[0] != TPKT || ![11, LENGTH].contains(&short) {
        return Err(invalid(NotConfirmed::Form));
    }
    let mut answer = vec![0; usize::from(short) - head.len()];
    stream.read_exact(&mut answer).await?;
    parse(&answer).map_err(invalid)
}

fn parse(answer: &[u8]) -> Result<Chosen, NotConfirmed> {
    match *answer {
        [_, kind, _, _, _, _, _] if kind & 0xf0 == CONFIRM => Ok(Chosen {
            protocol: Protocols::STANDARD,
            extended: false,
        }),
        [_, kind, _, _, _, _, _, RESPONSE, flags, 8, 0, a, b, c, d] if kind & 0xf0 == CONFIRM => {
            Ok(Chosen {
                protocol: Protocols(u32::from_le_bytes([a, b, c, d])),
                extended: flags & EXTENDED != 0,
            })
        }
        [_, kind, _, _, _, _, _, FAILURE, _, 8, 0, a, b, c, d] if kind & 0xf0 == CONFIRM => {
            Err(NotConfirmed::Refused(u32::from_le_bytes([a, b, c, d])))
        }
        _ => Err(NotConfirmed::Form),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_is_read() {
        let written = confirm(Protocols::NLA);
        assert_eq!(written.len(), usize::from(LENGTH));
        let read = read_confirm(&mut &written[..]).await.unwrap();
        let expected = Chosen {
            protocol: Protocols::NLA,
            extended: true,
        };
        assert_eq!(read, expected);
    }

    #[tokio::test]
    async fn a_target_that_knows_no_tls_or_refuses_is_told_apart() {
        let plain = [3, 0, 0, 11, 6, 0xd0, 0, 0, 0, 0, 0];
        let read = read_confirm(&mut &plain[..]).await.unwrap();
        assert_eq!(read.protocol, Protocols::STANDARD);
        assert_eq!(
            parse(&failure(Failure::NlaRequired)[4..]),
            Err(NotConfirmed::Refused(5))
        );
        for bytes in [&b"SSH-2.0-x\r\n"[..], &[3, 0, 0, 12, 0, 0, 0, 0], &[]] {
            assert!(read_confirm(&mut &bytes[..]).await.is_err());
        }
    }
}
