//! The one form of a path: what policy decides on is what is forwarded.
//!
//! A path that two programs could read differently is refused, never mended: `..`, `%2F`,
//! `\`, NUL, what is no UTF-8. It knows nothing of queries.
//!
//! Some programs put a `/` into a piece of their paths as `%2F`. Where an admin says that a
//! target is such a one, it is a letter like any other here, and still no way to climb.

use std::{fmt, str::FromStr};

/// A path as RFC 3986 s6.2.2 normalises it: unreserved characters in the clear, everything
/// else encoded with digits in upper case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CanonicalPath(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPath {
    #[error("a path begins with a slash")]
    NoSlash,
    #[error("a path is at most {} bytes long", CanonicalPath::LONGEST)]
    TooLong,
    #[error("a `%` is followed by two hexadecimal digits")]
    Percent,
    #[error("a path holds no control character, also not an encoded one")]
    Control,
    #[error("a path holds no encoded slash and no backslash, because programs differ over them")]
    Slash,
    #[error("a path holds no `.` and no `..` between its slashes")]
    Dots,
    #[error("a path holds UTF-8, and encoded where it is no ASCII")]
    Utf8,
    #[error("`?`, `#` and blanks do not belong to a path")]
    Other,
}

impl CanonicalPath {
    pub const LONGEST: usize = 16 * 1024;

    /// A path in which `%2F` is a letter of its piece. What decides on it must know that the
    /// target reads it so too.
    pub fn with_encoded_slashes(text: &str) -> Result<Self, NotAPath> {
        read(text, EncodedSlash::Letter)
    }

    pub fn has_encoded_slash(&self) -> bool {
        // A `%` that is none is written `%25`.
        self.0.contains("%2F")
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands between the slashes.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0[1..].split('/')
    }
}

impl FromStr for CanonicalPath {
    type Err = NotAPath;

    fn from_str(text: &str) -> Result<Self, NotAPath> {
        read(text, EncodedSlash::Refused)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum EncodedSlash {
    Refused,
    Letter,
}

fn read(text: &str, slash: EncodedSlash) -> Result<CanonicalPath, NotAPath> {
    if text.len() > CanonicalPath::LONGEST {
        return Err(NotAPath::TooLong);
    }
    let segments = text.strip_prefix('/').ok_or(NotAPath::NoSlash)?;
    let mut path = String::with_capacity(text.len());
    // What the encoded bytes say, to see whether it is UTF-8.
    let mut decoded = Vec::with_capacity(text.len());
    for segment in segments.split('/') {
        path.push('/');
        let before = decoded.len();
        canonical(segment, slash, &mut path, &mut decoded)?;
        // INVARIANT: also for a target that reads `%2F` as a slash after all nothing climbs.
        if decoded[before..].split(|byte| *byte == b'/').any(is_dots) {
            return Err(NotAPath::Dots);
        }
        decoded.push(b'/');
    }
    match std::str::from_utf8(&decoded) {
        Ok(_) => Ok(CanonicalPath(path)),
        Err(_) => Err(NotAPath::Utf8),
    }
}

fn canonical(
    segment: &str,
    slash: EncodedSlash,
    into: &mut String,
    decoded: &mut Vec<u8>,
) -> Result<(), NotAPath> {
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        let (byte, was_encoded) = match byte {
            b'%' => {
                let mut digit = || bytes.next().and_then(hex).ok_or(NotAPath::Percent);
                (digit()? << 4 | digit()?, true)
            }
            0x80.. => return Err(NotAPath::Utf8),
            byte => (byte, false),
        };
        match byte {
            0..0x20 | 0x7f => return Err(NotAPath::Control),
            b'/' if slash == EncodedSlash::Letter => {}
            b'/' | b'\\' => return Err(NotAPath::Slash),
            b'?' | b'#' | b' ' if !was_encoded => return Err(NotAPath::Other),
            _ => {}
        }
        decoded.push(byte);
        // Encoded delimiters stay encoded: `;` and `%3B` may differ to the target.
        if is_unreserved(byte) || (!was_encoded && is_delimiter(byte)) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.push(char::from(DIGITS[usize::from(byte >> 4)]));
            into.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    Ok(())
}

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// Whether some program would climb here: also with a parameter behind it (`..;x`), which
/// servlet containers cut off first.
fn is_dots(segment: &[u8]) -> bool {
    let name = segment
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    matches!(name, b"." | b"..")
}

/// RFC 3986 s2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// What may stand in a segment besides: RFC 3986 s3.3, `pchar`.
fn is_delimiter(byte: u8) -> bool {
    b"!$&'()*+,;=:@".contains(&byte)
}

impl fmt::Display for CanonicalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> Result<String, NotAPath> {
        text.parse::<CanonicalPath>().map(|path| path.to_string())
    }

    #[test]
    fn a_path_has_one_form() {
        for (text, canonical) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/", "/a/"),
            ("/%61%2d%5F/%7euser", "/a-_/~user"),
            ("/a%20b", "/a%20b"),
            ("/a%c3%a4", "/a%C3%A4"),
            ("/a|b^c`d{e}\"<>[]", "/a%7Cb%5Ec%60d%7Be%7D%22%3C%3E%5B%5D"),
            ("/x;v=1,2/@a:b!$&'()*+=", "/x;v=1,2/@a:b!$&'()*+="),
            ("/x%3bv", "/x%3Bv"),
            ("/a//b", "/a//b"),
            ("/...", "/..."),
            ("/.well-known/x", "/.well-known/x"),
            ("/%25", "/%25"),
            ("/%2541", "/%2541"),
            ("/%3F%23", "/%3F%23"),
        ] {
            assert_eq!(path(text).as_deref(), Ok(canonical), "{text}");
        }
    }

    #[test]
    fn what_two_programs_could_read_differently_is_refused() {
        use NotAPath as N;
        for (text, why) in [
            ("", N::NoSlash),
            ("a", N::NoSlash),
            ("*", N::NoSlash),
            ("http://x/", N::NoSlash),
            ("/a%", N::Percent),
            ("/a%4", N::Percent),
            ("/a%zz", N::Percent),
            ("/%+1", N::Percent),
            ("/%u002e", N::Percent),
            ("/a\0", N::Control),
            ("/a%00", N::Control),
            ("/a%0d%0aX: y", N::Control),
            ("/a\tb", N::Control),
            ("/a%7f", N::Control),
            ("/a%2fb", N::Slash),
            ("/a%2Fb", N::Slash),
            ("/a%5cb", N::Slash),
            ("/a\\b", N::Slash),
            ("/.", N::Dots),
            ("/..", N::Dots),
            ("/a/../b", N::Dots),
            ("/a/./b", N::Dots),
            ("/%2e%2E/b", N::Dots),
            ("/.%2e", N::Dots),
            ("/..;/b", N::Dots),
            ("/..;x=1/b", N::Dots),
            ("/..%3b/b", N::Dots),
            ("/%ff", N::Utf8),
            ("/%c0%ae", N::Utf8),
            ("/%c0%af", N::Utf8),
            ("/%e4", N::Utf8),
            ("/%c3/%a4", N::Utf8),
            ("/ä", N::Utf8),
            ("/a b", N::Other),
            ("/a?b", N::Other),
            ("/a#b", N::Other),
        ] {
            assert_eq!(path(text), Err(why), "{text:?}");
        }
        let long = format!("/{}", "a".repeat(CanonicalPath::LONGEST));
        assert_eq!(path(&long), Err(N::TooLong));
    }

    #[test]
    fn an_encoded_slash_is_a_letter_where_that_is_said() {
        let read = |text: &str| {
            let path = CanonicalPath::with_encoded_slashes(text)?;
            Ok((
                path.to_string(),
                path.segments().count(),
                path.has_encoded_slash(),
            ))
        };
        for (text, canonical, pieces, has) in [
            ("/a%2fb/c", "/a%2Fb/c", 2, true),
            ("/%2F", "/%2F", 1, true),
            ("/a/b", "/a/b", 2, false),
            ("/a%252Fb", "/a%252Fb", 1, false),
        ] {
            assert_eq!(
                read(text),
                Ok((canonical.to_owned(), pieces, has)),
                "{text}"
            );
        }
        for (text, why) in [
            ("/a%2F..%2Fb", NotAPath::Dots),
            ("/..%2f", NotAPath::Dots),
            ("/%2F%2e%2E;x", NotAPath::Dots),
            ("/a%2F.", NotAPath::Dots),
            ("/a%5Cb", NotAPath::Slash),
            ("/a%2F%00", NotAPath::Control),
            ("/%c0%af", NotAPath::Utf8),
        ] {
            assert_eq!(read(text), Err(why), "{text}");
        }
    }

    fn anything() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("/".to_owned()),
            Just("..".to_owned()),
            Just(".".to_owned()),
            Just(";".to_owned()),
            "%[0-9a-fA-F]{2}",
            "[ -~]{0,4}",
            any::<char>().prop_map(String::from),
        ];
        proptest::collection::vec(part, 0..16).prop_map(|parts| format!("/{}", parts.concat()))
    }

    proptest! {
        #[test]
        fn the_form_of_the_form_is_itself(text in anything()) {
            if let Ok(first) = text.parse::<CanonicalPath>() {
                prop_assert_eq!(first.as_str().parse::<CanonicalPath>(), Ok(first.clone()));
            }
        }

        #[test]
        fn nothing_in_it_climbs_or_ends_the_line(text in anything()) {
            if let Ok(path) = text.parse::<CanonicalPath>() {
                let plain = path.as_str().bytes().all(|byte| byte.is_ascii_graphic());
                prop_assert!(plain && !path.as_str().contains(['?', '#', '\\']), "{path}");
                let upper = path.to_string().to_ascii_uppercase();
                prop_assert!(!["%2F", "%5C", "%00", "%2E", "%0A"].iter().any(|it| upper.contains(it)));
                for segment in path.segments() {
                    let name = segment.split(';').next().unwrap_or_default();
                    prop_assert!(name != "." && name != "..", "{path}");
                }
            }
        }

        /// Whichever way the target reads it.
        #[test]
        fn an_encoded_slash_climbs_nowhere(text in anything()) {
            if let Ok(path) = CanonicalPath::with_encoded_slashes(&text) {
                let again = CanonicalPath::with_encoded_slashes(path.as_str());
                prop_assert_eq!(again.as_ref(), Ok(&path));
                prop_assert_eq!(path.has_encoded_slash(), text.parse::<CanonicalPath>().is_err());
                let read = path.as_str().replace("%2F", "/");
                let plain: CanonicalPath = read.parse().unwrap();
                for segment in plain.segments() {
                    let name = segment.split(';').next().unwrap_or_default();
                    prop_assert!(name != "." && name != "..", "{plain}");
                }
            }
        }

        #[test]
        fn encoding_more_than_needed_changes_nothing(text in "[a-z0-9._~-]{1,12}") {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(path(&format!("/{encoded}")), path(&format!("/{text}")));
        }
    }
}
