//! Audit events as a timeline: when, who, what was said.
//!
//! Reads records as the list, the history and the export hold them.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    json,
    screen::{Screen, one_line},
    table::Table,
};

/// One line an event, the oldest first as they come.
pub fn timeline(items: &[Value], screen: &Screen) -> String {
    let mut table = Table::new(&["WHEN", "WHO", "WHAT"]);
    for item in items {
        let event = event(item);
        let at = json::time(&event, "at").or_else(|| json::time(item, "at"));
        table.row([
            at.map(|at| screen.when(at)).unwrap_or_default(),
            who(&event),
            what(&event),
        ]);
    }
    table.shown(screen, "Nothing has happened yet.")
}

/// The event of a record, wherever it is kept in it.
pub fn event(item: &Value) -> Cow<'_, Value> {
    for name in ["event", "body"] {
        match &item[name] {
            Value::Object(_) => return Cow::Borrowed(&item[name]),
            Value::String(text) => {
                if let Ok(event) = serde_json::from_str(text) {
                    return Cow::Owned(event);
                }
            }
            _ => {}
        }
    }
    Cow::Borrowed(item)
}

pub fn who(event: &Value) -> String {
    let actor = &event["actor"];
    if let Some(name) = actor.as_str() {
        return match name {
            "gateway" => "the gateway".to_owned(),
            name => name.to_owned(),
        };
    }
    if actor["user"].is_object() {
        return json::text(actor, "user.name");
    }
    if actor["nobody"].is_object() {
        let claimed = json::text(actor, "nobody.claimed");
        return format!("nobody ({claimed})");
    }
    json::text(actor, "name")
}

pub fn what(event: &Value) -> String {
    let message = json::text(event, "message");
    let kind = json::text(event, "kind");
    let said = if message.is_empty() { kind } else { message };
    match json::text(&event["outcome"], "refused").as_str() {
        "" => one_line(&said),
        code => one_line(&format!("refused ({code}): {said}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_found_in_every_form_of_a_record() {
        let event_json = json!({
            "kind": "checkout.approve", "message": "approved 7K3F", "outcome": "done",
            "actor": {"user": {"id": "x", "name": "bob", "proof": {"by": "password"}}},
        });
        for item in [
            event_json.clone(),
            json!({"seq": 1, "event": event_json}),
            json!({"seq": 1, "body": event_json.to_string()}),
        ] {
            let found = event(&item);
            assert_eq!(who(&found), "bob");
            assert_eq!(what(&found), "approved 7K3F");
        }
    }

    #[test]
    fn a_refusal_says_so() {
        let event = json!({
            "message": "a reason is required", "outcome": {"refused": "reason-missing"},
            "actor": {"nobody": {"claimed": "eve", "peer": "10.0.0.9"}},
        });
        assert_eq!(
            what(&event),
            "refused (reason-missing): a reason is required"
        );
        assert_eq!(who(&event), "nobody (eve)");
        assert_eq!(who(&json!({"actor": "gateway"})), "the gateway");
    }
}
