//! What a recording keeps of a body, where the policy asks for it: its beginning, masked.
//!
//! Holds no more than the limit of the policy. What cannot be searched for the account's
//! secret is not kept, and the recording says so.

use std::sync::Arc;

use data_encoding::BASE64;
use hyper::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use serde::Serialize;

use super::{
    inject::Injected,
    masks::{self, Masks},
};
use crate::model::{file::Direction, size::Size};

/// The beginning of a body.
pub struct Sample {
    direction: Direction,
    limit: usize,
    /// A secret that begins below the limit is found whole.
    most: usize,
    kind: String,
    is_encoded: bool,
    bytes: Vec<u8>,
    passed: u64,
}

/// As the recording says it.
#[derive(Serialize)]
pub struct BodyLine {
    pub n: u64,
    direction: Direction,
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    kind: String,
    /// How many passed.
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    /// Whether there was more than is here.
    cut: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_kept: Option<&'static str>,
}

impl Sample {
    pub fn of(direction: Direction, limit: Size, headers: &HeaderMap, masks: &Masks) -> Self {
        let limit = usize::try_from(limit.bytes()).unwrap_or(usize::MAX);
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let kind = text(CONTENT_TYPE).unwrap_or_default();
        Self {
            direction,
            limit,
            most: limit.saturating_add(masks.longest()),
            kind: kind.chars().take(128).collect(),
            is_encoded: text(CONTENT_ENCODING).is_some_and(|coding| coding != "identity"),
            bytes: Vec::new(),
            passed: 0,
        }
    }

    /// The next of what passes.
    pub fn add(&mut self, data: &[u8]) {
        self.passed = self.passed.saturating_add(data.len() as u64);
        if !self.is_encoded {
            let room = self.most.saturating_sub(self.bytes.len()).min(data.len());
            self.bytes.extend_from_slice(&data[..room]);
        }
    }

    /// What is written down of it; nothing of one that was empty.
    pub fn line(
        self,
        n: u64,
        whole: bool,
        masks: &Masks,
        injected: &[Arc<Injected>],
    ) -> Option<BodyLine> {
        if self.passed == 0 {
            return None;
        }
        let mut line = BodyLine {
            n,
            direction: self.direction,
            bytes: self.passed,
            text: None,
            base64: None,
            cut: !whole || self.passed > self.limit as u64,
            not_kept: None,
            kind: self.kind,
        };
        if self.is_encoded {
            line.not_kept = Some("it is compressed, and so cannot be searched for secrets");
        } else if !masks.are_sound() {
            line.not_kept = Some("the account's secret is too short to be found in it");
        } else {
            let is_all = self.passed == self.bytes.len() as u64;
            let mut bytes = masks.out_of(self.bytes, !whole || !is_all);
            injected.iter().for_each(|it| it.mask(&mut bytes));
            bytes.truncate(self.limit);
            line.hold(bytes);
        }
        Some(line)
    }
}

impl BodyLine {
    fn hold(&mut self, bytes: Vec<u8>) {
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let bytes = error.into_bytes();
                // Half a letter at the end is where it was cut.
                if !self.cut || bytes.len() - valid > 3 {
                    self.base64 = Some(BASE64.encode(&bytes));
                    return;
                }
                String::from_utf8_lossy(&bytes[..valid]).into_owned()
            }
        };
        let kind = self.kind.split(';').next().unwrap_or_default();
        let kind = kind.trim().to_ascii_lowercase();
        self.text = Some(match kind.as_str() {
            "application/x-www-form-urlencoded" => masks::form(&text),
            kind if kind.ends_with("json") => masks::json(&text),
            _ => text,
        });
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    const SECRET: &[u8] = b"lizard-Wednesday-Quartz-41";

    fn kept(kind: &'static str, coding: &'static str, body: &[u8], piece: usize) -> BodyLine {
        let masks = Masks::of("ops", SECRET);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        let limit = "64B".parse().unwrap();
        let mut sample = Sample::of(Direction::Down, limit, &headers, &masks);
        for piece in body.chunks(piece) {
            sample.add(piece);
        }
        sample.line(1, true, &masks, &[]).unwrap()
    }

    #[test]
    fn a_secret_across_the_limit_is_not_begun() {
        for at in 0..80 {
            let body = [&vec![b'x'; at][..], SECRET, &[b'y'; 80]].concat();
            for piece in [1, 7, 1000] {
                let text = kept("text/plain", "identity", &body, piece).text.unwrap();
                assert!(text.len() <= 64);
                assert!(!text.contains("liz"), "{at} {piece} {text}");
            }
        }
    }

    #[test]
    fn what_is_kept_says_what_it_is() {
        let whole = kept("text/plain", "identity", b"abc", 1);
        assert_eq!((whole.text.as_deref(), whole.cut), (Some("abc"), false));
        let form = "application/x-www-form-urlencoded";
        let form = kept(form, "identity", b"a=1&pass=2", 100).text;
        assert_eq!(form.as_deref(), Some("a=1&pass=***"));
        let json = kept(
            "application/problem+json",
            "identity",
            br#"{"token":"x"}"#,
            100,
        );
        assert_eq!(json.text.as_deref(), Some(r#"{"token":"***"}"#));
        let binary = kept("image/png", "identity", &[0xff, 0xfe, 0, 1, 2, 3], 100);
        assert_eq!(binary.base64.as_deref(), Some("//4AAQID"));
        let packed = kept("text/plain", "gzip", b"abc", 100);
        assert!(packed.text.is_none() && packed.not_kept.is_some());
        let letters = "ä".repeat(40);
        let cut = kept("text/plain", "identity", letters.as_bytes(), 100);
        assert_eq!(cut.text.unwrap(), "ä".repeat(32));
        assert!(cut.cut);
    }
}
