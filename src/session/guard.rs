//! Ends one session when its time is over, warns before, and meanwhile tells how much goes
//! through it.
//!
//! Every session has its own, so that the end needs no database. An extension is found by a
//! look at the check-out, before each warning and at the very end.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use super::{
    clerk::Entry,
    gate::Gate,
    traffic::{Bytes, Traffic},
};
use crate::kill::KillSwitch;
use crate::model::{
    ids::{CheckoutId, Code, SessionId},
    refusal::Refusal,
    session::KillReason,
    time::{Span, Timestamp},
};

/// How long the store may take to say that a check-out was extended.
const LOOK: Duration = Duration::from_millis(100);

/// How old the traffic of a live session may be where people look at it.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What the person should know of their session's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    Ends {
        at: Timestamp,
        left: Span,
        /// `Check-out 7K3F`, or `This session`.
        what: String,
    },
    /// They were warned, and it is not true any more.
    Extended { at: Timestamp },
}

/// Until when the check-out lasts, as far as is known; an extension moves it.
#[derive(Debug, Clone)]
pub struct Until(Arc<AtomicI64>);

impl Until {
    pub fn new(at: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(at.millis())))
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, at: Timestamp) {
        self.0.store(at.millis(), Ordering::Relaxed);
    }
}

pub struct Guard {
    pub gate: Gate,
    pub session: SessionId,
    pub traffic: Arc<Traffic>,
    pub checkout: CheckoutId,
    pub code: Code,
    /// What the person reads when the store cannot be asked in time.
    pub expired: KillReason,
    pub switch: KillSwitch,
    pub until: Until,
    pub limit: Option<(Span, Timestamp)>,
    pub notices: watch::Sender<Option<Notice>>,
    pub warned: bool,
}

impl Guard {
    pub async fn watch(mut self) {
        let gate = self.gate.clone();
        let clock = &gate.0.parts.clock;
        loop {
            let warning = next_warning(&gate.0.parts.warn_before, self.end(), clock.now());
            let next = warning.map_or(self.end(), |(at, _)| at);
            tokio::select! {
                () = clock.sleep_until(next) => {}
                never = self.tell() => match never {},
            }
            match warning {
                Some((_, left)) => self.warn(left).await,
                None => match self.over().await {
                    Some(reason) => {
                        self.switch.pull(reason);
                        return;
                    }
                    None => self.correct(),
                },
            }
        }
    }

    fn end(&self) -> Timestamp {
        let until = self.until.now();
        self.limit.map_or(until, |(_, at)| at.min(until))
    }

    async fn warn(&mut self, left: Span) {
        let end = self.end();
        // A store that does not answer is no reason to keep a warning back.
        if let Ok(Ok(checkout)) = timeout(LOOK, self.gate.checkout(&self.checkout)).await
            && let Ok(until) = checkout.open_until(self.gate.now())
        {
            self.until.set(until);
        }
        if self.end() > end {
            return self.correct();
        }
        self.warned = true;
        let by_limit = self.limit.is_some_and(|(_, at)| at < self.until.now());
        let what = match by_limit {
            true => "This session".to_owned(),
            false => format!("Check-out {}", self.code),
        };
        let at = self.end();
        self.notices
            .send_replace(Some(Notice::Ends { at, left, what }));
    }

    /// Takes back a warning that is not true any more.
    fn correct(&mut self) {
        if std::mem::take(&mut self.warned) {
            let at = self.end();
            self.notices.send_replace(Some(Notice::Extended { at }));
        }
    }

    /// Why it is over; none if it goes on because it was extended meanwhile.
    async fn over(&mut self) -> Option<KillReason> {
        match self.limit {
            Some((limit, at)) if at <= self.gate.now() => {
                return Some(KillReason::SessionLimit(limit));
            }
            _ => {}
        }
        match self.last_look().await {
            Ok(until) => {
                self.until.set(until);
                None
            }
            Err(reason) => Some(reason),
        }
    }

    /// Tells the clerk how much went through, now and then and only if something did.
    async fn tell(&self) -> Infallible {
        let mut told = Bytes::default();
        loop {
            tokio::time::sleep(TELL_EVERY).await;
            let traffic = self.traffic.now();
            if traffic != told {
                told = traffic;
                let session = self.session.clone();
                self.gate.enter(Entry::Counted { session, traffic });
            }
        }
    }

    async fn last_look(&self) -> Result<Timestamp, KillReason> {
        let found = timeout(LOOK, self.gate.checkout(&self.checkout)).await;
        let Ok(Ok(checkout)) = found else {
            return Err(self.expired.clone());
        };
        if let Some(reason) = checkout.kill_reason() {
            return Err(reason);
        }
        let now = self.gate.now();
        match checkout.open_until(now) {
            Ok(until) if until > now => Ok(until),
            Err(Refusal::OutsideHours { .. }) => Err(KillReason::OutsideHours),
            _ => Err(self.expired.clone()),
        }
    }
}

/// When the next warning is due, and how much is left then.
fn next_warning(before: &[Span], end: Timestamp, now: Timestamp) -> Option<(Timestamp, Span)> {
    before
        .iter()
        .map(|left| (end.before(*left), *left))
        .filter(|(at, _)| *at > now)
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warnings_come_in_their_order_and_none_that_is_past() {
        let before = [10, 5, 1].map(Span::minutes);
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let end = at("2030-01-07T12:00:00Z");
        for (now, next) in [
            ("2030-01-07T10:00:00Z", Some(("2030-01-07T11:50:00Z", 10))),
            ("2030-01-07T11:50:00Z", Some(("2030-01-07T11:55:00Z", 5))),
            ("2030-01-07T11:57:00Z", Some(("2030-01-07T11:59:00Z", 1))),
            ("2030-01-07T11:59:00Z", None),
        ] {
            let expected = next.map(|(time, left)| (at(time), Span::minutes(left)));
            assert_eq!(next_warning(&before, end, at(now)), expected, "{now}");
        }
    }
}
