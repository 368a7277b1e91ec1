//! The cookies of a target that the gateway signed in to: kept here, and never sent on to the
//! person.
//!
//! RFC 6265 as far as one host needs it. Bounded: a target that sets more loses its oldest.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::DateTime;
use hyper::{
    HeaderMap,
    header::{COOKIE, HeaderValue, SET_COOKIE},
};
use zeroize::Zeroizing;

use crate::model::time::Timestamp;

const MOST: usize = 64;
const MOST_NAMES: usize = 1024;
const LONGEST: usize = 4 * 1024;

#[derive(Default)]
pub struct Jar(Mutex<Held>);

#[derive(Default)]
struct Held {
    cookies: Vec<Cookie>,
    /// Every name that the target has used, also of cookies that it took back: what a client
    /// sends under one of them is not from the target.
    names: BTreeSet<String>,
}

struct Cookie {
    name: String,
    value: Zeroizing<String>,
    path: String,
    ends: Option<Timestamp>,
}

impl Jar {
    /// Takes the cookies out of an answer to a request for `path`. Says which it set.
    pub fn take(&self, headers: &mut HeaderMap, path: &str, now: Timestamp) -> Vec<String> {
        let mut set = Vec::new();
        let mut held = self.held();
        let Held { cookies, names } = &mut *held;
        for header in headers.get_all(SET_COOKIE) {
            let Some(cookie) = header.to_str().ok().and_then(|text| read(text, path, now)) else {
                continue;
            };
            if names.len() < MOST_NAMES {
                names.insert(cookie.name.clone());
            }
            cookies.retain(|known| known.name != cookie.name || known.path != cookie.path);
            if cookie.ends.is_some_and(|ends| ends <= now) {
                continue;
            }
            set.push(cookie.name.clone());
            if cookies.len() >= MOST {
                cookies.remove(0);
            }
            cookies.push(cookie);
        }
        headers.remove(SET_COOKIE);
        set
    }

    /// Puts them into a request for `path`, in the place of those of the same names that a
    /// client may send.
    pub fn fill(&self, headers: &mut HeaderMap, path: &str, now: Timestamp) {
        let mut held = self.held();
        let Held { cookies, names } = &mut *held;
        cookies.retain(|cookie| cookie.ends.is_none_or(|ends| ends > now));
        let mut line = Zeroizing::new(Vec::with_capacity(4 * LONGEST));
        let mut add = |name: &[u8], value: &[u8]| {
            if !line.is_empty() {
                line.extend_from_slice(b"; ");
            }
            line.extend_from_slice(name);
            line.push(b'=');
            line.extend_from_slice(value);
        };
        for header in headers.get_all(COOKIE) {
            for pair in header.as_bytes().split(|byte| *byte == b';') {
                let pair = pair.trim_ascii();
                let at = pair.iter().position(|byte| *byte == b'=');
                let Some(at) = at else { continue };
                let (name, value) = (pair[..at].trim_ascii(), &pair[at + 1..]);
                if !names.iter().any(|known| known.as_bytes() == name) {
                    add(name, value);
                }
            }
        }
        let mut fitting: Vec<&Cookie> =
            cookies.iter().filter(|it| covers(&it.path, path)).collect();
        // RFC 6265 s5.4: longer paths first.
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        for cookie in fitting {
            add(cookie.name.as_bytes(), cookie.value.as_bytes());
        }
        headers.remove(COOKIE);
        if !line.is_empty()
            && let Ok(mut value) = HeaderValue::from_bytes(&line)
        {
            value.set_sensitive(true);
            headers.insert(COOKIE, value);
        }
    }

    /// Whether a text holds the value of one of them.
    pub fn is_in(&self, text: &[u8]) -> bool {
        /// Shorter ones would be found in everything.
        const SHORTEST: usize = 8;
        self.held().cookies.iter().any(|cookie| {
            let value = cookie.value.as_bytes();
            value.len() >= SHORTEST
                && text.len() >= value.len()
                && text.windows(value.len()).any(|part| part == value)
        })
    }

    pub fn each_value(&self, mut take: impl FnMut(&[u8])) {
        for cookie in &self.held().cookies {
            take(cookie.value.as_bytes());
        }
    }

    /// Each change under this lock is one push or one removal, so a poisoned one is whole.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// RFC 6265 s5.2.
fn read(text: &str, path: &str, now: Timestamp) -> Option<Cookie> {
    if text.len() > LONGEST {
        return None;
    }
    let mut parts = text.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let name = name.trim();
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let mut cookie = Cookie {
        name: name.to_owned(),
        value: Zeroizing::new(value.trim().to_owned()),
        path: folder(path).to_owned(),
        ends: None,
    };
    let mut expires = None;
    let mut max_age = None;
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (name.trim(), value.trim());
        if name.eq_ignore_ascii_case("path") && value.starts_with('/') {
            value.clone_into(&mut cookie.path);
        } else if name.eq_ignore_ascii_case("max-age") {
            max_age = value.parse::<i64>().ok().or(max_age);
        } else if name.eq_ignore_ascii_case("expires") {
            // `Thu, 01-Jan-1970 00:00:00 GMT` is older, and still written.
            let date = DateTime::parse_from_rfc2822(&value.replace('-', " ")).ok();
            expires = date.map(|date| Timestamp::from_millis(date.timestamp_millis()));
        }
    }
    cookie.ends = match max_age {
        Some(seconds) => Some(Timestamp::from_millis(
            now.millis().saturating_add(seconds.saturating_mul(1_000)),
        )),
        None => expires,
    };
    Some(cookie)
}

/// RFC 6265 s5.1.4.
fn folder(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(at) => &path[..at],
    }
}

fn covers(folder: &str, path: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || folder.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_900_000_000_000);

    fn jar(path: &str, lines: &[&str]) -> Jar {
        let jar = Jar::default();
        for line in lines {
            let mut headers = HeaderMap::new();
            headers.append(SET_COOKIE, HeaderValue::from_str(line).unwrap());
            jar.take(&mut headers, path, NOW);
            assert!(headers.is_empty(), "{line}");
        }
        jar
    }

    fn sent(jar: &Jar, path: &str, own: &str) -> String {
        let mut headers = HeaderMap::new();
        if !own.is_empty() {
            headers.insert(COOKIE, HeaderValue::from_str(own).unwrap());
        }
        jar.fill(&mut headers, path, NOW);
        let value = headers.get(COOKIE).map(|value| value.to_str().unwrap());
        value.unwrap_or_default().to_owned()
    }

    #[test]
    fn what_the_target_set_goes_back_to_it_and_in_the_place_of_the_clients() {
        for (lines, path, own, expected) in [
            (&["sid=1; Path=/; HttpOnly; Secure"][..], "/a", "", "sid=1"),
            (
                &["sid=1; Path=/"],
                "/a",
                "sid=mine; lang=en",
                "lang=en; sid=1",
            ),
            (&["sid=1; Path=/"], "/a", "SID=mine", "SID=mine; sid=1"),
            (&["sid=1; Path=/a"], "/ab", "sid=mine", ""),
            (&["sid=1; Path=/a"], "/a/b", "", "sid=1"),
            (&["sid=1"], "/login/x", "", "sid=1"),
            (&["sid=1"], "/other", "", ""),
            (&["sid=1; Path=/", "sid=2; Path=/"], "/", "", "sid=2"),
            (
                &["sid=1; Path=/", "sid=2; Path=/login"],
                "/login",
                "",
                "sid=2; sid=1",
            ),
            (
                &["sid=1; Path=/", "sid=; Path=/; Max-Age=0"],
                "/",
                "sid=mine",
                "",
            ),
            (
                &[
                    "sid=1; Path=/",
                    "sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
                ],
                "/",
                "",
                "",
            ),
            (
                &["sid=1; Path=/; Expires=Thu, 01-Jan-1970 00:00:00 GMT"],
                "/",
                "",
                "",
            ),
            (
                &["sid=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=9"],
                "/",
                "",
                "sid=1",
            ),
            (&["sid=a=b"], "/login/", "", "sid=a=b"),
            (&["=x", "x", ""], "/", "a=1", "a=1"),
        ] {
            assert_eq!(
                sent(&jar("/login/", lines), path, own),
                expected,
                "{lines:?} {path}"
            );
        }
    }

    #[test]
    fn a_target_fills_no_more_than_the_jar_holds() {
        let lines: Vec<String> = (0..200).map(|n| format!("c{n}=1; Path=/")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let jar = jar("/", &lines);
        assert_eq!(sent(&jar, "/", "").split("; ").count(), MOST);
        assert!(sent(&jar, "/", "").ends_with("c199=1"));
        assert!(!jar.is_in(b"1"));
    }

    proptest! {
        #[test]
        fn no_cookie_makes_it_fail(line in "[ -~]{0,120}", path in "/[ -~]{0,20}") {
            let jar = jar(&path, &[&line]);
            sent(&jar, &path, &line);
        }
    }
}
