//! What a client says of itself, from anywhere: refused, or the account stands where its name
//! and password stood, nothing of them is left, and the rest is as it was.
#![no_main]

use doorward::broker::rdp::parts::{Injected, replace};
use libfuzzer_sys::fuzz_target;

const AUTOLOGON: u32 = 0x8;
/// Compression, a PIN for a password, single programs.
const TAKEN_BACK: u32 = 0x80 | 0x1e00 | 0x0004_0000 | 0x8000;
/// Behind the names: the time zone, a number, the performance flags.
const ZONE_AND_FLAGS: usize = 172 + 4 + 4;

fuzz_target!(|input: &[u8]| {
    let account = || Injected::new(r"CORP\svc_admin", "T4rget-Secret!".to_owned().into());
    let Ok(replaced) = replace(input, &account()) else { return };
    let (sent, seen) = (Info::read(input), Info::read(&replaced));
    let (sent, seen) = (sent.expect("it was read"), seen.expect("it is read"));
    assert_eq!(seen.head, sent.head);
    assert_eq!(seen.flags & TAKEN_BACK, 0);
    assert_eq!(seen.flags | TAKEN_BACK, sent.flags | TAKEN_BACK | AUTOLOGON);
    for (text, expected) in seen.texts.iter().zip(["CORP", "svc_admin", "T4rget-Secret!", "", ""]) {
        let expected: Vec<u8> = expected.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(text, &expected);
    }
    match cookie(sent.extra) {
        Some((at, length)) => {
            assert_eq!(cookie(seen.extra), Some((at, 0)), "nobody comes back by themselves");
            assert_eq!(seen.extra[..at], sent.extra[..at]);
            assert_eq!(seen.extra[at + 2..], sent.extra[at + 2 + length..]);
        }
        None => assert_eq!(seen.extra, sent.extra),
    }
    let again = replace(&replaced, &account()).expect("what is written is read");
    assert_eq!(again[..], replaced[..]);
});

struct Info<'a> {
    head: &'a [u8],
    flags: u32,
    texts: Vec<&'a [u8]>,
    extra: &'a [u8],
}

impl<'a> Info<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(8)?;
        let (flags, rest) = rest.split_first_chunk::<4>()?;
        let (lengths, mut extra) = rest.split_at_checked(10)?;
        let mut texts = Vec::new();
        for length in lengths.chunks_exact(2) {
            let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
            let (text, behind) = extra.split_at_checked(length)?;
            texts.push(text);
            extra = behind.get(2..)?;
        }
        Some(Self { head, flags: u32::from_le_bytes(*flags), texts, extra })
    }
}

/// Where the length of the cookie stands, and that length.
fn cookie(extra: &[u8]) -> Option<(usize, usize)> {
    let number = |at: usize| {
        let two = extra.get(at..)?.first_chunk()?;
        Some(usize::from(u16::from_le_bytes(*two)))
    };
    let mut at = 2;
    for _ in 0..2 {
        at += 2 + number(at)?;
    }
    at += ZONE_AND_FLAGS;
    Some((at, number(at)?))
}
