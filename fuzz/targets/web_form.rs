//! A target's log-in page and its cookies, from anywhere: the token is a bounded text that reads
//! back as the same, nothing of a comment is one, and the cookies of the jar are the target's.
#![no_main]

use doorward::{
    broker::web::{jar::Jar, scrape::hidden_value},
    model::time::Timestamp,
    page::escaped,
};
use hyper::{
    HeaderMap,
    header::{COOKIE, HeaderValue, SET_COOKIE},
};
use libfuzzer_sys::fuzz_target;

const NOW: Timestamp = Timestamp::from_millis(1_900_000_000_000);
const PLANTED: &str = "planted-by-the-client";
const LONGEST: usize = 8 * 1024;

fuzz_target!(|input: &[u8]| {
    let (cookies, page) = match input.iter().position(|byte| *byte == 0) {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, input),
    };
    if let Some(value) = hidden_value(page, "csrf") {
        assert!(value.len() <= LONGEST);
        let written = escaped(&value);
        if written.len() <= LONGEST {
            let field = format!("<p><input type=hidden name=\"csrf\" value=\"{written}\">");
            assert_eq!(hidden_value(field.as_bytes(), "csrf"), Some(value));
        }
    }
    if !page.windows(3).any(|part| part == b"-->") {
        let hidden = [b"<!--", page, b"-->"].concat();
        assert_eq!(hidden_value(&hidden, "csrf"), None);
    }

    let jar = Jar::default();
    let mut answer = HeaderMap::new();
    for line in cookies.split(|byte| *byte == b'\n').take(128) {
        if let Ok(line) = HeaderValue::from_bytes(line) {
            answer.append(SET_COOKIE, line);
        }
    }
    let set = jar.take(&mut answer, "/login", NOW);
    assert!(answer.is_empty(), "none goes on to the person");
    let mut request = HeaderMap::new();
    for name in &set {
        if let Ok(line) = HeaderValue::from_str(&format!("{name}={PLANTED}; other={name}")) {
            request.append(COOKIE, line);
        }
    }
    jar.fill(&mut request, "/login/next", NOW);
    assert!(request.get_all(COOKIE).iter().count() < 2);
    let holds = |text: &[u8]| text.windows(PLANTED.len()).any(|part| part == PLANTED.as_bytes());
    if !holds(cookies) && !set.iter().any(|name| name == "other") {
        let sent = request.get(COOKIE).map_or(&b""[..], HeaderValue::as_bytes);
        assert!(!holds(sent), "{}", String::from_utf8_lossy(sent));
    }
});
