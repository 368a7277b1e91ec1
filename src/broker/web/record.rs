//! What the recording of a web session says of a request and of its answer.
//!
//! Values that look like secrets are masked before they are written; the injected one was
//! never there. Bodies are not recorded.

use std::net::SocketAddr;

use hyper::{StatusCode, Version};
use serde::Serialize;

use super::{file::FileLine, masks::MASK};
use crate::model::web::CanonicalPath;

#[derive(Serialize)]
pub struct RequestLine<'a> {
    pub n: u64,
    pub method: &'a str,
    /// With its query, masked.
    pub path: String,
    pub peer: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<&'a str>,
    /// As the client spoke it.
    pub http: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    pub websocket: bool,
}

#[derive(Serialize)]
pub struct AnswerLine<'a> {
    pub n: u64,
    /// None where there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Those that it moved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileLine<'a>>,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !value
}

pub fn json(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("texts and numbers become JSON")
}

pub fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

pub fn status(status: StatusCode) -> Option<u16> {
    Some(status.as_u16())
}

/// Parts of names whose values nobody should read later.
const SECRETS: [&str; 14] = [
    "auth",
    "code",
    "credential",
    "key",
    "nonce",
    "otp",
    "pass",
    "pin",
    "pwd",
    "secret",
    "session",
    "sig",
    "state",
    "token",
];

/// The path with its query, the values of what may be secrets masked.
pub fn masked(path: &CanonicalPath, query: Option<&str>) -> String {
    let Some(query) = query else {
        return path.to_string();
    };
    let mut text = format!("{path}?");
    for (index, part) in query.split('&').enumerate() {
        if index > 0 {
            text.push('&');
        }
        match part.split_once('=') {
            Some((name, _)) if may_be_secret(name) => {
                text.push_str(name);
                text.push('=');
                text.push_str(MASK);
            }
            // A value without a name may be anything.
            None if part.len() > 16 => text.push_str(MASK),
            _ => text.push_str(part),
        }
    }
    text
}

pub fn may_be_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // Written so that it is not read at once, it is not read here either.
    name.contains('%') || SECRETS.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_masked() {
        let path: CanonicalPath = "/a".parse().unwrap();
        for (query, shown) in [
            (None, "/a"),
            (Some(""), "/a?"),
            (Some("page=2&sort=name"), "/a?page=2&sort=name"),
            (Some("api_key=x&page=2"), "/a?api_key=***&page=2"),
            (Some("X-Amz-Signature=x"), "/a?X-Amz-Signature=***"),
            (Some("ACCESS_TOKEN=x=y"), "/a?ACCESS_TOKEN=***"),
            (Some("tok%65n=x"), "/a?tok%65n=***"),
            (Some("eyJhbGciOiJIUzI1NiJ9"), "/a?***"),
            (Some("v2"), "/a?v2"),
        ] {
            assert_eq!(masked(&path, query), shown);
        }
    }
}
