//! Identifiers: 26 characters that sort by the time of their making (ULID).
//!
//! An identifier is made of a time and entropy that the caller brings; nothing here
//! reads a clock or a random source.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// Crockford's base 32: no `i`, `l`, `o`, `u`, so that a code survives the telephone.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 26;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not an identifier: {LENGTH} characters 0-9 A-Z without I, L, O, U are expected")]
pub struct NotAnId;

fn encode(at: Timestamp, entropy: [u8; 10]) -> String {
    let mut value = u128::from(at.millis().unsigned_abs()) << 80;
    for (index, byte) in entropy.iter().enumerate() {
        value |= u128::from(*byte) << (8 * (9 - index));
    }
    (0..LENGTH)
        .rev()
        .map(|digit| char::from(ALPHABET[(value >> (5 * digit)) as usize & 31]))
        .collect()
}

fn parse(text: &str) -> Result<String, NotAnId> {
    let well_formed = text.len() == LENGTH && text.bytes().all(|byte| ALPHABET.contains(&byte));
    well_formed.then(|| text.to_owned()).ok_or(NotAnId)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn new(at: Timestamp, entropy: [u8; 10]) -> Self {
                Self(encode(at, entropy))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;
            fn try_from(text: String) -> Result<Self, NotAnId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// One check-out, for ever.
    CheckoutId
    /// One brokered connection.
    SessionId
    /// An account of a person at the gateway.
    UserId
    /// A set of users.
    GroupId
    /// A machine or web application behind the gateway.
    TargetId
    /// A privileged identity on targets.
    AccountId
    /// A named set of rules.
    PolicyId
    /// An API token (not its secret).
    TokenId
    /// What a session left.
    RecordingId
    /// One file or change that moved by sftp or scp.
    FileId
    /// One running gateway process.
    NodeId
    /// A way on which people are told.
    ChannelId
    /// Something that people are told of.
    NoticeId
    /// One notice on its way to one place.
    DeliveryId
    /// A human being: the users that belong to one human share it.
    PersonId
}

impl From<&UserId> for PersonId {
    /// A user is a person of their own until an admin says otherwise.
    fn from(user: &UserId) -> Self {
        Self(user.0.clone())
    }
}

/// The short name of a check-out that people say and type: `7K3F`.
///
/// Unique in one installation; the store makes it longer when the short ones run out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Code(String);

impl Code {
    pub const SHORTEST: usize = 4;
    pub const LONGEST: usize = 10;

    /// A code of `length` characters, clamped to the allowed range.
    pub fn new(length: usize, entropy: [u8; 10]) -> Self {
        let length = length.clamp(Self::SHORTEST, Self::LONGEST);
        let digits = entropy[..length].iter();
        Self(
            digits
                .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
                .collect(),
        )
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a check-out's code: 4 to 10 characters such as 7K3F are expected")]
pub struct NotACode;

impl FromStr for Code {
    type Err = NotACode;

    /// Reads what people type: lower case, and the letters that look like digits.
    fn from_str(text: &str) -> Result<Self, NotACode> {
        if !(Self::SHORTEST..=Self::LONGEST).contains(&text.len()) {
            return Err(NotACode);
        }
        text.chars()
            .map(|letter| match letter.to_ascii_uppercase() {
                'O' => Ok('0'),
                'I' | 'L' => Ok('1'),
                letter if letter.is_ascii() && ALPHABET.contains(&(letter as u8)) => Ok(letter),
                _ => Err(NotACode),
            })
            .collect::<Result<String, _>>()
            .map(Self)
    }
}

impl TryFrom<String> for Code {
    type Error = NotACode;
    fn try_from(text: String) -> Result<Self, NotACode> {
        text.parse()
    }
}

impl From<Code> for String {
    fn from(code: Code) -> String {
        code.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_read_back() {
        let early = CheckoutId::new(Timestamp::from_millis(1_000), [255; 10]);
        let late = CheckoutId::new(Timestamp::from_millis(1_001), [0; 10]);
        assert!(early < late);
        assert_eq!(early.to_string().parse::<CheckoutId>(), Ok(early));
    }

    #[test]
    fn other_text_is_no_id() {
        for text in [
            "",
            "7K3F",
            "01ARZ3NDEKTSV4RRFFQ69G5FAU",
            "01arz3ndektsv4rrffq69g5fav",
        ] {
            assert_eq!(text.parse::<CheckoutId>(), Err(NotAnId), "{text}");
        }
    }

    #[test]
    fn codes_read_what_people_type() {
        assert_eq!("7k3f".parse::<Code>().unwrap().as_str(), "7K3F");
        assert_eq!("oil0".parse::<Code>().unwrap().as_str(), "0110");
        for text in ["", "7K3", "7K3F!", "ÄÄ", "0123456789A"] {
            assert_eq!(text.parse::<Code>(), Err(NotACode), "{text}");
        }
    }
}
