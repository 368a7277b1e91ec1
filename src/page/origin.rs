//! What a browser says about a request besides what its page asked for: cookies, and where
//! it comes from.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Two cookies of one name: which of them is ours is nobody's guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request has one cookie of the gateway's, and this one has several")]
pub struct Doubled;

/// The cookie of this name, which begins with `__Host-` and so is there once.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Doubled> {
    let mut found = None;
    for value in headers.get_all(header::COOKIE) {
        for cookie in value.as_bytes().split(|byte| *byte == b';') {
            let cookie = cookie.trim_ascii();
            let Some(value) = cookie
                .strip_prefix(name.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"="))
            else {
                continue;
            };
            if found.is_some() {
                return Err(Doubled);
            }
            found = Some(std::str::from_utf8(value).unwrap_or_default());
        }
    }
    Ok(found)
}

/// Under which name the gateway was asked: in HTTP/2 it stands in the address.
pub fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let host = || headers.get(header::HOST)?.to_str().ok();
    let authority = uri.authority().map(|authority| authority.as_str());
    authority.or_else(host)
}

/// Whether a page of `authority` itself sent the request. Browsers say so, and no page can
/// have them say it of another; whoever says nothing is no such page.
pub fn is_same_origin(headers: &HeaderMap, authority: &str) -> bool {
    let own = format!("https://{authority}");
    let own = |origin: &HeaderValue| origin.as_bytes().eq_ignore_ascii_case(own.as_bytes());
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let mut sites = headers.get_all(SITE).iter();
    let (origin, site) = (origins.next(), sites.next());
    if origins.next().is_some() || sites.next().is_some() {
        return false;
    }
    let (origin, site) = (origin.map(own), site.map(|site| site == "same-origin"));
    match (origin, site) {
        (None, None) => false,
        (origin, site) => origin.unwrap_or(true) && site.unwrap_or(true),
    }
}

/// Whether the browser says that a page of another origin had it ask. A program says nothing,
/// and an address that somebody typed or keeps is nobody's page.
pub fn is_foreign(headers: &HeaderMap, authority: &str) -> bool {
    let typed = headers.get_all(SITE).iter().all(|site| site == "none");
    let nobodys = typed && !headers.contains_key(header::ORIGIN);
    !(nobodys || is_same_origin(headers, authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_cookie_is_there_once_by_its_whole_name() {
        let of = |lines: &[&'static str]| {
            let lines: Vec<_> = lines.iter().map(|line| (header::COOKIE, *line)).collect();
            let headers = headers(&lines);
            cookie(&headers, "__Host-doorward").map(|it| it.map(str::to_owned))
        };
        assert_eq!(of(&["a=1; __Host-doorward=x;b=2"]), Ok(Some("x".into())));
        assert_eq!(of(&["a=1", "__Host-doorward=x"]), Ok(Some("x".into())));
        for none in [
            "",
            "a=__Host-doorward=x",
            "__Host-doorward-begin=x",
            "__host-doorward=x",
        ] {
            assert_eq!(of(&[none]), Ok(None), "{none}");
        }
        assert_eq!(of(&["__Host-doorward=x; __Host-doorward=x"]), Err(Doubled));
        assert_eq!(
            of(&["__Host-doorward=x", "__Host-doorward=y"]),
            Err(Doubled)
        );
    }

    #[test]
    fn what_no_page_asked_for_is_not_foreign() {
        let is = |lines: &[_]| is_foreign(&headers(lines), "door.example.org");
        let origin = |value| (header::ORIGIN, value);
        assert!(!is(&[]));
        assert!(!is(&[(SITE, "none")]));
        assert!(!is(&[(SITE, "same-origin")]));
        assert!(!is(&[origin("https://door.example.org")]));
        assert!(is(&[(SITE, "same-site")]));
        assert!(is(&[(SITE, "cross-site")]));
        assert!(is(&[(SITE, "none"), (SITE, "cross-site")]));
        assert!(is(&[origin("https://wiki.door.example.org")]));
        assert!(is(&[(SITE, "none"), origin("null")]));
    }

    #[test]
    fn only_a_page_of_the_same_origin_is_one() {
        let own = (header::ORIGIN, "https://wiki.door.localhost:8444");
        let site = |value| (SITE, value);
        let is = |lines: &[_]| is_same_origin(&headers(lines), "wiki.door.localhost:8444");
        assert!(is(std::slice::from_ref(&own)));
        assert!(is(&[own.clone(), site("same-origin")]));
        assert!(is(&[site("same-origin")]));
        assert!(!is(&[]));
        assert!(!is(&[own.clone(), site("same-site")]));
        assert!(!is(&[own.clone(), own.clone()]));
        assert!(!is(&[site("same-origin"), site("cross-site")]));
        for foreign in [
            "null",
            "http://wiki.door.localhost:8444",
            "https://wiki.door.localhost",
            "https://wiki.door.localhost:8443",
            "https://other.door.localhost:8444",
            "https://wiki.door.localhost:8444.evil.example",
        ] {
            let foreign = (header::ORIGIN, foreign);
            assert!(!is(std::slice::from_ref(&foreign)), "{foreign:?}");
            assert!(!is(&[foreign, site("same-origin")]));
        }
        for foreign in ["same-site", "cross-site", "none"] {
            assert!(!is(&[site(foreign)]), "{foreign}");
        }
    }
}
