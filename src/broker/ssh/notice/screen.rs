//! What a target's output has done to the terminal so far: is a sequence or a letter half
//! said, and which of the two screens is shown.
//!
//! Pure, and used to output that comes in any pieces. Knows as much of ECMA-48 and xterm as
//! it takes not to speak into the middle of something.

/// No mode switch is longer.
const LONGEST: usize = 64;

#[derive(Debug, Default)]
pub struct Screen {
    state: State,
    alternate: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    /// So many bytes of a letter are still to come.
    Letter(u8),
    /// After `ESC`, and after what may stand between it and its last byte.
    Escape,
    /// After `ESC [`.
    Control(Vec<u8>),
    /// A title, a device's own string: up to its end.
    String(StringKind),
    /// An `ESC` inside such a string: mostly the first half of its end.
    StringEscape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StringKind {
    /// `ESC ]`, which may also end with a bell.
    Command,
    Other,
}

impl Screen {
    pub fn follow(&mut self, output: &[u8]) {
        let mut rest = output;
        while let Some((byte, after)) = rest.split_first() {
            self.byte(*byte);
            rest = after;
            if let State::Ground = self.state {
                // Plain text is most of what comes.
                let plain = rest.iter().position(|byte| !(0x20..0x7f).contains(byte));
                rest = &rest[plain.unwrap_or(rest.len())..];
            }
        }
    }

    /// Whether something may be said now without breaking into anything.
    pub fn is_between(&self) -> bool {
        matches!(self.state, State::Ground)
    }

    /// Whether a full-screen program has the terminal.
    pub fn is_alternate(&self) -> bool {
        self.alternate
    }

    fn byte(&mut self, byte: u8) {
        let state = std::mem::take(&mut self.state);
        self.state = match (state, byte) {
            // Cancel and substitute end whatever was begun.
            (State::Control(_) | State::Escape | State::String(_), 0x18 | 0x1a) => State::Ground,
            (State::String(_), 0x1b) => State::StringEscape,
            (State::String(StringKind::Command), 0x07) => State::Ground,
            (State::String(kind), _) => State::String(kind),
            (State::StringEscape, b'\\') => State::Ground,
            // The string was left by another sequence.
            (State::StringEscape, byte) => self.after_escape(byte),
            (_, 0x1b) => State::Escape,
            (State::Escape, byte) => self.after_escape(byte),
            (State::Control(parameters), byte) => self.in_control(parameters, byte),
            (State::Letter(1), 0x80..=0xbf) => State::Ground,
            (State::Letter(left), 0x80..=0xbf) => State::Letter(left - 1),
            (State::Ground | State::Letter(_), 0xc2..=0xdf) => State::Letter(1),
            (State::Ground | State::Letter(_), 0xe0..=0xef) => State::Letter(2),
            (State::Ground | State::Letter(_), 0xf0..=0xf4) => State::Letter(3),
            (State::Ground | State::Letter(_), _) => State::Ground,
        };
    }

    fn after_escape(&mut self, byte: u8) -> State {
        match byte {
            b'[' => State::Control(Vec::new()),
            b']' => State::String(StringKind::Command),
            b'P' | b'X' | b'^' | b'_' => State::String(StringKind::Other),
            // Intermediates: a character set is named, one more byte comes.
            0x20..=0x2f => State::Escape,
            b'c' => {
                // A full reset.
                self.alternate = false;
                State::Ground
            }
            // A control character is carried out in the middle of a sequence.
            0x00..=0x1f => State::Escape,
            _ => State::Ground,
        }
    }

    fn in_control(&mut self, mut parameters: Vec<u8>, byte: u8) -> State {
        match byte {
            0x20..=0x3f => {
                if parameters.len() < LONGEST {
                    parameters.push(byte);
                }
                State::Control(parameters)
            }
            0x40..=0x7e => {
                if let (b'h' | b'l', Some(modes)) = (byte, parameters.strip_prefix(b"?")) {
                    let mut modes = modes.split(|byte| *byte == b';');
                    if modes.any(|mode| matches!(mode, b"47" | b"1047" | b"1049")) {
                        self.alternate = byte == b'h';
                    }
                }
                State::Ground
            }
            0x00..=0x1f => State::Control(parameters),
            _ => State::Ground,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(pieces: &[&[u8]]) -> Screen {
        let mut screen = Screen::default();
        for piece in pieces {
            screen.follow(piece);
        }
        screen
    }

    #[test]
    fn the_alternate_screen_is_seen_across_every_cut() {
        for on in [
            &b"\x1b[?1049h"[..],
            b"\x1b[?47h",
            b"\x1b[?1047h",
            b"\x1b[?1;1049;25h",
        ] {
            for cut in 0..=on.len() {
                let (first, second) = on.split_at(cut);
                let screen = after(&[b"vi\r\n", first, second, b"\x1b[2J"]);
                assert!(screen.is_alternate(), "{on:?} cut at {cut}");
            }
        }
        let off = after(&[b"\x1b[?1049h", b"\x1b[?10", b"49l"]);
        assert!(!off.is_alternate());
        assert!(!after(&[b"\x1b[?1049h", b"\x1bc"]).is_alternate(), "reset");
        for other in [
            &b"\x1b[1049h"[..],
            b"\x1b[?1049$p",
            b"\x1b[?2004h",
            b"\x1b]0;\x1b[?1049h",
            b"echo '[?1049h'",
        ] {
            // An ESC inside a title leaves it, as in xterm.
            let screen = after(&[other]);
            let leaves_title = other.starts_with(b"\x1b]");
            assert_eq!(screen.is_alternate(), leaves_title, "{other:?}");
        }
    }

    #[test]
    fn nothing_is_said_into_the_middle_of_something() {
        for whole in [
            "\x1b[31;1m",
            "\x1b[38;2;1;2;3m",
            "\x1b]0;a title\x07",
            "\x1b]0;a title\x1b\\",
            "\x1bP1$r0m\x1b\\",
            "\x1b(B",
            "\x1b7",
            "ü",
            "日",
            "🚪",
        ] {
            let bytes = whole.as_bytes();
            for cut in 1..bytes.len() {
                let screen = after(&[b"text", &bytes[..cut]]);
                assert!(!screen.is_between(), "{whole:?} cut at {cut}");
            }
            assert!(after(&[b"text", bytes]).is_between(), "{whole:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_do_not_hold_it_up_for_ever() {
        assert!(after(&[b"\xff\xfe\x80"]).is_between());
        assert!(after(&[b"\xe2 "]).is_between(), "a letter broken off");
        assert!(after(&[b"\x1b]0;never ended\x18"]).is_between());
    }

    proptest! {
        #[test]
        fn it_sees_the_same_however_the_output_is_cut(
            output in proptest::collection::vec(
                prop_oneof![any::<u8>(), Just(0x1b), Just(b'['), Just(b'?'), Just(b'h')], 0..200),
            cut in 0..200usize,
        ) {
            let cut = cut.min(output.len());
            let (whole, pieces) = (after(&[&output]), after(&[&output[..cut], &output[cut..]]));
            prop_assert_eq!(whole.is_between(), pieces.is_between());
            prop_assert_eq!(whole.is_alternate(), pieces.is_alternate());
        }
    }
}
