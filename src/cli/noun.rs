//! What the commands of every noun share: show one, remove one, keep or clear a field.
//!
//! Keeps the words of `target`, `account`, `policy`, `user` and `group` alike.

use serde_json::{Map, Value};

use super::{
    ask::Sure,
    client::{Answer, Client, Query},
    exit::{Done, Failure},
    json,
    screen::{Screen, one_line},
    table::Card,
};

/// More of one noun than any installation has; a list that is searched here is read whole.
pub const EVERYTHING: usize = 100_000;

/// One of them in full, with every field the gateway tells.
pub async fn show(path: &[&str], client: &Client, screen: &Screen) -> Done {
    let answer = client.get(path, &Vec::new()).await?;
    screen.show(&answer, |value| card(value, screen).shown())
}

/// Every field of an object, nested ones below their name.
pub fn card(value: &Value, screen: &Screen) -> Card {
    let mut card = Card::default();
    lines(&mut card, "", value, screen);
    card
}

fn lines(card: &mut Card, above: &str, value: &Value, screen: &Screen) {
    for (name, field) in value.as_object().into_iter().flatten() {
        let name = format!("{above}{}", name.replace('_', " "));
        match field {
            Value::Object(_) => lines(card, &format!("{name}, "), field, screen),
            Value::String(text) => match text.parse() {
                Ok(at) => card.line(&name, screen.when(at)),
                Err(_) => card.line(&name, text.clone()),
            },
            Value::Array(values) if values.iter().any(Value::is_object) => {
                for value in values {
                    card.line(&name, json::shown(value));
                }
            }
            Value::Array(values) if values.iter().any(is_long) => {
                for value in values {
                    card.line(&name, json::shown(value));
                }
            }
            other => card.line(&name, json::shown(other)),
        }
    }
}

fn is_long(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() > 40)
}

pub async fn remove(
    noun: &str,
    name: &str,
    path: &[&str],
    sure: &Sure,
    client: &Client,
    screen: &Screen,
) -> Done {
    sure.confirm(&one_line(&format!("Remove {noun} {name}?")))?;
    let answer = client.delete(path).await?;
    said(&answer, screen, &format!("Removed {noun} {name}."))
}

/// What was done, in one sentence; the gateway's JSON for programs.
pub fn said(answer: &Answer, screen: &Screen, sentence: &str) -> Done {
    if screen.json() {
        let text = if answer.text.is_empty() {
            "{}"
        } else {
            &answer.text
        };
        return screen.raw(text);
    }
    screen.say(one_line(sentence))
}

/// The changes somebody asked for; nothing asked is an error, not an empty request.
pub fn changes(fields: Map<String, Value>) -> Result<Value, Failure> {
    if fields.is_empty() {
        return Err(Failure::usage("nothing is to be changed").next("--help lists the options"));
    }
    Ok(Value::Object(fields))
}

/// Puts `value` under `name` if there is one.
pub fn put(fields: &mut Map<String, Value>, name: &str, value: Option<impl serde::Serialize>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), serde_json::json!(value));
    }
}

/// Everything in a list, for searching it here.
pub async fn everything(client: &Client, path: &[&str], query: &Query) -> Result<Answer, Failure> {
    client.list(path, query, EVERYTHING).await
}
