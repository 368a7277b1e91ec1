//! Which bodies are files: what a person would say that they have uploaded or downloaded.
//!
//! A rule by method, type and `Content-Disposition`, and the name that goes with it. Looks at
//! no content.

/// Whether what is sent with this method, as this type, is a file.
///
/// With PUT everything is but data; with POST and PATCH text is not either, and what says no
/// type.
pub fn is_upload(method: &str, kind: Option<&str>) -> bool {
    match (method, kind.map(essence)) {
        ("PUT", None) => true,
        ("PUT", Some(kind)) => !is_data(&kind),
        ("POST" | "PATCH", Some(kind)) => !is_data(&kind) && !kind.starts_with("text/"),
        _ => false,
    }
}

/// Whether what is answered to a GET is a file: something to be saved, or of a type that no
/// page is made of.
pub fn is_download(
    method: &str,
    status: u16,
    kind: Option<&str>,
    disposition: Option<&str>,
) -> bool {
    // With POST many applications give out what was put together for it.
    let answers = matches!(method, "GET" | "POST") && matches!(status, 200 | 206);
    let saved = disposition.is_some_and(|disposition| {
        essence(disposition) == "attachment" || file_name(disposition).is_some()
    });
    let looked_at = kind.map(essence).is_none_or(|kind| is_of_a_page(&kind));
    answers && (saved || (method == "GET" && !looked_at))
}

/// `Text/HTML; charset=utf-8` without what is behind, in lower case.
fn essence(text: &str) -> String {
    let essence = text.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// What programs say to each other.
fn is_data(kind: &str) -> bool {
    kind.ends_with("+json")
        || kind.ends_with("+xml")
        || kind.starts_with("application/grpc")
        || matches!(
            kind,
            "application/json"
                | "application/x-ndjson"
                | "application/xml"
                | "text/xml"
                | "application/graphql"
                | "application/protobuf"
                | "application/x-protobuf"
                | "application/x-www-form-urlencoded"
        )
}

/// What browsers put pages together from.
fn is_of_a_page(kind: &str) -> bool {
    let begins = ["text/", "image/", "font/"];
    is_data(kind)
        || begins.iter().any(|beginning| kind.starts_with(beginning))
        || matches!(
            kind,
            "application/javascript"
                | "application/x-javascript"
                | "application/ecmascript"
                | "application/wasm"
                | "application/font-woff"
                | "application/vnd.ms-fontobject"
                | "multipart/x-mixed-replace"
        )
}

/// The name that `Content-Disposition` gives (RFC 6266), without folders.
pub fn file_name(disposition: &str) -> Option<String> {
    let mut plain = None;
    for (name, value) in Parameters(disposition.split_once(';')?.1) {
        match name.to_ascii_lowercase().as_str() {
            // RFC 8187: it says more, and wins.
            "filename*" => {
                let encoded = value.splitn(3, '\'').nth(2)?;
                let bytes = percent_decoded(encoded);
                return last_piece(&String::from_utf8_lossy(&bytes));
            }
            "filename" => plain = plain.or(Some(value)),
            _ => {}
        }
    }
    last_piece(&plain?)
}

/// What is behind the last slash, of either kind.
fn last_piece(name: &str) -> Option<String> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    (!name.is_empty()).then(|| name.chars().take(255).collect())
}

/// A path, or a part of a header, as bytes; what is no code stays as it is.
pub fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let digit = |at: usize| behind.get(at).and_then(|it| char::from(*it).to_digit(16));
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                // Two hexadecimal digits are a byte.
                decoded.push(u8::try_from(high << 4 | low).unwrap_or_default());
                rest = &behind[2..];
            }
            (byte, ..) => {
                decoded.push(*byte);
                rest = behind;
            }
        }
    }
    decoded
}

/// `; name=value; name="value"`.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a str, String);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0.trim_start_matches([';', ' ', '\t']);
        let (name, behind) = text.split_once('=')?;
        let behind = behind.trim_start();
        let Some(quoted) = behind.strip_prefix('"') else {
            let (value, rest) = behind.split_once(';').unwrap_or((behind, ""));
            self.0 = rest;
            return Some((name.trim(), value.trim().to_owned()));
        };
        let mut value = String::new();
        let mut letters = quoted.char_indices();
        self.0 = "";
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.0 = &quoted[at + 1..];
                    break;
                }
                // Only what must be is quoted: browsers write `C:\x` as it is.
                '\\' => match letters.clone().next() {
                    Some((_, next @ ('"' | '\\'))) => {
                        value.push(next);
                        letters.next();
                    }
                    _ => value.push('\\'),
                },
                letter => value.push(letter),
            }
        }
        Some((name.trim(), value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_sent_is_a_file_or_data() {
        for (method, kind, expected) in [
            ("PUT", None, true),
            ("PUT", Some("text/plain"), true),
            ("PUT", Some("image/png"), true),
            ("PUT", Some("application/json; charset=utf-8"), false),
            ("PUT", Some("application/vnd.x+json"), false),
            ("POST", None, false),
            ("POST", Some("application/x-www-form-urlencoded"), false),
            ("POST", Some("text/plain"), false),
            ("POST", Some("Multipart/Form-Data; boundary=x"), true),
            ("POST", Some("application/octet-stream"), true),
            ("POST", Some("application/grpc-web+proto"), false),
            ("PATCH", Some("application/offset+octet-stream"), true),
            ("GET", Some("application/zip"), false),
            ("DELETE", None, false),
        ] {
            assert_eq!(is_upload(method, kind), expected, "{method} {kind:?}");
        }
    }

    #[test]
    fn what_is_answered_is_a_file_or_a_page() {
        for (method, status, kind, disposition, expected) in [
            ("GET", 200, Some("application/zip"), None, true),
            ("GET", 206, Some("video/mp4"), None, true),
            ("GET", 200, Some("application/pdf"), Some("inline"), true),
            ("GET", 200, Some("text/csv"), Some("attachment"), true),
            (
                "GET",
                200,
                Some("text/csv"),
                Some("inline; filename=a.csv"),
                true,
            ),
            ("POST", 200, Some("text/csv"), Some("ATTACHMENT;x"), true),
            ("POST", 200, Some("application/zip"), None, false),
            ("GET", 200, Some("text/html; charset=utf-8"), None, false),
            ("GET", 200, Some("image/svg+xml"), None, false),
            ("GET", 200, Some("application/manifest+json"), None, false),
            ("GET", 200, None, None, false),
            ("GET", 404, Some("application/zip"), None, false),
            ("HEAD", 200, Some("application/zip"), None, false),
        ] {
            assert_eq!(
                is_download(method, status, kind, disposition),
                expected,
                "{method} {status} {kind:?} {disposition:?}"
            );
        }
    }

    #[test]
    fn a_name_is_read_as_browsers_read_it() {
        for (text, name) in [
            ("attachment", None),
            ("attachment; filename=", None),
            ("attachment; filename=\"\"", None),
            ("attachment; filename=a.pdf", Some("a.pdf")),
            (
                "attachment; FileName = \"a b;c.pdf\"; x=y",
                Some("a b;c.pdf"),
            ),
            (
                "attachment; filename=\"say \\\"x\\\".txt\"",
                Some("say \"x\".txt"),
            ),
            (
                "form-data; name=\"f\"; filename=\"C:\\dir\\a.txt\"",
                Some("a.txt"),
            ),
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            (
                "attachment; filename=\"plain\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.txt",
                Some("größe.txt"),
            ),
            ("attachment; filename*=UTF-8''a%2Fb", Some("b")),
            ("attachment; filename=\"open", Some("open")),
        ] {
            assert_eq!(file_name(text).as_deref(), name, "{text}");
        }
        assert_eq!(percent_decoded("/a%20b%zz%4"), b"/a b%zz%4");
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_read(text in "[ -~\u{e4}\u{20ac}]{0,60}") {
            let text = format!("attachment;{text}");
            let name = file_name(&text);
            prop_assert!(name.is_none_or(|name| !name.is_empty() && !name.contains('/')));
        }
    }
}
