//! What a change changes, field by field: for the audit and for `apply`.
//!
//! Compares two values as the JSON that callers see. Secrets are not in it.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FieldChange {
    pub field: String,
    pub before: Value,
    pub after: Value,
}

/// The fields in which two values of one shape differ, one level into objects.
pub fn fields<T: Serialize>(before: &T, after: &T) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    compare("", &json(before), &json(after), &mut changes);
    changes
}

/// Every field of something new.
pub fn all_fields<T: Serialize>(after: &T) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    compare("", &Value::Object(Map::new()), &json(after), &mut changes);
    changes
}

fn compare(place: &str, before: &Value, after: &Value, changes: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(b), Value::Object(a)) => {
            let mut names: Vec<_> = b.keys().chain(a.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let place = match place {
                    "" => name.clone(),
                    place => format!("{place}.{name}"),
                };
                let none = Value::Null;
                compare(
                    &place,
                    b.get(name).unwrap_or(&none),
                    a.get(name).unwrap_or(&none),
                    changes,
                );
            }
        }
        _ => changes.push(FieldChange {
            field: place.to_owned(),
            before: before.clone(),
            after: after.clone(),
        }),
    }
}

fn json<T: Serialize>(value: &T) -> Value {
    // The model's types have text keys and no fallible serialisers.
    serde_json::to_value(value).expect("a noun is JSON")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_named_with_its_place() {
        let before = json!({"name": "a", "terms": {"ticket": "none", "reason": "none"}, "gone": 1});
        let after = json!({"name": "a", "terms": {"ticket": "required", "reason": "none"}});
        let changes = fields(&before, &after);
        let named: Vec<_> = changes.iter().map(|c| c.field.as_str()).collect();
        assert_eq!(named, ["gone", "terms.ticket"]);
        assert_eq!(changes[1].before, "none");
        assert_eq!(changes[1].after, "required");
        assert!(fields(&after, &after).is_empty());
    }
}
