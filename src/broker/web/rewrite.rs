//! Between the name that a target has for itself and the one it has at the gateway.
//!
//! Only headers are translated, never a body. An address that is neither of the two stays as
//! it is.

use hyper::{
    HeaderMap,
    header::{self, HeaderName, HeaderValue},
};

use super::headers;
use crate::model::web::Web;

/// The two names of one target.
pub struct Names<'a> {
    pub web: &'a Web,
    /// As the target knows it: `127.0.0.1:3000`.
    pub inside: &'a str,
    /// As the person knows it: `wiki.door.localhost:8444`.
    pub outside: &'a str,
}

impl Names<'_> {
    /// What a browser says of where it comes from, so that the target knows itself in it.
    pub fn of_request(&self, headers: &mut HeaderMap) {
        for name in [header::ORIGIN, header::REFERER] {
            let Some(text) = headers.get(&name).and_then(|value| value.to_str().ok()) else {
                continue;
            };
            let outside = format!("https://{}", self.outside);
            let Some(rest) = after(text, &outside, OF_ADDRESS) else {
                continue;
            };
            let path = match rest.strip_prefix('/') {
                Some(_) if !self.web.path.is_root() => {
                    format!("{}{rest}", self.web.path.as_str().trim_end_matches('/'))
                }
                _ => rest.to_owned(),
            };
            let inside = format!("{}://{}{path}", self.web.scheme(), self.inside);
            set(headers, &name, &inside);
        }
    }

    pub fn of_answer(&self, headers: &mut HeaderMap) {
        for name in [header::LOCATION, header::CONTENT_LOCATION] {
            let moved = headers
                .get(&name)
                .and_then(|value| value.to_str().ok())
                .and_then(|text| self.outward(text));
            if let Some(moved) = moved {
                set(headers, &name, &moved);
            }
        }
        let refresh = headers
            .get(header::REFRESH)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| self.refresh(text));
        if let Some(refresh) = refresh {
            set(headers, &header::REFRESH, &refresh);
        }
        for name in [
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            header::CONTENT_SECURITY_POLICY,
            header::CONTENT_SECURITY_POLICY_REPORT_ONLY,
            header::LINK,
        ] {
            let Some(text) = headers.get(&name).and_then(|value| value.to_str().ok()) else {
                continue;
            };
            if let Some(text) = self.mentions(text) {
                set(headers, &name, &text);
            }
        }
        headers::cookies_of_answer(headers, |path| self.web.path.strip(path).map(str::to_owned));
    }

    /// Where an address of the target's leads at the gateway; none where it may stay.
    fn outward(&self, url: &str) -> Option<String> {
        let inside = ["https://", "http://", "//"]
            .iter()
            .find_map(|scheme| after(url, &format!("{scheme}{}", self.inside), OF_ADDRESS));
        if let Some(rest) = inside {
            let path = match rest {
                "" => "/",
                rest => rest,
            };
            let path = self.stripped(path).unwrap_or_else(|| path.to_owned());
            return Some(format!("https://{}{path}", self.outside));
        }
        match url.starts_with('/') && !url.starts_with("//") {
            true => self.stripped(url),
            false => None,
        }
    }

    fn stripped(&self, path: &str) -> Option<String> {
        if self.web.path.is_root() {
            return None;
        }
        let end = path.find(['?', '#']).unwrap_or(path.len());
        let (path, rest) = path.split_at(end);
        let path = self.web.path.strip(path)?;
        Some(format!("{path}{rest}"))
    }

    /// `5; url=http://wiki/`.
    fn refresh(&self, text: &str) -> Option<String> {
        let at = text.to_ascii_lowercase().find("url=")? + 4;
        let (before, url) = text.split_at(at);
        let moved = self.outward(url.trim_matches(['"', '\'']))?;
        Some(format!("{before}{moved}"))
    }

    /// Every whole mention of the target's origin.
    fn mentions(&self, text: &str) -> Option<String> {
        let inside = format!("{}://{}", self.web.scheme(), self.inside);
        let mut translated = String::new();
        let mut rest = text;
        let mut found = false;
        while let Some(at) = rest.find(&inside) {
            let (before, mention) = rest.split_at(at);
            translated.push_str(before);
            match after(mention, &inside, OF_MENTION) {
                Some(behind) => {
                    found = true;
                    translated.push_str("https://");
                    translated.push_str(self.outside);
                    rest = behind;
                }
                None => {
                    translated.push_str(&inside);
                    rest = &mention[inside.len()..];
                }
            }
        }
        translated.push_str(rest);
        found.then_some(translated)
    }
}

/// What ends the host of an address (RFC 3986 s3.2): before anything else it may still be
/// somebody's name at another host.
const OF_ADDRESS: &str = "/?#";
/// The same where addresses stand among other words.
const OF_MENTION: &str = "/?# \t;,>\"'";

/// What stands behind `origin`, if the text begins with it and one of `ends` follows, or nothing.
fn after<'a>(text: &'a str, origin: &str, ends: &str) -> Option<&'a str> {
    let begins = text.get(..origin.len())?.eq_ignore_ascii_case(origin);
    let rest = &text[origin.len()..];
    let ends = rest.chars().next().is_none_or(|next| ends.contains(next));
    (begins && ends).then_some(rest)
}

fn set(headers: &mut HeaderMap, name: &HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name.clone(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web(path: &str) -> Web {
        serde_json::from_value(serde_json::json!({ "tls": false, "path": path })).unwrap()
    }

    fn names(web: &Web) -> Names<'_> {
        Names {
            web,
            inside: "10.0.0.7:3000",
            outside: "wiki.door.localhost:8444",
        }
    }

    #[test]
    fn a_redirect_leads_to_where_the_person_is() {
        let (root, below) = (web("/"), web("/w/"));
        for (web, location, moved) in [
            (
                &root,
                "http://10.0.0.7:3000/a?b",
                "https://wiki.door.localhost:8444/a?b",
            ),
            (
                &root,
                "https://10.0.0.7:3000",
                "https://wiki.door.localhost:8444/",
            ),
            (
                &root,
                "//10.0.0.7:3000/a",
                "https://wiki.door.localhost:8444/a",
            ),
            (&root, "/a", "/a"),
            (&root, "a", "a"),
            (&root, "http://10.0.0.7:30001/a", "http://10.0.0.7:30001/a"),
            (
                &root,
                "http://10.0.0.7:3000;x@evil/",
                "http://10.0.0.7:3000;x@evil/",
            ),
            (
                &root,
                "http://10.0.0.7:3000@evil/",
                "http://10.0.0.7:3000@evil/",
            ),
            (&root, "http://elsewhere/a", "http://elsewhere/a"),
            (&below, "/w/a?b=/w/", "/a?b=/w/"),
            (&below, "/w", "/"),
            (&below, "/other", "/other"),
            (
                &below,
                "http://10.0.0.7:3000/w/a",
                "https://wiki.door.localhost:8444/a",
            ),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, HeaderValue::from_static(location));
            names(web).of_answer(&mut headers);
            assert_eq!(headers[header::LOCATION], moved, "{location}");
        }
    }

    #[test]
    fn other_headers_speak_of_the_same_place() {
        let root = web("/");
        let mut headers = HeaderMap::new();
        let lines = [
            (header::REFRESH, "5; url=http://10.0.0.7:3000/x"),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "http://10.0.0.7:3000"),
            (
                header::CONTENT_SECURITY_POLICY,
                "img-src http://10.0.0.7:3000 http://10.0.0.7:30001; default-src 'self'",
            ),
        ];
        for (name, value) in &lines {
            headers.insert(name, HeaderValue::from_static(value));
        }
        names(&root).of_answer(&mut headers);
        let outside = "https://wiki.door.localhost:8444";
        assert_eq!(headers[header::REFRESH], format!("5; url={outside}/x"));
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], outside);
        assert_eq!(
            headers[header::CONTENT_SECURITY_POLICY],
            format!("img-src {outside} http://10.0.0.7:30001; default-src 'self'")
        );
    }

    #[test]
    fn a_target_reads_its_own_name_in_where_a_browser_comes_from() {
        let below = web("/w/");
        for (name, value, moved) in [
            (
                header::ORIGIN,
                "https://wiki.door.localhost:8444",
                "http://10.0.0.7:3000",
            ),
            (
                header::REFERER,
                "https://wiki.door.localhost:8444/a",
                "http://10.0.0.7:3000/w/a",
            ),
            (
                header::ORIGIN,
                "https://evil.example",
                "https://evil.example",
            ),
            (header::ORIGIN, "null", "null"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(&name, HeaderValue::from_static(value));
            names(&below).of_request(&mut headers);
            assert_eq!(headers[&name], moved);
        }
    }
}
