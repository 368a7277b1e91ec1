//! One line as it is typed: the text, the cursor, what was typed before, what could follow.
//!
//! Pure: keys in, a drawing out. The line scrolls sideways instead of wrapping, so that a
//! drawing never needs to know where on the screen it is.

use super::Key;

/// A line of the desk is a command with a reason in it.
const LONGEST: usize = 4_096;
/// How many lines are remembered.
const REMEMBERED: usize = 200;

/// What may stand where the cursor is: whole words that begin as the word there does.
pub type Complete = dyn Fn(&str) -> Vec<String> + Send + Sync;

#[derive(Default)]
pub struct Editor {
    prompt: String,
    text: Vec<char>,
    cursor: usize,
    history: Vec<String>,
    /// Which remembered line is shown; none is the new one.
    shown: Option<usize>,
    /// The new line, while a remembered one is shown.
    kept: Vec<char>,
    remembers: bool,
    complete: Option<Box<Complete>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Draw,
    /// Something to read before the line is drawn again.
    Show(String),
    Clear,
    Line(String),
    Interrupt,
    End,
}

impl Editor {
    /// One that remembers lines and knows what could follow.
    pub fn with_completion(complete: Box<Complete>) -> Self {
        Self {
            remembers: true,
            complete: Some(complete),
            ..Self::default()
        }
    }

    pub fn begin(&mut self, prompt: &str) {
        prompt.clone_into(&mut self.prompt);
        self.text.clear();
        self.cursor = 0;
        self.shown = None;
    }

    pub fn press(&mut self, key: Key) -> Outcome {
        match key {
            Key::Letter(letter) => {
                if self.text.len() < LONGEST {
                    self.text.insert(self.cursor, letter);
                    self.cursor += 1;
                }
            }
            Key::Enter => return self.entered(),
            Key::Interrupt => return Outcome::Interrupt,
            Key::EndOfInput if self.text.is_empty() => return Outcome::End,
            Key::Tab => return self.completed(),
            Key::Clear => return Outcome::Clear,
            Key::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.text.remove(self.cursor);
            }
            Key::Delete | Key::EndOfInput if self.cursor < self.text.len() => {
                self.text.remove(self.cursor);
            }
            Key::Left => self.cursor = self.cursor.saturating_sub(1),
            Key::Right => self.cursor = (self.cursor + 1).min(self.text.len()),
            Key::WordLeft => self.cursor = self.word_before(),
            Key::WordRight => self.cursor = self.word_after(),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.text.len(),
            Key::EraseLine => {
                self.text.drain(..self.cursor);
                self.cursor = 0;
            }
            Key::EraseRest => self.text.truncate(self.cursor),
            Key::EraseWord => {
                let from = self.word_before();
                self.text.drain(from..self.cursor);
                self.cursor = from;
            }
            Key::Up => self.recall(Direction::Older),
            Key::Down => self.recall(Direction::Newer),
            Key::Backspace | Key::Delete | Key::EndOfInput => {}
        }
        Outcome::Draw
    }

    /// The line as it is to be seen, from the left edge of its row.
    pub fn draw(&self, columns: usize) -> String {
        let prompt: String = self.prompt.chars().take(columns / 2).collect();
        let room = columns - prompt.chars().count() - 1;
        // Wide letters take two columns; half the room keeps the longest run of them in.
        let from = match width(&self.text[..self.cursor]) {
            before if before < room => 0,
            _ => self.first_to_show(room / 2),
        };
        let mut seen = String::new();
        let mut used = 0;
        for letter in &self.text[from..] {
            used += width_of(*letter);
            if used > room {
                break;
            }
            seen.push(*letter);
        }
        let at = prompt.chars().count() + width(&self.text[from..self.cursor]);
        let back = match at {
            0 => String::new(),
            at => format!("\x1b[{at}C"),
        };
        format!("\r\x1b[2K{prompt}{seen}\r{back}")
    }

    /// The same with the cursor behind what is seen: nothing follows on this row.
    pub fn draw_whole(&mut self, columns: usize) -> String {
        self.cursor = self.text.len();
        self.draw(columns)
    }

    fn first_to_show(&self, room: usize) -> usize {
        let mut used = 0;
        let before = self.text[..self.cursor].iter().rev();
        let shown = before.take_while(|letter| {
            used += width_of(**letter);
            used < room
        });
        self.cursor - shown.count()
    }

    fn entered(&mut self) -> Outcome {
        let line: String = self.text.iter().collect();
        let news = self.history.last() != Some(&line);
        if self.remembers && news && !line.trim().is_empty() {
            if self.history.len() == REMEMBERED {
                self.history.remove(0);
            }
            self.history.push(line.clone());
        }
        Outcome::Line(line)
    }

    fn completed(&mut self) -> Outcome {
        let Some(complete) = &self.complete else {
            return Outcome::Draw;
        };
        let before: String = self.text[..self.cursor].iter().collect();
        let word = before.rsplit(' ').next().unwrap_or_default();
        let offers = complete(&before);
        let Some(common) = common(&offers) else {
            return Outcome::Draw;
        };
        let mut more: Vec<char> = common.chars().skip(word.chars().count()).collect();
        if offers.len() == 1 {
            more.push(' ');
        }
        if more.is_empty() {
            return Outcome::Show(offers.join("  "));
        }
        let room = LONGEST - self.text.len();
        more.truncate(room);
        let length = more.len();
        self.text.splice(self.cursor..self.cursor, more);
        self.cursor += length;
        Outcome::Draw
    }

    fn recall(&mut self, direction: Direction) {
        let newest = self.history.len();
        let at = self.shown.unwrap_or(newest);
        let to = match direction {
            Direction::Older if at > 0 => at - 1,
            Direction::Newer if at < newest => at + 1,
            _ => return,
        };
        if at == newest {
            self.kept = std::mem::take(&mut self.text);
        }
        self.text = match self.history.get(to) {
            Some(line) => line.chars().collect(),
            None => std::mem::take(&mut self.kept),
        };
        self.shown = (to < newest).then_some(to);
        self.cursor = self.text.len();
    }

    fn word_before(&self) -> usize {
        let before = &self.text[..self.cursor];
        let end = before.iter().rposition(|letter| *letter != ' ');
        let Some(end) = end else { return 0 };
        let space = before[..end].iter().rposition(|letter| *letter == ' ');
        space.map_or(0, |space| space + 1)
    }

    fn word_after(&self) -> usize {
        let after = &self.text[self.cursor..];
        let word = after.iter().position(|letter| *letter != ' ');
        let Some(word) = word else {
            return self.text.len();
        };
        let space = after[word..].iter().position(|letter| *letter == ' ');
        space.map_or(self.text.len(), |space| self.cursor + word + space)
    }
}

#[derive(Clone, Copy)]
enum Direction {
    Older,
    Newer,
}

fn width(text: &[char]) -> usize {
    text.iter().copied().map(width_of).sum()
}

/// Columns a letter takes: good enough for East Asian scripts and emoji.
fn width_of(letter: char) -> usize {
    match letter {
        '\u{300}'..='\u{36f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// What all of them begin with.
fn common(words: &[String]) -> Option<String> {
    let (first, rest) = words.split_first()?;
    let mut common = first.as_str();
    for word in rest {
        let same = common
            .char_indices()
            .zip(word.chars())
            .find(|((_, a), b)| a != b)
            .map_or(common.len().min(word.len()), |((at, _), _)| at);
        common = &common[..same];
    }
    Some(common.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::{super::keys::Keys, *};

    fn typed(editor: &mut Editor, bytes: &[u8]) -> Outcome {
        let mut pressed = VecDeque::new();
        Keys::default().push(bytes, &mut pressed);
        let mut last = Outcome::Draw;
        for key in pressed {
            last = editor.press(key);
        }
        last
    }

    fn line(bytes: &[u8]) -> String {
        let mut editor = Editor::default();
        editor.begin("> ");
        match typed(&mut editor, &[bytes, b"\r"].concat()) {
            Outcome::Line(line) => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_is_what_was_left_of_the_typing() {
        for (bytes, left) in [
            (&b"abc"[..], "abc"),
            (b"abx\x7fc", "abc"),
            (b"bc\x01a", "abc"),
            (b"ac\x02b", "abc"),
            (b"x\x15abc", "abc"),
            (b"abc xyz\x17", "abc "),
            (b"abcxyz\x02\x02\x02\x0b", "abc"),
            (b"abc\x01\x1b[3~", "bc"),
            ("aü\x7fb".as_bytes(), "ab"),
            (b"two words\x1bb\x1bb!", "!two words"),
        ] {
            assert_eq!(line(bytes), left, "{bytes:?}");
        }
    }

    #[test]
    fn lines_come_back_and_the_new_one_is_kept() {
        let mut editor = Editor::with_completion(Box::new(|_| Vec::new()));
        for text in [&b"first\r"[..], b"second\r", b"second\r", b"  \r"] {
            editor.begin("> ");
            typed(&mut editor, text);
        }
        editor.begin("> ");
        let up = b"\x1b[A";
        let down = b"\x1b[B";
        let at = |editor: &mut Editor, bytes: &[u8]| {
            typed(editor, bytes);
            editor.text.iter().collect::<String>()
        };
        assert_eq!(at(&mut editor, b"new"), "new");
        assert_eq!(at(&mut editor, up), "second");
        assert_eq!(at(&mut editor, up), "first", "a repeated line is kept once");
        assert_eq!(at(&mut editor, up), "first");
        assert_eq!(at(&mut editor, down), "second");
        assert_eq!(at(&mut editor, down), "new");
    }

    #[test]
    fn an_answer_is_not_remembered() {
        let mut editor = Editor::default();
        editor.begin("> ");
        typed(&mut editor, b"secret reason\r");
        assert!(editor.history.is_empty());
    }

    #[test]
    fn a_tab_completes_as_far_as_it_is_clear() {
        let complete = |before: &str| {
            let word = before.rsplit(' ').next().unwrap().to_owned();
            let words = ["check-in", "checkouts", "approve"];
            let fitting = words.into_iter().filter(|known| known.starts_with(&word));
            fitting.map(str::to_owned).collect()
        };
        let mut editor = Editor::with_completion(Box::new(complete));
        editor.begin("> ");
        assert_eq!(typed(&mut editor, b"c\t"), Outcome::Draw);
        assert_eq!(editor.text.iter().collect::<String>(), "check");
        let Outcome::Show(offers) = typed(&mut editor, b"\t") else {
            panic!("both are offered")
        };
        assert_eq!(offers, "check-in  checkouts");
        typed(&mut editor, b"o\t");
        assert_eq!(editor.text.iter().collect::<String>(), "checkouts ");
        editor.begin("> ");
        typed(&mut editor, b"zzz\t");
        assert_eq!(editor.text.iter().collect::<String>(), "zzz");
    }

    #[test]
    fn an_interrupt_and_an_end_are_told_apart() {
        let mut editor = Editor::default();
        editor.begin("> ");
        assert_eq!(typed(&mut editor, b"abc\x04"), Outcome::Draw);
        assert_eq!(typed(&mut editor, b"abc\x03"), Outcome::Interrupt);
        editor.begin("> ");
        assert_eq!(typed(&mut editor, b"\x04"), Outcome::End);
    }

    proptest! {
        #[test]
        fn a_drawing_stays_in_its_row(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            columns in 20..200usize,
        ) {
            let mut editor = Editor::with_completion(Box::new(|_| vec!["word".to_owned()]));
            editor.begin("alice@door> ");
            let mut pressed = VecDeque::new();
            Keys::default().push(&bytes, &mut pressed);
            for key in pressed {
                editor.press(key);
                let drawn = editor.draw(columns);
                let seen = drawn.strip_prefix("\r\x1b[2K").unwrap();
                let (seen, _) = seen.split_once('\r').unwrap();
                let letters: Vec<char> = seen.chars().collect();
                prop_assert!(width(&letters) < columns, "{seen:?} in {columns}");
            }
        }
    }
}
