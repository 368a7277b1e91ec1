//! Reads what a caller sends: JSON of one known shape, bounded, and nothing beside it.
//!
//! A wrong field is named with what is expected there. What was sent is never repeated back,
//! because it may be a secret.

use axum::{
    body::{Bytes, HttpBody as _},
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{HeaderMap, header, request::Parts},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::{error::Problem, route::Spec};

/// The most a body may hold where the route says nothing else.
pub const LIMIT: usize = 64 * 1024;

/// A body of the shape `T`, which must refuse unknown fields.
pub struct Body<T>(pub T);

/// As `Body`; an empty body is the default.
pub struct BodyOrDefault<T>(pub T);

/// What the path names. What cannot be a name of anything is simply not there.
pub struct At<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (headers, bytes) = receive(request).await?;
        wants_json(&headers)?;
        parse(&bytes).map(Self)
    }
}

impl<S: Sync, T: DeserializeOwned + Default> FromRequest<S> for BodyOrDefault<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (headers, bytes) = receive(request).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        wants_json(&headers)?;
        parse(&bytes).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let noun = parts.extensions.get::<Spec>().map_or("thing", Spec::noun);
        let Path(named) = Path::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::not_found(noun))?;
        Ok(Self(named))
    }
}

async fn receive(request: Request) -> Result<(HeaderMap, Bytes), Problem> {
    let limit = request
        .extensions()
        .get::<Spec>()
        .map_or(LIMIT, Spec::body_limit);
    let (parts, body) = request.into_parts();
    if body.size_hint().lower() > limit as u64 {
        return Err(Problem::too_large(limit));
    }
    let bytes = Limited::new(body, limit)
        .collect()
        .await
        .map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => Problem::too_large(limit),
            None => Problem::not_json("it broke off"),
        })?
        .to_bytes();
    Ok((parts.headers, bytes))
}

/// A form of another site cannot send this type without asking first.
fn wants_json(headers: &HeaderMap) -> Result<(), Problem> {
    let sent = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Problem::wants_json())
    }
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let field = error.path().to_string();
        say(&field, error.inner())
    })?;
    reader.end().map_err(|error| say(".", &error))?;
    Ok(value)
}

fn say(field: &str, error: &serde_json::Error) -> Problem {
    if !error.is_data() {
        return Problem::not_json(error);
    }
    // "… at line 1 column 20" helps nobody who did not write the JSON by hand.
    let text = error.to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(text, _)| text);
    // Said of the object that should have held it; people look for the field.
    let inner = ["missing field ", "duplicate field "]
        .into_iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .map(|name| name.trim_matches('`'));
    let place = match (field, inner) {
        (".", Some(name)) => name.to_owned(),
        (".", None) => "body".to_owned(),
        (field, Some(name)) => format!("{field}.{name}"),
        (field, None) => field.to_owned(),
    };
    Problem::invalid(place, without_values(text))
}

/// serde repeats a value of the wrong type; here only its type is kept.
fn without_values(text: &str) -> String {
    if text.contains("expected struct ") {
        return "an object is expected".to_owned();
    }
    for prefix in ["invalid type: ", "invalid value: "] {
        if let Some((sent, expected)) = text
            .strip_prefix(prefix)
            .and_then(|rest| rest.rsplit_once(", expected "))
        {
            let kind: String = sent
                .chars()
                .take_while(|c| !matches!(c, '"' | '`'))
                .collect();
            return format!("{expected} is expected, this is {}", article(kind.trim()));
        }
    }
    // An unknown variant is what was sent; what could have been sent is what helps.
    if let Some((_, expected)) = text
        .strip_prefix("unknown variant ")
        .and_then(|rest| rest.rsplit_once(", expected "))
    {
        return format!("{} is expected", expected.replace('`', ""));
    }
    text.replace('`', "")
}

fn article(kind: &str) -> String {
    match kind {
        "null" | "" => "nothing".to_owned(),
        kind if kind.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {kind}"),
        kind => format!("a {kind}"),
    }
}

#[cfg(test)]
mod tests {
    use axum::{http::StatusCode, response::IntoResponse};
    use serde::Deserialize;

    use super::*;
    use crate::model::{policy::Terms, ticket::TicketRef, time::Span};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the reading is tried")]
    struct Shape {
        ticket: Option<TicketRef>,
        duration: Option<Span>,
        terms: Option<Terms>,
        count: Option<u32>,
    }

    async fn wrong(json: &str) -> (StatusCode, serde_json::Value) {
        let response = parse::<Shape>(json.as_bytes()).unwrap_err().into_response();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), LIMIT)
            .await
            .unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn what_is_wrong_is_named_with_what_is_expected() {
        for (json, field, part) in [
            (r#"{"duration":"1y"}"#, "duration", "30m"),
            (r#"{"duration":30}"#, "duration", "string is expected"),
            (
                r#"{"tikcet":"X"}"#,
                "tikcet",
                "expected one of ticket, duration",
            ),
            (
                r#"{"terms":{"approvals":[{"votes":"x"}]}}"#,
                "terms.approvals[0].votes",
                "u32 is expected",
            ),
            (
                r#"{"terms":{"reason":"maybe"}}"#,
                "terms.reason",
                "optional",
            ),
            (r#"{"count":-1}"#, "count", "u32 is expected"),
            (r#"{"count":1,"count":2}"#, "count", "duplicate field count"),
            (
                r#"{"terms":{"weekly_hours":{"zone":"UTC"}}}"#,
                "terms.weekly_hours.windows",
                "missing",
            ),
            ("[]", "body", "an object is expected"),
        ] {
            let (status, body) = wrong(json).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{json}");
            assert_eq!(body["fields"][0]["field"], field, "{json}: {body}");
            let problem = body["fields"][0]["detail"].as_str().unwrap();
            assert!(problem.contains(part), "{json}: {problem}");
        }
        for json in ["", "{", "{} {}", "\u{0}"] {
            let (status, body) = wrong(json).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{json}: {body}");
        }
    }

    #[tokio::test]
    async fn what_was_sent_is_not_repeated() {
        for json in [
            r#"{"count":"hunter2"}"#,
            r#"{"terms":{"reason":"hunter2"}}"#,
            r#"{"duration":"hunter2"}"#,
            r#"{"terms":"hunter2"}"#,
        ] {
            let (_, body) = wrong(json).await;
            assert!(!body.to_string().contains("hunter2"), "{json}: {body}");
        }
    }
}
