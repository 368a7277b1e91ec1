//! Words in what a recording shows.
//!
//! A line fits if all the words stand in it, in whatever case and order; words in quotes stand
//! together. Looks at text without its escape sequences, wherever output was cut. Bounded in
//! memory, whatever a recording holds.

use std::{io::BufRead, str::FromStr};

use super::{
    plain::{Plain, Shown},
    reader::{Cast, CastError, Kind},
};

/// No query is longer, and has more words.
const LONGEST: usize = 200;
const MOST: usize = 16;
/// A line that goes on is looked at in pieces of this many bytes, which overlap.
const PIECE: usize = 4 * 1024;
const OVERLAP: usize = 512;
/// Of a line so much is shown, around the first word.
const BEFORE: usize = 40;
const SNIPPET: usize = 120;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// In lower case.
    words: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "1 to {MOST} words with at most {LONGEST} characters are expected; quotes keep words together"
)]
pub struct NothingToFind;

/// A line that fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Seconds since the beginning.
    pub at: f64,
    /// The line, or the part of it around the first word.
    pub text: String,
}

impl FromStr for Search {
    type Err = NothingToFind;
    fn from_str(text: &str) -> Result<Self, NothingToFind> {
        // What stands between the first quote and the second is one phrase, and so on.
        let words: Vec<String> = text
            .split('"')
            .enumerate()
            .flat_map(|(part, text)| match part % 2 {
                0 => text.split_whitespace().collect(),
                _ => vec![text.trim()],
            })
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        if words.is_empty() || words.len() > MOST || text.chars().count() > LONGEST {
            return Err(NothingToFind);
        }
        Ok(Self { words })
    }
}

impl Search {
    /// The first lines that fit, at most `most`; fewer if `goes_on` says no.
    pub fn find(
        &self,
        reader: impl BufRead,
        most: usize,
        goes_on: impl Fn() -> bool,
    ) -> Result<Vec<Found>, CastError> {
        let mut cast = Cast::read(reader)?;
        let mut found = Vec::new();
        if let Some(command) = &cast.header.command {
            found.extend(self.line(0.0, command));
        }
        let mut lines = Lines::default();
        for event in cast.by_ref() {
            if found.len() >= most || !goes_on() {
                break;
            }
            let event = event?;
            match &event.kind {
                Kind::Output(text) => {
                    lines.take(event.at, text, |at, line| found.extend(self.line(at, line)));
                }
                Kind::Typed(text) | Kind::Clipboard(text) => {
                    found.extend(self.line(event.at, text));
                }
                Kind::Request(json) | Kind::Body(json) => found.extend(self.line(event.at, json)),
                // What an answer says in words is the names of files.
                Kind::Answer(json) if json.contains("\"files\":") => {
                    found.extend(self.line(event.at, json));
                }
                _ => {}
            }
        }
        lines.end(|at, line| found.extend(self.line(at, line)));
        found.truncate(most);
        Ok(found)
    }

    fn line(&self, at: f64, line: &str) -> Option<Found> {
        let lower = line.to_lowercase();
        if !self.words.iter().all(|word| lower.contains(word)) {
            return None;
        }
        // Lower case may have other lengths; near is near enough for what is shown.
        let first = self
            .words
            .iter()
            .filter_map(|word| lower.find(word))
            .min()?;
        let first = lower[..first].chars().count();
        let shown = line
            .chars()
            .skip(first.saturating_sub(BEFORE))
            .take(SNIPPET);
        let text: String = shown.collect();
        Some(Found {
            at,
            text: text.trim().to_owned(),
        })
    }
}

/// Puts the lines of a recording together.
#[derive(Default)]
struct Lines {
    plain: Plain,
    line: Vec<u8>,
    /// When the line began.
    at: f64,
}

impl Lines {
    fn take(&mut self, at: f64, text: &str, mut fits: impl FnMut(f64, &str)) {
        for byte in text.bytes() {
            match self.plain.take(byte) {
                None => {}
                Some(Shown::Letter(letter)) => {
                    if self.line.is_empty() {
                        self.at = at;
                    }
                    self.line.push(letter);
                    if self.line.len() >= PIECE {
                        self.look(&mut fits);
                        self.line.drain(..PIECE - OVERLAP);
                        self.at = at;
                    }
                }
                Some(Shown::Break) => self.end(&mut fits),
                Some(Shown::Back) => self.back(),
            }
        }
    }

    fn end(&mut self, mut fits: impl FnMut(f64, &str)) {
        if !self.line.is_empty() {
            self.look(&mut fits);
            self.line.clear();
        }
    }

    fn look(&self, fits: &mut impl FnMut(f64, &str)) {
        fits(self.at, &String::from_utf8_lossy(&self.line));
    }

    /// Takes one character back, as `ls` was typed as `lx`.
    fn back(&mut self) {
        while let Some(byte) = self.line.pop() {
            // The bytes of a character behind its first begin with 10.
            if byte & 0xc0 != 0x80 {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(events: &[(f64, &str)]) -> String {
        let mut cast =
            "{\"version\":2,\"width\":80,\"height\":24,\"command\":\"make Backup\"}\n".to_owned();
        for (at, text) in events {
            cast.push_str(&serde_json::json!([at, "o", text]).to_string());
            cast.push('\n');
        }
        cast
    }

    fn found(query: &str, events: &[(f64, &str)]) -> Vec<(f64, String)> {
        let search: Search = query.parse().unwrap();
        let found = search
            .find(recording(events).as_bytes(), 10, || true)
            .unwrap();
        found
            .into_iter()
            .map(|found| (found.at, found.text))
            .collect()
    }

    fn one(at: f64, text: &str) -> Vec<(f64, String)> {
        vec![(at, text.to_owned())]
    }

    #[test]
    fn words_are_found_in_one_line_in_any_order_and_case() {
        let events = [
            (1.0, "$ DROP table users\r\n"),
            (2.0, "dropped\r\na table\r\n"),
        ];
        assert_eq!(found("table drop", &events), one(1.0, "$ DROP table users"));
        assert_eq!(
            found("\"drop table\"", &events),
            one(1.0, "$ DROP table users")
        );
        assert_eq!(found("\"table drop\"", &events), []);
        assert_eq!(found("x y z", &events), []);
    }

    #[test]
    fn escapes_and_cuts_hide_nothing() {
        let events = [
            (1.0, "\x1b[1mse"),
            (1.5, "cr\x1b[3"),
            (2.0, "1met\x1b[0m plan\x08\x08\x08lan"),
        ];
        assert_eq!(found("\"secret plan\"", &events), one(1.0, "secret plan"));
        let typed = [
            (1.0, "r"),
            (1.1, "n"),
            (1.2, "\x08 \x08"),
            (1.3, "m -rf /\r\n"),
        ];
        assert_eq!(found("\"rm -rf\"", &typed), one(1.0, "rm -rf /"));
    }

    #[test]
    fn a_command_is_found_where_it_stands_in_no_output() {
        assert_eq!(found("backup", &[]), one(0.0, "make Backup"));
    }

    #[test]
    fn a_line_without_end_is_searched_across_its_pieces() {
        for before in PIECE - 10..PIECE + 10 {
            let text = format!("{}needle{}", "x".repeat(before), "y".repeat(PIECE));
            let hits = found("needle", &[(3.0, &text)]);
            assert!(!hits.is_empty(), "{before}");
            assert!(hits.iter().all(|(_, text)| text.chars().count() <= SNIPPET));
        }
    }

    #[test]
    fn a_query_is_words_and_bounded() {
        for nothing in ["", "  ", "\"\"", &"x".repeat(201), &"a ".repeat(17)] {
            assert_eq!(nothing.parse::<Search>(), Err(NothingToFind), "{nothing}");
        }
        let quoted: Search = "One \"two three".parse().unwrap();
        assert_eq!(quoted.words, ["one", "two three"]);
    }
}
