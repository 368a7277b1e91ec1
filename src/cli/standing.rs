//! Where a check-out stands, in a word and in a sentence.
//!
//! Reads the gateway's JSON; a state that is not known here is said as it came.

use serde_json::Value;

use super::{checkout::CheckoutRef, exit::Failure, json, screen};
use crate::model::time::Timestamp;

/// `root on db1`.
pub fn what(value: &Value) -> String {
    format!(
        "{} on {}",
        json::text(value, "account_name"),
        json::text(value, "target_name")
    )
}

pub fn asked(value: &Value) -> String {
    match &value["asked"] {
        Value::String(asked) if asked == "reveal" => "to see the secret".to_owned(),
        Value::Object(set) => set.get("set").map_or_else(String::new, |name| {
            format!("sessions, {}", json::shown(name))
        }),
        _ => "sessions".to_owned(),
    }
}

/// `requested`, `approved`, `active`, `ended`.
pub fn state(value: &Value) -> &str {
    match &value["state"] {
        Value::String(state) => state,
        nested => nested["state"].as_str().unwrap_or_default(),
    }
}

/// Why it ended: `denied`, `revoked`, … Empty while it has not.
pub fn ending(value: &Value) -> &str {
    end(value)["reason"].as_str().unwrap_or_default()
}

pub fn end(value: &Value) -> &Value {
    nested(value, "end")
}

pub fn grant(value: &Value) -> &Value {
    nested(value, "grant")
}

fn nested<'a>(value: &'a Value, name: &str) -> &'a Value {
    match &value["state"] {
        Value::Object(state) => state.get(name).unwrap_or(&Value::Null),
        _ => &value[name],
    }
}

/// The state in one word, as people say it.
pub fn word(value: &Value) -> &str {
    match state(value) {
        "requested" => "waiting",
        "ended" => match ending(value) {
            "" => "ended",
            "checked-in" => "checked in",
            reason => reason,
        },
        "active" if value["extension"].is_object() => "active +",
        state => state,
    }
}

/// The time that matters next, or mattered last.
pub fn when(value: &Value, now: Timestamp) -> String {
    let at = |value: &Value, name: &str| json::time(value, name).map(|at| screen::when(at, now));
    match state(value) {
        "requested" => at(value, "requested_at").map(|at| format!("asked {at}")),
        "approved" => at(grant(value), "starts_at").map(|at| format!("begins {at}")),
        "active" => at(grant(value), "ends_at").map(|at| format!("ends {at}")),
        _ => at(end(value), "at"),
    }
    .unwrap_or_default()
}

/// Where it stands, as a part of a sentence.
pub fn standing(value: &Value, now: Timestamp) -> String {
    let at = |value: &Value, name: &str| {
        json::time(value, name).map_or_else(String::new, |at| screen::when(at, now))
    };
    match state(value) {
        "requested" => format!("waiting for an approver, lapses {}", at(value, "lapses_at")),
        "approved" => format!("approved, begins {}", at(grant(value), "starts_at")),
        "active" => format!("active, ends {}", at(grant(value), "ends_at")),
        _ => {
            let end = end(value);
            sentence(
                &format!("{} by {}", word(value), json::text(end, "by")),
                &json::text(end, "message"),
            )
        }
    }
}

/// `what: message`, or `what` alone.
pub fn sentence(what: &str, message: &str) -> String {
    if message.is_empty() {
        what.to_owned()
    } else {
        format!("{what}: {message}")
    }
}

/// A code from an answer, for the next call.
pub fn code_of(value: &Value) -> Result<CheckoutRef, Failure> {
    json::text(value, "code")
        .parse()
        .map_err(|_| Failure::fault("the gateway answered without a check-out's code"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2030-01-07T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn where_it_stands_is_said_for_every_state() {
        let grant = json!({"starts_at": "2030-01-07T11:00:00Z", "ends_at": "2030-01-07T13:00:00Z"});
        let active = json!({"state": {"state": "active", "grant": grant}});
        assert!(standing(&active, now()).starts_with("active, ends in 1h ("));
        let revoked = json!({"state": {"state": "ended", "grant": grant, "end": {
            "reason": "revoked", "by": "bob", "message": "maintenance is over",
            "at": "2030-01-07T11:30:00Z",
        }}});
        assert_eq!(word(&revoked), "revoked");
        assert_eq!(
            standing(&revoked, now()),
            "revoked by bob: maintenance is over"
        );
        let flat = json!({"state": "active", "grant": grant});
        assert_eq!(state(&flat), "active");
        assert!(when(&flat, now()).starts_with("ends in 1h"));
    }
}
