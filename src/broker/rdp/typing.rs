//! What somebody types and where they point, read from what their client sends.
//!
//! Pure. Keys come as places on a keyboard, not as letters: a letter is the one that a US
//! keyboard has there, and what a client sends as a character is that character. Never looks
//! at anything but input (MS-RDPBCGR 2.2.8.1).

use std::mem;

use super::{
    bytes::{Result, take, take_u8, take_u16, take_u32},
    mcs::Said,
};

/// A line is told when it is as long as this, also without an end.
const LONGEST: usize = 256;

const RELEASED: u16 = 0x8000;
const EXTENDED: u16 = 0x0100;
/// In the short form.
const SHORT_RELEASED: u8 = 0x01;
const SHORT_EXTENDED: u8 = 0x02;

const SCANCODE: u16 = 4;
const UNICODE: u16 = 5;
const MOUSE: u16 = 0x8001;
const EXTENDED_MOUSE: u16 = 0x8002;

/// Before the events of the long form: a share header, and that of data.
const LONG_HEAD: usize = 18;

const BACKSPACE: u8 = 0x0e;
const ENTER: u8 = 0x1c;
const CONTROL: u8 = 0x1d;
const LEFT_SHIFT: u8 = 0x2a;
const RIGHT_SHIFT: u8 = 0x36;
const ALT: u8 = 0x38;
const CAPS_LOCK: u8 = 0x3a;
const WINDOWS: [u8; 2] = [0x5b, 0x5c];

/// The letters of a US keyboard by their place from 0x02 on; a blank where there is none.
const PLAIN: &str = "1234567890-=  qwertyuiop[]  asdfghjkl;'` \\zxcvbnm,./ *  ";
const SHIFTED: &str = "!@#$%^&*()_+  QWERTYUIOP{}  ASDFGHJKL:\"~ |ZXCVBNM<>? *  ";
const FIRST_LETTER: u8 = 0x02;
const SPACE: u8 = 0x39;

/// Puts together what one person types.
#[derive(Default)]
pub struct Typing {
    line: String,
    shift: bool,
    capitals: bool,
    control: bool,
    alt: bool,
    windows: bool,
    pointer: Option<(u16, u16)>,
    /// The first half of a character of two.
    half: Option<u16>,
}

impl Typing {
    /// Takes a frame of input; the lines that it completes.
    pub fn take(&mut self, frame: &[u8]) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        match Said::read(frame)? {
            Some(Said::Fast) => self.short(frame, &mut lines)?,
            Some(Said::Data(data)) => self.long(data.bytes, &mut lines)?,
            _ => {}
        }
        Ok(lines)
    }

    /// Whether a line has begun.
    pub fn has_begun(&self) -> bool {
        !self.line.is_empty()
    }

    /// What was typed of a line that nobody goes on with.
    pub fn rest(&mut self) -> Option<String> {
        Some(mem::take(&mut self.line)).filter(|line| !line.is_empty())
    }

    /// Whether they point to somewhere else.
    pub fn has_moved(&self) -> bool {
        self.pointer.is_some()
    }

    /// Where they point, if it is not where they did.
    pub fn moved(&mut self) -> Option<(u16, u16)> {
        self.pointer.take()
    }

    fn short(&mut self, mut frame: &[u8], lines: &mut Vec<String>) -> Result<()> {
        let frame = &mut frame;
        let mut count = take_u8(frame)? >> 2 & 0x0f;
        if take_u8(frame)? & 0x80 != 0 {
            take_u8(frame)?;
        }
        if count == 0 {
            count = take_u8(frame)?;
        }
        for _ in 0..count {
            let head = take_u8(frame)?;
            let flags = head & 0x1f;
            let is_pressed = flags & SHORT_RELEASED == 0;
            match head >> 5 {
                0 => {
                    let code = take_u8(frame)?;
                    self.key(code, flags & SHORT_EXTENDED != 0, is_pressed, lines);
                }
                1 => self.point(frame)?,
                2 => drop(take(frame, 6)?),
                3 => {}
                4 => {
                    let unit = take_u16(frame)?;
                    if is_pressed {
                        self.character(unit, lines);
                    }
                }
                6 => drop(take_u32(frame)?),
                // Nobody knows how long it is.
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    fn long(&mut self, data: &[u8], lines: &mut Vec<String>) -> Result<()> {
        let rest = &mut data.get(LONG_HEAD..).unwrap_or_default();
        let count = take_u16(rest)?;
        take_u16(rest)?;
        for _ in 0..count {
            take_u32(rest)?;
            let kind = take_u16(rest)?;
            let mut event = take(rest, 6)?;
            match kind {
                SCANCODE => {
                    let flags = take_u16(&mut event)?;
                    let code = take_u16(&mut event)?.to_le_bytes()[0];
                    let is_pressed = flags & RELEASED == 0;
                    self.key(code, flags & EXTENDED != 0, is_pressed, lines);
                }
                UNICODE if take_u16(&mut event)? & RELEASED == 0 => {
                    let unit = take_u16(&mut event)?;
                    self.character(unit, lines);
                }
                MOUSE => self.point(&mut event)?,
                EXTENDED_MOUSE | UNICODE => {}
                _ => {}
            }
        }
        Ok(())
    }

    fn point(&mut self, event: &mut &[u8]) -> Result<()> {
        let wheel = take_u16(event)? & 0x0600 != 0;
        let (x, y) = (take_u16(event)?, take_u16(event)?);
        if !wheel {
            self.pointer = Some((x, y));
        }
        Ok(())
    }

    fn key(&mut self, code: u8, extended: bool, is_pressed: bool, lines: &mut Vec<String>) {
        match code {
            LEFT_SHIFT | RIGHT_SHIFT => self.shift = is_pressed,
            CONTROL => self.control = is_pressed,
            ALT => self.alt = is_pressed,
            code if extended && WINDOWS.contains(&code) => self.windows = is_pressed,
            CAPS_LOCK if is_pressed => self.capitals = !self.capitals,
            _ if is_pressed => self.pressed(code, extended, lines),
            _ => {}
        }
    }

    fn pressed(&mut self, code: u8, extended: bool, lines: &mut Vec<String>) {
        let held = self.control || self.alt || self.windows;
        match (code, letter(code, extended, self.shift, self.capitals)) {
            (ENTER, _) if !held => {
                self.line.push_str("[Enter]");
                lines.extend(self.rest());
            }
            (_, Some(letter)) if !held => self.add(&letter.to_string(), lines),
            (code, letter) => {
                let name = letter.map(|letter| letter.to_string());
                let name = name.or_else(|| named(code, extended).map(str::to_owned));
                let name = name.unwrap_or_else(|| format!("{code:#04x}"));
                let held = [
                    (self.control, "Ctrl+"),
                    (self.alt, "Alt+"),
                    (self.windows, "Win+"),
                    (self.shift && letter.is_none(), "Shift+"),
                ];
                let held = held.into_iter().filter(|(is_held, _)| *is_held);
                let held: String = held.map(|(_, name)| name).collect();
                self.add(&format!("[{held}{name}]"), lines);
            }
        }
    }

    fn character(&mut self, unit: u16, lines: &mut Vec<String>) {
        let half = self.half.take();
        match char::decode_utf16(half.into_iter().chain([unit])).next() {
            Some(Ok('\r' | '\n')) => {
                self.line.push_str("[Enter]");
                lines.extend(self.rest());
            }
            Some(Ok(character)) => self.add(&character.to_string(), lines),
            _ if half.is_none() => self.half = Some(unit),
            _ => {}
        }
    }

    fn add(&mut self, text: &str, lines: &mut Vec<String>) {
        self.line.push_str(text);
        if self.line.len() >= LONGEST {
            lines.extend(self.rest());
        }
    }
}

fn letter(code: u8, extended: bool, shift: bool, capitals: bool) -> Option<char> {
    if extended {
        return (code == 0x35).then_some('/');
    }
    if code == SPACE {
        return Some(' ');
    }
    let at = usize::from(code.checked_sub(FIRST_LETTER)?);
    let plain = PLAIN.chars().nth(at).filter(|letter| *letter != ' ')?;
    let is_large = shift != (capitals && plain.is_ascii_alphabetic());
    match is_large {
        true => SHIFTED.chars().nth(at),
        false => Some(plain),
    }
}

fn named(code: u8, extended: bool) -> Option<&'static str> {
    Some(match (code, extended) {
        (0x01, _) => "Esc",
        (BACKSPACE, _) => "Backspace",
        (0x0f, _) => "Tab",
        (ENTER, _) => "Enter",
        (0x3b..=0x44, false) => {
            const KEYS: [&str; 10] = ["F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F9", "F10"];
            KEYS[usize::from(code - 0x3b)]
        }
        (0x57, false) => "F11",
        (0x58, false) => "F12",
        (0x47, true) => "Home",
        (0x48, true) => "Up",
        (0x49, true) => "PageUp",
        (0x4b, true) => "Left",
        (0x4d, true) => "Right",
        (0x4f, true) => "End",
        (0x50, true) => "Down",
        (0x51, true) => "PageDown",
        (0x52, true) => "Insert",
        (0x53, true) => "Delete",
        (0x47..=0x53, false) => {
            const PAD: [&str; 13] = [
                "7", "8", "9", "-", "4", "5", "6", "+", "1", "2", "3", "0", ".",
            ];
            PAD[usize::from(code - 0x47)]
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::broker::rdp::mcs::indication;

    /// Each key is pressed and released.
    fn keys(codes: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, 0, codes.len() as u8 * 2];
        for code in codes {
            frame.extend([0, *code, SHORT_RELEASED, *code]);
        }
        frame[1] = frame.len() as u8;
        frame
    }

    fn press(code: u8, released: u8) -> Vec<u8> {
        vec![1 << 2, 4, released, code]
    }

    #[test]
    fn lines_are_what_was_typed_with_its_capitals_and_commands() {
        let mut typing = Typing::default();
        let mut lines = Vec::new();
        for frame in [
            press(LEFT_SHIFT, 0),
            keys(&[0x1f]),
            press(LEFT_SHIFT, 1),
            keys(&[0x18, 0x39, 0x02, BACKSPACE]),
            press(CONTROL, 0),
            keys(&[0x2e]),
            press(CONTROL, 1),
            keys(&[ENTER]),
            keys(&[CAPS_LOCK, 0x1e, 0x03]),
        ] {
            lines.extend(typing.take(&frame).unwrap());
        }
        assert_eq!(lines, ["So 1[Backspace][Ctrl+c][Enter]"]);
        assert!(typing.has_begun());
        assert_eq!(typing.rest().as_deref(), Some("A2"));
        assert_eq!(typing.rest(), None);
    }

    #[test]
    fn both_forms_say_the_same() {
        let mut long = vec![0; LONG_HEAD];
        long.extend([4, 0, 0, 0]);
        for (kind, data) in [
            (SCANCODE, [0, 0, 0x23, 0, 0, 0]),
            (SCANCODE, [0, 0x80, 0x23, 0, 0, 0]),
            (UNICODE, [0, 0, 0xe9, 0, 0, 0]),
            (MOUSE, [0, 8, 10, 0, 20, 1]),
        ] {
            long.extend([0; 4]);
            long.extend(kind.to_le_bytes());
            long.extend(data);
        }
        let long = indication(1007, 1003, &long).unwrap();
        let mut short = vec![4 << 2, 0, 0, 0x23, 1, 0x23, 4 << 5, 0xe9, 0];
        short.extend([1 << 5, 0, 8, 10, 0, 20, 1]);
        short[1] = short.len() as u8;
        for frame in [&long[..], &short] {
            let mut typing = Typing::default();
            typing.take(frame).unwrap();
            assert_eq!(typing.rest().as_deref(), Some("hé"));
            assert_eq!(typing.moved(), Some((10, 276)));
            assert_eq!(typing.moved(), None);
        }
    }

    #[test]
    fn a_line_without_an_end_is_told_in_parts() {
        let mut typing = Typing::default();
        let lines: Vec<_> = (0..200)
            .flat_map(|_| typing.take(&keys(&[0x1e, 0x1e])).unwrap())
            .collect();
        assert_eq!(lines, ["a".repeat(LONGEST)]);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_stumble(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut typing = Typing::default();
            typing.take(&bytes).ok();
            typing.short(&bytes, &mut Vec::new()).ok();
            typing.long(&bytes, &mut Vec::new()).ok();
        }
    }
}
