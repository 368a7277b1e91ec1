//! What a target sends, looked at before the client sees it.
//!
//! Pure: a frame in, a frame or a no out. What would lead the client past the gateway goes no
//! further: another host to turn to, and what lets it come back by itself.

use bytes::Bytes;

use super::{
    bytes::{Result, Short, put, u16_at, u32_at},
    channels::Channels,
    mcs::{Data, Said},
    pdus,
};

const DEMAND_ACTIVE: u16 = 1;
const DATA: u16 = 7;
const REDIRECTION: u16 = 10;
/// In the header of RDP's own encryption, where a redirection may stand as well.
const IS_REDIRECTION: u16 = 0x0400;

const HEAD: usize = 6;
/// Of PDUs that carry data: which, and whether it is compressed.
const DATA_KIND: usize = HEAD + 8;
const COMPRESSION: usize = HEAD + 9;
const DATA_HEAD: usize = HEAD + 12;
const IS_COMPRESSED: u8 = 0x20;

const SAVE_SESSION: u8 = 38;
const EXTENDED: u32 = 3;
const HAS_COOKIE: u32 = 1;
/// Its length comes before it, and once more in it.
const COOKIE: usize = 28;

/// What a target may not send.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the target sends people on to another host")]
    Redirected,
    #[error("the target compresses what was agreed not to be")]
    Compressed,
    #[error("the target sent something that has no place in a session")]
    Unknown,
    #[error("the target sent {0}")]
    Short(#[from] Short),
}

/// What becomes of one frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Passed {
    On(Bytes),
    /// It was for a channel that carries nothing.
    Dropped,
    /// The target says goodbye.
    Last(Bytes),
}

#[derive(Default)]
pub struct Downward {
    share: u32,
}

impl Downward {
    /// Which conversation of the target this is; zero before it began.
    pub fn share(&self) -> u32 {
        self.share
    }

    pub fn pass(
        &mut self,
        frame: Bytes,
        channels: &Channels,
    ) -> std::result::Result<Passed, Refused> {
        match Said::read(&frame)?.ok_or(Refused::Unknown)? {
            Said::Fast | Said::Joining => Ok(Passed::On(frame)),
            Said::Disconnect => Ok(Passed::Last(frame)),
            Said::Data(data) if data.channel == channels.io() => {
                let changed = self.on_screen(&data)?;
                Ok(Passed::On(changed.unwrap_or_else(|| frame.clone())))
            }
            Said::Data(data) if channels.may_carry(data.channel) => Ok(Passed::On(frame)),
            Said::Data(_) => Ok(Passed::Dropped),
        }
    }

    /// The frame anew, where something in it had to be changed.
    fn on_screen(&mut self, data: &Data<'_>) -> std::result::Result<Option<Bytes>, Refused> {
        let bytes = data.bytes;
        // Until the target has shown what it can, licences go back and forth.
        if self.share == 0 && pdus::is_licence(bytes)? {
            return match u16_at(bytes, 0)? & IS_REDIRECTION != 0 {
                true => Err(Refused::Redirected),
                false => Ok(None),
            };
        }
        if u16_at(bytes, 2)? == 0 && u16_at(bytes, 0)? & IS_REDIRECTION != 0 {
            return Err(Refused::Redirected);
        }
        let mut changed: Option<Vec<u8>> = None;
        let mut rest = bytes;
        while let Some(pdu) = pdus::next(&mut rest) {
            let end = bytes.len() - rest.len();
            match pdus::kind(pdu) {
                REDIRECTION => return Err(Refused::Redirected),
                DEMAND_ACTIVE => self.share = u32_at(pdu, HEAD)?,
                DATA if pdu.get(DATA_KIND) == Some(&SAVE_SESSION) => {
                    if pdu
                        .get(COMPRESSION)
                        .is_some_and(|it| it & IS_COMPRESSED != 0)
                    {
                        return Err(Refused::Compressed);
                    }
                    let whole = changed.get_or_insert_with(|| bytes.to_vec());
                    wipe_cookie(&mut whole[end - pdu.len()..end])?;
                }
                _ => {}
            }
        }
        match changed {
            Some(changed) => Ok(Some(data.with(&changed)?)),
            None => Ok(None),
        }
    }
}

/// Zeroes what lets a client come back by itself (MS-RDPBCGR 2.2.10.1.1.4).
fn wipe_cookie(pdu: &mut [u8]) -> Result<()> {
    if u32_at(pdu, DATA_HEAD)? != EXTENDED {
        return Ok(());
    }
    let fields = DATA_HEAD + 4 + 2;
    if u32_at(pdu, fields)? & HAS_COOKIE != 0 {
        put(pdu, fields + 4 + 4 + 8, &[0; COOKIE - 8])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::broker::rdp::mcs::indication;

    fn channels() -> Channels {
        let mut channels = Channels::default();
        channels.number(&[0xeb, 3, 0, 0]).unwrap();
        channels
    }

    fn pdu(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut pdu = ((HEAD + body.len()) as u16).to_le_bytes().to_vec();
        pdu.extend((kind | 0x10).to_le_bytes());
        pdu.extend([0xea, 3]);
        pdu.extend(body);
        pdu
    }

    fn save_session(compression: u8) -> Vec<u8> {
        let mut body = vec![0; 8];
        body.extend([SAVE_SESSION, compression, 0, 0]);
        body.extend(EXTENDED.to_le_bytes());
        body.extend([42, 0]);
        body.extend(HAS_COOKIE.to_le_bytes());
        body.extend(28_u32.to_le_bytes());
        body.extend(28_u32.to_le_bytes());
        body.extend(1_u32.to_le_bytes());
        body.extend([7; 20]);
        pdu(DATA, &body)
    }

    fn passed(data: &[u8]) -> std::result::Result<Passed, Refused> {
        let frame = indication(1002, 1003, data).unwrap();
        Downward::default().pass(frame, &channels())
    }

    #[test]
    fn nobody_is_sent_on_to_another_host() {
        let other = pdu(2, &[0; 20]);
        for data in [
            pdu(REDIRECTION, &[0; 40]),
            [other, pdu(REDIRECTION, &[0; 4])].concat(),
            // Behind one without a source, and behind a word on the flow.
            [vec![4, 0, 0x16, 0], pdu(REDIRECTION, &[0; 40])].concat(),
            [
                vec![0, 0x80, 0, 0x41, 0, 0, 0xea, 3],
                pdu(REDIRECTION, &[0; 40]),
            ]
            .concat(),
            // Longer than it is.
            [&[0xff, 0, REDIRECTION as u8 | 0x10, 0][..], &[0; 40]].concat(),
            [&[0, 4, 0, 0][..], &[0; 60]].concat(),
        ] {
            assert_eq!(passed(&data), Err(Refused::Redirected), "{data:?}");
        }
    }

    #[test]
    fn a_licence_is_no_pdu() {
        let licence = [&[0x80, 0, 0, 0][..], &[REDIRECTION as u8; 200]].concat();
        assert!(matches!(passed(&licence), Ok(Passed::On(_))));
    }

    #[test]
    fn nobody_can_come_back_by_themselves() {
        let before = pdu(2, &[9; 4]);
        let data = [before.clone(), save_session(0)].concat();
        let Ok(Passed::On(frame)) = passed(&data) else {
            panic!("not passed")
        };
        let Ok(Some(Said::Data(seen))) = Said::read(&frame) else {
            panic!("no data")
        };
        assert!(!seen.bytes.contains(&7), "the cookie is gone");
        assert_eq!(seen.bytes.len(), data.len());
        assert!(seen.bytes.starts_with(&before));
        assert_eq!(
            passed(&save_session(IS_COMPRESSED)),
            Err(Refused::Compressed)
        );
    }

    #[test]
    fn the_conversation_is_remembered_for_the_goodbye() {
        let mut downward = Downward::default();
        let demand = pdu(DEMAND_ACTIVE, &[0xea, 3, 1, 0, 0, 0]);
        let frame = indication(1002, 1003, &demand).unwrap();
        assert_eq!(
            downward.pass(frame.clone(), &channels()),
            Ok(Passed::On(frame))
        );
        assert_eq!(downward.share(), 0x0001_03ea);
    }

    #[test]
    fn what_nobody_asked_for_is_dropped() {
        let frame = indication(1002, 1009, &[1, 2, 3]).unwrap();
        let passed = Downward::default().pass(frame, &channels());
        assert_eq!(passed, Ok(Passed::Dropped));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_stumble(data in proptest::collection::vec(any::<u8>(), 0..120)) {
            passed(&data).ok();
        }
    }
}
