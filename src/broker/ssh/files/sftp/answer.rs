//! What a server answers, as far as it matters here, and the one answer the gateway gives
//! itself.
//!
//! Pure. Names, attributes and messages go by unread.

use bytes::{BufMut, Bytes, BytesMut};

use super::{broken::Broken, fields::Fields, frames::packet_length, request::LONGEST_HANDLE};

mod kind {
    pub const VERSION: u8 = 2;
    pub const STATUS: u8 = 101;
    pub const HANDLE: u8 = 102;
    pub const DATA: u8 = 103;
    pub const NAME: u8 = 104;
    pub const ATTRS: u8 = 105;
    pub const EXTENDED_REPLY: u8 = 201;
}

/// Length, type and id or version.
const TO_ID: usize = 9;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<'a> {
    pub id: u32,
    pub says: Says<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says<'a> {
    /// Carries a version in place of an id.
    Version(u32),
    Status(Status),
    Handle(&'a [u8]),
    /// The content follows.
    Data {
        length: u32,
    },
    Attributes {
        size: Option<u64>,
    },
    Other,
}

/// How a request ended (draft-ietf-secsh-filexfer-02 s7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u32);

impl Status {
    pub const OK: Self = Self(0);
    pub const END_OF_FILE: Self = Self(1);
    pub const PERMISSION_DENIED: Self = Self(3);
    pub const FAILURE: Self = Self(4);
    pub const UNSUPPORTED: Self = Self(8);

    pub fn words(self) -> String {
        match self.0 {
            0 => "ok".to_owned(),
            1 => "end of file".to_owned(),
            2 => "no such file".to_owned(),
            3 => "permission denied".to_owned(),
            4 => "failure".to_owned(),
            5 => "bad message".to_owned(),
            6 => "no connection".to_owned(),
            7 => "connection lost".to_owned(),
            8 => "operation unsupported".to_owned(),
            other => format!("status {other}"),
        }
    }

    /// The whole packet, as the answer to `id`.
    pub fn packet(self, id: u32, message: &str) -> Bytes {
        const LANGUAGE: &[u8] = b"en";
        let length = 1 + 4 + 4 + 4 + message.len() + 4 + LANGUAGE.len();
        let mut packet = BytesMut::with_capacity(4 + length);
        packet.put_u32(length as u32);
        packet.put_u8(kind::STATUS);
        packet.put_u32(id);
        packet.put_u32(self.0);
        for text in [message.as_bytes(), LANGUAGE] {
            packet.put_u32(text.len() as u32);
            packet.put_slice(text);
        }
        packet.freeze()
    }
}

/// How much of an answer must be seen at once.
pub fn needed(seen: &[u8]) -> Result<usize, Broken> {
    let length = packet_length(seen);
    match seen[4] {
        kind::VERSION | kind::NAME | kind::EXTENDED_REPLY => Ok(TO_ID),
        // The code, but not the message; the length of the content, but not the content.
        kind::STATUS | kind::DATA => Ok(TO_ID + 4),
        kind::HANDLE if length > TO_ID + 4 + LONGEST_HANDLE => {
            Err(Broken::Malformed("a handle that is too long"))
        }
        kind::HANDLE => Ok(length),
        // Flags, and the size that comes first if there is one.
        kind::ATTRS => Ok(length.min(TO_ID + 4 + 8)),
        _ => Err(Broken::Malformed("an answer of a kind that is not known")),
    }
}

impl<'a> Answer<'a> {
    /// Reads a head that is as long as `needed` says.
    pub fn read(head: &'a [u8]) -> Result<Self, Broken> {
        let mut fields = Fields::new(&head[5..]);
        let id = fields.number()?;
        let says = match head[4] {
            kind::VERSION => Says::Version(id),
            kind::STATUS => Says::Status(Status(fields.number()?)),
            kind::HANDLE => Says::Handle(fields.string()?),
            kind::DATA => {
                let length = fields.number()?;
                if length as usize != packet_length(head) - head.len() {
                    return Err(Broken::Malformed(
                        "content of another length than its packet",
                    ));
                }
                Says::Data { length }
            }
            kind::ATTRS => Says::Attributes {
                size: match fields.number()? & 1 {
                    0 => None,
                    _ => Some(fields.long()?),
                },
            },
            _ => Says::Other,
        };
        Ok(Self { id, says })
    }
}
