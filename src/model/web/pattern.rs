//! The requests that a policy lists: `GET,HEAD /api/**`, `PUT /files/** upload<=10MiB`.
//!
//! Compared with the canonical path, piece by piece. What is not listed is not admitted, and
//! no wildcard stands for an empty piece, so that `//` opens nothing that `/` does not.

use std::{collections::BTreeSet, fmt, str::FromStr};

use super::path::{CanonicalPath, NotAPath};
use crate::model::size::{NotASize, Size};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpPattern {
    /// None is every method.
    methods: Option<BTreeSet<String>>,
    pieces: Vec<Piece>,
    most: Most,
}

/// How many bytes a request that fits may move; none is as many as it likes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Most {
    pub upload: Option<Size>,
    pub download: Option<Size>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Piece {
    Literal(String),
    /// `*`: one piece, whatever it is.
    One,
    /// `**`: the rest, however deep; stands last.
    Rest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnHttpPattern {
    #[error("methods and a path are expected: GET,HEAD /api/**, or * /api/**")]
    Form,
    #[error("a method is written in capital letters: GET")]
    Method,
    #[error("{0}")]
    Path(NotAPath),
    #[error("a wildcard stands alone between slashes, and ** stands last")]
    Wildcard,
    #[error("behind the path stand upload<=SIZE and download<=SIZE, each once, in this order")]
    Limit,
    #[error("{0}")]
    Size(NotASize),
}

impl HttpPattern {
    /// How much what fits may move.
    pub fn most(&self) -> Most {
        self.most
    }

    pub fn fits(&self, method: &str, path: &CanonicalPath) -> bool {
        let method_fits = match &self.methods {
            None => true,
            Some(methods) => methods.contains(method),
        };
        method_fits && self.fits_path(path)
    }

    fn fits_path(&self, path: &CanonicalPath) -> bool {
        let mut segments = path.segments();
        for piece in &self.pieces {
            let segment = match (piece, segments.next()) {
                (Piece::Rest, Some(_)) => return true,
                (_, None) => return false,
                (_, Some(segment)) => segment,
            };
            match piece {
                Piece::Literal(literal) if literal == segment => {}
                Piece::One if !segment.is_empty() => {}
                _ => return false,
            }
        }
        segments.next().is_none()
    }
}

impl FromStr for HttpPattern {
    type Err = NotAnHttpPattern;

    fn from_str(text: &str) -> Result<Self, NotAnHttpPattern> {
        let (methods, rest) = text.split_once(' ').ok_or(NotAnHttpPattern::Form)?;
        // A path holds no blank.
        let (path, limits) = match rest.split_once(' ') {
            Some((path, limits)) => (path, Some(limits)),
            None => (rest, None),
        };
        let most = limits.map(Most::read).transpose()?.unwrap_or_default();
        let methods = match methods {
            "*" => None,
            listed => Some(listed.split(',').map(method).collect::<Result<_, _>>()?),
        };
        // The wildcards are allowed characters of a path, so the rest is judged as one.
        // It may name `%2F`, which only reaches targets that are said to take it as a letter.
        let path = CanonicalPath::with_encoded_slashes(path).map_err(NotAnHttpPattern::Path)?;
        let count = path.segments().count();
        let mut pieces = Vec::with_capacity(count);
        for (index, segment) in path.segments().enumerate() {
            let last = index + 1 == count;
            pieces.push(match segment {
                "*" => Piece::One,
                "**" if last => Piece::Rest,
                segment if segment.contains('*') => return Err(NotAnHttpPattern::Wildcard),
                "" if !last => return Err(NotAnHttpPattern::Wildcard),
                segment => Piece::Literal(segment.to_owned()),
            });
        }
        Ok(Self {
            methods,
            pieces,
            most,
        })
    }
}

const UPLOAD: &str = "upload<=";
const DOWNLOAD: &str = "download<=";

impl Most {
    fn read(text: &str) -> Result<Self, NotAnHttpPattern> {
        let mut words = text.split(' ').peekable();
        let mut limit = |name: &str| -> Result<Option<Size>, NotAnHttpPattern> {
            let Some(size) = words.peek().and_then(|word| word.strip_prefix(name)) else {
                return Ok(None);
            };
            words.next();
            size.parse().map(Some).map_err(NotAnHttpPattern::Size)
        };
        let most = Self {
            upload: limit(UPLOAD)?,
            download: limit(DOWNLOAD)?,
        };
        match words.next() {
            None => Ok(most),
            Some(_) => Err(NotAnHttpPattern::Limit),
        }
    }
}

fn method(text: &str) -> Result<String, NotAnHttpPattern> {
    let sound = (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    match sound {
        true => Ok(text.to_owned()),
        false => Err(NotAnHttpPattern::Method),
    }
}

impl fmt::Display for HttpPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.methods {
            None => f.write_str("*")?,
            Some(methods) => {
                let methods: Vec<_> = methods.iter().map(String::as_str).collect();
                f.write_str(&methods.join(","))?;
            }
        }
        f.write_str(" ")?;
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => write!(f, "/{literal}")?,
                Piece::One => f.write_str("/*")?,
                Piece::Rest => f.write_str("/**")?,
            }
        }
        if let Some(upload) = self.most.upload {
            write!(f, " {UPLOAD}{upload}")?;
        }
        if let Some(download) = self.most.download {
            write!(f, " {DOWNLOAD}{download}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fits(pattern: &str, method: &str, path: &str) -> bool {
        let pattern: HttpPattern = pattern.parse().unwrap_or_else(|error| panic!("{error}"));
        let path = CanonicalPath::with_encoded_slashes(path).unwrap();
        pattern.fits(method, &path)
    }

    #[test]
    fn what_is_listed_fits_and_nothing_else() {
        for (pattern, method, path, expected) in [
            ("* /**", "DELETE", "/", true),
            ("* /**", "GET", "/a/b/c", true),
            ("GET /", "GET", "/", true),
            ("GET /", "GET", "/a", false),
            ("GET,HEAD /api/**", "HEAD", "/api/x/y", true),
            ("GET,HEAD /api/**", "POST", "/api/x", false),
            ("GET,HEAD /api/**", "get", "/api/x", false),
            ("GET /api/**", "GET", "/api/", true),
            ("GET /api/**", "GET", "/api", false),
            ("GET /api/**", "GET", "/apix", false),
            ("GET /api/**", "GET", "//api/x", false),
            ("GET /api/*/status", "GET", "/api/7/status", true),
            ("GET /api/*/status", "GET", "/api//status", false),
            ("GET /api/*/status", "GET", "/api/7/8/status", false),
            ("GET /api/*", "GET", "/api/", false),
            ("GET /a%20b/c", "GET", "/a%20b/c", true),
            ("GET /%61", "GET", "/a", true),
            ("GET /a/", "GET", "/a/", true),
            ("GET /a/", "GET", "/a", false),
            ("GET /a%2fb/*", "GET", "/a%2Fb/c", true),
            ("GET /*/c", "GET", "/a%2Fb/c", true),
            ("GET /a/*/c", "GET", "/a%2Fb/c", false),
            ("GET /a/b/c", "GET", "/a%2Fb/c", false),
            ("GET /a%2Fb/c", "GET", "/a/b/c", false),
        ] {
            assert_eq!(
                fits(pattern, method, path),
                expected,
                "{pattern} {method} {path}"
            );
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            "GET",
            "/api",
            "GET  /",
            "get /",
            "GET, /",
            "GET,  /",
            "GET api",
            "GET /a/**/b",
            "GET /a*",
            "GET /*a",
            "GET /a/***",
            "GET /../a",
            "GET /a//b",
            "GET /a%2f..",
            "GET /a?b",
            "GET /a ",
            "GET /a  upload<=1B",
            "GET /a upload<=1B ",
            "GET /a upload<=1",
            "GET /a upload<1B",
            "GET /a download<=1B upload<=1B",
            "GET /a upload<=1B upload<=1B",
            "GET /a size<=1B",
        ] {
            assert!(text.parse::<HttpPattern>().is_err(), "{text}");
        }
    }

    proptest! {
        /// A target that merges slashes sees a path that was listed too.
        #[test]
        fn doubled_slashes_open_nothing(
            pattern in "(/([ab]|\\*)){0,3}(/\\*\\*|/)?",
            path in "(/[ab]?){1,6}",
        ) {
            let Ok(pattern) = format!("GET {pattern}").parse::<HttpPattern>() else {
                return Ok(());
            };
            let once: CanonicalPath = path.parse().unwrap();
            let mut merged = path.clone();
            while merged.contains("//") {
                merged = merged.replace("//", "/");
            }
            if pattern.fits("GET", &once) {
                prop_assert!(pattern.fits("GET", &merged.parse().unwrap()), "{pattern} {path}");
            }
        }
    }
}
