//! Cuts one direction of an SFTP stream into packets, however it arrives.
//!
//! Gives each packet's head as one piece and the rest as it comes. Keeps at most one head;
//! a file's content is never kept, whatever length a packet claims.

use bytes::{Buf, Bytes, BytesMut};

use super::broken::Broken;

/// Every implementation must take packets of this size, so no head is longer
/// (draft-ietf-secsh-filexfer-02 s3).
pub const LONGEST_HEAD: usize = 34_000;

/// Content in one packet is 32 KiB with most clients, 255 KiB with OpenSSH's largest and
/// 4 MiB where both sides are asyncssh.
pub const LONGEST_PACKET: usize = 4 * 1024 * 1024 + LONGEST_HEAD;

/// How many bytes of a packet its head takes, as far as `seen` of it tells: never less than
/// that is needed to tell more, never more than the packet has.
pub type Needed = fn(seen: &[u8]) -> Result<usize, Broken>;

pub struct Frames {
    needed: Needed,
    held: BytesMut,
    /// Of the packet whose head was given.
    rest: usize,
}

#[derive(Debug)]
pub enum Piece {
    Head {
        /// With the length in front.
        bytes: Bytes,
        /// Whether a part of it came with an earlier chunk.
        was_held: bool,
    },
    /// More of the packet whose head came last.
    Rest(Bytes),
}

impl Frames {
    pub fn new(needed: Needed) -> Self {
        Self {
            needed,
            held: BytesMut::new(),
            rest: 0,
        }
    }

    /// The next piece, taken from the front of `chunk`. None once the chunk is used up.
    pub fn next(&mut self, chunk: &mut Bytes) -> Result<Option<Piece>, Broken> {
        if chunk.is_empty() {
            return Ok(None);
        }
        if self.rest > 0 {
            let part = chunk.split_to(self.rest.min(chunk.len()));
            self.rest -= part.len();
            return Ok(Some(Piece::Rest(part)));
        }
        let was_held = !self.held.is_empty();
        loop {
            let seen = if self.held.is_empty() {
                &chunk[..]
            } else {
                &self.held[..]
            };
            let needed = needed(self.needed, seen)?;
            if self.held.is_empty() && chunk.len() >= needed {
                let bytes = chunk.split_to(needed);
                self.rest = rest(&bytes);
                return Ok(Some(Piece::Head { bytes, was_held }));
            }
            if self.held.len() >= needed {
                let bytes = self.held.split().freeze();
                self.rest = rest(&bytes);
                return Ok(Some(Piece::Head { bytes, was_held }));
            }
            if chunk.is_empty() {
                return Ok(None);
            }
            let more = (needed - self.held.len()).min(chunk.len());
            self.held.extend_from_slice(&chunk[..more]);
            chunk.advance(more);
        }
    }

    /// Whether what comes next belongs to a head.
    pub fn expects_head(&self) -> bool {
        self.rest == 0
    }

    /// Whether a packet has just ended and none has begun.
    pub fn between_packets(&self) -> bool {
        self.rest == 0 && self.held.is_empty()
    }
}

fn needed(of_head: Needed, seen: &[u8]) -> Result<usize, Broken> {
    // The length, and the type that tells more.
    const LEAST: usize = 5;
    if seen.len() < LEAST {
        return Ok(LEAST);
    }
    let length = packet_length(seen);
    if length > LONGEST_PACKET {
        return Err(Broken::Oversized(length));
    }
    if length < LEAST {
        return Err(Broken::Malformed("an empty packet"));
    }
    let needed = of_head(seen)?;
    if needed > length {
        return Err(Broken::Malformed("a packet shorter than its fields"));
    }
    if needed > LONGEST_HEAD {
        return Err(Broken::Oversized(needed));
    }
    Ok(needed)
}

/// With its four bytes of length.
pub fn packet_length(seen: &[u8]) -> usize {
    let mut length = &seen[..4];
    length.get_u32() as usize + 4
}

fn rest(head: &[u8]) -> usize {
    packet_length(head) - head.len()
}
