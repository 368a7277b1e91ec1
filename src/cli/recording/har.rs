//! A web recording as HAR 1.2, which browsers' developer tools and load testers read.
//!
//! Holds what was recorded and no more: bodies where the policy asked for them, no headers,
//! masked values. What is not
//! known says so (`-1`, `x-unknown`). Written while it is read.

use std::{collections::BTreeMap, io::BufRead};

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::{
    cli::{
        exit::{Exit, Failure},
        json,
        play::requests::moved,
    },
    model::{name::TargetName, time::Timestamp, ways_in::WebWay},
    recording::{Cast, CastError, Kind},
};

/// Whose requests they were.
pub struct About {
    /// `https://wiki.door.example.org`.
    pub origin: String,
    pub started_at: Timestamp,
    /// What the reader of the file should know of it.
    pub comment: String,
}

impl About {
    /// What the gateway says of a recording.
    pub fn of(recording: &Value, web: &WebWay) -> Result<Self, Failure> {
        let target: Option<TargetName> = json::text(recording, "target_name").parse().ok();
        let started_at = json::time(recording, "started_at");
        match (json::text(recording, "kind").as_str(), target, started_at) {
            ("requests", Some(target), Some(started_at)) => Ok(Self {
                origin: format!("https://{}", web.authority(&target)),
                started_at,
                comment: format!(
                    "recording {} of check-out {}: {} on {} as {}; no bodies, values that may be \
                     secrets masked",
                    json::text(recording, "id"),
                    json::text(recording, "code"),
                    json::text(recording, "user_name"),
                    target,
                    json::text(recording, "account_name"),
                ),
            }),
            _ => Err(
                Failure::usage("only a recording of web requests becomes HAR")
                    .next("without --har it is exported as asciicast"),
            ),
        }
    }
}

/// Reads a recording to its end and writes it as one HAR file. How many entries that are.
pub fn write(
    reader: impl BufRead,
    about: &About,
    into: &mut impl std::io::Write,
) -> Result<u64, Failure> {
    let cannot = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::PipeClosed,
        _ => Failure::fault(format!("cannot write: {error}")),
    };
    let unread = |error: CastError| Failure::new(Exit::Broken, error.to_string());
    let head = json!({ "name": "Doorward", "version": env!("CARGO_PKG_VERSION") });
    let comment = Value::String(about.comment.clone());
    write!(
        into,
        "{{\"log\":{{\"version\":\"1.2\",\"creator\":{head},\"comment\":{comment},\"entries\":["
    )
    .map_err(cannot)?;
    let mut count = 0_u64;
    let mut put = |entry: Value| {
        let before = if count == 0 { "\n" } else { ",\n" };
        count += 1;
        write!(into, "{before}{entry}").map_err(cannot)
    };
    // Those that wait for their answer, by their number.
    let mut asked: BTreeMap<u64, Asked> = BTreeMap::new();
    for event in Cast::read(reader).map_err(unread)? {
        let event = event.map_err(unread)?;
        let text = match &event.kind {
            Kind::Request(text) | Kind::Answer(text) | Kind::Body(text) => text,
            _ => continue,
        };
        let Ok(line) = serde_json::from_str::<Value>(text) else {
            continue;
        };
        let Some(number) = line["n"].as_u64() else {
            continue;
        };
        match (&event.kind, asked.get_mut(&number)) {
            (Kind::Request(_), _) => {
                let at = event.at;
                let asking = Asked {
                    at,
                    request: line,
                    up: Value::Null,
                    down: Value::Null,
                };
                asked.insert(number, asking);
            }
            (Kind::Body(_), Some(asked)) if line["direction"] == "up" => asked.up = line,
            (Kind::Body(_), Some(asked)) => asked.down = line,
            (_, Some(_)) => {
                if let Some(asked) = asked.remove(&number) {
                    put(entry(about, &asked, Some(&line)))?;
                }
            }
            (_, None) => {}
        }
    }
    for asked in asked.into_values() {
        put(entry(about, &asked, None))?;
    }
    writeln!(into, "\n]}}}}")
        .and_then(|()| into.flush())
        .map_err(cannot)?;
    Ok(count)
}

/// A request that waits for its answer, with what is recorded of their bodies.
struct Asked {
    at: f64,
    request: Value,
    up: Value,
    down: Value,
}

/// HAR 1.2, `entries`.
fn entry(about: &About, asked: &Asked, answer: Option<&Value>) -> Value {
    let Asked {
        at, request, up, ..
    } = asked;
    let answer = answer.unwrap_or(&Value::Null);
    let path = request["path"].as_str().unwrap_or("/");
    let count = |name: &str| answer[name].as_u64().unwrap_or(0);
    let ms = count("ms");
    let status = answer["status"].as_u64().unwrap_or(0);
    let text = u16::try_from(status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok())
        .and_then(|status| status.canonical_reason());
    let query = path.split_once('?').map(|(_, query)| query);
    let query: Vec<Value> = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            json!({ "name": name, "value": value })
        })
        .collect();
    let protocol = request["http"].as_str().unwrap_or("unknown");
    let moment = about
        .started_at
        .millis()
        .saturating_add((*at * 1_000.0) as i64);
    let mut entry = json!({
        "startedDateTime": Timestamp::from_millis(moment),
        "time": ms,
        "request": {
            "method": request["method"],
            "url": format!("{}{path}", about.origin),
            "httpVersion": protocol,
            "cookies": [],
            "headers": agent(request),
            "queryString": query,
            "headersSize": -1,
            "bodySize": count("bytes_in"),
        },
        "response": {
            "status": status,
            "statusText": text.unwrap_or_default(),
            "httpVersion": protocol,
            "cookies": [],
            "headers": [],
            "content": content(count("bytes_out"), &asked.down),
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": count("bytes_out"),
        },
        "cache": {},
        "timings": { "send": 0, "wait": ms, "receive": 0 },
    });
    if let Some(text) = up["text"].as_str() {
        entry["request"]["postData"] = json!({ "mimeType": kind(up), "text": text });
    }
    let websocket = request["websocket"] == true;
    let comment = match (answer["error"].as_str(), websocket) {
        (Some(error), _) => Some(error.to_owned()),
        (None, _) if answer.is_null() => Some("no answer was recorded".to_owned()),
        (None, true) => Some("a WebSocket, for as long as it was open".to_owned()),
        (None, false) => None,
    };
    let files = answer["files"].as_array().into_iter().flatten().map(moved);
    let comments: Vec<_> = comment.into_iter().chain(files).collect();
    if !comments.is_empty() {
        entry["comment"] = json!(comments.join("; "));
    }
    entry
}

/// HAR 1.2, `content`, with what is recorded of it.
fn content(size: u64, body: &Value) -> Value {
    let mut content = json!({ "size": size, "mimeType": kind(body) });
    if let Some(text) = body["text"].as_str() {
        content["text"] = json!(text);
    } else if let Some(text) = body["base64"].as_str() {
        content["text"] = json!(text);
        content["encoding"] = json!("base64");
    }
    if body["cut"] == true {
        content["comment"] = json!("its beginning");
    }
    content
}

fn kind(body: &Value) -> &str {
    body["type"].as_str().unwrap_or("x-unknown")
}

/// The one header that is recorded.
fn agent(request: &Value) -> Value {
    match request["agent"].as_str() {
        Some(agent) => json!([{ "name": "User-Agent", "value": agent }]),
        None => json!([]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What HAR 1.2 requires of each object, and of which type it is.
    const REQUIRED: [(&str, &[(&str, &str)]); 9] = [
        (
            "/log",
            &[
                ("version", "string"),
                ("creator", "object"),
                ("entries", "array"),
            ],
        ),
        ("/log/creator", &[("name", "string"), ("version", "string")]),
        (
            "/log/entries/*",
            &[
                ("startedDateTime", "string"),
                ("time", "number"),
                ("request", "object"),
                ("response", "object"),
                ("cache", "object"),
                ("timings", "object"),
            ],
        ),
        (
            "/log/entries/*/request",
            &[
                ("method", "string"),
                ("url", "string"),
                ("httpVersion", "string"),
                ("cookies", "array"),
                ("headers", "array"),
                ("queryString", "array"),
                ("headersSize", "number"),
                ("bodySize", "number"),
            ],
        ),
        (
            "/log/entries/*/response",
            &[
                ("status", "number"),
                ("statusText", "string"),
                ("httpVersion", "string"),
                ("cookies", "array"),
                ("headers", "array"),
                ("content", "object"),
                ("redirectURL", "string"),
                ("headersSize", "number"),
                ("bodySize", "number"),
            ],
        ),
        (
            "/log/entries/*/response/content",
            &[("size", "number"), ("mimeType", "string")],
        ),
        (
            "/log/entries/*/timings",
            &[
                ("send", "number"),
                ("wait", "number"),
                ("receive", "number"),
            ],
        ),
        (
            "/log/entries/*/request/headers/*",
            &[("name", "string"), ("value", "string")],
        ),
        (
            "/log/entries/*/request/queryString/*",
            &[("name", "string"), ("value", "string")],
        ),
    ];

    fn at<'a>(value: &'a Value, pointer: &str) -> Vec<&'a Value> {
        let Some((before, behind)) = pointer.split_once("/*") else {
            return value.pointer(pointer).into_iter().collect();
        };
        let listed = value.pointer(before).and_then(Value::as_array);
        listed
            .into_iter()
            .flatten()
            .flat_map(|it| at(it, behind))
            .collect()
    }

    fn kind(value: &Value) -> &'static str {
        match value {
            Value::String(_) => "string",
            Value::Number(_) => "number",
            Value::Object(_) => "object",
            Value::Array(_) => "array",
            _ => "other",
        }
    }

    #[test]
    fn a_recording_becomes_what_har_requires() {
        let lines = [
            r#"{"version":2,"width":80,"height":24}"#,
            r#"[0.25,"request","{\"n\":1,\"method\":\"GET\",\"path\":\"/a?page=2&token=***\",\"peer\":\"127.0.0.1:1\",\"agent\":\"curl/8\",\"http\":\"HTTP/2\"}"]"#,
            r#"[0.3,"request","{\"n\":2,\"method\":\"POST\",\"path\":\"/b\",\"peer\":\"127.0.0.1:1\"}"]"#,
            r#"[0.4,"answer","{\"n\":2,\"bytes_in\":7,\"bytes_out\":0,\"ms\":100,\"error\":\"no answer\"}"]"#,
            r#"[0.5,"answer","{\"n\":1,\"status\":404,\"bytes_in\":0,\"bytes_out\":12,\"ms\":250,\"files\":[{\"direction\":\"down\",\"path\":\"/a\",\"bytes\":12,\"sha256\":\"9f86\",\"result\":\"complete\"}]}"]"#,
            r#"[0.6,"request","{\"n\":3,\"method\":\"GET\",\"path\":\"/c\",\"peer\":\"127.0.0.1:1\"}"]"#,
        ];
        let about = About {
            origin: "https://wiki.door.localhost:8444".to_owned(),
            started_at: "2030-01-07T12:00:00Z".parse().unwrap(),
            comment: "of \"alice\"".to_owned(),
        };
        let mut written = Vec::new();
        let count = write((lines.join("\n") + "\n").as_bytes(), &about, &mut written)
            .unwrap_or_else(|_| panic!("not written"));
        assert_eq!(count, 3);
        let har: Value = serde_json::from_slice(&written).unwrap();
        for (pointer, fields) in REQUIRED {
            let found = at(&har, pointer);
            assert!(!found.is_empty(), "{pointer}");
            for (object, (name, expected)) in found
                .iter()
                .flat_map(|it| fields.iter().map(move |field| (it, field)))
            {
                assert_eq!(
                    kind(&object[*name]),
                    *expected,
                    "{pointer}/{name}: {object}"
                );
            }
        }
        let first = |pointer: &str| {
            har.pointer(&format!("/log/entries/{pointer}"))
                .unwrap()
                .clone()
        };
        assert_eq!(first("0/request/url"), "https://wiki.door.localhost:8444/b");
        assert_eq!(first("0/response/status"), 0);
        assert_eq!(first("0/comment"), "no answer");
        assert_eq!(first("1/startedDateTime"), "2030-01-07T12:00:00.250Z");
        assert_eq!(first("1/response/statusText"), "Not Found");
        assert_eq!(
            first("1/comment"),
            "file down /a, 12 bytes, complete, SHA-256 9f86"
        );
        assert_eq!(
            first("1/request/queryString/1"),
            json!({ "name": "token", "value": "***" })
        );
        assert_eq!(first("2/comment"), "no answer was recorded");
        let none = b"{\"version\":2,\"width\":80,\"height\":24}\n";
        let mut written = Vec::new();
        assert!(matches!(write(&none[..], &about, &mut written), Ok(0)));
        assert_eq!(
            serde_json::from_slice::<Value>(&written).unwrap()["log"]["entries"],
            json!([])
        );
    }
}
