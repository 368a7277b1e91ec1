//! Reads the part of an address after the question mark.
//!
//! Only what the table of routes declares for the route is taken, each name once; the rest is
//! refused, so that a misspelt filter does not show everything.

use std::{collections::BTreeMap, fmt, str::FromStr};

use axum::{
    extract::{FromRequestParts, Query},
    http::{Uri, request::Parts},
};

use super::{error::Problem, route::Spec};

/// The parameters of one request. Cheap to clone: there are few.
#[derive(Debug, Clone, Default)]
pub struct Params(BTreeMap<String, String>);

impl Params {
    pub(super) fn parse(uri: &Uri, declared: &[&str]) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| Problem::invalid("query", "name=value&name=value is expected"))?;
        let mut params = BTreeMap::new();
        for (name, value) in pairs {
            if !declared.contains(&name.as_str()) {
                let problem = match declared {
                    [] => "this address takes no parameters".to_owned(),
                    some => format!("one of {} is expected", some.join(", ")),
                };
                return Err(Problem::invalid(name, problem));
            }
            if params.insert(name.clone(), value).is_some() {
                return Err(Problem::invalid(name, "this parameter is given twice"));
            }
        }
        Ok(Self(params))
    }

    /// What `name` was given, read as `T`; nothing if it is left out or empty.
    pub fn read<T: FromStr<Err: fmt::Display>>(&self, name: &str) -> Result<Option<T>, Problem> {
        match self.0.get(name).map(String::as_str) {
            None | Some("") => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|error| Problem::invalid(name, error)),
        }
    }

    /// One of a few words; none of them said is `None`.
    pub fn choice<T: Copy>(
        &self,
        name: &str,
        choices: &[(&'static str, T)],
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match choices.iter().find(|(word, _)| *word == text) {
            Some((_, choice)) => Ok(Some(*choice)),
            None => {
                let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
                Err(Problem::invalid(
                    name,
                    format!("one of {} is expected", words.join(", ")),
                ))
            }
        }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    pub fn yes(&self, name: &str) -> Result<Option<bool>, Problem> {
        self.choice(name, &[("true", true), ("false", false)])
    }
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let declared = parts
            .extensions
            .get::<Spec>()
            .map(Spec::query_names)
            .unwrap_or_default();
        Self::parse(&parts.uri, &declared)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn params(query: &str, declared: &[&str]) -> Result<Params, Problem> {
        Params::parse(&format!("/x?{query}").parse().unwrap(), declared)
    }

    #[test]
    fn what_is_not_declared_is_refused() {
        let declared = ["state", "q"];
        let read = params("state=active&q=a%20b+c", &declared).unwrap();
        assert_eq!(read.text("q"), Some("a b c"));
        for query in ["sate=active", "state=a&state=b", "state[]=a"] {
            let problem = params(query, &declared).unwrap_err();
            assert_eq!(problem.code(), "invalid", "{query}");
        }
        assert!(params("x=1", &[]).is_err());
        assert!(params("", &[]).is_ok());
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_refused() {
        let params = params("limit=x&live=maybe", &["limit", "live"]).unwrap();
        assert!(params.read::<u32>("limit").is_err());
        assert!(params.yes("live").is_err());
    }
}
