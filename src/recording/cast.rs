//! asciicast v2: the header, the events, and how output bytes become JSON text.
//!
//! Pure: appends to a buffer, never writes a file and never asks the time. A character that
//! is split between two chunks comes out whole; a byte that is no UTF-8 becomes U+FFFD.

use std::io::Write as _;

use serde::{Deserialize, Serialize};

use super::film::Shot;

/// The first line of a recording. Unknown keys of other writers are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub version: u32,
    pub width: u32,
    pub height: u32,
    /// When it began, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    #[serde(default)]
    pub env: Env,
    /// What the recording belongs to, so that a file found alone still says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doorward: Option<Belongs>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Env {
    #[serde(rename = "TERM", default, skip_serializing_if = "Option::is_none")]
    pub term: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Belongs {
    pub recording: String,
    pub session: String,
    pub checkout: String,
}

impl Header {
    pub const VERSION: u32 = 2;

    pub fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("strings and numbers become JSON");
        line.push(b'\n');
        line
    }
}

/// Output of one stream. Holds back the beginning of a character until its rest has come.
#[derive(Debug, Default)]
pub struct Utf8 {
    tail: [u8; 3],
    held: usize,
}

impl Utf8 {
    /// Appends the event of these bytes, or nothing if they are the beginning of a character.
    pub fn output(&mut self, millis: u64, bytes: &[u8], into: &mut Vec<u8>) {
        let before = into.len();
        open(millis, "o", into);
        let empty = into.len();
        self.decode(bytes, into);
        if into.len() == empty {
            into.truncate(before);
        } else {
            close(into);
        }
    }

    /// Appends what was held back, when nothing more comes.
    pub fn end(&mut self, millis: u64, into: &mut Vec<u8>) {
        if self.held > 0 {
            self.held = 0;
            event(millis, "o", REPLACEMENT, into);
        }
    }

    fn decode(&mut self, bytes: &[u8], into: &mut Vec<u8>) {
        let bytes = &bytes[self.resume(bytes, into)..];
        into.reserve(bytes.len() + bytes.len() / 8);
        // What stands between `copied` and `at` is copied as it is, in one go.
        let (mut copied, mut at) = (0, 0);
        loop {
            at += plain(&bytes[at..]);
            let Some(&byte) = bytes.get(at) else {
                into.extend_from_slice(&bytes[copied..]);
                return;
            };
            let length = if byte < 0x80 {
                into.extend_from_slice(&bytes[copied..at]);
                escape_ascii(byte, into);
                1
            } else {
                match Sequence::first_of(&bytes[at..]) {
                    Sequence::Whole(length) => {
                        at += length;
                        continue;
                    }
                    Sequence::Broken(length) => {
                        into.extend_from_slice(&bytes[copied..at]);
                        into.extend_from_slice(REPLACEMENT.as_bytes());
                        length
                    }
                    Sequence::Begun => {
                        into.extend_from_slice(&bytes[copied..at]);
                        return self.hold(&bytes[at..]);
                    }
                }
            };
            at += length;
            copied = at;
        }
    }

    /// Completes the character that was held back, and says how many bytes that took.
    fn resume(&mut self, bytes: &[u8], into: &mut Vec<u8>) -> usize {
        if self.held == 0 {
            return 0;
        }
        let held = self.held;
        let more = bytes.len().min(4 - held);
        let mut joint = [0; 4];
        joint[..held].copy_from_slice(&self.tail[..held]);
        joint[held..held + more].copy_from_slice(&bytes[..more]);
        let joint = &joint[..held + more];
        self.held = 0;
        // INVARIANT: what is held back is the beginning of a character, so whatever it turns
        // out to be is at least as long.
        match Sequence::first_of(joint) {
            Sequence::Whole(length) => {
                into.extend_from_slice(&joint[..length]);
                length - held
            }
            Sequence::Broken(length) => {
                into.extend_from_slice(REPLACEMENT.as_bytes());
                length - held
            }
            Sequence::Begun => {
                self.hold(joint);
                more
            }
        }
    }

    fn hold(&mut self, beginning: &[u8]) {
        // INVARIANT: an incomplete sequence has three bytes at most; the fourth completes it.
        self.tail[..beginning.len()].copy_from_slice(beginning);
        self.held = beginning.len();
    }
}

/// What was typed; players do not show it, as the output has it too.
pub fn input(millis: u64, text: &str, into: &mut Vec<u8>) {
    event(millis, "i", text, into);
}

pub fn resize(millis: u64, width: u32, height: u32, into: &mut Vec<u8>) {
    event(millis, "r", &format!("{width}x{height}"), into);
}

/// What the gateway has to say about the recording; players list it beside the output.
pub fn marker(millis: u64, text: &str, into: &mut Vec<u8>) {
    event(millis, "m", text, into);
}

/// A request to a web target as it is passed on, as JSON; players pass over it.
pub fn request(millis: u64, json: &str, into: &mut Vec<u8>) {
    event(millis, "request", json, into);
}

/// What became of a request, as JSON.
pub fn answer(millis: u64, json: &str, into: &mut Vec<u8>) {
    event(millis, "answer", json, into);
}

/// What is recorded of a body, as JSON; before the answer.
pub fn body(millis: u64, json: &str, into: &mut Vec<u8>) {
    event(millis, "body", json, into);
}

/// What a desktop shows (`film.rs`); players of terminals pass over it.
pub fn shot(millis: u64, shot: &Shot, into: &mut Vec<u8>) {
    match shot {
        Shot::Size { width, height } => event(millis, "r", &format!("{width}x{height}"), into),
        Shot::Key(tiles) => event(millis, "key", tiles, into),
        Shot::Tiles(tiles) => event(millis, "tiles", tiles, into),
    }
}

/// What was typed at a desktop, as far as a line of it goes.
pub fn typed(millis: u64, text: &str, into: &mut Vec<u8>) {
    event(millis, "typed", text, into);
}

/// Text that went over the clipboard: from whom, and what.
pub fn clipboard(millis: u64, text: &str, into: &mut Vec<u8>) {
    event(millis, "clipboard", text, into);
}

/// Where on a desktop somebody points.
pub fn pointer(millis: u64, x: u16, y: u16, into: &mut Vec<u8>) {
    event(millis, "pointer", &format!("{x}x{y}"), into);
}

const REPLACEMENT: &str = "\u{fffd}";

fn event(millis: u64, code: &str, text: &str, into: &mut Vec<u8>) {
    open(millis, code, into);
    escape(text, into);
    close(into);
}

fn open(millis: u64, code: &str, into: &mut Vec<u8>) {
    write!(
        into,
        "[{}.{:03},\"{code}\",\"",
        millis / 1_000,
        millis % 1_000
    )
    .expect("a vector takes every byte");
}

fn close(into: &mut Vec<u8>) {
    into.extend_from_slice(b"\"]\n");
}

/// What the bytes of a character beyond ASCII begin with. A broken one is as long as what
/// one U+FFFD stands for: the longest beginning of a character, or one byte
/// (Unicode 3.9, U+FFFD Substitution of Maximal Subparts; as `String::from_utf8_lossy`).
enum Sequence {
    Whole(usize),
    Broken(usize),
    /// All of it may belong to a character whose rest has not come.
    Begun,
}

impl Sequence {
    fn first_of(bytes: &[u8]) -> Self {
        // The second byte's range keeps out what is too long, a surrogate or beyond U+10FFFF.
        let (length, second) = match bytes[0] {
            0..0x80 => return Self::Whole(1),
            0xc2..=0xdf => (2, 0x80..=0xbf),
            0xe0 => (3, 0xa0..=0xbf),
            0xed => (3, 0x80..=0x9f),
            0xe1..=0xef => (3, 0x80..=0xbf),
            0xf0 => (4, 0x90..=0xbf),
            0xf1..=0xf3 => (4, 0x80..=0xbf),
            0xf4 => (4, 0x80..=0x8f),
            _ => return Self::Broken(1),
        };
        match bytes.get(1) {
            None => return Self::Begun,
            Some(byte) if !second.contains(byte) => return Self::Broken(1),
            Some(_) => {}
        }
        for index in 2..length {
            match bytes.get(index) {
                None => return Self::Begun,
                Some(0x80..=0xbf) => {}
                Some(_) => return Self::Broken(index),
            }
        }
        Self::Whole(length)
    }
}

/// Appends `text` as the inside of a JSON string.
fn escape(text: &str, into: &mut Vec<u8>) {
    // Text has nothing broken in it and nothing held back.
    Utf8::default().decode(text.as_bytes(), into);
}

fn escape_ascii(byte: u8, into: &mut Vec<u8>) {
    let short = match byte {
        b'\n' => b"\\n",
        b'\r' => b"\\r",
        b'\t' => b"\\t",
        b'"' => b"\\\"",
        b'\\' => b"\\\\",
        _ => {
            let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
            let (high, low) = (digit(byte >> 4), digit(byte & 15));
            return into.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    };
    into.extend_from_slice(short);
}

/// How many bytes from the first on are ASCII and copied as they are; eight are looked at at
/// once.
fn plain(bytes: &[u8]) -> usize {
    // Escapes and characters beyond ASCII often come in rows.
    if bytes.first().is_some_and(|byte| is_special(*byte)) {
        return 0;
    }
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let found = special(u64::from_le_bytes(*word));
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let end = rest.iter().position(|byte| is_special(*byte));
    words.len() * 8 + end.unwrap_or(rest.len())
}

fn is_special(byte: u8) -> bool {
    matches!(byte, 0..0x20 | b'"' | b'\\' | 0x80..)
}

/// Sets the high bit of each byte that needs an escape or is no ASCII. Exact for the lowest
/// such byte: a borrow runs upwards only.
fn special(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGHS;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (word & HIGHS) | below(word, 0x20) | equal(b'"') | equal(b'\\')
}

#[cfg(test)]
mod tests {
    use std::str;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Everything a player would print.
    fn played(cast: &[u8]) -> String {
        let lines = str::from_utf8(cast).unwrap().lines();
        lines
            .map(|line| serde_json::from_str::<(f64, String, String)>(line).unwrap())
            .filter(|(_, code, _)| code == "o")
            .map(|(_, _, text)| text)
            .collect()
    }

    fn recorded(chunks: &[&[u8]]) -> Vec<u8> {
        let mut utf8 = Utf8::default();
        let mut cast = Vec::new();
        for chunk in chunks {
            utf8.output(1, chunk, &mut cast);
        }
        utf8.end(2, &mut cast);
        cast
    }

    fn split<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect()
    }

    /// Bytes as they come from terminals: text, controls, and damage.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            any::<String>().prop_map(String::into_bytes),
            "[äß€\u{1f980}\\\\\"\\x1b\r\n]{0,12}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..12),
            proptest::collection::vec(0x80..=0xff_u8, 0..6),
        ];
        proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_recording_says_the_same(
            bytes in stream(),
            cuts in proptest::collection::vec(any::<usize>(), 0..40),
        ) {
            let cast = recorded(&split(&bytes, &cuts));
            prop_assert_eq!(played(&cast), String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn each_byte_by_itself_is_as_good_as_all_at_once(bytes in stream()) {
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(played(&recorded(&single)), String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn the_escapes_are_those_of_json(text in any::<String>()) {
            let mut ours = vec![b'"'];
            escape(&text, &mut ours);
            ours.push(b'"');
            let Value::String(read) = serde_json::from_slice(&ours).unwrap() else {
                panic!("a string was written");
            };
            prop_assert_eq!(read, text);
        }
    }

    #[test]
    fn every_byte_is_found_at_every_place_of_a_word() {
        for byte in 0..=0xff_u8 {
            for place in 0..16 {
                let mut bytes = *b"ABCDEFGHIJKLMNOP";
                bytes[place] = byte;
                let needs = byte < 0x20 || byte == b'"' || byte == b'\\' || byte >= 0x80;
                assert_eq!(
                    plain(&bytes),
                    if needs { place } else { 16 },
                    "{byte} {place}"
                );
            }
        }
    }

    #[test]
    fn the_beginning_of_a_character_waits_for_its_end() {
        let mut utf8 = Utf8::default();
        let mut cast = Vec::new();
        utf8.output(5, b"\xf0\x9f", &mut cast);
        assert_eq!(cast, b"");
        utf8.output(1_234, b"\xa6\x80!", &mut cast);
        assert_eq!(
            str::from_utf8(&cast).unwrap(),
            "[1.234,\"o\",\"\u{1f980}!\"]\n"
        );
    }

    #[test]
    fn the_header_is_one_line_that_players_know() {
        let header = Header {
            version: Header::VERSION,
            width: 80,
            height: 24,
            timestamp: Some(1_800_000_000),
            title: Some("alice on db1\nas root".to_owned()),
            command: None,
            env: Env {
                term: Some("xterm".to_owned()),
            },
            doorward: None,
        };
        assert_eq!(
            String::from_utf8(header.line()).unwrap(),
            "{\"version\":2,\"width\":80,\"height\":24,\"timestamp\":1800000000,\
             \"title\":\"alice on db1\\nas root\",\"env\":{\"TERM\":\"xterm\"}}\n"
        );
    }
}
