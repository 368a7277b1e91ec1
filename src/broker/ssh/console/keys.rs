//! From the bytes a terminal sends to the keys a person pressed.
//!
//! Pure, and used to bytes that come in any pieces. What it does not know is no key; what is
//! pasted is text, its line ends included.

use std::collections::VecDeque;

use crate::model::text::forbidden;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Letter(char),
    Enter,
    Tab,
    Backspace,
    Delete,
    Left,
    Right,
    WordLeft,
    WordRight,
    Home,
    End,
    Up,
    Down,
    /// Ctrl-U.
    EraseLine,
    /// Ctrl-K.
    EraseRest,
    /// Ctrl-W.
    EraseWord,
    /// Ctrl-L.
    Clear,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D.
    EndOfInput,
}

/// Longer is no sequence of a keyboard.
const LONGEST_SEQUENCE: usize = 16;

#[derive(Debug, Default)]
pub struct Keys {
    state: State,
    /// What has come of a letter of several bytes.
    letter: Vec<u8>,
    /// The last key was a carriage return: a line feed right after it is the same key.
    after_return: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    Escape,
    /// After `ESC [` or `ESC O`.
    Sequence(Vec<u8>),
}

impl Keys {
    pub fn push(&mut self, bytes: &[u8], keys: &mut VecDeque<Key>) {
        for byte in bytes {
            keys.extend(self.byte(*byte));
        }
    }

    fn byte(&mut self, byte: u8) -> Option<Key> {
        match std::mem::take(&mut self.state) {
            State::Ground => self.ground(byte),
            State::Escape => match byte {
                b'[' | b'O' => {
                    self.state = State::Sequence(Vec::new());
                    None
                }
                b'b' => Some(Key::WordLeft),
                b'f' => Some(Key::WordRight),
                0x7f | 0x08 => Some(Key::EraseWord),
                0x1b => {
                    self.state = State::Escape;
                    None
                }
                _ => None,
            },
            State::Sequence(mut so_far) => match byte {
                0x40..=0x7e => sequence(&so_far, byte),
                0x20..=0x3f if so_far.len() < LONGEST_SEQUENCE => {
                    so_far.push(byte);
                    self.state = State::Sequence(so_far);
                    None
                }
                // No keyboard sends this. What follows is read afresh.
                _ => None,
            },
        }
    }

    fn ground(&mut self, byte: u8) -> Option<Key> {
        let after_return = std::mem::take(&mut self.after_return);
        if byte < 0x80 {
            self.letter.clear();
        }
        match byte {
            b'\r' => {
                self.after_return = true;
                Some(Key::Enter)
            }
            b'\n' if after_return => None,
            b'\n' => Some(Key::Enter),
            b'\t' => Some(Key::Tab),
            0x7f | 0x08 => Some(Key::Backspace),
            0x1b => {
                self.state = State::Escape;
                None
            }
            0x01 => Some(Key::Home),
            0x02 => Some(Key::Left),
            0x03 => Some(Key::Interrupt),
            0x04 => Some(Key::EndOfInput),
            0x05 => Some(Key::End),
            0x06 => Some(Key::Right),
            0x0b => Some(Key::EraseRest),
            0x0c => Some(Key::Clear),
            0x0e => Some(Key::Down),
            0x10 => Some(Key::Up),
            0x15 => Some(Key::EraseLine),
            0x17 => Some(Key::EraseWord),
            0x00..=0x1f => None,
            0x20..=0x7e => Some(Key::Letter(char::from(byte))),
            0x80.. => self.part_of_letter(byte),
        }
    }

    fn part_of_letter(&mut self, byte: u8) -> Option<Key> {
        if byte >= 0xc0 {
            self.letter.clear();
        }
        self.letter.push(byte);
        match std::str::from_utf8(&self.letter) {
            Ok(text) => {
                let letter = text.chars().next();
                self.letter.clear();
                letter.filter(|letter| !forbidden(*letter)).map(Key::Letter)
            }
            Err(error) if error.error_len().is_none() => None,
            Err(_) => {
                self.letter.clear();
                None
            }
        }
    }
}

fn sequence(parameters: &[u8], last: u8) -> Option<Key> {
    let with_modifier = parameters.contains(&b';');
    Some(match (last, parameters) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'C', _) if with_modifier => Key::WordRight,
        (b'D', _) if with_modifier => Key::WordLeft,
        (b'C', _) => Key::Right,
        (b'D', _) => Key::Left,
        (b'H', _) | (b'~', b"1" | b"7") => Key::Home,
        (b'F', _) | (b'~', b"4" | b"8") => Key::End,
        (b'~', b"3") => Key::Delete,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(pieces: &[&[u8]]) -> Vec<Key> {
        let (mut keys, mut pressed) = (Keys::default(), VecDeque::new());
        for piece in pieces {
            keys.push(piece, &mut pressed);
        }
        pressed.into()
    }

    #[test]
    fn keys_are_known_however_their_bytes_are_cut() {
        for (bytes, key) in [
            (&b"a"[..], Key::Letter('a')),
            ("ü".as_bytes(), Key::Letter('ü')),
            ("日".as_bytes(), Key::Letter('日')),
            (b"\x1b[A", Key::Up),
            (b"\x1bOB", Key::Down),
            (b"\x1b[1;5C", Key::WordRight),
            (b"\x1b[3~", Key::Delete),
            (b"\x7f", Key::Backspace),
            (b"\x03", Key::Interrupt),
        ] {
            assert_eq!(keys(&[bytes]), [key]);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(keys(&single), [key], "byte by byte");
        }
    }

    #[test]
    fn a_return_and_its_line_feed_are_one_key() {
        assert_eq!(keys(&[b"\r\n\r\r\n\n"]), [Key::Enter; 4]);
    }

    #[test]
    fn what_could_move_a_cursor_is_no_letter() {
        for text in [
            "\u{202e}",
            "\u{9b}",
            "\u{200b}",
            "\x00",
            "\x1b[5n",
            "\x1b[<0;1;1M",
        ] {
            assert_eq!(keys(&[text.as_bytes()]), [], "{text:?}");
        }
        assert_eq!(keys(&[b"\xff\xc3\x28"]), [Key::Letter('(')]);
    }

    proptest! {
        #[test]
        fn no_bytes_break_it_and_letters_are_inert(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            for key in keys(&[&bytes]) {
                if let Key::Letter(letter) = key {
                    prop_assert!(!forbidden(letter) && letter != '\n');
                }
            }
        }
    }
}
