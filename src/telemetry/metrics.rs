//! What is counted and measured, for Prometheus.
//!
//! Labels are the fixed words of the model (protocols, codes, states), never names of
//! people or targets, so their number is bounded and nothing confidential is in them.

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use crate::model::{session::Outcome, target::Protocol};

/// The media type of `Metrics::text`.
pub const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From half a millisecond to five seconds; the published bound is 25 ms.
const KILL_SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

type Kills = Family<OfProtocol, Histogram, fn() -> Histogram>;

/// Clones count into the same numbers.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    sessions_open: Family<OfProtocol, Gauge>,
    sessions: Family<OfOutcome, Counter>,
    kills: Kills,
    checkouts: Family<OfState, Counter>,
    refusals: Family<OfCode, Counter>,
    auth_failures: Family<OfMethod, Counter>,
    recordings: Family<OfEnd, Counter>,
    recording_room: Gauge,
    deliveries: Family<OfDelivery, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfProtocol {
    protocol: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    protocol: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCode {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDelivery {
    channel: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfEnd {
    end: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfMethod {
    method: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("doorward");
        let sessions_open = Family::default();
        registry.register("sessions_open", "Sessions open now", sessions_open.clone());
        let sessions = Family::default();
        registry.register(
            "sessions",
            "Sessions that ended, by how they ended",
            sessions.clone(),
        );
        let kills = Kills::new_with_constructor(|| Histogram::new(KILL_SECONDS));
        registry.register_with_unit(
            "kill",
            "From the pull of the switch until both sockets were closed",
            Unit::Seconds,
            kills.clone(),
        );
        let checkouts = Family::default();
        registry.register(
            "checkouts",
            "Check-outs that came into a state",
            checkouts.clone(),
        );
        let refusals = Family::default();
        registry.register(
            "refusals",
            "Answers that were no, by reason",
            refusals.clone(),
        );
        let auth_failures = Family::default();
        registry.register(
            "auth_failures",
            "Sign-ins that failed, by method",
            auth_failures.clone(),
        );
        let recordings = Family::default();
        registry.register(
            "recordings",
            "Recordings that ended, whole or cut short",
            recordings.clone(),
        );
        let recording_room = Gauge::default();
        registry.register_with_unit(
            "recording_volume_free",
            "Room on the volume of the recordings; below the reserve no new one begins",
            Unit::Bytes,
            recording_room.clone(),
        );
        let deliveries = Family::default();
        registry.register(
            "deliveries",
            "Tries to tell somebody something, by what became of them",
            deliveries.clone(),
        );
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What is running", version);
        Self(Arc::new(Inner {
            registry,
            sessions_open,
            sessions,
            kills,
            checkouts,
            refusals,
            auth_failures,
            recordings,
            recording_room,
            deliveries,
        }))
    }
}

impl Metrics {
    /// Counts a session as open for as long as what this returns lives.
    pub fn session_opened(&self, protocol: Protocol) -> OpenSession {
        let open = self.0.sessions_open.get_or_create_owned(&of(protocol));
        open.inc();
        OpenSession(open)
    }

    pub fn session_ended(&self, protocol: Protocol, outcome: &Outcome) {
        let labels = OfOutcome {
            protocol: protocol.as_str(),
            outcome: outcome.code(),
        };
        self.0.sessions.get_or_create(&labels).inc();
    }

    /// `after` is what `KillSwitch::severed` says.
    pub fn killed(&self, protocol: Protocol, after: Duration) {
        self.0
            .kills
            .get_or_create(&of(protocol))
            .observe(after.as_secs_f64());
    }

    /// A check-out came into this state, or ended for this reason.
    pub fn checkout(&self, state: &'static str) {
        self.0.checkouts.get_or_create(&OfState { state }).inc();
    }

    pub fn recording_ended(&self, whole: bool) {
        let end = if whole { "whole" } else { "cut-short" };
        self.0.recordings.get_or_create(&OfEnd { end }).inc();
    }

    /// How many bytes the volume of the recordings has left; unknown is told as none.
    pub fn recording_room(&self, free: Option<u64>) {
        let free = i64::try_from(free.unwrap_or(0)).unwrap_or(i64::MAX);
        self.0.recording_room.set(free);
    }

    /// One try on a kind of channel: `delivered`, `failed`, or `dead` where it was the last.
    pub fn delivery(&self, channel: &'static str, outcome: &'static str) {
        let labels = OfDelivery { channel, outcome };
        self.0.deliveries.get_or_create(&labels).inc();
    }

    pub fn refused(&self, code: &'static str) {
        self.0.refusals.get_or_create(&OfCode { code }).inc();
    }

    pub fn auth_failed(&self, method: &'static str) {
        self.0
            .auth_failures
            .get_or_create(&OfMethod { method })
            .inc();
    }

    /// Everything, as Prometheus reads it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.0.registry).expect("writing to a string does not fail");
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// One open session; dropped when it closes, however that happens.
#[must_use = "the session counts as open only while this lives"]
#[derive(Debug)]
pub struct OpenSession(Gauge);

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn of(protocol: Protocol) -> OfProtocol {
    OfProtocol {
        protocol: protocol.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::session::KillReason;

    #[track_caller]
    fn has(metrics: &Metrics, line: &str) {
        let text = metrics.text();
        assert!(
            text.lines().any(|found| found == line),
            "no `{line}` in\n{text}"
        );
    }

    #[test]
    fn a_session_is_open_until_it_is_dropped() {
        let metrics = Metrics::default();
        let one = metrics.session_opened(Protocol::Ssh);
        let two = metrics.clone().session_opened(Protocol::Ssh);
        has(&metrics, "doorward_sessions_open{protocol=\"ssh\"} 2");
        drop(one);
        has(&metrics, "doorward_sessions_open{protocol=\"ssh\"} 1");
        drop(two);
        has(&metrics, "doorward_sessions_open{protocol=\"ssh\"} 0");
    }

    #[test]
    fn what_happened_is_counted_by_its_code() {
        let metrics = Metrics::default();
        metrics.session_ended(Protocol::Ssh, &Outcome::Closed);
        metrics.session_ended(Protocol::Ssh, &Outcome::Killed(KillReason::Shutdown));
        metrics.session_ended(Protocol::Ssh, &Outcome::Killed(KillReason::Shutdown));
        metrics.checkout("active");
        metrics.refused("too-long");
        metrics.auth_failed("password");
        has(
            &metrics,
            "doorward_sessions_total{protocol=\"ssh\",outcome=\"closed\"} 1",
        );
        has(
            &metrics,
            "doorward_sessions_total{protocol=\"ssh\",outcome=\"shutdown\"} 2",
        );
        has(&metrics, "doorward_checkouts_total{state=\"active\"} 1");
        has(&metrics, "doorward_refusals_total{code=\"too-long\"} 1");
        has(
            &metrics,
            "doorward_auth_failures_total{method=\"password\"} 1",
        );
        has(
            &metrics,
            concat!(
                "doorward_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"} 1"
            ),
        );
    }

    #[test]
    fn a_kill_is_measured_in_seconds() {
        let metrics = Metrics::default();
        metrics.killed(Protocol::Ssh, Duration::from_millis(3));
        has(
            &metrics,
            "doorward_kill_seconds_bucket{le=\"0.002\",protocol=\"ssh\"} 0",
        );
        has(
            &metrics,
            "doorward_kill_seconds_bucket{le=\"0.005\",protocol=\"ssh\"} 1",
        );
        has(&metrics, "doorward_kill_seconds_count{protocol=\"ssh\"} 1");
        assert!(metrics.text().ends_with("# EOF\n"));
    }
}
