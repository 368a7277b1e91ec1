//! A command that may be run, as a policy lists it: `systemctl status *`.
//!
//! The whole command must fit, word by word. What a `*` stands for can neither end the
//! word, nor begin an option, nor climb out of a folder, nor mean anything to a shell.

use std::{fmt, str::FromStr};

/// Words with one blank between them. A word may hold one `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandPattern(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotACommandPattern {
    #[error(
        "a command of 1 to {longest} bytes is expected",
        longest = CommandPattern::LONGEST
    )]
    Length,
    #[error("a command begins and ends with a word, and holds no control or direction character")]
    Form,
    #[error("the program itself cannot be a wildcard; `exec` alone allows every command")]
    WildProgram,
    #[error("a word holds at most one `*`")]
    TwoWildcards,
    #[error("a word with a `*` cannot hold `..`")]
    Climbs,
}

impl CommandPattern {
    pub const LONGEST: usize = 512;

    /// Whether the whole command is one of those that are listed.
    pub fn fits(&self, command: &[u8]) -> bool {
        let mut words = command.split(|byte| *byte == b' ');
        let fits = self
            .0
            .split(' ')
            .all(|pattern| words.next().is_some_and(|word| word_fits(pattern, word)));
        fits && words.next().is_none()
    }
}

fn word_fits(pattern: &str, word: &[u8]) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return word == pattern.as_bytes();
    };
    let wild = word
        .strip_prefix(before.as_bytes())
        .and_then(|rest| rest.strip_suffix(after.as_bytes()));
    // `--host=elsewhere` in the place of a name would be another command.
    let begins_the_word = before.bytes().all(|byte| matches!(byte, b'"' | b'\''));
    let climbs = word.windows(2).any(|pair| pair == b"..");
    match wild {
        None | Some([]) => false,
        Some([b'-', ..]) if begins_the_word => false,
        Some(wild) => !climbs && wild.iter().all(|byte| is_inert(*byte)),
    }
}

/// Means nothing to any shell, quoted or not.
fn is_inert(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._/:@%+,-".contains(&byte)
}

impl FromStr for CommandPattern {
    type Err = NotACommandPattern;

    fn from_str(text: &str) -> Result<Self, NotACommandPattern> {
        if !(1..=Self::LONGEST).contains(&text.len()) {
            return Err(NotACommandPattern::Length);
        }
        let inert = !text.contains('\n') && !text.chars().any(crate::model::text::forbidden);
        if !inert || text.starts_with(' ') || text.ends_with(' ') {
            return Err(NotACommandPattern::Form);
        }
        for (index, word) in text.split(' ').enumerate() {
            match word.matches('*').count() {
                0 => {}
                _ if index == 0 => return Err(NotACommandPattern::WildProgram),
                1 if word.contains("..") => return Err(NotACommandPattern::Climbs),
                1 => {}
                _ => return Err(NotACommandPattern::TwoWildcards),
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for CommandPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
