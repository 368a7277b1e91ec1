//! Headers from anywhere, in a request, an answer or behind a body: what only the gateway says
//! is gone in every spelling, what is the gateway's own reaches nobody else, and a target's
//! names lead nowhere new.
#![no_main]

use doorward::{
    broker::web::{headers, rewrite::Names},
    model::web::Web,
};
use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue, LOCATION, SET_COOKIE},
};
use libfuzzer_sys::fuzz_target;

const OUTSIDE: &str = "wiki.door.localhost:8444";

fuzz_target!(|input: &[u8]| {
    let sent = read(input);

    let mut request = sent.clone();
    headers::of_request(&mut request, Some("x-api-key"), true);
    for name in request.keys() {
        let plain = name.as_str().replace(['_', '.'], "-");
        let gone = ["x-forwarded", "doorward-", "x-original"];
        assert!(!gone.iter().any(|gone| plain.starts_with(gone)), "{name}");
        let gone = [
            "connection", "transfer-encoding", "upgrade", "host", "expect", "forwarded", "x-api-key",
        ];
        assert!(!gone.contains(&plain.as_str()), "{name}");
    }
    assert!(!request.contains_key(AUTHORIZATION));
    let cookies: Vec<_> = request.get_all(COOKIE).iter().collect();
    assert!(cookies.len() < 2);
    for cookie in cookies.iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';')) {
        assert!(!is_own(cookie.trim_ascii()), "{cookies:?}");
    }
    let again = request.clone();
    headers::of_request(&mut request, Some("x-api-key"), true);
    assert_eq!(request, again, "what is left stays");

    let mut trailers = sent.clone();
    headers::of_trailers(&mut trailers);
    for name in ["content-length", "host", "set-cookie", "authorization", "x-forwarded-for"] {
        assert!(!trailers.contains_key(name));
    }

    for (path, inside) in [("/", "10.0.0.7:3000"), ("/w/", "wiki.internal")] {
        let web: Web = serde_json::from_value(serde_json::json!({ "tls": false, "path": path }))
            .expect("a web target");
        let names = Names { web: &web, inside, outside: OUTSIDE };
        let mut answer = sent.clone();
        headers::of_answer(&mut answer);
        names.of_answer(&mut answer);
        assert!(!answer.keys().any(|name| name.as_str().starts_with("doorward-")));
        for cookie in answer.get_all(SET_COOKIE) {
            let text = cookie.to_str().expect("it was read");
            let mut parts = text.split(';');
            let pair = parts.next().unwrap_or_default();
            assert!(!is_own(pair.trim_start_matches(['=', ' ', '\t']).as_bytes()), "{text}");
            let domain = |part: &str| {
                let name = part.split('=').next().unwrap_or_default();
                name.trim().eq_ignore_ascii_case("domain")
            };
            assert!(!parts.any(domain), "{text}");
        }
        let (before, after) = (sent.get(LOCATION), answer.get(LOCATION));
        if let (Some(before), Some(after)) = (before, after)
            && before != after
        {
            let moved = after.to_str().expect("it was written");
            let ours = format!("https://{OUTSIDE}");
            let is_ours = moved
                .strip_prefix(ours.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']));
            let is_path = path != "/" && moved.starts_with('/') && !moved.starts_with("//");
            assert!(is_ours || is_path, "{before:?} {moved}");
        }
        let mut request = sent.clone();
        names.of_request(&mut request);
        assert_eq!(request.len(), sent.len());
    }
});

/// A line each: `Name: value`.
fn read(input: &[u8]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n').take(256) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            map.append(name, value);
        }
    }
    map
}

fn is_own(cookie: &[u8]) -> bool {
    let own = b"__Host-doorward";
    cookie.get(..own.len()).is_some_and(|name| name.eq_ignore_ascii_case(own))
}
