//! What is typed, as far as the target shows it.
//!
//! A gateway cannot see whether a terminal echoes: its modes are told once, at the start, and
//! changed on the target later. So the rule is: a line that was typed is recorded when all of
//! it came back as output, right behind its typing; anything else is counted and forgotten.
//! Pure, and it never gives out a letter that stands in no output.
//!
//! A line is the unit because letters alone would show the beginning of a password that
//! begins like the next output.

use std::{collections::VecDeque, mem};

use super::{
    cast,
    plain::{Plain, Shown},
};

/// So much may be typed before the target shows any of it.
const LONGEST: usize = 4 * 1024;
/// What was typed unseen is told in whole blocks, so that no length of a password is.
const BLOCK: usize = 16;

/// No key sends more.
const LONGEST_KEY: usize = 32;

const INTERRUPT: u8 = 0x03;
const END_OF_FILE: u8 = 0x04;
const ESCAPE: u8 = 0x1b;

/// Holds typing against output.
#[derive(Debug, Default)]
pub struct Typed {
    /// Typed, and not answered by the target yet.
    pending: VecDeque<Key>,
    pending_bytes: usize,
    /// The beginning of a key that sends several bytes.
    begun: Vec<u8>,
    /// Of the line being typed: what came back.
    line: Vec<u8>,
    /// How much of this line was typed, once some of it did not come back.
    unseen: Option<usize>,
    plain: Plain,
}

#[derive(Debug, PartialEq, Eq)]
enum Key {
    Letter(u8),
    /// Enter, and what breaks a line off.
    End(u8),
    /// An arrow, a tab, another control: shown in whatever way, or not at all.
    Other(Vec<u8>),
}

impl Key {
    fn length(&self) -> usize {
        match self {
            Self::Letter(_) | Self::End(_) => 1,
            Self::Other(bytes) => bytes.len(),
        }
    }
}

impl Typed {
    /// Takes what the person sends, before the target has it.
    pub fn typed(&mut self, millis: u64, bytes: &[u8], into: &mut Vec<u8>) {
        for byte in bytes {
            for key in self.keys(*byte).into_iter().flatten() {
                self.take(key, millis, into);
            }
        }
    }

    /// Takes what the target shows, before the event of it is written.
    pub fn shown(&mut self, millis: u64, bytes: &[u8], into: &mut Vec<u8>) {
        for (at, byte) in bytes.iter().enumerate() {
            if self.pending.is_empty() {
                return self.plain.skip(&bytes[at..]);
            }
            if let Some(shown) = self.plain.take(*byte) {
                self.hold(shown, millis, into);
            }
        }
    }

    /// What is left when nothing more comes.
    pub fn end(&mut self, millis: u64, into: &mut Vec<u8>) {
        if self.pending.is_empty() && self.unseen.is_none() {
            self.tell_line(millis, into);
        }
        while !self.pending.is_empty() || !self.line.is_empty() || self.unseen.is_some() {
            self.hide(millis, into);
            self.tell_unseen(millis, into);
        }
    }

    /// The keys that this byte completes.
    fn keys(&mut self, byte: u8) -> [Option<Key>; 2] {
        // No key has one of these inside: Escape was pressed by itself before it.
        if matches!(byte, b'\r' | b'\n' | INTERRUPT | END_OF_FILE) {
            let escape = Some(mem::take(&mut self.begun)).filter(|begun| !begun.is_empty());
            return [escape.map(Key::Other), Some(Key::End(byte))];
        }
        if self.begun.is_empty() && byte != ESCAPE {
            let control = matches!(byte, 0..0x20 | 0x7f);
            let key = if control {
                Key::Other(vec![byte])
            } else {
                Key::Letter(byte)
            };
            return [Some(key), None];
        }
        // Escape by itself, and a key of its own behind it: a letter stays a letter.
        if self.begun[..] == [ESCAPE] && !matches!(byte, b'[' | b'O') {
            self.begun.clear();
            let [key, _] = self.keys(byte);
            return [Some(Key::Other(vec![ESCAPE])), key];
        }
        self.begun.push(byte);
        let goes_on = match self.begun[..] {
            [_] | [_, _] => true,
            _ => !(0x40..0x7f).contains(&byte) && self.begun.len() < LONGEST_KEY,
        };
        let whole = (!goes_on).then(|| mem::take(&mut self.begun));
        [whole.map(Key::Other), None]
    }

    fn take(&mut self, key: Key, millis: u64, into: &mut Vec<u8>) {
        if let Some(unseen) = &mut self.unseen {
            *unseen += key.length();
            if let Key::End(_) = key {
                self.tell_unseen(millis, into);
            }
            return;
        }
        self.pending_bytes += key.length();
        self.pending.push_back(key);
        if self.pending_bytes > LONGEST {
            self.hide(millis, into);
        }
    }

    /// Holds one thing that the target showed against what was typed first.
    fn hold(&mut self, shown: Shown, millis: u64, into: &mut Vec<u8>) {
        while let Some(key) = self.pending.front() {
            match (key, shown) {
                (Key::Letter(typed), Shown::Letter(letter)) if *typed == letter => {
                    return self.answered();
                }
                (Key::Letter(_), Shown::Back) => return,
                // Where the terminal echoed, the letter would have come first.
                (Key::Letter(_), _) => return self.hide(millis, into),
                (Key::End(_), shown) => {
                    self.answered();
                    self.tell_line(millis, into);
                    if shown == Shown::Break {
                        return;
                    }
                }
                (Key::Other(_), shown) => {
                    self.answered();
                    let next = self.pending.front();
                    // What a tab or an arrow shows is its own, unless it is what was typed
                    // behind it.
                    match (next, shown) {
                        (Some(Key::Letter(typed)), Shown::Letter(letter)) if *typed == letter => {}
                        (Some(_), Shown::Break) => {}
                        _ => return,
                    }
                }
            }
        }
    }

    /// The first key has come back.
    fn answered(&mut self) {
        let Some(key) = self.pending.pop_front() else {
            return;
        };
        self.pending_bytes -= key.length();
        match key {
            Key::Letter(byte) | Key::End(byte) => self.line.push(byte),
            Key::Other(bytes) => self.line.extend_from_slice(&bytes),
        }
        if self.line.len() > LONGEST {
            self.line.truncate(LONGEST);
        }
    }

    /// Nothing of this line is kept, up to its end if that was typed already.
    fn hide(&mut self, millis: u64, into: &mut Vec<u8>) {
        let mut unseen = self.unseen.unwrap_or(0) + self.line.len();
        self.line.clear();
        let mut ended = false;
        while !ended && let Some(key) = self.pending.pop_front() {
            self.pending_bytes -= key.length();
            unseen += key.length();
            ended = matches!(key, Key::End(_));
        }
        self.unseen = Some(unseen);
        if ended {
            self.tell_unseen(millis, into);
        }
    }

    fn tell_line(&mut self, millis: u64, into: &mut Vec<u8>) {
        if !self.line.is_empty() {
            cast::input(millis, &String::from_utf8_lossy(&self.line), into);
            self.line.clear();
        }
    }

    fn tell_unseen(&mut self, millis: u64, into: &mut Vec<u8>) {
        // An Enter alone, at a prompt that shows nothing, hides nothing.
        if let Some(unseen) = self.unseen.take().filter(|unseen| *unseen > 1) {
            let at_most = unseen.next_multiple_of(BLOCK);
            let text = format!("typed unseen: up to {at_most} bytes, not recorded");
            cast::marker(millis, &text, into);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    enum Step<'a> {
        Typed(&'a str),
        Shown(&'a str),
    }
    use Step::{Shown as Out, Typed as In};

    /// What is recorded of these steps: input as it is, markers as `unseen N`.
    fn recorded(steps: &[Step<'_>]) -> Vec<String> {
        let mut typed = Typed::default();
        let mut cast = Vec::new();
        for step in steps {
            match step {
                In(text) => typed.typed(1, text.as_bytes(), &mut cast),
                Out(text) => typed.shown(1, text.as_bytes(), &mut cast),
            }
        }
        typed.end(2, &mut cast);
        let lines = str::from_utf8(&cast).unwrap().lines();
        lines
            .map(|line| serde_json::from_str::<(f64, String, String)>(line).unwrap())
            .map(|(_, code, text)| match code.as_str() {
                "i" => text,
                _ => text
                    .replace("typed unseen: up to ", "unseen ")
                    .replace(" bytes, not recorded", ""),
            })
            .collect()
    }

    #[test]
    fn a_line_that_comes_back_is_recorded_when_it_is_complete() {
        let steps = [
            Out("$ "),
            In("l"),
            Out("l"),
            In("s"),
            Out("s"),
            In("\r"),
            Out("\r\nfile\r\n$ "),
        ];
        assert_eq!(recorded(&steps), ["ls\r"]);
        assert_eq!(
            recorded(&steps[..5]),
            ["ls"],
            "the session ended in the line"
        );
        assert_eq!(
            recorded(&[In("ls\r"), Out("ls\r\n")]),
            ["ls\r"],
            "all at once"
        );
    }

    #[test]
    fn what_a_prompt_without_echo_takes_is_counted_in_blocks() {
        // sudo ends the line itself, `read -s` does not.
        for answer in [
            "\r\nSorry, try again.\r\n",
            "Sorry, try again.\r\n",
            "$ ",
            "hello\r\n",
        ] {
            let steps = [
                Out("[sudo] password for alice: "),
                In("S"),
                In("orr"),
                In("y!"),
                In("\r"),
                Out(answer),
                In("i"),
                Out("i"),
                In("d"),
                Out("d"),
                In("\r"),
                Out("\r\n"),
            ];
            assert_eq!(recorded(&steps), ["unseen 16", "id\r"], "{answer}");
        }
        let long = "x".repeat(17);
        assert_eq!(recorded(&[In(&long), In("\r"), Out("\r\n")]), ["unseen 32"]);
    }

    #[test]
    fn what_is_never_answered_is_never_recorded() {
        assert_eq!(
            recorded(&[In("secret\r"), In("more\r")]),
            ["unseen 16", "unseen 16"]
        );
        let much = "x".repeat(3 * LONGEST);
        assert_eq!(recorded(&[In(&much), Out(&much)]).len(), 1);
    }

    #[test]
    fn stars_instead_of_letters_give_nothing_away() {
        let steps = [
            In("*"),
            Out("*"),
            In("a"),
            Out("*"),
            In("*"),
            Out("*"),
            In("\r"),
            Out("\r\n"),
        ];
        assert_eq!(recorded(&steps), ["unseen 16"]);
    }

    #[test]
    fn editing_keys_stand_where_they_were_pressed() {
        let steps = [
            In("l"),
            Out("l"),
            In("x"),
            Out("x"),
            In("\x7f"),
            Out("\x08\x1b[K"),
            In("s"),
            Out("s"),
            In("\r"),
            Out("\r\n"),
            In("\x1b[A"),
            Out("make test"),
            In("\r"),
            Out("\r\n"),
            In("ca"),
            Out("ca"),
            In("\t"),
            Out("t "),
            In("f"),
            Out("f"),
            In("\r"),
            Out("\r\n"),
            In("sleep 9\r"),
            Out("sleep 9\r\n"),
            In("\x03"),
            Out("^C\r\n$ "),
        ];
        assert_eq!(
            recorded(&steps),
            ["lx\x7fs\r", "\x1b[A\r", "ca\tf\r", "sleep 9\r", "\x03"]
        );
    }

    #[test]
    fn a_password_broken_off_is_no_part_of_the_next_line() {
        let steps = [
            Out("Password: "),
            In("hun"),
            In("\x03"),
            Out("\r\n$ "),
            In("w"),
            Out("w"),
            In("\r"),
            Out("\r\n"),
        ];
        assert_eq!(recorded(&steps), ["unseen 16", "w\r"]);
    }

    #[test]
    fn letters_that_are_typed_into_other_output_are_not_taken_for_echoed() {
        let steps = [In("q"), Out("building foo\r\nq"), In("\r"), Out("\r\n")];
        assert_eq!(recorded(&steps), ["unseen 16"]);
    }

    proptest! {
        /// Whatever is typed and shown, in whatever pieces: what is recorded as typed was typed,
        /// and every letter of it was shown.
        #[test]
        fn no_letter_is_recorded_that_was_not_shown(
            steps in proptest::collection::vec((any::<bool>(), "[a-c\\r\\n\x1b\\[*]{0,4}"), 0..40),
        ) {
            let told: Vec<_> = steps
                .iter()
                .map(|(person, text)| if *person { In(text) } else { Out(text) })
                .collect();
            let all = |person: bool| -> String {
                let steps = steps.iter().filter(|(by, _)| *by == person);
                steps.map(|(_, text)| text.as_str()).collect()
            };
            let (typed, shown) = (all(true), all(false));
            for line in recorded(&told).iter().filter(|line| !line.starts_with("unseen")) {
                prop_assert!(typed.contains(line.as_str()), "{line:?} in {typed:?}");
                // The last byte of an arrow is no letter.
                let mut plain = Plain::default();
                let letters = line.bytes().filter_map(|byte| plain.take(byte));
                for shown_letter in letters {
                    let Shown::Letter(letter) = shown_letter else { continue };
                    let letter = char::from(letter);
                    prop_assert!(shown.contains(letter), "{line:?}");
                }
            }
        }

        #[test]
        fn without_echo_nothing_is_recorded_however_it_is_typed(
            typed in proptest::collection::vec("[a-m]{1,3}|\r", 1..20),
            shown in proptest::collection::vec("[n-z ]{0,3}|\r\n|\x1b\\[K", 20),
        ) {
            let mut steps = Vec::new();
            for (typed, shown) in typed.iter().zip(&shown) {
                steps.extend([In(typed), Out(shown)]);
            }
            for line in recorded(&steps) {
                prop_assert!(line.starts_with("unseen") || line == "\r", "{line:?}");
            }
        }
    }
}
