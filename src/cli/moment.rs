//! Points in time as people type them: `18:00`, `2030-01-31 18:00`, `2h`, or RFC 3339.
//!
//! What names no zone is the local time of this machine, as it is where it is shown.

use std::str::FromStr;

use chrono::{Local, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};

use super::exit::Failure;
use crate::model::time::{Span, Timestamp};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    At(Timestamp),
    /// A length from now: ahead or back, as the option means it.
    Away(Span),
    /// The next, or the last, time the clock shows this.
    Clock(NaiveTime),
    Local(NaiveDateTime),
}

#[derive(Debug, thiserror::Error)]
#[error(
    "this is not a time: write for example 18:00, \"2030-01-31 18:00\", 2h or 2030-01-31T18:00:00Z"
)]
pub struct NotAMoment;

impl FromStr for Moment {
    type Err = NotAMoment;
    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        let text = text.trim();
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        if let Ok(span) = text.trim_start_matches('+').parse() {
            return Ok(Self::Away(span));
        }
        if let Ok(time) = NaiveTime::parse_from_str(text, "%H:%M") {
            return Ok(Self::Clock(time));
        }
        if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Ok(Self::Local(day.and_time(NaiveTime::MIN)));
        }
        ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S"]
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
            .map(Self::Local)
            .ok_or(NotAMoment)
    }
}

impl Moment {
    /// Where it lies ahead of `from`.
    pub fn after(&self, from: Timestamp) -> Result<Timestamp, Failure> {
        match self {
            Self::At(at) => Ok(*at),
            Self::Away(span) => Ok(from + *span),
            Self::Local(local) => resolve(&Local, *local),
            Self::Clock(time) => clock(&Local, from, *time, 1),
        }
    }

    /// Where it lies behind `now`.
    pub fn before(&self, now: Timestamp) -> Result<Timestamp, Failure> {
        match self {
            Self::At(at) => Ok(*at),
            Self::Away(span) => {
                let back = i64::try_from(span.as_secs()).unwrap_or(i64::MAX / 1_000);
                Ok(Timestamp::from_millis(
                    now.millis().saturating_sub(back.saturating_mul(1_000)),
                ))
            }
            Self::Local(local) => resolve(&Local, *local),
            Self::Clock(time) => clock(&Local, now, *time, -1),
        }
    }
}

/// The nearest day, in steps of `step`, on which `time` lies on the wanted side of `from`.
fn clock<Z: TimeZone>(
    zone: &Z,
    from: Timestamp,
    time: NaiveTime,
    step: i64,
) -> Result<Timestamp, Failure> {
    let here = from
        .utc()
        .ok_or_else(|| Failure::usage("this machine's clock is out of range"))?
        .with_timezone(zone);
    let today = resolve(zone, here.date_naive().and_time(time))?;
    let fits = if step > 0 {
        today > from
    } else {
        today <= from
    };
    if fits {
        return Ok(today);
    }
    let other = here
        .date_naive()
        .checked_add_signed(chrono::TimeDelta::days(step))
        .ok_or_else(|| Failure::usage("this machine's clock is out of range"))?;
    resolve(zone, other.and_time(time))
}

fn resolve<Z: TimeZone>(zone: &Z, local: NaiveDateTime) -> Result<Timestamp, Failure> {
    zone.from_local_datetime(&local)
        .earliest()
        .map(|at| Timestamp::from_millis(at.timestamp_millis()))
        .ok_or_else(|| {
            Failure::usage(format!("{local} does not exist here: the clocks skip it"))
                .next("give it with its zone: 2030-01-31T18:00:00Z")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(
            "2030-01-31T18:00:00Z".parse::<Moment>().unwrap(),
            Moment::At(at("2030-01-31T18:00:00Z"))
        );
        for text in ["2h", "+2h"] {
            assert_eq!(
                text.parse::<Moment>().unwrap(),
                Moment::Away(Span::hours(2))
            );
        }
        for text in [
            "2030-01-31 18:00",
            "2030-01-31T18:00",
            "2030-01-31",
            "18:00",
        ] {
            assert!(text.parse::<Moment>().is_ok(), "{text}");
        }
        for text in ["", "tomorrow", "25:00", "2030-02-30", "18"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_of_day_is_the_next_or_the_last_one() {
        let vienna = chrono_tz::Europe::Vienna;
        let now = at("2030-01-07T16:30:00Z");
        let six = NaiveTime::from_hms_opt(18, 0, 0).unwrap();
        let five = NaiveTime::from_hms_opt(17, 0, 0).unwrap();
        let read = |time, step| clock(&vienna, now, time, step).unwrap();
        assert_eq!(read(six, 1), at("2030-01-07T17:00:00Z"));
        assert_eq!(read(five, 1), at("2030-01-08T16:00:00Z"));
        assert_eq!(read(six, -1), at("2030-01-06T17:00:00Z"));
        assert_eq!(read(five, -1), at("2030-01-07T16:00:00Z"));
    }

    #[test]
    fn a_skipped_hour_is_refused() {
        let skipped = NaiveDate::from_ymd_opt(2030, 3, 31)
            .and_then(|day| day.and_hms_opt(2, 30, 0))
            .unwrap();
        assert!(resolve(&chrono_tz::Europe::Vienna, skipped).is_err());
    }

    #[test]
    fn a_length_means_ahead_or_back() {
        let now = at("2030-01-07T12:00:00Z");
        let away = Moment::Away(Span::hours(2));
        assert_eq!(away.after(now).unwrap(), at("2030-01-07T14:00:00Z"));
        assert_eq!(away.before(now).unwrap(), at("2030-01-07T10:00:00Z"));
    }
}
