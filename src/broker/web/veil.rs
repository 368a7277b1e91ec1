//! The credential where a target's own page says it: covered with stars, letter by letter.
//!
//! Some applications write the token that they were shown into their pages, for their scripts.
//! Looks at text that is not compressed, and at nothing else; no length changes.

use std::sync::Arc;

use bytes::Bytes;
use hyper::{
    HeaderMap,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue},
};
use memchr::memmem;

use super::{answer::accepts_page, inject::Injected};

/// One answer's way through.
pub struct Veil {
    injected: Arc<Injected>,
    /// The end of what came, where the credential may have begun.
    held: Vec<u8>,
}

/// Where a page is asked for, asks for one that can be looked through.
pub fn ask_plainly(injected: &Injected, headers: &mut HeaderMap) {
    if accepts_page(headers) && !injected.needles().is_empty() {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
}

impl Veil {
    /// None where there is nothing to look for, or nothing that a page could be.
    pub fn over(injected: &Arc<Injected>, headers: &HeaderMap) -> Option<Self> {
        let compressed = headers
            .get(CONTENT_ENCODING)
            .is_some_and(|coding| coding != "identity");
        let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let looked_at = !compressed && is_of_a_page(kind) && !injected.needles().is_empty();
        looked_at.then(|| Self {
            injected: injected.clone(),
            held: Vec::new(),
        })
    }

    /// What may go on, now that this has come.
    pub fn cover(&mut self, data: Bytes) -> Bytes {
        let needles = self.injected.needles();
        if self.held.is_empty() {
            let found = |needle: &&[u8]| memmem::find(&data, needle).is_some();
            if !needles.iter().any(found) && begun(&data, &needles) == 0 {
                return data;
            }
        }
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(&data);
        let found: Vec<_> = needles
            .iter()
            .flat_map(|needle| memmem::find_iter(&text, needle).map(|at| at..at + needle.len()))
            .collect();
        for range in found {
            text[range].fill(b'*');
        }
        self.held = text.split_off(text.len() - begun(&text, &needles));
        Bytes::from(text)
    }

    /// What was held back, when nothing follows.
    pub fn rest(&mut self) -> Option<Bytes> {
        let rest = std::mem::take(&mut self.held);
        (!rest.is_empty()).then(|| Bytes::from(rest))
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

/// How much at the end may be the beginning of one of them.
fn begun(text: &[u8], needles: &[&[u8]]) -> usize {
    let of_one = |needle: &[u8]| {
        let most = (needle.len() - 1).min(text.len());
        let ends_so = |length: &usize| text.ends_with(&needle[..*length]);
        (1..=most).rev().find(ends_so).unwrap_or(0)
    };
    needles
        .iter()
        .map(|needle| of_one(needle))
        .max()
        .unwrap_or(0)
}

/// What a browser reads as a page, or its scripts ask for.
fn is_of_a_page(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    matches!(
        kind.as_str(),
        "text/html"
            | "application/xhtml+xml"
            | "application/json"
            | "text/javascript"
            | "application/javascript"
    ) || kind.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &[u8] = b"abcabcabd";

    fn veil() -> Veil {
        let injected = Arc::new(Injected::bearer(TOKEN).unwrap());
        let mut headers = HeaderMap::new();
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        headers.insert(CONTENT_TYPE, html);
        Veil::over(&injected, &headers).unwrap()
    }

    fn through(pieces: &[&[u8]]) -> Vec<u8> {
        let mut veil = veil();
        let mut out: Vec<u8> = Vec::new();
        for piece in pieces {
            out.extend_from_slice(&veil.cover(Bytes::copy_from_slice(piece)));
        }
        out.extend_from_slice(&veil.rest().unwrap_or_default());
        assert!(veil.is_empty());
        out
    }

    #[test]
    fn the_token_is_covered_wherever_a_piece_ends() {
        let page = b"{\"token\": \"abcabcabd\", \"other\": \"abcabcab\"} abcabc";
        let covered = b"{\"token\": \"*********\", \"other\": \"abcabcab\"} abcabc";
        for at in 0..=page.len() {
            let (before, behind) = page.split_at(at);
            assert_eq!(through(&[before, behind]), covered, "{at}");
        }
        let letters: Vec<&[u8]> = page.chunks(1).collect();
        assert_eq!(through(&letters), covered);
    }

    #[test]
    fn only_text_that_can_be_read_is_looked_through() {
        let injected = Arc::new(Injected::bearer(TOKEN).unwrap());
        let short = Arc::new(Injected::bearer(b"admin").unwrap());
        for (kind, coding, looked_at) in [
            ("text/html", "", true),
            ("application/problem+json", "", true),
            ("Text/HTML;charset=x", "identity", true),
            ("text/html", "gzip", false),
            ("application/octet-stream", "", false),
            ("text/event-stream", "", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            if !coding.is_empty() {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
            }
            assert_eq!(
                Veil::over(&injected, &headers).is_some(),
                looked_at,
                "{kind} {coding}"
            );
            assert!(Veil::over(&short, &headers).is_none());
        }
    }

    proptest! {
        #[test]
        fn nothing_else_changes_and_nothing_is_lost(
            pieces in proptest::collection::vec("[abcd]{0,12}", 0..12),
        ) {
            let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
            let whole = pieces.concat();
            let covered = through(&pieces);
            prop_assert_eq!(covered.len(), whole.len());
            prop_assert!(memmem::find(&covered, TOKEN).is_none());
            for (before, after) in whole.iter().zip(&covered) {
                prop_assert!(before == after || *after == b'*');
            }
            if memmem::find(&whole, TOKEN).is_none() {
                prop_assert_eq!(covered, whole);
            }
        }
    }
}
