//! What a client types and what goes over the clipboard, from anywhere: refused, or lines that
//! are not long, the same in both forms; and a text that is the same in how many pieces it came.
#![no_main]

use doorward::broker::rdp::parts::{Clipboard, Side, Typing, indication};
use libfuzzer_sys::fuzz_target;

/// A line is told when it is so long, with the name of the last key behind it.
const LONGEST_LINE: usize = 256 + 64;
/// So much of a text is kept, and a word on how long it is.
const LONGEST_TEXT: usize = 3 * 64 * 1024 + 64;
const FIRST: u32 = 1;
const LAST: u32 = 2;

fuzz_target!(|input: &[u8]| {
    let mut typing = Typing::default();
    let mut rest = input;
    while let Some((length, more)) = rest.split_first() {
        let (frame, behind) = more.split_at(usize::from(*length).min(more.len()));
        rest = behind;
        bounded(&typing.take(frame).unwrap_or_default());
    }
    bounded(typing.rest().as_slice());
    both_forms(input);
    over_the_clipboard(input);
});

fn bounded(lines: &[String]) {
    assert!(lines.iter().all(|line| !line.is_empty() && line.len() <= LONGEST_LINE));
}

/// Keys, characters and places, of four bytes each.
fn both_forms(input: &[u8]) {
    let (mut short_typing, mut long_typing) = (Typing::default(), Typing::default());
    for events in input.as_chunks::<4>().0.chunks(15) {
        let count = u8::try_from(events.len()).expect("there are fifteen");
        let mut short = vec![count << 2, 0];
        let mut long = vec![0; 18];
        long.extend([count, 0, 0, 0]);
        for [kind, flags, low, high] in events {
            long.extend([0; 4]);
            match kind % 3 {
                0 => {
                    short.extend([flags & 3, *low]);
                    let flags = (flags & 1) << 7 | (flags & 2) >> 1;
                    long.extend([4, 0, 0, flags, *low, 0, 0, 0]);
                }
                1 => {
                    short.extend([4 << 5 | flags & 1, *low, *high]);
                    long.extend([5, 0, 0, (flags & 1) << 7, *low, *high, 0, 0]);
                }
                _ => {
                    short.extend([1 << 5, 0, *flags, *low, *high, 0, 1]);
                    long.extend([1, 0x80, 0, *flags, *low, *high, 0, 1]);
                }
            }
        }
        short[1] = u8::try_from(short.len()).expect("it is short");
        let long = indication(1007, 1003, &long).expect("it is short");
        let short = short_typing.take(&short).expect("events");
        bounded(&short);
        assert_eq!(long_typing.take(&long).expect("events"), short);
        assert_eq!(long_typing.moved(), short_typing.moved());
    }
    assert_eq!(long_typing.rest(), short_typing.rest());
}

/// Messages, each behind its length; a byte before that says whose it is and into how many
/// pieces it is cut.
fn over_the_clipboard(input: &[u8]) {
    let (mut whole, mut pieces) = (Clipboard::default(), Clipboard::default());
    let mut raw = Clipboard::default();
    let mut rest = input;
    while let [choice, high, low, ref more @ ..] = *rest {
        let length = usize::from(u16::from_be_bytes([high, low])).min(more.len());
        let (message, behind) = more.split_at(length);
        rest = behind;
        let side = match choice & 1 {
            0 => Side::Client,
            _ => Side::Target,
        };
        if let Ok(Some(text)) = raw.take(side, message) {
            assert!(text.len() <= LONGEST_TEXT);
        }
        let text = whole.take(side, &piece(FIRST | LAST, message));
        if let Ok(Some(text)) = &text {
            assert!(text.len() <= LONGEST_TEXT);
        }
        let size = usize::from(choice >> 1) + 1;
        let count = message.len().div_ceil(size).max(1);
        let mut last = Ok(None);
        for index in 0..count {
            let from = (index * size).min(message.len());
            let data = &message[from..(from + size).min(message.len())];
            let is_first = if index == 0 { FIRST } else { 0 };
            let is_last = if index + 1 == count { LAST } else { 0 };
            last = pieces.take(side, &piece(is_first | is_last, data));
            assert!(is_last != 0 || last == Ok(None));
        }
        assert_eq!(last, text, "in pieces of {size}");
    }
}

fn piece(flags: u32, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).expect("it is short");
    [&length.to_le_bytes()[..], &flags.to_le_bytes(), data].concat()
}
