//! Reading the gateway's JSON for people: what is missing is empty, never an error.
//!
//! A newer gateway may say more than this client knows; that must not break a list.

use serde_json::Value;

use crate::model::time::Timestamp;

/// The value at `path` (`grant.ends_at`) as text; several values with commas between.
pub fn text(value: &Value, path: &str) -> String {
    shown(at(value, path))
}

pub fn time(value: &Value, path: &str) -> Option<Timestamp> {
    at(value, path).as_str()?.parse().ok()
}

pub fn number(value: &Value, path: &str) -> u64 {
    at(value, path).as_u64().unwrap_or_default()
}

pub fn flag(value: &Value, path: &str) -> bool {
    at(value, path).as_bool().unwrap_or_default()
}

pub fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path).as_array().map_or(&[], Vec::as_slice)
}

pub fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, step| &value[step])
}

/// One value in a cell.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| format!("{name} = {}", shown(value)))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_is_empty() {
        let value = json!({"a": {"b": "c"}, "n": 3, "l": ["x", "y"], "yes": true});
        assert_eq!(text(&value, "a.b"), "c");
        assert_eq!(text(&value, "a.x.y"), "");
        assert_eq!(text(&value, "l"), "x, y");
        assert_eq!(number(&value, "n"), 3);
        assert_eq!(number(&value, "a"), 0);
        assert!(flag(&value, "yes") && !flag(&value, "no"));
        assert!(list(&value, "n").is_empty());
        assert_eq!(time(&value, "a.b"), None);
    }
}
