//! Recorded output, made harmless for the terminal that shows it again.
//!
//! Lets through what draws: text, colours, the cursor, the alternate screen. Swallows what
//! makes a terminal answer, print, remember or reprogram itself, and puts back at the end
//! what the recording left switched. What is unknown is swallowed.

use std::fmt::Write as _;

/// Takes a recording's output piece by piece; a sequence may be cut anywhere.
#[derive(Debug, Default)]
pub struct Inert {
    state: State,
    /// Parameters and intermediates of the sequence that is being read.
    collected: String,
    switched: Switched,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    /// ESC and one of `( ) * +`: the next character names a character set.
    Charset,
    /// ESC `#`.
    Hash,
    /// ESC and something that is swallowed with the next character.
    Skip,
    Control,
    /// Inside OSC, DCS, APC, PM or SOS, all of which are swallowed.
    String,
    StringEscape,
}

/// What the recording has changed about the terminal, and the end changes back.
#[derive(Debug, Default)]
struct Switched {
    anything: bool,
    modes: Vec<(u16, bool)>,
}

/// No sequence that draws is longer.
const LONGEST: usize = 256;
/// No terminal is wider or higher; a repeat count beyond it is an attack on patience.
const LARGEST: u32 = 9_999;

/// Private modes that only concern drawing, and their state in a fresh terminal.
const MODES: &[(u16, bool)] = &[
    (5, false),
    (6, false),
    (7, true),
    (12, false),
    (25, true),
    (45, false),
    (47, false),
    (1047, false),
    (1048, false),
    (1049, false),
    (2026, false),
];
const ALTERNATE: &[u16] = &[47, 1047, 1049];

impl Inert {
    pub fn pass(&mut self, text: &str) -> String {
        let mut passed = String::with_capacity(text.len());
        for letter in text.chars() {
            self.take(letter, &mut passed);
        }
        passed
    }

    /// Whether a full-screen program is being shown.
    pub fn is_alternate(&self) -> bool {
        let modes = &self.switched.modes;
        modes.iter().any(|(mode, _)| ALTERNATE.contains(mode))
    }

    /// What makes the terminal again as it was before the first piece.
    pub fn end(&mut self) -> String {
        if !self.switched.anything {
            return String::new();
        }
        // Out of any sequence first, then back from the alternate screen.
        let mut end = "\u{18}".to_owned();
        for (mode, fresh) in self.switched.modes.drain(..).rev() {
            let letter = if fresh { 'h' } else { 'l' };
            write!(end, "\x1b[?{mode}{letter}").expect("a string takes every letter");
        }
        // Margins around a saved cursor, as setting them moves it; insert mode, character sets
        // and colours.
        end.push_str("\x1b7\x1b[r\x1b8\x1b[4l\x1b(B\x0f\x1b[0m");
        *self = Self::default();
        end
    }

    fn take(&mut self, letter: char, passed: &mut String) {
        self.state = match (self.state, letter) {
            (State::String, '\u{7}' | '\u{9c}') | (State::StringEscape, '\\') => State::Ground,
            // CAN and SUB break off whatever was begun.
            (_, '\u{18}' | '\u{1a}') => State::Ground,
            (State::String, '\x1b') => State::StringEscape,
            (State::String, _) => State::String,
            (_, '\x1b') => State::Escape,
            // ESC inside a string ends it; this letter belongs to a new sequence.
            (State::Escape | State::StringEscape, letter) => self.escape(letter, passed),
            (State::Control, letter) => self.control(letter, passed),
            (State::Charset, letter) => {
                if letter.is_ascii_alphanumeric() || matches!(letter, '<' | '=' | '>') {
                    self.draw(&format!("\x1b{}{letter}", self.collected), passed);
                }
                State::Ground
            }
            (State::Hash, letter) => {
                if matches!(letter, '3'..='6' | '8') {
                    self.draw(&format!("\x1b#{letter}"), passed);
                }
                State::Ground
            }
            (State::Skip, _) => State::Ground,
            (State::Ground, letter) => self.ground(letter, passed),
        };
    }

    fn ground(&mut self, letter: char, passed: &mut String) -> State {
        match letter {
            '\u{7}'..='\r' => passed.push(letter),
            '\u{e}' | '\u{f}' => self.draw(letter.encode_utf8(&mut [0; 4]), passed),
            // The eight-bit forms of ESC [ and of what opens a string.
            '\u{9b}' => return self.begin(),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => return State::String,
            letter if letter.is_control() => {}
            letter => passed.push(letter),
        }
        State::Ground
    }

    fn escape(&mut self, letter: char, passed: &mut String) -> State {
        match letter {
            '[' => return self.begin(),
            ']' | 'P' | 'X' | '^' | '_' => return State::String,
            '(' | ')' | '*' | '+' => {
                self.collected = letter.to_string();
                return State::Charset;
            }
            '#' => return State::Hash,
            // Other intermediates: one more letter follows.
            ' '..='/' => return State::Skip,
            '7' | '8' | 'D' | 'E' | 'H' | 'M' => self.draw(&format!("\x1b{letter}"), passed),
            // A full reset would also forget what the person has set: clear and begin again.
            'c' => self.draw("\x1b[!p\x1b[2J\x1b[H", passed),
            _ => {}
        }
        State::Ground
    }

    fn begin(&mut self) -> State {
        self.collected.clear();
        State::Control
    }

    fn control(&mut self, letter: char, passed: &mut String) -> State {
        match letter {
            ' '..='?' => {
                if self.collected.len() < LONGEST {
                    self.collected.push(letter);
                }
                State::Control
            }
            '@'..='~' => {
                let collected = std::mem::take(&mut self.collected);
                if let Some(sequence) = self.drawing(&collected, letter) {
                    self.draw(&sequence, passed);
                }
                State::Ground
            }
            letter if letter.is_control() => State::Control,
            _ => State::Ground,
        }
    }

    /// The control sequence as it may be passed on; none if it does not draw.
    fn drawing(&mut self, collected: &str, last: char) -> Option<String> {
        if collected.len() >= LONGEST {
            return None;
        }
        let sequence = || Some(format!("\x1b[{collected}{last}"));
        if let Some(modes) = collected.strip_prefix('?') {
            return match last {
                'h' | 'l' => self.modes(modes, last == 'h'),
                'J' | 'K' if small(modes) => sequence(),
                _ => None,
            };
        }
        let numbers = || numbers(collected);
        match last {
            'm' => collected
                .chars()
                .all(|letter| letter.is_ascii_digit() || matches!(letter, ';' | ':'))
                .then(sequence)?,
            // Clearing what has scrolled off would clear what was there before the replay.
            'J' if numbers().any(|number| number == Some(3)) => None,
            'h' | 'l' => (collected == "4").then(sequence)?,
            // With more parameters it begins to follow the mouse.
            'T' if collected.contains(';') => None,
            'p' => (collected == "!").then(sequence)?,
            '@'..='M'
            | 'P'
            | 'S'
            | 'T'
            | 'X'
            | 'Z'
            | '`'
            | 'a'
            | 'b'
            | 'd'..='g'
            | 'r'
            | 's'
            | 'u' => small(collected).then(sequence)?,
            _ => None,
        }
    }

    fn modes(&mut self, modes: &str, on: bool) -> Option<String> {
        let mut allowed = Vec::new();
        for (mode, fresh) in numbers(modes).filter_map(|number| {
            let mode = u16::try_from(number?).ok()?;
            MODES.iter().copied().find(|(known, _)| *known == mode)
        }) {
            allowed.push(mode.to_string());
            self.switched.modes.retain(|(known, _)| *known != mode);
            if on != fresh {
                self.switched.modes.push((mode, fresh));
            }
        }
        let letter = if on { 'h' } else { 'l' };
        (!allowed.is_empty()).then(|| format!("\x1b[?{}{letter}", allowed.join(";")))
    }

    fn draw(&mut self, sequence: &str, passed: &mut String) {
        self.switched.anything = true;
        passed.push_str(sequence);
    }
}

fn numbers(parameters: &str) -> impl Iterator<Item = Option<u32>> {
    parameters.split(';').map(|number| number.parse().ok())
}

/// Whether these are numbers, or nothing, and none is out of all proportion.
fn small(parameters: &str) -> bool {
    parameters.split(';').all(|number| {
        number.is_empty() || number.parse::<u32>().is_ok_and(|number| number <= LARGEST)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn passed(text: &str) -> String {
        Inert::default().pass(text)
    }

    #[test]
    fn what_draws_is_shown_as_it_was() {
        for drawing in [
            "plain text, äöü \u{1f980}\r\n\t\u{8}",
            "\x1b[1;31mred\x1b[0m \x1b[38:2::1:2:3mtrue colour\x1b[m",
            "\x1b[2J\x1b[H\x1b[10;20H\x1b[K\x1b[3A\x1b[?25l\x1b[?25h",
            "\x1b[?1049h\x1b[1;24r\x1b[5L\x1b[?1049l",
            "\x1b(0lqk\x1b(B\x0e\x0f\x1b7\x1b8\x1bM\x1b#8",
            "\x1b[5b\x1b[4h\x1b[4l\x1b[S\x1b[2T",
        ] {
            assert_eq!(passed(drawing), drawing);
        }
    }

    #[test]
    fn what_makes_a_terminal_act_is_swallowed() {
        for (attack, shown) in [
            // Whatever a terminal answers is typed into the shell of whoever looks.
            ("a\x1b[cb", "ab"),
            ("a\x1b[>cb", "ab"),
            ("a\x1b[6nb", "ab"),
            ("a\x1b[?6nb", "ab"),
            ("a\x1bZb", "ab"),
            ("a\u{5}b", "ab"),
            ("a\u{9b}6nb", "ab"),
            ("a\x1b[21tb", "ab"),
            ("a\x1b[?1$pb", "ab"),
            ("a\x1bP$qm\x1b\\b", "ab"),
            ("a\x1b]4;1;?\x07b", "ab"),
            // The clipboard, the title, a link, a file, the printer.
            ("a\x1b]52;c;cm0gLXJmIH4=\x07b", "ab"),
            ("a\x1b]0;title\x1b\\b", "ab"),
            ("a\x1b]8;;https://evil.example\x1b\\b", "ab"),
            ("a\u{9d}52;c;AAAA\u{9c}b", "ab"),
            ("a\x1b_Gf=100;AAAA\x1b\\b", "ab"),
            ("a\x1b[5ib", "ab"),
            // The keyboard and the mouse.
            ("a\x1b[?1000;1006hb", "ab"),
            ("a\x1b[?2004hb", "ab"),
            ("a\x1b[?1hb", "ab"),
            ("a\x1b=b", "ab"),
            ("a\x1b[>4;1mb", "ab"),
            ("a\x1b[1;2;3;4;5Tb", "ab"),
            // What has scrolled off, and the patience.
            ("a\x1b[3Jb", "ab"),
            ("a\x1b[4000000000bb", "ab"),
            ("a\x1b%@b", "ab"),
        ] {
            assert_eq!(passed(attack), shown, "{attack:?}");
        }
    }

    #[test]
    fn of_several_modes_those_that_draw_are_kept() {
        assert_eq!(passed("\x1b[?1000;25;2004l"), "\x1b[?25l");
        assert_eq!(passed("\x1bc"), "\x1b[!p\x1b[2J\x1b[H");
    }

    #[test]
    fn the_end_puts_back_what_was_left_switched() {
        let mut inert = Inert::default();
        inert.pass("\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?7h\x1b[31m");
        assert!(inert.is_alternate());
        let end = inert.end();
        assert!(end.starts_with("\u{18}\x1b[?25h\x1b[?1049l"), "{end:?}");
        assert!(end.ends_with("\x1b[0m"), "{end:?}");
        assert!(!end.contains("?7"), "{end:?}");
        assert!(!inert.is_alternate());
        assert_eq!(Inert::default().end(), "");
    }

    proptest! {
        #[test]
        fn wherever_a_sequence_is_cut_the_same_is_shown(
            text in "([a-z\u{1b}\u{9b}\u{9d}\u{7}\\[\\]?;0-9hlmJP\\\\(]|\u{1b}\\[|\u{1b}\\]52;)*",
            cut in any::<usize>(),
        ) {
            let whole = passed(&text);
            let mut inert = Inert::default();
            let cut = text.char_indices().map(|(at, _)| at).nth(cut % 40).unwrap_or(0);
            let parts = inert.pass(&text[..cut]) + &inert.pass(&text[cut..]);
            prop_assert_eq!(parts, whole);
        }

        #[test]
        fn what_is_shown_is_not_changed_by_showing_it_again(text in any::<String>()) {
            let once = passed(&text);
            prop_assert_eq!(passed(&once), once);
        }

        #[test]
        fn no_control_but_what_draws_is_left(text in any::<String>()) {
            let harmful = |letter: char| {
                letter.is_control() && !matches!(letter, '\u{7}'..='\u{f}' | '\x1b')
            };
            prop_assert!(!passed(&text).contains(harmful));
        }
    }
}
