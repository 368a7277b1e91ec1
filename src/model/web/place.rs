//! An address below a web target, as somebody who is sent away comes back to it.
//!
//! Read by taking it apart and held against what the gateway would have written itself:
//! where a browser is sent is never compared by its beginning. It looks nothing up.

use std::fmt;

use super::CanonicalPath;
use crate::model::{name::TargetName, ways_in::WebWay};

/// `https://wiki.door.example.org/a?b`: one of our targets, and what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebPlace {
    pub target: TargetName,
    authority: String,
    /// Path and query, as they were asked for.
    path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no address of a target of this gateway")]
pub struct NotAPlace;

impl WebPlace {
    /// Longer ones are not carried around.
    pub const LONGEST: usize = 4_096;

    /// What the gateway keeps for itself on every target's host.
    const OWN: &str = "/.doorward";

    pub fn new(target: TargetName, way: &WebWay, path: &str) -> Result<Self, NotAPlace> {
        let authority = way.authority(&target);
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic());
        if path.len() > Self::LONGEST || !plain {
            return Err(NotAPlace);
        }
        let (before, _query) = path.split_once('?').unwrap_or((path, ""));
        let canonical: CanonicalPath = before.parse().map_err(|_| NotAPlace)?;
        let canonical = canonical.as_str();
        // A fragment never arrives, and two slashes begin another host for some readers.
        let odd = path.contains(['#', '\\']) || canonical.starts_with("//");
        let own = canonical == Self::OWN || canonical.starts_with("/.doorward/");
        if odd || own {
            return Err(NotAPlace);
        }
        Ok(Self {
            target,
            authority,
            path: path.to_owned(),
        })
    }

    /// Reads a whole address.
    ///
    /// INVARIANT: the host is the very text that the gateway writes for that target, so that
    /// user names, ports, dots, encodings and other alphabets have no place to stand.
    pub fn read(text: &str, way: &WebWay) -> Result<Self, NotAPlace> {
        let rest = text.strip_prefix("https://").ok_or(NotAPlace)?;
        let at = rest.find('/').ok_or(NotAPlace)?;
        let (authority, path) = rest.split_at(at);
        let (name, _) = authority.split_once('.').ok_or(NotAPlace)?;
        let target: TargetName = name.parse().map_err(|_| NotAPlace)?;
        let place = Self::new(target, way, path)?;
        match place.authority == authority {
            true => Ok(place),
            false => Err(NotAPlace),
        }
    }

    /// `wiki.door.example.org:8444`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host alone: cookies know no ports.
    pub fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            Some((host, _)) => host,
            None => &self.authority,
        }
    }

    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for WebPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(port: u16) -> WebWay {
        WebWay {
            domain: "door.localhost".to_owned(),
            port,
        }
    }

    #[test]
    fn an_address_of_a_target_is_read_as_it_was_written() {
        for text in [
            "https://wiki.door.localhost:8444/",
            "https://wiki.door.localhost:8444/a/b?c=https://evil.example/&d=%2F",
            "https://wiki.door.localhost:8444/%C3%A4?",
        ] {
            let place = WebPlace::read(text, &way(8444)).unwrap();
            assert_eq!(place.to_string(), text);
            assert_eq!(place.target.as_str(), "wiki");
            assert_eq!(place.host(), "wiki.door.localhost");
        }
        let usual = "https://wiki.door.localhost/a";
        assert_eq!(WebPlace::read(usual, &way(443)).unwrap().to_string(), usual);
    }

    #[test]
    fn everything_else_leads_nowhere() {
        for text in [
            "",
            "/",
            "//wiki.door.localhost:8444/",
            "http://wiki.door.localhost:8444/",
            "HTTPS://wiki.door.localhost:8444/",
            "javascript:alert(1)",
            "https:wiki.door.localhost:8444/",
            "https:/wiki.door.localhost:8444/",
            "https:///wiki.door.localhost:8444/",
            "https:\\\\wiki.door.localhost:8444/",
            " https://wiki.door.localhost:8444/",
            "https://evil.example/",
            "https://door.localhost:8444/",
            "https://.door.localhost:8444/",
            "https://wiki.door.localhost.evil.example:8444/",
            "https://wiki.door.localhost:8444.evil.example/",
            "https://wikidoor.localhost:8444/",
            "https://a.wiki.door.localhost:8444/",
            "https://wiki.door.localhost:8444",
            "https://wiki.door.localhost:8444?/",
            "https://wiki.door.localhost:8444#/",
            "https://wiki.door.localhost/",
            "https://wiki.door.localhost:443/",
            "https://wiki.door.localhost:8443/",
            "https://wiki.door.localhost:08444/",
            "https://wiki.door.localhost:8444:8444/",
            "https://wiki.door.localhost:/",
            "https://wiki.door.localhost.:8444/",
            "https://WIKI.door.localhost:8444/",
            "https://wiki.DOOR.localhost:8444/",
            "https://alice@wiki.door.localhost:8444/",
            "https://wiki.door.localhost:8444@evil.example/",
            "https://wiki.door.localhost:8444\\@evil.example/",
            "https://evil.example\\.wiki.door.localhost:8444/",
            "https://evil.example%2F.door.localhost:8444/",
            "https://evil.example%23.door.localhost:8444/",
            "https://wiki%2edoor.localhost:8444/",
            "https://wiki.door.localhost%3A8444/",
            "https://wiki.door.localhost\u{3002}:8444/",
            "https://w\u{ff49}ki.door.localhost:8444/",
            "https://wiki.door.localhost:8444//evil.example/",
            "https://wiki.door.localhost:8444/\\evil.example",
            "https://wiki.door.localhost:8444/a#b",
            "https://wiki.door.localhost:8444/a b",
            "https://wiki.door.localhost:8444/a\r\nSet-Cookie: x",
            "https://wiki.door.localhost:8444/a\tb",
            "https://wiki.door.localhost:8444/../x",
            "https://wiki.door.localhost:8444/%2e%2e/x",
            "https://wiki.door.localhost:8444/\u{e4}",
            "https://wiki.door.localhost:8444/.doorward/enter?code=x",
            "https://wiki.door.localhost:8444/%2Edoorward/enter",
            "https://wiki.door.localhost:8444/.doorward",
        ] {
            assert_eq!(WebPlace::read(text, &way(8444)), Err(NotAPlace), "{text}");
        }
        let endless = format!("https://wiki.door.localhost:8444/{}", "a".repeat(5_000));
        assert!(WebPlace::read(&endless, &way(8444)).is_err());
    }
}
