//! The channels that come and go within one static channel (MS-RDPEDYC): which are opened, and
//! which carry anything.
//!
//! The target names each when it opens it. One that may not be is renamed, so that the client
//! does not know it and says so; what is sent on it all the same goes no further. Reads no more
//! of any than its number.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use super::{
    bytes::{Result, Short, take, take_u8, take_u32},
    capabilities::Watched,
    mcs::Said,
};

/// The static channel of them all.
pub const NAME: &str = "drdynvc";

/// The size of the screen, and how many there are (MS-RDPEDISP).
const DISPLAY: &str = "Microsoft::Windows::RDS::DisplayControl";
/// The graphics pipeline (MS-RDPEGFX). The recorder does not follow it.
const GRAPHICS: &str = "Microsoft::Windows::RDS::Graphics";
/// What is heard (MS-RDPEA), in one direction only.
const SOUND: [&str; 2] = ["AUDIO_PLAYBACK_DVC", "AUDIO_PLAYBACK_LOSSY_DVC"];

/// Open at once.
const MOST: usize = 64;

const FIRST: u32 = 1;
const LAST: u32 = 2;
const COMPRESSED: u32 = 0x0020_0000;

const CREATE: u8 = 1;
const DATA_FIRST: u8 = 2;
const DATA: u8 = 3;
const CLOSE: u8 = 4;
const CAPABILITIES: u8 = 5;
const DATA_FIRST_COMPRESSED: u8 = 6;
const DATA_COMPRESSED: u8 = 7;

/// Of one session. Both directions ask it.
pub struct Dynamic {
    /// None where the client knows none of them, or none may be.
    number: Option<u16>,
    watched: Watched,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// INVARIANT: what is not here carries nothing.
    open: HashSet<u32>,
    /// Whether the rest of what began may follow.
    goes_down: bool,
    goes_up: bool,
}

impl Dynamic {
    pub fn new(number: Option<u16>, watched: Watched) -> Self {
        Self {
            number,
            watched,
            state: Mutex::default(),
        }
    }

    /// A frame of the target, as the client is to have it; none where it goes no further.
    pub fn down(&self, frame: Bytes) -> Option<Bytes> {
        let Ok(Some(Said::Data(data))) = Said::read(&frame) else {
            return Some(frame);
        };
        if Some(data.channel) != self.number {
            return Some(frame);
        }
        match self.opened(data.bytes) {
            Ok(Some(renamed)) => data.with(&renamed).ok(),
            Ok(None) => Some(frame),
            Err(Short) => None,
        }
    }

    /// The same for a frame of the client.
    pub fn up(&self, frame: Bytes) -> Option<Bytes> {
        let Ok(Some(Said::Data(data))) = Said::read(&frame) else {
            return Some(frame);
        };
        if Some(data.channel) != self.number {
            return Some(frame);
        }
        let mut state = self.state();
        let State { open, goes_up, .. } = &mut *state;
        match Piece::read(data.bytes) {
            Ok(Piece::Begins(message)) => {
                *goes_up = match message.kind {
                    // That it opens one, or cannot.
                    CREATE | CAPABILITIES => true,
                    CLOSE => open.remove(&message.number),
                    _ => message.is_data() && open.contains(&message.number),
                };
            }
            Ok(Piece::GoesOn) => {}
            Err(Short) => *goes_up = false,
        }
        goes_up.then_some(frame)
    }

    /// What the target says over the static channel: anew, where a name in it had to be changed.
    fn opened(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut state = self.state();
        let State {
            open, goes_down, ..
        } = &mut *state;
        let message = match Piece::read(bytes) {
            Ok(Piece::Begins(message)) => message,
            Ok(Piece::GoesOn) => return if *goes_down { Ok(None) } else { Err(Short) },
            Err(Short) => {
                *goes_down = false;
                return Err(Short);
            }
        };
        *goes_down = match message.kind {
            CREATE => message.is_whole,
            CAPABILITIES => true,
            CLOSE => open.remove(&message.number),
            _ => message.is_data() && open.contains(&message.number),
        };
        if !*goes_down {
            return Err(Short);
        }
        if message.kind != CREATE {
            return Ok(None);
        }
        let length = message.rest.iter().position(|byte| *byte == 0);
        let length = length.unwrap_or(message.rest.len());
        let name = std::str::from_utf8(&message.rest[..length]).unwrap_or_default();
        if self.may(name) && open.len() < MOST {
            open.insert(message.number);
            return Ok(None);
        }
        // A number that was another's carries nothing any more.
        open.remove(&message.number);
        let at = bytes.len() - message.rest.len();
        let mut renamed = bytes.to_vec();
        renamed[at..at + length].fill(b'-');
        Ok(Some(renamed))
    }

    fn may(&self, name: &str) -> bool {
        let drawn = name == GRAPHICS && self.watched == Watched::Unrecorded;
        name == DISPLAY || SOUND.contains(&name) || drawn
    }

    /// Each change under this lock is one insertion or one removal, so a poisoned one is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one frame brings of a message.
enum Piece<'a> {
    Begins(Message<'a>),
    GoesOn,
}

struct Message<'a> {
    kind: u8,
    /// Zero where it is of no channel.
    number: u32,
    /// Whether no other frame brings more of it.
    is_whole: bool,
    rest: &'a [u8],
}

impl<'a> Piece<'a> {
    fn read(mut bytes: &'a [u8]) -> Result<Self> {
        take_u32(&mut bytes)?;
        let flags = take_u32(&mut bytes)?;
        // That was agreed not to be, and cannot be looked at.
        if flags & COMPRESSED != 0 {
            return Err(Short);
        }
        if flags & FIRST == 0 {
            return Ok(Self::GoesOn);
        }
        let head = take_u8(&mut bytes)?;
        let kind = head >> 4;
        let number = match (kind, head & 3) {
            (CAPABILITIES, _) => 0,
            (_, 0) => u32::from(take_u8(&mut bytes)?),
            (_, 1) => {
                let two = take(&mut bytes, 2)?;
                u32::from(u16::from_le_bytes([two[0], two[1]]))
            }
            (_, 2) => take_u32(&mut bytes)?,
            _ => return Err(Short),
        };
        Ok(Self::Begins(Message {
            kind,
            number,
            is_whole: flags & LAST != 0,
            rest: bytes,
        }))
    }
}

impl Message<'_> {
    fn is_data(&self) -> bool {
        [DATA_FIRST, DATA, DATA_FIRST_COMPRESSED, DATA_COMPRESSED].contains(&self.kind)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::broker::rdp::mcs::indication;

    const CHANNEL: u16 = 1005;

    fn frame(flags: u32, message: &[u8]) -> Bytes {
        let mut bytes = (message.len() as u32).to_le_bytes().to_vec();
        bytes.extend(flags.to_le_bytes());
        bytes.extend(message);
        indication(1002, CHANNEL, &bytes).unwrap()
    }

    fn whole(message: &[u8]) -> Bytes {
        frame(FIRST | LAST, message)
    }

    fn create(number: u8, name: &str) -> Bytes {
        whole(&[&[CREATE << 4, number], name.as_bytes(), &[0]].concat())
    }

    fn data(number: u8) -> Bytes {
        whole(&[DATA << 4, number, 1, 2, 3])
    }

    fn dynamic(watched: Watched) -> Dynamic {
        Dynamic::new(Some(CHANNEL), watched)
    }

    #[test]
    fn what_may_be_opens_and_the_rest_is_unknown_to_the_client() {
        for (name, watched, opens) in [
            (DISPLAY, Watched::Recorded, true),
            ("AUDIO_PLAYBACK_DVC", Watched::Recorded, true),
            (GRAPHICS, Watched::Unrecorded, true),
            (GRAPHICS, Watched::Recorded, false),
            ("AUDIO_INPUT", Watched::Unrecorded, false),
            ("URBDRC", Watched::Unrecorded, false),
            ("", Watched::Unrecorded, false),
            (
                "microsoft::windows::rds::displaycontrol",
                Watched::Recorded,
                false,
            ),
        ] {
            let dynamic = dynamic(watched);
            assert_eq!(dynamic.down(data(7)), None, "nothing is open");
            let asked = create(7, name);
            let passed = dynamic.down(asked.clone()).expect("it is asked either way");
            assert_eq!(passed.len(), asked.len());
            assert_eq!(passed == asked, opens || name.is_empty(), "{name}");
            let says = String::from_utf8_lossy(&passed).contains(name) || name.is_empty();
            assert_eq!(says, opens || name.is_empty(), "{name}");
            let refused = whole(&[&[CREATE << 4, 7][..], &[1, 0, 0, 0xc0]].concat());
            assert!(dynamic.up(refused).is_some(), "an answer to it");
            assert_eq!(dynamic.up(data(7)).is_some(), opens, "{name}");
            assert_eq!(dynamic.down(data(7)).is_some(), opens, "{name}");
            assert_eq!(dynamic.down(data(8)), None);
            let close = whole(&[CLOSE << 4, 7]);
            assert_eq!(dynamic.up(close).is_some(), opens);
            assert_eq!(dynamic.down(data(7)), None, "closed");
        }
    }

    #[test]
    fn a_number_given_anew_is_that_of_the_new_name() {
        let dynamic = dynamic(Watched::Recorded);
        dynamic.down(create(7, DISPLAY)).unwrap();
        dynamic.down(create(7, "AUDIO_INPUT")).unwrap();
        assert_eq!(dynamic.down(data(7)), None);
        assert_eq!(dynamic.up(data(7)), None);
    }

    #[test]
    fn what_goes_on_goes_where_it_began() {
        let dynamic = dynamic(Watched::Unrecorded);
        dynamic.down(create(7, GRAPHICS)).unwrap();
        for (number, goes) in [(7, true), (8, false), (7, true)] {
            let begins = frame(FIRST, &[DATA_FIRST << 4, number, 200, 1, 2, 3]);
            assert_eq!(dynamic.down(begins).is_some(), goes);
            for flags in [0, LAST] {
                // It may begin as something else does.
                let rest = frame(flags, &[CREATE << 4, number]);
                assert_eq!(dynamic.down(rest).is_some(), goes);
            }
        }
        // A name in pieces is nobody's.
        let begins = frame(FIRST, &[CREATE << 4, 9, b'M']);
        assert_eq!(dynamic.down(begins), None);
        assert_eq!(dynamic.down(frame(LAST, b"icrosoft")), None);
    }

    #[test]
    fn what_cannot_be_looked_at_and_what_leads_elsewhere_goes_no_further() {
        let dynamic = dynamic(Watched::Unrecorded);
        dynamic.down(create(7, GRAPHICS)).unwrap();
        let compressed = frame(FIRST | LAST | COMPRESSED, &[DATA << 4, 7, 1]);
        assert_eq!(dynamic.down(compressed), None);
        for kind in [0, 8, 9, 10, 15] {
            assert_eq!(dynamic.down(whole(&[kind << 4, 7, 1])), None, "{kind}");
            assert_eq!(dynamic.up(whole(&[kind << 4, 7, 1])), None, "{kind}");
        }
        assert_eq!(dynamic.down(whole(&[DATA << 4 | 3, 7])), None);
        assert!(dynamic.down(data(7)).is_some());
        let other = indication(1002, CHANNEL + 1, &[1, 2]).unwrap();
        assert_eq!(dynamic.down(other.clone()), Some(other));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_stumble(
            messages in proptest::collection::vec((any::<bool>(), 0..4_u32, proptest::collection::vec(any::<u8>(), 0..40)), 0..20),
        ) {
            let dynamic = dynamic(Watched::Recorded);
            for (is_up, flags, message) in messages {
                let frame = frame(flags, &message);
                match is_up {
                    true => dynamic.up(frame),
                    false => dynamic.down(frame),
                };
            }
        }
    }
}
