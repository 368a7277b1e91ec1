//! The first words of a client of RDP and of a target, from anywhere: refused, or read to their
//! end and not a byte further, and what is written reads back as the same.
#![no_main]

use doorward::broker::rdp::parts::{Protocols, confirm, read_confirm, read_request, request};
use futures::FutureExt;
use libfuzzer_sys::fuzz_target;

/// The longest blob and the longest request.
const LONGEST: usize = 4_096 + 1_024;
const TLS: &[u8] = b"\x16\x03\x01";

fuzz_target!(|input: &[u8]| {
    let requested = |mut bytes: &[u8]| {
        let read = read_request(&mut bytes).now_or_never().expect("bytes do not wait");
        read.ok().map(|protocols| (protocols, bytes.len()))
    };
    if let Some((protocols, rest)) = requested(input) {
        let (words, _) = input.split_at(input.len() - rest);
        assert!(words.len() <= LONGEST);
        let followed = [words, TLS].concat();
        assert_eq!(requested(&followed), Some((protocols, TLS.len())), "TLS is not touched");
        for end in [0, words.len() / 2, words.len() - 1] {
            assert_eq!(requested(&words[..end]), None, "cut at {end}");
        }
        assert_eq!(requested(&request(protocols)), Some((protocols, 0)));
    }

    let confirmed = |mut bytes: &[u8]| {
        let read = read_confirm(&mut bytes).now_or_never().expect("bytes do not wait");
        read.ok().map(|chosen| (chosen, bytes.len()))
    };
    if let Some((chosen, rest)) = confirmed(input) {
        let (words, _) = input.split_at(input.len() - rest);
        let followed = [words, TLS].concat();
        assert_eq!(confirmed(&followed), Some((chosen, TLS.len())), "TLS is not touched");
        assert_eq!(confirmed(&words[..words.len() - 1]), None);
        let again = confirmed(&confirm(chosen.protocol)).expect("what is written is read");
        assert_eq!(again.0.protocol, chosen.protocol);
    }
    let number = input.first_chunk().map_or(0, |four| u32::from_le_bytes(*four));
    assert_eq!(requested(&request(Protocols(number))), Some((Protocols(number), 0)));
});
