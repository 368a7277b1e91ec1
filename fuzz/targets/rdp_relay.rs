//! A session in which both sides say anything, frame by frame: each is passed whole, on a
//! channel that may carry something, or it is dropped or refused. Nothing goes up before the
//! account stands in the client's place, nobody says who they are a second time, and what was
//! passed would pass again as it is.
#![no_main]

use bytes::Bytes;
use doorward::broker::rdp::parts::{
    Channels, Downward, Injected, PassedDown, PassedUp, Said, Upward, Watched,
    capabilities_for_target, indication, is_info, length,
};
use libfuzzer_sys::fuzz_target;

const IO: u16 = 1003;
const OPEN: u16 = 1004;
const CONFIRM_ACTIVE: u8 = 3;
const REDIRECTION: u8 = 10;

// A choice, and frames by their own length, before each a byte that says what it is: of the
// client or of the target, as it comes or as data of a channel.
fuzz_target!(|input: &[u8]| {
    let Some((choice, mut rest)) = input.split_first() else { return };
    let watched = match choice & 1 {
        0 => Watched::Unrecorded,
        _ => Watched::Recorded,
    };
    let channels = channels();
    let (mut upward, mut target) = (upward(watched), upward(watched));
    let (mut downward, mut client) = (Downward::default(), Downward::default());
    if choice & 2 != 0 {
        // Most inputs would fail at the client's info.
        let info = info();
        let passed = upward.pass(info.clone(), &channels).expect("this is an info");
        let PassedUp::On { frame, .. } = passed else { panic!("it goes on") };
        assert!(target.pass(frame, &channels).is_ok());
    }
    while let Some((kind, more)) = rest.split_first() {
        let (frame, behind) = match kind & 6 {
            0 => match length(more) {
                Ok(Some(length)) if length <= more.len() => {
                    let (frame, behind) = more.split_at(length);
                    (Bytes::copy_from_slice(frame), behind)
                }
                _ => (Bytes::copy_from_slice(more), &[][..]),
            },
            on => {
                let (count, more) = more.split_first().unwrap_or((&0, &[]));
                let (data, behind) = more.split_at(usize::from(*count).min(more.len()));
                let channel = IO + u16::from(on / 2) - 1;
                (indication(1007, channel, data).expect("it is short"), behind)
            }
        };
        rest = behind;
        let goes_on = match kind & 1 {
            0 => up(frame, &mut upward, &mut target, watched, &channels),
            _ => down(frame, &mut downward, &mut client, &channels),
        };
        if !goes_on {
            return;
        }
    }
});

fn up(
    frame: Bytes,
    upward: &mut Upward,
    target: &mut Upward,
    watched: Watched,
    channels: &Channels,
) -> bool {
    let had_begun = upward.has_begun();
    let (passed, is_input) = match upward.pass(frame, channels) {
        Ok(PassedUp::On { frame, is_input }) => (frame, is_input),
        Ok(PassedUp::Dropped) => return true,
        Ok(PassedUp::Last(frame)) => {
            assert_eq!(Said::read(&frame), Ok(Some(Said::Disconnect)));
            return false;
        }
        Err(_) => return false,
    };
    match Said::read(&passed).expect("a frame") {
        Some(Said::Fast) => assert!(had_begun && is_input),
        Some(Said::Joining) => assert!(!had_begun),
        Some(Said::Data(data)) => {
            assert_eq!(length(&passed), Ok(Some(passed.len())), "one whole frame");
            assert!(data.channel == IO || data.channel == OPEN, "{}", data.channel);
            assert!(upward.has_begun());
            if !had_begun {
                assert!(is_info(data.bytes) && data.channel == IO);
            } else if data.channel == IO {
                let second_info = is_info(data.bytes) && data.bytes.get(2..4) == Some(&[0, 0]);
                assert!(!second_info, "nobody says a second time who they are");
                // Several may stand in one frame, and a target reads them all.
                for pdu in pdus(data.bytes) {
                    if pdu[2] & 0x0f == CONFIRM_ACTIVE
                        && let Some(can) = capabilities_for_target(pdu, watched)
                    {
                        assert_eq!(can, pdu, "it can no more than it may");
                    }
                }
            }
        }
        said => panic!("{said:?} goes on"),
    }
    let again = target.pass(passed.clone(), channels);
    assert_eq!(again, Ok(PassedUp::On { frame: passed, is_input }));
    true
}

fn down(frame: Bytes, downward: &mut Downward, client: &mut Downward, channels: &Channels) -> bool {
    let length = frame.len();
    let passed = match downward.pass(frame, channels) {
        Ok(PassedDown::On(frame)) => frame,
        Ok(PassedDown::Dropped) => return true,
        Ok(PassedDown::Last(frame)) => {
            assert_eq!(Said::read(&frame), Ok(Some(Said::Disconnect)));
            return false;
        }
        Err(_) => return false,
    };
    match Said::read(&passed).expect("a frame") {
        Some(Said::Fast | Said::Joining) => assert_eq!(passed.len(), length),
        Some(Said::Data(data)) => {
            assert!(data.channel == IO || data.channel == OPEN, "{}", data.channel);
            if data.channel == IO && downward.share() != 0 {
                for pdu in pdus(data.bytes) {
                    assert!(pdu[2] & 0x0f != REDIRECTION, "nobody is sent on");
                }
            }
        }
        said => panic!("{said:?} goes on"),
    }
    let again = client.pass(passed.clone(), channels);
    assert_eq!(again, Ok(PassedDown::On(passed)));
    assert_eq!(client.share(), downward.share());
    true
}

/// The PDUs that stand here, as clients and targets find them.
fn pdus(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let [low, high, _, _, ..] = *bytes {
        let length = match u16::from_le_bytes([low, high]) {
            // A word on the flow.
            0x8000 => 8,
            length => usize::from(length),
        };
        if length < 4 || length > bytes.len() {
            break;
        }
        let (pdu, behind) = bytes.split_at(length);
        if [low, high] != [0, 0x80] {
            all.push(pdu);
        }
        bytes = behind;
    }
    all
}

fn channels() -> Channels {
    let mut net = vec![2, 0, 0, 0];
    net.extend(b"rdpsnd\0\0\0\0\0\0cliprdr\0\0\0\0\0");
    let mut channels = Channels::rename(&mut net, |name| name == "rdpsnd").expect("two channels");
    channels.number(&[0xeb, 3, 2, 0, 0xec, 3, 0xed, 3]).expect("their numbers");
    channels
}

fn upward(watched: Watched) -> Upward {
    let account = Injected::new(r"CORP\svc_admin", "T4rget-Secret!".to_owned().into());
    Upward::new(account, watched)
}

fn info() -> Bytes {
    let mut info = [0; 32];
    info[0] = 0x40;
    info[8] = 0x10;
    indication(1007, IO, &info).expect("it is short")
}
