//! What a client sends, looked at before the target sees it.
//!
//! Pure: a frame in, a frame or a no out. INVARIANT: nothing reaches the target but joining
//! channels until the account stands where the client had written itself.

use super::{
    bytes::{Short, u16_at},
    capabilities::{self, Watched},
    channels::Channels,
    client_info::{self, Injected, NotInfo},
    mcs::{Data, Said},
    pdus,
};
use bytes::Bytes;

const CONFIRM_ACTIVE: u16 = 3;
const DATA: u16 = 7;
/// Of PDUs that carry data: which.
const DATA_KIND: usize = 14;
const INPUT: u8 = 28;

/// What a client may not send.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the client sent something before it said who it is")]
    TooEarly,
    #[error("the client sent something that has no place in a session")]
    Unknown,
    #[error(transparent)]
    Info(#[from] NotInfo),
    #[error("the client sent {0}")]
    Short(#[from] Short),
}

/// What becomes of one frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Passed {
    On {
        frame: Bytes,
        is_input: bool,
    },
    /// It was for a channel that carries nothing.
    Dropped,
    /// The client says goodbye.
    Last(Bytes),
}

pub struct Upward {
    /// Until it is used, once.
    injected: Option<Injected>,
    watched: Watched,
    /// Whether the client has said what it can.
    is_active: bool,
}

impl Upward {
    pub fn new(injected: Injected, watched: Watched) -> Self {
        Self {
            injected: Some(injected),
            watched,
            is_active: false,
        }
    }

    /// Whether the client has said who it is, and the session has begun.
    pub fn has_begun(&self) -> bool {
        self.injected.is_none()
    }

    pub fn pass(&mut self, frame: Bytes, channels: &Channels) -> Result<Passed, Refused> {
        let said = Said::read(&frame)?.ok_or(Refused::Unknown)?;
        match said {
            Said::Joining if !self.has_begun() => Ok(on(frame)),
            Said::Joining => Err(Refused::Unknown),
            Said::Disconnect => Ok(Passed::Last(frame)),
            Said::Data(data) if data.channel == channels.io() => self.on_screen(&data, &frame),
            _ if !self.has_begun() => Err(Refused::TooEarly),
            Said::Fast => Ok(Passed::On {
                frame,
                is_input: true,
            }),
            Said::Data(data) if channels.may_carry(data.channel) => Ok(on(frame)),
            Said::Data(_) => Ok(Passed::Dropped),
        }
    }

    fn on_screen(&mut self, data: &Data<'_>, frame: &Bytes) -> Result<Passed, Refused> {
        if let Some(injected) = self.injected.take() {
            if !client_info::is_info(data.bytes) {
                return Err(Refused::TooEarly);
            }
            let info = client_info::replace(data.bytes, &injected)?;
            return Ok(on(data.with(&info)?));
        }
        // INVARIANT: nobody says a second time who they are, to be somebody else. What has the
        // header of RDP's own encryption has zero where others say their version.
        if client_info::is_info(data.bytes) && u16_at(data.bytes, 2)? == 0 {
            return Err(Refused::Unknown);
        }
        // Until both have said what they can, licences go back and forth.
        if !self.is_active && pdus::is_licence(data.bytes)? {
            return self.licence(data, frame);
        }
        let mut is_input = false;
        let mut changed: Option<Vec<u8>> = None;
        let mut rest = data.bytes;
        while let Some(pdu) = pdus::next(&mut rest) {
            if pdus::kind(pdu) == CONFIRM_ACTIVE {
                self.is_active = true;
                let before = &data.bytes[..data.bytes.len() - rest.len() - pdu.len()];
                let out = changed.get_or_insert_with(|| before.to_vec());
                out.extend(capabilities::for_target(pdu, self.watched)?);
            } else {
                let is_data = pdus::kind(pdu) == DATA;
                is_input |= is_data && pdu.get(DATA_KIND) == Some(&INPUT);
                if let Some(out) = &mut changed {
                    out.extend_from_slice(pdu);
                }
            }
        }
        let frame = match changed {
            Some(mut changed) => {
                changed.extend_from_slice(rest);
                data.with(&changed)?
            }
            None => frame.clone(),
        };
        Ok(Passed::On { frame, is_input })
    }

    /// INVARIANT: it hides no PDU, which a target would find that is further on than the client.
    fn licence(&self, data: &Data<'_>, frame: &Bytes) -> Result<Passed, Refused> {
        let mut rest = data.bytes;
        while let Some(pdu) = pdus::next(&mut rest) {
            let is_confirm = pdus::kind(pdu) == CONFIRM_ACTIVE;
            if is_confirm && capabilities::for_target(pdu, self.watched).is_ok() {
                return Err(Refused::Unknown);
            }
        }
        Ok(on(frame.clone()))
    }
}

fn on(frame: Bytes) -> Passed {
    Passed::On {
        frame,
        is_input: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::rdp::mcs::indication;

    const INFO: [u8; 22 + 10] = {
        let mut info = [0; 32];
        info[0] = 0x40;
        info[8] = 0x10;
        info
    };

    fn channels() -> Channels {
        let mut net = [
            &2_u32.to_le_bytes()[..],
            b"rdpsnd\0\0",
            &[0; 4],
            b"cliprdr\0",
            &[0; 4],
        ]
        .concat();
        let mut channels = Channels::rename(&mut net, |name| name == "rdpsnd").unwrap();
        channels.number(&[0xeb, 3, 2, 0, 0xec, 3, 0xed, 3]).unwrap();
        channels
    }

    fn upward() -> Upward {
        let password = zeroize::Zeroizing::new("secret".to_owned());
        Upward::new(Injected::new("svc", password), Watched::Unrecorded)
    }

    fn begun() -> Upward {
        let mut upward = upward();
        let info = indication(1007, 1003, &INFO).unwrap();
        assert!(matches!(
            upward.pass(info, &channels()),
            Ok(Passed::On { .. })
        ));
        upward
    }

    #[test]
    fn nothing_comes_before_the_account() {
        let keys = Bytes::from_static(&[0, 4, 1, 0x1e]);
        let clip = indication(1007, 1004, &[1, 2]).unwrap();
        let active = indication(1007, 1003, &[4, 0, 3, 0]).unwrap();
        for frame in [&keys, &clip, &active] {
            let passed = upward().pass(frame.clone(), &channels());
            assert_eq!(passed, Err(Refused::TooEarly), "{frame:?}");
        }
        let mut upward = upward();
        let attach = Bytes::from_static(&[3, 0, 0, 8, 2, 0xf0, 0x80, 0x28]);
        assert!(matches!(
            upward.pass(attach.clone(), &channels()),
            Ok(Passed::On { .. })
        ));
        assert!(!upward.has_begun());

        let mut begun = begun();
        let again = indication(1007, 1003, &INFO).unwrap();
        assert_eq!(begun.pass(again, &channels()), Err(Refused::Unknown));
        let passed = begun.pass(keys.clone(), &channels());
        let expected = Passed::On {
            frame: keys,
            is_input: true,
        };
        assert_eq!(passed, Ok(expected));
        assert_eq!(begun.pass(attach, &channels()), Err(Refused::Unknown));
    }

    #[test]
    fn channels_that_may_not_be_carry_nothing() {
        let mut upward = begun();
        for (channel, goes_on) in [(1004, true), (1005, false), (1006, false)] {
            let frame = indication(1007, channel, &[1, 2]).unwrap();
            let passed = upward.pass(frame, &channels()).unwrap();
            assert_eq!(passed != Passed::Dropped, goes_on, "{channel}");
        }
    }

    #[test]
    fn what_would_lead_past_the_gateway_is_taken_back() {
        let mut general = vec![1, 0, 24, 0];
        general.resize(24, 0);
        general[14] = 0x0d;
        let mut confirm = vec![0, 0, 0x13, 0, 0, 0, 0, 0, 0, 0, 0xea, 3, 2, 0, 28, 0];
        confirm.extend(b"x\0");
        confirm.extend([1, 0, 0, 0]);
        let at = confirm.len();
        confirm.extend(&general);
        confirm[0] = confirm.len() as u8;
        let frame = indication(1007, 1003, &confirm).unwrap();
        let Ok(Passed::On { frame, .. }) = begun().pass(frame, &channels()) else {
            panic!("not passed")
        };
        let Ok(Some(Said::Data(data))) = Said::read(&frame) else {
            panic!("no data")
        };
        confirm[at + 14] = 0x05;
        assert_eq!(data.bytes, confirm);

        // Nor does it hide behind another, which a target reads as well.
        for before in [&[4, 0, 0x16, 0][..], &[0, 0x80, 0, 0x41, 0, 0, 0xea, 3]] {
            let mut hidden = confirm.clone();
            hidden[at + 14] = 0x0d;
            let hidden = [before, &hidden, &[0, 0]].concat();
            let frame = indication(1007, 1003, &hidden).unwrap();
            let mut upward = begun();
            upward.is_active = true;
            let Ok(Passed::On { frame, .. }) = upward.pass(frame.clone(), &channels()) else {
                panic!("not passed")
            };
            let Ok(Some(Said::Data(data))) = Said::read(&frame) else {
                panic!("no data")
            };
            assert_eq!(data.bytes, [before, &confirm, &[0, 0]].concat());
        }

        let licence = [&[0x80, 0, 0, 0][..], &[0x13; 124]].concat();
        let frame = indication(1007, 1003, &licence).unwrap();
        assert_eq!(begun().pass(frame.clone(), &channels()), Ok(on(frame)));
        let hidden = [licence, confirm.clone()].concat();
        let frame = indication(1007, 1003, &hidden).unwrap();
        let passed = begun().pass(frame, &channels());
        assert_eq!(passed, Err(Refused::Unknown), "nor in a licence");

        for end in 16..confirm.len() {
            let mut cut = confirm[..end].to_vec();
            cut[0] = end as u8;
            let frame = indication(1007, 1003, &cut).unwrap();
            assert!(begun().pass(frame, &channels()).is_err(), "{end}");
        }
    }
}
