//! Free text that people write: reasons, messages, descriptions.
//!
//! Bounded and inert from the moment it enters: no control character, no escape sequence,
//! no bidirectional override ever reaches a terminal, a page or a log.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// At most 2,000 characters; line feeds are the only control character.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Text(String);

impl Text {
    pub const LONGEST: usize = 2_000;

    /// The text a program of ours wrote; cut and cleaned rather than refused.
    pub fn ours(text: &str) -> Self {
        Self(
            text.chars()
                .filter(|c| !forbidden(*c))
                .take(Self::LONGEST)
                .collect(),
        )
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For places that have one line only, such as a terminal's last.
    pub fn one_line(&self) -> String {
        self.0.replace('\n', " ")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotText {
    #[error(
        "this text is too long: at most {} characters are taken",
        Text::LONGEST
    )]
    TooLong,
    #[error("this text holds a control or direction character (U+{0:04X}), which is not taken")]
    Forbidden(u32),
}

impl FromStr for Text {
    type Err = NotText;

    fn from_str(text: &str) -> Result<Self, NotText> {
        let text = text.trim().replace("\r\n", "\n");
        if text.chars().nth(Self::LONGEST).is_some() {
            return Err(NotText::TooLong);
        }
        match text.chars().find(|c| forbidden(*c)) {
            Some(letter) => Err(NotText::Forbidden(u32::from(letter))),
            None => Ok(Self(text)),
        }
    }
}

/// Control characters, bidirectional overrides and isolates, and invisible separators.
pub fn forbidden(letter: char) -> bool {
    match letter {
        '\n' => false,
        '\u{061c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}' => true,
        letter => letter.is_control(),
    }
}

impl TryFrom<String> for Text {
    type Error = NotText;
    fn try_from(text: String) -> Result<Self, NotText> {
        text.parse()
    }
}

impl From<Text> for String {
    fn from(text: Text) -> String {
        text.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_move_a_cursor_or_turn_a_line_is_refused() {
        for text in [
            "a\0b",
            "a\u{1b}[2J",
            "a\rb",
            "a\u{202e}b",
            "a\u{2067}b",
            "a\u{85}b",
            "a\u{7f}",
        ] {
            assert!(
                matches!(text.parse::<Text>(), Err(NotText::Forbidden(_))),
                "{text:?}"
            );
        }
        assert_eq!(
            "x".repeat(10_000_000).parse::<Text>(),
            Err(NotText::TooLong)
        );
    }

    #[test]
    fn ordinary_text_passes_as_it_is() {
        for text in [
            "disk full on db1",
            "größe: 10 %\nsecond line",
            "<script>=cmd|' /C calc'!A0",
        ] {
            assert_eq!(text.parse::<Text>().unwrap().as_str(), text);
        }
        assert_eq!("a\r\nb".parse::<Text>().unwrap().one_line(), "a b");
    }
}
