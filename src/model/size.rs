//! A number of bytes as people write it: `10MiB`.
//!
//! One form for each number, so that what is read is written again the same way.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Bytes.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Size(u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a size is a whole number and a unit: 500B, 64KiB, 10MiB, 2GiB or 1TiB")]
pub struct NotASize;

/// The largest first.
const UNITS: [(&str, u64); 5] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl Size {
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, bytes)| Some((text.strip_suffix(name)?, bytes)))
            .ok_or(NotASize)?;
        let sound = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if !sound {
            return Err(NotASize);
        }
        let number: u64 = number.parse().map_err(|_| NotASize)?;
        number.checked_mul(*unit).map(Self).ok_or(NotASize)
    }
}

impl TryFrom<String> for Size {
    type Error = NotASize;
    fn try_from(text: String) -> Result<Self, NotASize> {
        text.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> String {
        size.to_string()
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fitting = UNITS
            .iter()
            .find(|(_, bytes)| self.0.is_multiple_of(*bytes));
        match fitting {
            Some((name, bytes)) if self.0 > 0 => write!(f, "{}{name}", self.0 / bytes),
            _ => f.write_str("0B"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_one_form() {
        for (text, bytes, shown) in [
            ("0B", 0, "0B"),
            ("0MiB", 0, "0B"),
            ("500B", 500, "500B"),
            ("1024B", 1024, "1KiB"),
            ("1536KiB", 1536 << 10, "1536KiB"),
            ("010MiB", 10 << 20, "10MiB"),
            ("2GiB", 2 << 30, "2GiB"),
            ("1TiB", 1 << 40, "1TiB"),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.bytes(), size.to_string()), (bytes, shown.to_owned()));
        }
        for text in [
            "",
            "10",
            "MiB",
            "10MB",
            "10 MiB",
            "10mib",
            "-1B",
            "+1B",
            "1.5GiB",
            "18446744073709551616B",
            "16777217TiB",
        ] {
            assert_eq!(text.parse::<Size>(), Err(NotASize), "{text}");
        }
    }
}
