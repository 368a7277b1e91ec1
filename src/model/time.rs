//! Points in time and lengths of time, as the rules use them.
//!
//! A `Timestamp` is UTC in whole milliseconds; a `Span` is a whole number of seconds,
//! written `1h30m`. Nothing here knows what time it is.

use std::{fmt, str::FromStr, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since 1970-01-01T00:00:00Z. In JSON an RFC 3339 string.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn millis(self) -> i64 {
        self.0
    }

    /// How long from `earlier` to `self`; nothing if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// So much earlier.
    pub fn before(self, length: Span) -> Self {
        let length = length.duration().as_millis();
        Self(
            self.0
                .saturating_sub(i64::try_from(length).unwrap_or(i64::MAX)),
        )
    }

    pub fn utc(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_millis(self.0)
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, length: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(length.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

impl std::ops::Add<Span> for Timestamp {
    type Output = Self;
    fn add(self, length: Span) -> Self {
        self + length.duration()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.utc() {
            Some(utc) => f.write_str(&utc.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{} ms", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a time: RFC 3339 is expected, for example 2030-01-31T18:00:00Z")]
pub struct NotATime;

impl FromStr for Timestamp {
    type Err = NotATime;
    fn from_str(text: &str) -> Result<Self, NotATime> {
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| NotATime)?;
        Ok(Self(time.timestamp_millis()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A length of time in whole seconds, at most ten years: `90s`, `30m`, `1h30m`, `7d`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(u64);

impl Span {
    pub const LONGEST: Self = Self(10 * 366 * 86_400);

    pub const fn seconds(seconds: u64) -> Self {
        if seconds > Self::LONGEST.0 {
            Self::LONGEST
        } else {
            Self(seconds)
        }
    }

    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes.saturating_mul(60))
    }

    pub const fn hours(hours: u64) -> Self {
        Self::seconds(hours.saturating_mul(3_600))
    }

    /// The whole seconds of a duration; what is left over is dropped.
    pub const fn whole(duration: Duration) -> Self {
        Self::seconds(duration.as_secs())
    }

    pub const fn as_secs(self) -> u64 {
        self.0
    }

    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, seconds) in UNITS {
            if rest >= seconds {
                write!(f, "{}{unit}", rest / seconds)?;
                rest %= seconds;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a length of time: write for example 90s, 30m, 1h30m or 7d")]
pub struct NotASpan;

impl FromStr for Span {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let mut total: u64 = 0;
        let mut rest = text;
        let mut units = UNITS.iter();
        while !rest.is_empty() {
            let digits = rest
                .find(|letter: char| !letter.is_ascii_digit())
                .ok_or(NotASpan)?;
            let number: u64 = rest[..digits].parse().map_err(|_| NotASpan)?;
            let unit = rest[digits..].chars().next().ok_or(NotASpan)?;
            // Each unit once, the larger one first: `1m1h` is more likely a slip than a wish.
            let (_, seconds) = units.find(|(name, _)| *name == unit).ok_or(NotASpan)?;
            let part = number.checked_mul(*seconds).ok_or(NotASpan)?;
            total = total.checked_add(part).ok_or(NotASpan)?;
            rest = &rest[digits + unit.len_utf8()..];
        }
        (!text.is_empty() && total <= Self::LONGEST.0)
            .then_some(Self(total))
            .ok_or(NotASpan)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_span_reads_back(seconds in 0..=Span::LONGEST.0) {
            let span = Span::seconds(seconds);
            prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
        }

        #[test]
        fn a_timestamp_reads_back(millis in 0..4_102_444_800_000_i64) {
            let time = Timestamp::from_millis(millis);
            prop_assert_eq!(time.to_string().parse::<Timestamp>(), Ok(time));
        }
    }

    #[test]
    fn spans_are_written_as_people_say_them() {
        assert_eq!(Span::minutes(90).to_string(), "1h30m");
        assert_eq!(Span::hours(168).to_string(), "7d");
        for text in [
            "",
            "1",
            "h",
            "1m1h",
            "1h1h",
            "-1h",
            "1.5h",
            "99999999999999999999s",
            "1 h",
        ] {
            assert_eq!(text.parse::<Span>(), Err(NotASpan), "{text}");
        }
    }
}
