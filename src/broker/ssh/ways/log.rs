//! The connection log: an audit event when a way is asked of the other side, one when it ends.
//!
//! Says where to, how much in each direction, how long and how it ended; never what.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use serde_json::json;

use super::Originator;
use crate::{broker::ssh::entrance::Bridge, clock::Stopwatch, model::session::KillReason};

/// What kind of way it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Forward,
    RemoteForward,
    Agent,
    X11,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::RemoteForward => "remote-forward",
            Self::Agent => "agent",
            Self::X11 => "x11",
        }
    }

    /// As it stands in a sentence, before "opened" and "ended".
    fn subject(self, place: &str) -> String {
        match self {
            Self::Forward => format!("forward to {place}"),
            Self::RemoteForward => format!("forward from {place}"),
            Self::Agent => "use of the agent".to_owned(),
            Self::X11 => "use of the display".to_owned(),
        }
    }
}

/// One way in the log. Dropped, it is written down as ended.
pub struct Log {
    bridge: Arc<Bridge>,
    kind: Kind,
    place: String,
    originator: Option<Originator>,
    began: Stopwatch,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    result: OnceLock<String>,
}

impl Log {
    /// Written before anything is asked of the other side.
    pub async fn open(
        bridge: Arc<Bridge>,
        kind: Kind,
        place: String,
        originator: Option<Originator>,
    ) -> Self {
        let log = Self {
            bridge,
            kind,
            place,
            originator,
            began: Stopwatch::start(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            result: OnceLock::new(),
        };
        let message = format!("{} opened", log.kind.subject(&log.place));
        let detail = log.detail();
        let session = &log.bridge.session;
        session.audit_done("forward.open", &message, detail).await;
        log
    }

    /// From the person to the target.
    pub fn passed_up(&self, bytes: u32) {
        self.bytes_in.fetch_add(bytes.into(), Ordering::Relaxed);
        self.bridge.session.count_in(bytes.into());
        self.touch();
    }

    /// From the target to the person.
    pub fn passed_down(&self, bytes: u32) {
        self.bytes_out.fetch_add(bytes.into(), Ordering::Relaxed);
        self.bridge.session.count_out(bytes.into());
        self.touch();
    }

    /// How it ended; the first word counts.
    pub fn ended(&self, result: impl Into<String>) {
        self.result.set(result.into()).ok();
    }

    fn touch(&self) {
        self.bridge.activity.fetch_add(1, Ordering::Relaxed);
    }

    fn detail(&self) -> serde_json::Value {
        json!({
            "kind": self.kind.as_str(),
            "place": self.place,
            "originator": self.originator.as_ref().map(ToString::to_string),
        })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let session = &self.bridge.session;
        let result = outcome(session.switch().reason(), self.result.take());
        let message = format!("{} ended: {result}", self.kind.subject(&self.place));
        let mut detail = self.detail();
        detail["bytes_in"] = json!(self.bytes_in.load(Ordering::Relaxed));
        detail["bytes_out"] = json!(self.bytes_out.load(Ordering::Relaxed));
        detail["duration_ms"] = json!(self.began.elapsed().as_millis() as u64);
        detail["result"] = json!(result);
        session.audit_later("forward.close", &message, detail);
    }
}

/// A pulled switch outweighs every other word: what was seen then is its consequence.
fn outcome(killed: Option<KillReason>, said: Option<String>) -> String {
    killed
        .map(|reason| reason.to_string())
        .or(said)
        .unwrap_or_else(|| "the connection ended".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_is_not_said_to_have_ended_otherwise() {
        let said = || Some("closed by the target".to_owned());
        let cut = outcome(Some(KillReason::UserDisabled), said());
        assert_eq!(cut, KillReason::UserDisabled.to_string());
        assert_eq!(outcome(None, said()), "closed by the target");
        assert_eq!(outcome(None, None), "the connection ended");
    }
}
