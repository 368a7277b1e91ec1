//! The outside reference that justifies a check-out, and the shape a policy wants it in.
//!
//! Decides on form only; whether the ticket exists is asked elsewhere.

use std::{fmt, str::FromStr};

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// A ticket number as it was given: `CHG0012345`. 1 to 128 printable characters, no blanks.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
pub struct TicketRef(String);

impl TicketRef {
    pub const LONGEST: usize = 128;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a ticket number: 1 to {} visible ASCII characters are expected",
    TicketRef::LONGEST
)]
pub struct NotATicket;

impl FromStr for TicketRef {
    type Err = NotATicket;
    fn from_str(text: &str) -> Result<Self, NotATicket> {
        let text = text.trim();
        let well_formed =
            (1..=Self::LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        well_formed.then(|| Self(text.to_owned())).ok_or(NotATicket)
    }
}

impl TryFrom<String> for TicketRef {
    type Error = NotATicket;
    fn try_from(text: String) -> Result<Self, NotATicket> {
        text.parse()
    }
}

impl From<TicketRef> for String {
    fn from(ticket: TicketRef) -> String {
        ticket.0
    }
}

impl fmt::Display for TicketRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TicketRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A regular expression that must match a ticket number as a whole.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TicketPattern {
    source: String,
    regex: Regex,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a usable ticket pattern: {0}")]
pub struct NotAPattern(String);

impl TicketPattern {
    pub fn matches(&self, ticket: &TicketRef) -> bool {
        self.regex.is_match(ticket.as_str())
    }

    pub fn as_str(&self) -> &str {
        &self.source
    }
}

impl FromStr for TicketPattern {
    type Err = NotAPattern;
    fn from_str(source: &str) -> Result<Self, NotAPattern> {
        // Alone first: `a)|(?:b` is no pattern, but would become one between our brackets.
        let compiled = |text: &str| RegexBuilder::new(text).size_limit(1 << 18).build();
        compiled(source).map_err(|error| NotAPattern(error.to_string()))?;
        // Anchored here, so that `CHG\d+` cannot be satisfied by a longer text that contains it.
        let regex =
            compiled(&format!("^(?:{source})$")).map_err(|error| NotAPattern(error.to_string()))?;
        Ok(Self {
            source: source.to_owned(),
            regex,
        })
    }
}

impl TryFrom<String> for TicketPattern {
    type Error = NotAPattern;
    fn try_from(text: String) -> Result<Self, NotAPattern> {
        text.parse()
    }
}

impl From<TicketPattern> for String {
    fn from(pattern: TicketPattern) -> String {
        pattern.source
    }
}

impl PartialEq for TicketPattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for TicketPattern {}

impl fmt::Debug for TicketPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_number() {
        let pattern: TicketPattern = r"CHG\d{4}|INC\d+".parse().unwrap();
        assert!(pattern.matches(&"CHG0012".parse().unwrap()));
        assert!(!pattern.matches(&"xCHG0012".parse().unwrap()));
        assert!(!pattern.matches(&"CHG00123".parse().unwrap()));
        assert!("(".parse::<TicketPattern>().is_err());
        assert!("CHG)|(?:.*".parse::<TicketPattern>().is_err());
        assert!(r"(\w{1000}){1000}".parse::<TicketPattern>().is_err());
    }

    #[test]
    fn hostile_ticket_numbers_are_refused() {
        for text in ["", "CHG 1", "CHG\u{1b}[0m", "ＣＨＧ1", &"x".repeat(129)] {
            assert_eq!(text.parse::<TicketRef>(), Err(NotATicket), "{text:?}");
        }
    }
}
