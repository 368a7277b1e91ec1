//! Takes out of a text what nobody should read in it later: the account's secret in each form
//! in which it could stand there, and values whose names look like secrets.
//!
//! Pure. Rather masks too much than too little, and says where it cannot.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use memchr::memmem;
use zeroize::Zeroizing;

use super::{errand::encoded, record::may_be_secret};

/// What is written instead.
pub const MASK: &str = "***";

/// Shorter ones would be found in everything, and so are not looked for.
const SHORTEST: usize = 8;

/// Texts that are looked for.
#[derive(Default)]
pub struct Masks {
    needles: Vec<Zeroizing<Vec<u8>>>,
    /// There is a secret that is too short to be found.
    is_blind: bool,
}

impl Masks {
    /// The secret of an account as it may be sent, echoed or shown.
    pub fn of(login: &str, secret: &[u8]) -> Self {
        let mut masks = Self {
            needles: Vec::new(),
            is_blind: secret.len() < SHORTEST,
        };
        let pair = Zeroizing::new([login.as_bytes(), b":", secret].concat());
        masks.add(secret);
        masks.add(STANDARD.encode(&*pair).trim_end_matches('=').as_bytes());
        masks.add(STANDARD.encode(secret).trim_end_matches('=').as_bytes());
        masks.add(encoded(secret).as_bytes());
        if let Ok(text) = std::str::from_utf8(secret) {
            let json = Zeroizing::new(serde_json::to_string(text).unwrap_or_default());
            masks.add(json.trim_matches('"').as_bytes());
            for quote in ["&#39;", "&#x27;"] {
                masks.add(html(text, quote).as_bytes());
            }
        }
        masks
    }

    pub fn add(&mut self, text: &[u8]) {
        if text.len() >= SHORTEST && !self.needles.iter().any(|known| **known == *text) {
            self.needles.push(Zeroizing::new(text.to_vec()));
        }
    }

    /// Whether all that must not be read is found.
    pub fn are_sound(&self) -> bool {
        !self.is_blind
    }

    /// The longest text that is looked for.
    pub fn longest(&self) -> usize {
        self.needles
            .iter()
            .map(|needle| needle.len())
            .max()
            .unwrap_or(0)
    }

    /// Takes them out. Of a text that was `cut` also what may be the beginning of one.
    pub fn out_of(&self, mut text: Vec<u8>, cut: bool) -> Vec<u8> {
        for needle in &self.needles {
            if memmem::find(&text, needle).is_some() {
                let mut masked = Vec::with_capacity(text.len());
                let mut rest = &text[..];
                while let Some(at) = memmem::find(rest, needle) {
                    masked.extend_from_slice(&rest[..at]);
                    masked.extend_from_slice(MASK.as_bytes());
                    rest = &rest[at + needle.len()..];
                }
                masked.extend_from_slice(rest);
                text = masked;
            }
        }
        if cut {
            let begun = |needle: &Zeroizing<Vec<u8>>| {
                let most = needle.len().min(text.len());
                (1..=most)
                    .rev()
                    .find(|length| text.ends_with(&needle[..*length]))
            };
            if let Some(length) = self.needles.iter().filter_map(begun).max() {
                text.truncate(text.len() - length);
            }
        }
        text
    }
}

fn html(text: &str, quote: &str) -> Zeroizing<String> {
    let mut escaped = Zeroizing::new(String::with_capacity(6 * text.len()));
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str(quote),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// A filled-in form without the values of fields that look like secrets.
pub fn form(text: &str) -> String {
    let parts = text.split('&').map(|part| match part.split_once('=') {
        Some((name, _)) if may_be_secret(name) => format!("{name}={MASK}"),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("&")
}

/// JSON, whole or cut, without the texts and numbers that stand under names that look like
/// secrets, however deep.
pub fn json(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    let mut depth = 0_usize;
    // Where the value of such a name began.
    let mut hidden: Option<usize> = None;
    while let Some(first) = rest.chars().next() {
        match first {
            '"' => {
                let (string, behind, whole) = string(rest);
                let is_name = whole && behind.trim_start().starts_with(':');
                let name = string.trim_matches('"').to_ascii_lowercase();
                match hidden {
                    Some(_) if !is_name => masked.push_str("\"***\""),
                    _ => masked.push_str(string),
                }
                if is_name && hidden.is_none() && (name.contains('\\') || may_be_secret(&name)) {
                    hidden = Some(depth);
                }
                rest = behind;
                continue;
            }
            '{' | '[' => depth += 1,
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if hidden.is_some_and(|began| depth < began) {
                    hidden = None;
                }
            }
            ',' if hidden == Some(depth) => hidden = None,
            '0'..='9' | '-' if hidden.is_some() => {
                let number =
                    |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
                rest = rest.trim_start_matches(number);
                masked.push('0');
                continue;
            }
            _ => {}
        }
        masked.push(first);
        rest = &rest[first.len_utf8()..];
    }
    masked
}

/// A string with its quotes, what is behind it, and whether its end was seen.
fn string(text: &str) -> (&str, &str, bool) {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return (&text[..=at], &text[at + 1..], true),
            _ => {}
        }
    }
    (text, "", false)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "hunter\"22'<&";

    fn masked(text: &str) -> String {
        let masks = Masks::of("ops", SECRET.as_bytes());
        String::from_utf8(masks.out_of(text.as_bytes().to_vec(), false)).unwrap()
    }

    #[test]
    fn a_secret_is_found_as_it_may_be_written() {
        for text in [
            SECRET,
            "hunter\\\"22'<&",
            "hunter%2222%27%3C%26",
            "hunter&quot;22&#39;&lt;&amp;",
            "hunter&quot;22&#x27;&lt;&amp;",
        ] {
            assert_eq!(masked(&format!("a{text}b{text}")), "a***b***", "{text}");
        }
        let basic = STANDARD.encode(format!("ops:{SECRET}"));
        assert!(!masked(&format!("Basic {basic}")).contains(&basic[..8]));
        assert!(!Masks::of("ops", b"short").are_sound());
    }

    #[test]
    fn what_may_be_its_beginning_goes_where_a_text_is_cut() {
        let masks = Masks::of("ops", b"lizard-Wednesday");
        let out = |text: &str| String::from_utf8(masks.out_of(text.into(), true)).unwrap();
        assert_eq!(out("it is lizard-Wed"), "it is ");
        assert_eq!(out("it is lizard-Wednesday"), "it is ***");
        assert_eq!(out("it is"), "it is");
    }

    #[test]
    fn values_under_telling_names_are_masked() {
        assert_eq!(
            form("user=alice&new_password=x%20y&page=2"),
            "user=alice&new_password=***&page=2"
        );
        for (text, expected) in [
            (
                r#"{"user":"a","password":"b"}"#,
                r#"{"user":"a","password":"***"}"#,
            ),
            (r#"{"pin" : 1234, "n":5}"#, r#"{"pin" : 0, "n":5}"#),
            (
                r#"{"tokens":["a",{"x":"b"}],"n":"c"}"#,
                r#"{"tokens":["***",{"x":"***"}],"n":"c"}"#,
            ),
            (
                r#"{"api_key":{"v":"a","w":[1]},"n":1}"#,
                r#"{"api_key":{"v":"***","w":[0]},"n":1}"#,
            ),
            (
                r#"{"password":"b\"c","n":"d"}"#,
                r#"{"password":"***","n":"d"}"#,
            ),
            (r#"{"p\u0061ssword":"b"}"#, r#"{"p\u0061ssword":"***"}"#),
            (r#"{"password":"cut in the mid"#, r#"{"password":"***""#),
            (r#"["password","b"]"#, r#"["password","b"]"#),
        ] {
            assert_eq!(json(text), expected);
        }
    }

    proptest! {
        #[test]
        fn whatever_json_it_is_stays_json(
            names in proptest::collection::vec("[a-z]{1,6}|password|token", 1..6),
            values in proptest::collection::vec("[ -~]{0,8}", 6),
        ) {
            let object: serde_json::Map<_, _> = names
                .iter()
                .zip(&values)
                .map(|(name, value)| (name.clone(), serde_json::json!([value, { "x": 1.5e3 }])))
                .collect();
            let text = serde_json::to_string(&object).unwrap();
            let read: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&json(&text)).unwrap();
            for (name, value) in &read {
                match may_be_secret(name) {
                    true => prop_assert_eq!(&value[0], MASK),
                    false => prop_assert_eq!(value, &object[name]),
                }
            }
        }

        #[test]
        fn whatever_it_is_it_ends(text in "[\\[\\]{}\",:a\\\\0-9-]{0,60}") {
            json(&text);
        }
    }
}
