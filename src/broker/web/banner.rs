//! How long the check-out lasts, at the foot of a target's own page, where the policy asks
//! for it.
//!
//! Put behind the document's last byte, so that nothing of it has to be understood. A page
//! whose policy forbids the script shows a plain line instead; nothing of a policy is loosened.

use std::sync::Arc;

use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Bytes,
    header::{self, HeaderName, HeaderValue},
};

use super::{
    answer::Answer, body::Body, host::Place, own, proxy::Proxy, sessions::WebSession,
    unread::Unread, visit::Visit,
};
use crate::model::{ids::Code, time::Timestamp};

/// Counts down, asks now and then how long it is (somebody may have extended it), and can be
/// put away until the last minutes. Styled without a word that a content policy looks at.
const SCRIPT: &str = include_str!("banner.js");

/// What says how long a document is, or what it hashes to.
const OF_THE_WHOLE: [HeaderName; 4] = [
    header::CONTENT_LENGTH,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
];

/// Whether a page is asked for, by a window that shows it to a person.
pub fn is_wanted(session: &WebSession, method: &Method, headers: &HeaderMap) -> bool {
    let dest = headers.get("sec-fetch-dest").map(HeaderValue::as_bytes);
    session.permit().page_banner() && *method == Method::GET && dest == Some(b"document")
}

/// The banner of an answer to such a request; its headers then leave open how long it is.
pub fn under(session: &WebSession, status: StatusCode, headers: &mut HeaderMap) -> Option<Bytes> {
    let no_document = [StatusCode::PARTIAL_CONTENT, StatusCode::NOT_MODIFIED];
    if no_document.contains(&status) || !is_page(headers) {
        return None;
    }
    OF_THE_WHOLE.iter().for_each(|name| {
        headers.remove(name);
    });
    Some(markup(session.permit().code(), session.until()))
}

/// HTML that is not compressed, in a character set that writes ASCII as ASCII.
fn is_page(headers: &HeaderMap) -> bool {
    let coding = headers.get(header::CONTENT_ENCODING);
    let kind = headers.get(header::CONTENT_TYPE);
    let Some(kind) = kind.and_then(|kind| kind.to_str().ok()) else {
        return false;
    };
    let kind = kind.to_ascii_lowercase();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence == "text/html"
        && !kind.contains("utf-16")
        && !kind.contains("utf-32")
        && coding.is_none_or(|coding| coding == "identity")
}

/// Codes and times are ASCII without anything that HTML reads.
fn markup(code: &Code, ends: Timestamp) -> Bytes {
    Bytes::from(format!(
        "\n<doorward-banner role=\"note\" data-ends=\"{ends}\" data-code=\"{code}\">\
         Access ends at {ends} (check-out {code}).</doorward-banner>\
         <script src=\"/.doorward/banner.js\" async></script>\n"
    ))
}

impl Proxy {
    /// Nothing in it is anybody's.
    pub fn banner(&self) -> Response<Body> {
        let mut response = Response::new(Body::text(SCRIPT.to_owned()));
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
            (header::CACHE_CONTROL, "private, max-age=300"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    /// How long the check-out lasts that is open here now. Looking is no use of it.
    pub async fn time_left(
        &self,
        visit: &Arc<Visit>,
        place: &Place,
        request: &Request<Unread>,
    ) -> Result<Response<Body>, Answer> {
        let caller = self.looking(visit, place, request).await?;
        let account = own::account(request, &caller)?;
        let target = &place.target;
        let session = self.sessions.standing(&caller, target, account.as_ref());
        let session = session.ok_or_else(Answer::nothing_open)?;
        let left = serde_json::json!({
            "checkout": session.permit().code(),
            "ends_at": session.until(),
        });
        let mut response = Response::new(Body::text(left.to_string()));
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(kind: &'static str, coding: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if !coding.is_empty() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        headers
    }

    #[test]
    fn only_a_page_that_can_be_written_on_has_one() {
        for (kind, coding, is) in [
            ("text/html", "", true),
            ("Text/HTML; charset=ISO-8859-1", "identity", true),
            ("text/html; charset=UTF-16LE", "", false),
            ("text/html", "br", false),
            ("application/xhtml+xml", "", false),
            ("application/json", "", false),
        ] {
            assert_eq!(is_page(&headers(kind, coding)), is, "{kind} {coding}");
        }
    }

    #[test]
    fn it_says_the_same_where_no_script_runs() {
        let ends: Timestamp = "2026-11-22T10:30:00Z".parse().unwrap();
        let code: Code = "7K3F".parse().unwrap();
        let markup = markup(&code, ends);
        let text = std::str::from_utf8(&markup).unwrap();
        assert!(text.contains(&format!("Access ends at {ends} (check-out 7K3F).")));
        assert!(text.contains("src=\"/.doorward/banner.js\""));
    }
}
