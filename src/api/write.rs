//! Helps writes along: audit events about nouns, lists by the store, fields parsed by name.

use std::{collections::BTreeSet, str::FromStr};

use serde::Serialize;
use serde_json::json;

use super::{
    Api,
    diff::{self, FieldChange},
    error::Problem,
    page::List,
    query::Params,
};
use crate::{
    lifecycle::Change,
    model::{
        audit::{Actor, AuditEvent},
        principal::Principal,
        text::forbidden,
    },
    store::{self, Listing, Order},
};

/// The page and the order of a list that the store cuts.
pub fn page<S>(params: &Params, default: Order<S>) -> Result<(Order<S>, store::Page), Problem>
where
    S: FromStr<Err: std::fmt::Display>,
{
    let limit = match params.read::<usize>("limit")? {
        None => super::page::DEFAULT,
        Some(limit) if (1..=super::page::MOST).contains(&limit) => limit,
        Some(_) => return Err(Problem::invalid("limit", "1 to 200 is expected")),
    };
    let order = params.read::<Order<S>>("sort")?.unwrap_or(default);
    let cursor = params.read("cursor")?;
    Ok((order, store::Page::of(limit).after(cursor)))
}

impl<T> From<Listing<T>> for List<T> {
    fn from(listing: Listing<T>) -> Self {
        Self {
            items: listing.items,
            next: listing.next.map(|cursor| cursor.to_string()),
        }
    }
}

impl Api {
    /// `target.create`: somebody made something.
    pub(super) fn created<T: Serialize>(
        &self,
        by: &Principal,
        noun: &'static str,
        name: &str,
        it: &T,
    ) -> AuditEvent {
        self.changed(by, noun, "create", name, &diff::all_fields(it))
    }

    pub(super) fn updated<T: Serialize>(
        &self,
        by: &Principal,
        noun: &'static str,
        name: &str,
        before: &T,
        after: &T,
    ) -> AuditEvent {
        self.changed(by, noun, "update", name, &diff::fields(before, after))
    }

    pub(super) fn changed(
        &self,
        by: &Principal,
        noun: &'static str,
        verb: &str,
        name: &str,
        fields: &[FieldChange],
    ) -> AuditEvent {
        let kind = format!("{noun}.{verb}");
        let message = format!("{} {} {noun} {name}", by.name, past(verb));
        AuditEvent::done(self.now(), &kind, Actor::from(by), message)
            .with(json!({ "name": name, "fields": fields }))
    }

    /// Tells those who watch that a noun has changed.
    pub(super) fn announce(&self, noun: &'static str, name: impl ToString) {
        self.lifecycle().announce(Change::Noun {
            noun,
            name: name.to_string(),
        });
    }
}

fn past(verb: &str) -> String {
    match verb {
        "set-secret" => "set the secret of".to_owned(),
        "set-password" => "set the password of".to_owned(),
        "add-key" => "added an SSH key to".to_owned(),
        "remove-key" => "removed an SSH key of".to_owned(),
        verb if verb.ends_with('e') => format!("{verb}d"),
        verb => format!("{verb}ed"),
    }
}

/// A line of text of bounded length with nothing in it that moves a cursor.
pub fn line(field: &str, text: &str, longest: usize) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() || text.chars().nth(longest).is_some() {
        return Err(Problem::invalid(
            field,
            format!("1 to {longest} characters are expected"),
        ));
    }
    if text.chars().any(|c| forbidden(c) || c == '\n') {
        return Err(Problem::invalid(
            field,
            "a line without control characters is expected",
        ));
    }
    Ok(text.to_owned())
}

/// Labels in their order, each once.
pub fn labels(given: Vec<String>) -> Result<Vec<String>, Problem> {
    if given.len() > 50 {
        return Err(Problem::invalid("labels", "at most 50 are expected"));
    }
    let mut seen = BTreeSet::new();
    let mut labels = Vec::new();
    for label in given {
        let label = line("labels", &label, 64)?;
        if seen.insert(label.clone()) {
            labels.push(label);
        }
    }
    Ok(labels)
}

/// An e-mail address: kept for people and notices, never trusted for identity.
pub fn email(text: &str) -> Result<String, Problem> {
    let text = line("email", text, 254)?;
    match text.split_once('@') {
        Some((user, host))
            if !user.is_empty()
                && !host.is_empty()
                && !host.contains('@')
                && !text.contains(char::is_whitespace) =>
        {
            Ok(text)
        }
        _ => Err(Problem::invalid("email", "name@example.org is expected")),
    }
}
