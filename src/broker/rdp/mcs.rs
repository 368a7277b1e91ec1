//! What a frame of the long form carries: data of a channel, or a word about channels (T.125).
//!
//! Finds the data in a frame and puts other data into its place.

use bytes::Bytes;

use super::{
    bytes::{Result, Short, take, take_u8},
    frame::TPKT,
};

const HEAD: [u8; 3] = [2, 0xf0, 0x80];

const ERECT_DOMAIN: u8 = 1;
const DISCONNECT: u8 = 8;
const ATTACH_USER: u8 = 10;
const ATTACH_USER_CONFIRM: u8 = 11;
const JOIN: u8 = 14;
const JOIN_CONFIRM: u8 = 15;
const SEND_REQUEST: u8 = 25;
const SEND_INDICATION: u8 = 26;

/// The users of a conference are counted from here.
const FIRST_USER: u16 = 1001;
const TOP_PRIORITY: u8 = 0x70;

/// What stands in a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// Of the short form: the screen, the keyboard, the pointer.
    Fast,
    /// Before the session: joining channels.
    Joining,
    Disconnect,
    Data(Data<'a>),
}

/// Data of one channel, and where it stands in its frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Data<'a> {
    pub channel: u16,
    pub bytes: &'a [u8],
    kind: u8,
    initiator: [u8; 2],
}

impl<'a> Said<'a> {
    /// None for what has no place in a session.
    pub fn read(frame: &'a [u8]) -> Result<Option<Self>> {
        if frame.first() != Some(&TPKT) {
            return Ok(Some(Self::Fast));
        }
        let mut rest = frame;
        if take(&mut rest, 7)?[4..] != HEAD {
            return Ok(None);
        }
        let kind = take_u8(&mut rest)? >> 2;
        Ok(match kind {
            ERECT_DOMAIN | ATTACH_USER | ATTACH_USER_CONFIRM | JOIN | JOIN_CONFIRM => {
                Some(Self::Joining)
            }
            DISCONNECT => Some(Self::Disconnect),
            SEND_REQUEST | SEND_INDICATION => {
                let head = take(&mut rest, 5)?;
                let length = match take_u8(&mut rest)? {
                    short @ ..0x80 => usize::from(short),
                    long @ 0x80..0xc0 => {
                        let low = take_u8(&mut rest)?;
                        usize::from(u16::from_be_bytes([long & 0x3f, low]))
                    }
                    _ => return Err(Short),
                };
                if length != rest.len() {
                    return Err(Short);
                }
                Some(Self::Data(Data {
                    channel: u16::from_be_bytes([head[2], head[3]]),
                    bytes: rest,
                    kind,
                    initiator: [head[0], head[1]],
                }))
            }
            _ => None,
        })
    }
}

impl Data<'_> {
    /// The same frame with other data in it.
    pub fn with(&self, bytes: &[u8]) -> Result<Bytes> {
        frame(self.kind, self.initiator, self.channel, bytes)
    }
}

/// Data that the gateway itself sends to a client, as if the server did.
pub fn indication(user: u16, channel: u16, bytes: &[u8]) -> Result<Bytes> {
    let initiator = user.saturating_sub(FIRST_USER).to_be_bytes();
    frame(SEND_INDICATION, initiator, channel, bytes)
}

/// The last word of a server.
pub fn disconnect() -> Bytes {
    // The reason "by the provider", in the three bits behind the kind.
    Bytes::from_static(&[TPKT, 0, 0, 9, 2, 0xf0, 0x80, DISCONNECT << 2, 0x80])
}

fn frame(kind: u8, initiator: [u8; 2], channel: u16, bytes: &[u8]) -> Result<Bytes> {
    let mut frame = vec![TPKT, 0, 0, 0];
    frame.extend(HEAD);
    frame.push(kind << 2);
    frame.extend(initiator);
    frame.extend(channel.to_be_bytes());
    frame.push(TOP_PRIORITY);
    match bytes.len() {
        short @ ..0x80 => frame.push(short as u8),
        long @ 0x80..0x4000 => frame.extend((long as u16 | 0x8000).to_be_bytes()),
        _ => return Err(Short),
    }
    frame.extend(bytes);
    let length = u16::try_from(frame.len()).map_err(|_| Short)?;
    frame[2..4].copy_from_slice(&length.to_be_bytes());
    Ok(Bytes::from(frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_goes_in_and_comes_out() {
        for size in [0, 1, 127, 128, 0x3fff] {
            let data = vec![5; size];
            let frame = indication(1002, 1003, &data).unwrap();
            let Some(Said::Data(read)) = Said::read(&frame).unwrap() else {
                panic!("{frame:?}")
            };
            assert_eq!((read.channel, read.bytes), (1003, &data[..]));
            assert_eq!(read.with(&data).unwrap(), frame);
        }
        assert_eq!(indication(1002, 1003, &[0; 0x4000]), Err(Short));
        assert_eq!(Said::read(&disconnect()), Ok(Some(Said::Disconnect)));
    }

    #[test]
    fn what_contradicts_itself_is_no_data() {
        let frame = indication(1002, 1003, &[1, 2, 3]).unwrap();
        for end in 1..frame.len() {
            assert_eq!(Said::read(&frame[..end]), Err(Short), "{end}");
        }
        let longer = [&frame[..], &[0]].concat();
        assert_eq!(Said::read(&longer), Err(Short));
        assert_eq!(Said::read(&[3, 0, 0, 8, 2, 0xf0, 0x80, 0x7f]), Ok(None));
        assert_eq!(Said::read(&[0, 3, 1]), Ok(Some(Said::Fast)));
    }
}
