//! The rules of a check-out: every setting an admin can choose, and what is wrong with a choice.
//!
//! A check-out keeps the terms it was asked under; changing a policy changes the next request.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Weekday};
use serde::{Deserialize, Serialize};

use super::{
    capability::Capability,
    ids::PolicyId,
    name::{GroupName, PermissionSet, PolicyName},
    recording::{RecordingMode, RecordingTerms},
    size::Size,
    text::Text,
    ticket::TicketPattern,
    time::{Span, Timestamp},
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Policy {
    pub id: PolicyId,
    pub name: PolicyName,
    pub description: Text,
    /// The policy of every target and account that names none. Exactly one is.
    pub is_default: bool,
    pub terms: Terms,
}

/// All settings. What is left out has the value of `Terms::default()`, which is strict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields, rename_all = "snake_case")]
pub struct Terms {
    /// Off: nobody can ask.
    pub checkout: bool,
    /// Who may ask; empty means every requester.
    pub requesters: BTreeSet<GroupName>,
    /// Votes needed, stage by stage; empty means none are.
    pub approvals: Vec<Stage>,
    pub self_approval: SelfApproval,
    /// Whether an admin counts as an approver of every stage.
    pub admins_approve: bool,
    /// How old the second factor may be that an approver has shown before a yes; none is asked
    /// for if left out.
    #[schema(value_type = Option<String>)]
    pub approve_factor_within: Option<Span>,
    /// The same for whoever looks at a secret.
    #[schema(value_type = Option<String>)]
    pub reveal_factor_within: Option<Span>,
    /// Whether the requester may name one approver who alone is asked.
    pub approver_choice: bool,
    /// Whether an approver may give a check-out that nobody asked for.
    pub grant_without_request: bool,
    pub reason: Mode,
    pub ticket: Mode,
    pub ticket_pattern: Option<TicketPattern>,
    pub minimum_duration: Span,
    pub default_duration: Span,
    pub maximum_duration: Span,
    pub duration_presets: Vec<Span>,
    /// Whether a start and an end of one's own may be asked for.
    pub custom_window: bool,
    /// How far ahead such a window may begin.
    pub window_ahead: Span,
    /// How long an unanswered request lives.
    pub request_ttl: Span,
    pub extension: bool,
    /// One holder of the account at a time.
    pub exclusive: bool,
    /// Sessions at once under one check-out.
    pub maximum_sessions: Option<u32>,
    pub session_limit: Option<Span>,
    pub idle_limit: Option<Span>,
    /// Outside these hours no session opens, and live ones end.
    pub weekly_hours: Option<WeeklyHours>,
    /// Check in by itself when the last session closes.
    pub check_in_after_last_session: bool,
    /// No: a check-in is refused while sessions live. Yes: it ends them.
    pub end_sessions_on_check_in: bool,
    pub reveal: Reveal,
    pub recording: RecordingMode,
    /// Record what is typed too, but nothing that the target does not show.
    pub record_input: bool,
    /// Record bodies of web requests and answers too, each up to this size.
    #[schema(value_type = Option<String>)]
    pub record_bodies: Option<Size>,
    /// Show on a web target's own pages how long the check-out lasts.
    pub page_banner: bool,
    /// How long recordings are kept; for ever if left out.
    pub recording_retention: Option<Span>,
    /// What an ordinary check-out may do.
    pub capabilities: BTreeSet<Capability>,
    /// Narrower sets that can be asked for by name.
    pub permission_sets: BTreeMap<PermissionSet, BTreeSet<Capability>>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            checkout: true,
            requesters: BTreeSet::new(),
            approvals: vec![Stage::default()],
            self_approval: SelfApproval::Never,
            admins_approve: false,
            approve_factor_within: None,
            reveal_factor_within: None,
            approver_choice: true,
            grant_without_request: true,
            reason: Mode::Required,
            ticket: Mode::Required,
            ticket_pattern: None,
            minimum_duration: Span::minutes(1),
            default_duration: Span::hours(1),
            maximum_duration: Span::hours(8),
            duration_presets: [30, 60, 180, 480].map(Span::minutes).to_vec(),
            custom_window: true,
            window_ahead: Span::hours(24 * 30),
            request_ttl: Span::hours(24),
            extension: true,
            exclusive: false,
            maximum_sessions: None,
            session_limit: None,
            idle_limit: None,
            weekly_hours: None,
            check_in_after_last_session: false,
            end_sessions_on_check_in: true,
            reveal: Reveal::Never,
            recording: RecordingMode::Required,
            record_input: false,
            record_bodies: None,
            page_banner: false,
            recording_retention: None,
            capabilities: Capability::ORDINARY.into_iter().collect(),
            permission_sets: BTreeMap::new(),
        }
    }
}

/// Votes of one kind, all of which are needed before the next stage is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Stage {
    pub votes: u32,
    /// Who may vote; empty means every approver.
    pub groups: BTreeSet<GroupName>,
}

impl Default for Stage {
    fn default() -> Self {
        Self {
            votes: 1,
            groups: BTreeSet::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SelfApproval {
    Never,
    /// Only where nobody else could.
    SoleApprover,
    Always,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Not asked for; what is given is refused, so that nobody believes it was read.
    None,
    Optional,
    Required,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reveal {
    Never,
    /// The holder of an active check-out that asked for it may see the secret.
    OnCheckout,
}

/// The hours of a week, in a time zone, in which access is possible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WeeklyHours {
    /// An IANA name such as `Europe/Vienna`.
    #[schema(value_type = String)]
    pub zone: chrono_tz::Tz,
    pub windows: Vec<HourWindow>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HourWindow {
    #[schema(value_type = Vec<String>)]
    pub days: Vec<Weekday>,
    /// Local time, included: `08:00:00`.
    #[schema(value_type = String)]
    pub from: NaiveTime,
    /// Local time, excluded. `00:00:00` is the end of the day.
    #[schema(value_type = String)]
    pub to: NaiveTime,
}

impl WeeklyHours {
    /// When the window that `now` lies in closes; none if it lies in no window.
    ///
    /// Windows that touch (one ends at midnight, the next begins there) count as one.
    pub fn open_until(&self, now: Timestamp) -> Option<Timestamp> {
        let mut until = self.window_end(now)?;
        // A week of touching windows never closes; seven joins are a full one.
        for _ in 0..8 {
            match self.window_end(until) {
                Some(later) if later > until => until = later,
                _ => break,
            }
        }
        Some(until)
    }

    fn window_end(&self, now: Timestamp) -> Option<Timestamp> {
        let local = self.zone.from_utc_datetime(&now.utc()?.naive_utc());
        let time = local.time();
        self.windows
            .iter()
            .filter(|window| window.days.contains(&local.weekday()))
            .filter(|window| {
                window.from <= time && (time < window.to || window.to == NaiveTime::MIN)
            })
            .filter_map(|window| {
                let day = match window.to {
                    NaiveTime::MIN => local.date_naive().succ_opt()?,
                    _ => local.date_naive(),
                };
                self.instant(day.and_time(window.to))
            })
            // In an hour that comes twice the first time has ended it.
            .filter(|end| *end > now)
            .max()
    }

    /// When clocks show this local time: the first time if a clock change repeats it, the end
    /// of the gap if one skips it. No zone skips a whole day's worth of minutes.
    fn instant(&self, local: NaiveDateTime) -> Option<Timestamp> {
        let shown = (0..24 * 60).find_map(|late| {
            let local = local + TimeDelta::minutes(late);
            self.zone.from_local_datetime(&local).earliest()
        })?;
        Some(Timestamp::from_millis(shown.timestamp_millis()))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTerms {
    #[error("approvals: a stage needs between 1 and 20 votes, and there are at most 10 stages")]
    Stages,
    #[error("durations: minimum ≤ default ≤ maximum is expected, and minimum is at least 1s")]
    Durations,
    #[error("duration_presets: {0} is not between the minimum and the maximum duration")]
    Preset(Span),
    #[error("request_ttl: at least 1m is expected")]
    RequestTtl,
    #[error("ticket_pattern: a pattern is of no use where ticket is none")]
    PatternWithoutTicket,
    #[error("{0}: at least 1 is expected; leave it out for no limit")]
    ZeroLimit(&'static str),
    #[error("{0}: at least 1m is expected; leave it out to ask for none")]
    FactorWithin(&'static str),
    #[error("record_bodies: between 1B and 1MiB is expected; leave it out for none")]
    Bodies,
    #[error(
        "capabilities: a set holds at most {} of them, and there are at most {} permission_sets",
        Terms::LARGEST_SET,
        Terms::MOST_SETS
    )]
    Capabilities,
    #[error(
        "weekly_hours: each window needs a day, and `from` before `to` (00:00:00 ends the day)"
    )]
    WeeklyHours,
}

impl Terms {
    /// Each channel is held against its set one by one.
    pub const LARGEST_SET: usize = 200;
    pub const MOST_SETS: usize = 50;

    /// The first thing that is wrong with these settings.
    pub fn check(&self) -> Result<(), BadTerms> {
        if self.approvals.len() > 10
            || self
                .approvals
                .iter()
                .any(|stage| !(1..=20).contains(&stage.votes))
        {
            return Err(BadTerms::Stages);
        }
        let ordered = self.minimum_duration <= self.default_duration
            && self.default_duration <= self.maximum_duration
            && !self.minimum_duration.is_zero();
        if !ordered {
            return Err(BadTerms::Durations);
        }
        let allowed = self.minimum_duration..=self.maximum_duration;
        if let Some(preset) = self
            .duration_presets
            .iter()
            .find(|preset| !allowed.contains(preset))
        {
            return Err(BadTerms::Preset(*preset));
        }
        if self.request_ttl < Span::minutes(1) {
            return Err(BadTerms::RequestTtl);
        }
        if self.ticket == Mode::None && self.ticket_pattern.is_some() {
            return Err(BadTerms::PatternWithoutTicket);
        }
        let mut sets = self.permission_sets.values().chain([&self.capabilities]);
        if self.permission_sets.len() > Self::MOST_SETS
            || sets.any(|set| set.len() > Self::LARGEST_SET)
        {
            return Err(BadTerms::Capabilities);
        }
        self.check_limits()
    }

    fn check_limits(&self) -> Result<(), BadTerms> {
        if self.maximum_sessions == Some(0) {
            return Err(BadTerms::ZeroLimit("maximum_sessions"));
        }
        if self.session_limit.is_some_and(Span::is_zero) {
            return Err(BadTerms::ZeroLimit("session_limit"));
        }
        if self.idle_limit.is_some_and(Span::is_zero) {
            return Err(BadTerms::ZeroLimit("idle_limit"));
        }
        // Typing a code takes its time, and so does reading a request.
        let too_short = |within: Option<Span>| within.is_some_and(|it| it < Span::minutes(1));
        if too_short(self.approve_factor_within) {
            return Err(BadTerms::FactorWithin("approve_factor_within"));
        }
        if too_short(self.reveal_factor_within) {
            return Err(BadTerms::FactorWithin("reveal_factor_within"));
        }
        if self.recording_retention.is_some_and(Span::is_zero) {
            return Err(BadTerms::ZeroLimit("recording_retention"));
        }
        // Each is held while it passes, for as many requests as there are at once.
        if self
            .record_bodies
            .is_some_and(|size| !(1..=1 << 20).contains(&size.bytes()))
        {
            return Err(BadTerms::Bodies);
        }
        let sound = |window: &HourWindow| {
            !window.days.is_empty() && (window.from < window.to || window.to == NaiveTime::MIN)
        };
        match &self.weekly_hours {
            Some(hours) if hours.windows.is_empty() || !hours.windows.iter().all(sound) => {
                Err(BadTerms::WeeklyHours)
            }
            _ => Ok(()),
        }
    }

    pub fn recorded(&self) -> RecordingTerms {
        RecordingTerms {
            mode: self.recording,
            input: self.record_input,
            bodies: self.record_bodies,
            retention: self.recording_retention,
        }
    }

    /// Whether these terms let a requester of these groups ask at all.
    pub fn lets_ask(&self, groups: &BTreeSet<GroupName>) -> bool {
        self.checkout && (self.requesters.is_empty() || !self.requesters.is_disjoint(groups))
    }

    /// All votes of all stages.
    pub fn votes_needed(&self) -> u32 {
        self.approvals.iter().map(|stage| stage.votes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn office() -> WeeklyHours {
        let days = vec![
            Weekday::Mon,
            Weekday::Tue,
            Weekday::Wed,
            Weekday::Thu,
            Weekday::Fri,
        ];
        let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
        WeeklyHours {
            zone: chrono_tz::Europe::Vienna,
            windows: vec![HourWindow {
                days,
                from: time(8),
                to: time(17),
            }],
        }
    }

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(Terms::default().check(), Ok(()));
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        assert!(serde_json::from_str::<Terms>(r#"{"maximum_duraton": "4h"}"#).is_err());
    }

    #[test]
    fn weekly_hours_end_once_whatever_the_clocks_do() {
        let night = |to: &str| WeeklyHours {
            zone: chrono_tz::Europe::Vienna,
            windows: vec![HourWindow {
                days: vec![Weekday::Sun],
                from: NaiveTime::MIN,
                to: to.parse().unwrap(),
            }],
        };
        // 02:30 comes twice on this day, at 00:30Z and at 01:30Z.
        let twice = night("02:30:00");
        let end = Some(at("2030-10-27T00:30:00Z"));
        assert_eq!(twice.open_until(at("2030-10-26T23:00:00Z")), end);
        assert_eq!(twice.open_until(at("2030-10-27T01:15:00Z")), None);
        // And never on this one: clocks go from 02:00 to 03:00 at 01:00Z.
        let never = night("02:30:00");
        let end = Some(at("2030-03-31T01:00:00Z"));
        assert_eq!(never.open_until(at("2030-03-30T23:30:00Z")), end);
        assert_eq!(never.open_until(at("2030-03-31T01:00:00Z")), None);
    }

    #[test]
    fn weekly_hours_follow_the_zone_and_its_clock_changes() {
        // Vienna is UTC+1 in winter and UTC+2 in summer.
        assert_eq!(
            office().open_until(at("2030-01-07T07:00:00Z")),
            Some(at("2030-01-07T16:00:00Z"))
        );
        assert_eq!(office().open_until(at("2030-01-07T06:59:59Z")), None);
        assert_eq!(
            office().open_until(at("2030-07-08T06:00:00Z")),
            Some(at("2030-07-08T15:00:00Z"))
        );
        assert_eq!(office().open_until(at("2030-07-08T15:00:00Z")), None);
        assert_eq!(
            office().open_until(at("2030-01-05T10:00:00Z")),
            None,
            "a Saturday"
        );
    }

    #[test]
    fn windows_that_touch_at_midnight_are_one() {
        let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
        let hours = WeeklyHours {
            zone: chrono_tz::UTC,
            windows: vec![
                HourWindow {
                    days: vec![Weekday::Mon],
                    from: time(22),
                    to: NaiveTime::MIN,
                },
                HourWindow {
                    days: vec![Weekday::Tue],
                    from: NaiveTime::MIN,
                    to: time(2),
                },
            ],
        };
        assert_eq!(
            hours.open_until(at("2030-01-07T23:00:00Z")),
            Some(at("2030-01-08T02:00:00Z"))
        );
    }

    #[test]
    fn senseless_settings_are_named() {
        let wrong = |change: fn(&mut Terms)| {
            let mut terms = Terms::default();
            change(&mut terms);
            terms.check().unwrap_err()
        };
        assert_eq!(wrong(|t| t.approvals[0].votes = 0), BadTerms::Stages);
        assert_eq!(
            wrong(|t| t.maximum_duration = Span::minutes(5)),
            BadTerms::Durations
        );
        assert_eq!(
            wrong(|t| t.duration_presets.push(Span::hours(9))),
            BadTerms::Preset(Span::hours(9))
        );
        assert_eq!(
            wrong(|t| t.maximum_sessions = Some(0)),
            BadTerms::ZeroLimit("maximum_sessions")
        );
        let ports = |count: usize| {
            let port = |port| format!("forward:db1:{port}").parse().unwrap();
            (1..=count).map(port).collect::<BTreeSet<Capability>>()
        };
        let mut terms = Terms {
            capabilities: ports(Terms::LARGEST_SET),
            ..Terms::default()
        };
        assert_eq!(terms.check(), Ok(()));
        terms.capabilities = ports(Terms::LARGEST_SET + 1);
        assert_eq!(terms.check(), Err(BadTerms::Capabilities));
    }
}
