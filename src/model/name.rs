//! The names people give to users, groups, targets, accounts and policies.
//!
//! Each kind has one alphabet, parsed once at the edge; what does not parse does not exist.
//! No name begins with `-`, holds a blank, a control character or a look-alike.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a name of a {kind}: {expected}")]
pub struct NotAName {
    kind: &'static str,
    expected: &'static str,
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $check:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NotAName;
            fn from_str(text: &str) -> Result<Self, NotAName> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NotAName { kind: $kind, expected: $expected })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAName;
            fn try_from(text: String) -> Result<Self, NotAName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    )*};
}

names! {
    /// `alice`, `alice@example.org`. A `+` is allowed inside: log-in names split at the last.
    UserName, "user",
        "1 to 64 of a-z 0-9 . _ - @ +, beginning and ending with a letter or digit",
        |text| bounded(text, 64) && alnum_ends(text) && text.bytes().all(|b| lower(b) || b"._-@+".contains(&b));
    /// `dba-leads`.
    GroupName, "group",
        "1 to 64 of a-z 0-9 . _ -, beginning and ending with a letter or digit",
        |text| bounded(text, 64) && alnum_ends(text) && text.bytes().all(|b| lower(b) || b"._-".contains(&b));
    /// `db1`: one DNS label, because it becomes a host name.
    TargetName, "target",
        "1 to 63 of a-z 0-9 -, beginning and ending with a letter or digit",
        |text| bounded(text, 63) && alnum_ends(text) && text.bytes().all(|b| lower(b) || b == b'-');
    /// `root`, `Administrator`, `svc_backup$`.
    AccountName, "account",
        "1 to 64 of a-z A-Z 0-9 . _ - $, beginning with a letter, a digit or _",
        |text| bounded(text, 64)
            && !text.starts_with(['-', '.', '$'])
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-$".contains(&b));
    /// `production`.
    PolicyName, "policy",
        "1 to 64 of a-z 0-9 . _ -, beginning and ending with a letter or digit",
        |text| bounded(text, 64) && alnum_ends(text) && text.bytes().all(|b| lower(b) || b"._-".contains(&b));
    /// A named set of capabilities inside a policy: `read-only`.
    PermissionSet, "permission set",
        "1 to 64 of a-z 0-9 . _ -, beginning and ending with a letter or digit; `use` and `reveal` are taken",
        |text| bounded(text, 64) && alnum_ends(text) && !matches!(text, "use" | "reveal")
            && text.bytes().all(|b| lower(b) || b"._-".contains(&b));
}

fn bounded(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
}

fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn alnum_ends(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().copied().is_some_and(lower) && bytes.last().copied().is_some_and(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_taken_for_something_else_are_refused() {
        let long = "a".repeat(65);
        for text in [
            "",
            "-oProxyCommand=x",
            "a b",
            "Alice",
            "аlice",
            "a\0",
            "a.",
            ".a",
            "a\n",
            &long,
        ] {
            assert!(text.parse::<UserName>().is_err(), "{text:?}");
        }
        for text in ["", "db.1", "db1.", "-db1", "db1-", "DB1", "db1 ", "db_1"] {
            assert!(text.parse::<TargetName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn ordinary_names_pass() {
        for text in ["alice", "alice@example.org", "a+b@example.org", "j.doe_2"] {
            assert_eq!(text.parse::<UserName>().unwrap().as_str(), text);
        }
        for text in ["root", "Administrator", "svc$", "_apt"] {
            assert_eq!(text.parse::<AccountName>().unwrap().as_str(), text);
        }
    }
}
