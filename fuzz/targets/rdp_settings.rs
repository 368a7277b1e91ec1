//! What client and server tell each other of themselves, from anywhere: refused, or passed on
//! as one whole frame without side channels, in which each thing is said once and no channel
//! has a name that may not be; and what passed passes again as it is.
#![no_main]

use std::collections::HashSet;

use doorward::broker::rdp::parts::{Channels, Protocols, Watched, for_client, for_target, length};
use libfuzzer_sys::fuzz_target;

const CLIENT_NET: u16 = 0xc003;
const SIDE_CHANNELS: [u16; 4] = [0xc006, 0xc00a, 0x0c04, 0x0c08];

fn may(name: &str) -> bool {
    matches!(name, "rdpsnd" | "cliprdr")
}

// A choice, the client's frame by its own length, and the server's.
fuzz_target!(|input: &[u8]| {
    let Some((choice, frames)) = input.split_first() else { return };
    let (protocol, extended) = (Protocols(u32::from(choice & 3)), choice & 4 != 0);
    let watched = match choice & 8 {
        0 => Watched::Recorded,
        _ => Watched::Unrecorded,
    };
    let (initial, response) = match length(frames) {
        Ok(Some(length)) if length <= frames.len() => frames.split_at(length),
        _ => (frames, frames),
    };

    let asked = for_target(initial, protocol, extended, watched, may);
    let (seen, mut channels) = match asked {
        Ok((seen, channels)) => (Some(seen), channels),
        Err(_) => (None, two_channels()),
    };
    if let Some(seen) = seen {
        assert_eq!(length(&seen), Ok(Some(seen.len())), "one whole frame");
        let again = for_target(&seen, protocol, extended, watched, may).expect("what passed passes");
        assert_eq!(again.0, seen);
        assert_eq!(again.1, channels);
        for (kind, body) in blocks(&seen, b"Duca").unwrap_or_default() {
            assert!(!SIDE_CHANNELS.contains(&kind));
            if kind == CLIENT_NET {
                let count = usize::from(body[0]);
                let names = body[4..].chunks(12).take(count).map(|entry| &entry[..8]);
                for name in names {
                    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                    let name = name.to_ascii_lowercase();
                    let is_known = std::str::from_utf8(&name).is_ok_and(may);
                    assert!(is_known || name.starts_with(b"blkd"), "{name:?}");
                }
            }
        }
    }

    let seen = for_client(response, protocol, &mut channels);
    if let Ok(seen) = seen {
        assert_eq!(length(&seen), Ok(Some(seen.len())), "one whole frame");
        assert!(!channels.may_carry(channels.io()), "the screen is the screen");
        for (kind, _) in blocks(&seen, b"McDn").unwrap_or_default() {
            assert!(!SIDE_CHANNELS.contains(&kind));
        }
        let open = (0..=u16::MAX).filter(|number| channels.may_carry(*number)).count();
        assert!(open <= 31, "no channel that nobody asked for");
        for name in ["rdpdr", "drdynvc", "blkd0"] {
            assert_eq!(channels.numbered(name), None);
        }
    }
});

fn two_channels() -> Channels {
    let mut net = vec![2, 0, 0, 0];
    net.extend(b"rdpsnd\0\0\0\0\0\0rdpdr\0\0\0\0\0\0\0");
    Channels::rename(&mut net, may).expect("two channels")
}

/// The blocks behind the mark; none where it could stand somewhere else.
fn blocks<'a>(frame: &'a [u8], mark: &[u8; 4]) -> Option<Vec<(u16, &'a [u8])>> {
    let mut places = frame.windows(4).enumerate().filter(|(_, window)| window == mark);
    let (at, _) = places.next()?;
    if places.next().is_some() {
        return None;
    }
    let rest = &frame[at + 4..];
    let (length, mut rest) = match *rest {
        [high, low, ref rest @ ..] if high >= 0x80 => {
            ((usize::from(high & 0x3f) << 8) | usize::from(low), rest)
        }
        [length, ref rest @ ..] => (usize::from(length), rest),
        [] => return None,
    };
    rest = &rest[..length];
    let mut known = HashSet::new();
    let mut blocks = Vec::new();
    while let [a, b, c, d, ..] = *rest {
        let (kind, length) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        let (block, behind) = rest.split_at(usize::from(length));
        assert!(known.insert(kind), "{kind:#06x} is said once");
        blocks.push((kind, &block[4..]));
        rest = behind;
    }
    Some(blocks)
}
