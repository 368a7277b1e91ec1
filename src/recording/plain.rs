//! The letters in a terminal's output, without what moves, colours or names it.
//!
//! Byte for byte, so that a sequence may be cut anywhere. Never holds back a letter, and
//! knows nothing of where on the screen one stands.

/// What a byte came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A byte of a character that is drawn.
    Letter(u8),
    /// The end of a line, or the cursor going to another one.
    Break,
    /// One character back.
    Back,
}

#[derive(Debug, Default)]
pub struct Plain {
    state: State,
    /// Whether the byte before was a carriage return, whose line feed ends no second line.
    returned: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    /// Inside ESC [ …
    Control,
    /// ESC and an intermediate: one more byte.
    Charset,
    /// Inside OSC, DCS, APC, PM or SOS.
    Text,
    TextEscape,
}

/// No sequence that draws is longer; a longer chunk need not be read for its state alone.
const LONGEST: usize = 256;

impl Plain {
    pub fn take(&mut self, byte: u8) -> Option<Shown> {
        let returned = std::mem::take(&mut self.returned);
        let (state, shown) = match (self.state, byte) {
            (_, 0x18 | 0x1a) => (State::Ground, None),
            (State::Text, 0x07) | (State::TextEscape, b'\\') => (State::Ground, None),
            (State::Text, 0x1b) => (State::TextEscape, None),
            (State::Text, _) => (State::Text, None),
            (_, 0x1b) => (State::Escape, None),
            (State::Escape | State::TextEscape, byte) => escape(byte),
            (State::Control, 0x40..=0x7e) => (State::Ground, control(byte)),
            (State::Control, 0x20..0x40) => (State::Control, None),
            (State::Charset, _) => (State::Ground, None),
            // Controls work inside a sequence too.
            (state @ (State::Ground | State::Control), byte) => (state, ground(byte, returned)),
        };
        self.state = state;
        self.returned = byte == b'\r' && shown == Some(Shown::Break);
        shown
    }

    /// Goes over bytes that nobody wants to know of, as far as it matters for those behind.
    pub fn skip(&mut self, bytes: &[u8]) {
        let tail = &bytes[bytes.len().saturating_sub(LONGEST)..];
        if tail.len() < bytes.len() {
            *self = Self::default();
        }
        for byte in tail {
            self.take(*byte);
        }
    }
}

fn ground(byte: u8, returned: bool) -> Option<Shown> {
    match byte {
        b'\n' if returned => None,
        b'\r' | b'\n' | 0x0b | 0x0c => Some(Shown::Break),
        0x08 => Some(Shown::Back),
        // A tab is a blank for who searches.
        b'\t' => Some(Shown::Letter(b' ')),
        0..0x20 | 0x7f => None,
        letter => Some(Shown::Letter(letter)),
    }
}

fn escape(byte: u8) -> (State, Option<Shown>) {
    match byte {
        b'[' => (State::Control, None),
        b']' | b'P' | b'X' | b'^' | b'_' => (State::Text, None),
        b' '..=b'/' => (State::Charset, None),
        // Next line, index, reverse index.
        b'D' | b'E' | b'M' => (State::Ground, Some(Shown::Break)),
        _ => (State::Ground, None),
    }
}

/// A control sequence that takes the cursor to another line ends this one.
fn control(last: u8) -> Option<Shown> {
    matches!(last, b'A' | b'B' | b'E' | b'F' | b'H' | b'J' | b'd' | b'f').then_some(Shown::Break)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> String {
        let mut plain = Plain::default();
        let mut text = Vec::new();
        for byte in bytes {
            match plain.take(*byte) {
                Some(Shown::Letter(letter)) => text.push(letter),
                Some(Shown::Break) => text.push(b'|'),
                Some(Shown::Back) => text.push(b'<'),
                None => {}
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    #[test]
    fn letters_are_left_and_sequences_are_not() {
        for (output, letters) in [
            (&b"\x1b[1;31mred\x1b[0m\r\nnext"[..], "red|next"),
            (b"\x1b]0;a title\x07\x1b]8;;http://x\x1b\\link", "link"),
            (b"\x1b(B\x1b[?1049h\x1b[2;5Hat", "|at"),
            (b"10%\r20%\r30%\n", "10%|20%|30%|"),
            (b"lx\x08\x1b[Ks", "lx<s"),
            ("caf\u{e9}\t\u{1f980}".as_bytes(), "caf\u{e9} \u{1f980}"),
            (b"\x1b[12\x18left", "left"),
        ] {
            assert_eq!(shown(output), letters);
        }
    }

    #[test]
    fn a_sequence_that_a_skipped_chunk_began_is_no_text_in_the_next() {
        let mut plain = Plain::default();
        plain.skip(&[&[b'x'; 5_000][..], b"\x1b[1;3"].concat());
        assert_eq!(plain.take(b'1'), None);
        assert_eq!(plain.take(b'm'), None);
        assert_eq!(plain.take(b'y'), Some(Shown::Letter(b'y')));
    }
}
