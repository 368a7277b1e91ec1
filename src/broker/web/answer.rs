//! What the gateway answers itself: the one place where a no becomes a response.
//!
//! Problem details (RFC 9457) for programs, a plain page for people, with the same sentence.
//! Nothing of the target, and no secret, is ever in one.

use std::num::NonZeroU32;

use hyper::{
    HeaderMap, Method, Response, StatusCode,
    header::{self, HeaderValue},
};
use serde::Serialize;

use super::{body::Body, callers::Unknown, host::Nowhere, own};
use crate::{
    model::{
        name::TargetName,
        refusal::Refusal,
        session::KillReason,
        ways_in::WaysIn,
        web::{NotAPath, Way},
    },
    page::{Page, sentence},
};

/// A no, and what to do about it.
#[derive(Debug, Clone)]
pub struct Answer {
    status: StatusCode,
    code: &'static str,
    detail: String,
    hint: Option<String>,
    /// The check-out that is meant, by its code.
    checkout: Option<String>,
    link: Option<String>,
    /// Whoever is asked to show who they are is told how.
    challenge: bool,
    /// There was access before.
    ended: bool,
    /// In how many seconds it may be tried again.
    again_in: Option<NonZeroU32>,
}

/// As RFC 9457 writes it.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkout: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
}

impl Answer {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            hint: None,
            checkout: None,
            link: None,
            challenge: false,
            ended: false,
            again_in: None,
        }
    }

    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub fn method(method: &Method) -> Self {
        let detail = format!("{method} does not pass through the gateway");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
    }

    /// An address of the gateway's own on a target's host, which never goes to the target.
    pub fn nothing_here() -> Self {
        let detail = "there is nothing of the gateway's own at this address";
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// Nobody has a session here that stands.
    pub fn nothing_open() -> Self {
        let detail = "no check-out of yours is in use here";
        Self::new(StatusCode::NOT_FOUND, "nothing-open", detail)
    }

    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// The target failed; `why` is one sentence.
    pub fn target(code: &'static str, why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, code, why)
    }

    /// The gateway signs in for the person, and that had lapsed under this very request, of
    /// which nothing was kept to send it again.
    pub fn send_again() -> Self {
        let detail = "the gateway's sign-in at the target had lapsed and was renewed; send this \
                      request again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "sign-in-renewed", detail)
    }

    /// The target is to be told who is there, and that could not be signed.
    pub fn not_identified() -> Self {
        let detail = "the gateway could not sign who you are, and passed nothing on; try again \
                      shortly";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "identity-unsaid", detail)
    }

    pub fn target_too_slow(why: impl Into<String>) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "target-too-slow", why)
    }

    /// The rules said no.
    pub fn refusal(refusal: &Refusal, target: &TargetName, ways_in: &WaysIn) -> Self {
        let status = match refusal {
            Refusal::StoreLost | Refusal::NoRecording | Refusal::ShuttingDown => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Refusal::TooMuch { much, .. } if much.way == Way::Upload => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Refusal::SignInFailed { .. } => StatusCode::BAD_GATEWAY,
            _ => StatusCode::FORBIDDEN,
        };
        let mut answer = Self::new(status, refusal.code(), refusal.to_string());
        let console = &ways_in.console;
        match refusal {
            Refusal::NoCheckout { .. } => {
                answer.hint = Some(asking(target));
                answer.link = Some(format!("{console}/checkouts"));
            }
            Refusal::StillWaiting { code, .. } | Refusal::NotYetOpen { code, .. } => {
                answer.hint = Some(format!("wait for it: doorward wait {code}"));
                answer.checkout = Some(code.to_string());
                answer.link = Some(format!("{console}/checkouts/{code}"));
            }
            Refusal::WhichAccount { .. } => {
                answer.hint = Some("name one in the header Doorward-Account".to_owned());
            }
            Refusal::NotCapable { code, .. }
            | Refusal::TooMuch { code, .. }
            | Refusal::TooManySessions { code, .. } => {
                answer.checkout = Some(code.to_string());
                answer.link = Some(format!("{console}/checkouts/{code}"));
            }
            _ => {}
        }
        answer
    }

    /// There was access, and it has ended.
    pub fn ended(reason: &KillReason, target: &TargetName) -> Self {
        let mut answer = Self::new(StatusCode::FORBIDDEN, reason.code(), reason.to_string());
        answer.hint = Some(asking(target));
        answer.ended = true;
        if let KillReason::CheckoutEnded { code, .. } = reason {
            answer.checkout = Some(code.to_string());
        }
        answer
    }

    /// The same no, told with why the access before it ended, where there is nothing newer to
    /// tell.
    pub fn after(mut self, before: Option<&KillReason>) -> Self {
        if let (Some(reason), "no-checkout") = (before, self.code) {
            self.detail = reason.to_string();
            self.code = reason.code();
            self.ended = true;
            if let KillReason::CheckoutEnded { code, .. } = reason {
                self.checkout = Some(code.to_string());
            }
        }
        self
    }

    /// Whether the no is that nothing stands, and so asking is what helps.
    pub fn asking_helps(&self) -> bool {
        self.ended || self.code == "no-checkout" || self.code == "which-account"
    }

    /// Whether it tells how access ended that there was.
    pub fn is_an_end(&self) -> bool {
        self.ended
    }

    pub fn code(&self) -> &'static str {
        self.code
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Whether the request could not be understood.
    pub fn is_unclear(&self) -> bool {
        self.status == StatusCode::BAD_REQUEST
    }

    /// Where to go on.
    pub fn linked(mut self, link: String) -> Self {
        self.link = Some(link);
        self
    }

    pub fn respond(&self, page: bool) -> Response<Body> {
        let mut response = match page {
            true => own::shown(self.status, &self.page(), "", None),
            false => self.problem_response(),
        };
        if self.challenge {
            let challenge = HeaderValue::from_static("Bearer realm=\"doorward\"");
            let headers = response.headers_mut();
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.again_in {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.get()));
        }
        response
    }

    fn problem_response(&self) -> Response<Body> {
        let mut response = Response::new(Body::text(self.problem()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let own = HeaderValue::from_static;
        headers.insert(header::CONTENT_TYPE, own("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, own("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, own("nosniff"));
        headers.insert(header::REFERRER_POLICY, own("no-referrer"));
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            own("default-src 'none'; frame-ancestors 'none'"),
        );
        response
    }

    fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Problem")
    }

    fn problem(&self) -> String {
        let problem = Problem {
            r#type: "about:blank",
            title: self.title(),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            hint: self.hint.as_deref(),
            checkout: self.checkout.as_deref(),
            link: self.link.as_deref(),
        };
        serde_json::to_string(&problem).expect("texts and numbers become JSON")
    }

    fn page(&self) -> Page {
        let mut page = Page::new(self.title()).says(&sentence(&self.detail));
        if let Some(hint) = &self.hint {
            page = page.says(&sentence(hint));
        }
        match &self.link {
            Some(link) => page.links(link, link),
            None => page,
        }
    }
}

impl From<Unknown> for Answer {
    fn from(unknown: Unknown) -> Self {
        let (status, code, detail) = match unknown {
            Unknown::Nobody => (
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "the gateway does not know who you are",
            ),
            Unknown::Wrong => (
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "your token is unknown, expired or taken back",
            ),
            Unknown::Doubled => (
                StatusCode::BAD_REQUEST,
                "token-doubled",
                "a request shows one token, and this one shows several",
            ),
            Unknown::DoubledCookie => (
                StatusCode::BAD_REQUEST,
                "cookie-doubled",
                "your browser sends two cookies of the gateway's for this address, and one was \
                 put there by somebody else; remove this address's cookies",
            ),
            Unknown::NoScope => (
                StatusCode::FORBIDDEN,
                "not-allowed",
                "your token does not have the scope `request`, which using a check-out needs",
            ),
            Unknown::Slowed(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "rate-limited",
                "too many tokens that open nothing have come from your address",
            ),
            Unknown::Lost => (
                StatusCode::SERVICE_UNAVAILABLE,
                "store-lost",
                "the gateway cannot reach its database; try again shortly",
            ),
        };
        let mut answer = Self::new(status, code, detail);
        if let Unknown::Slowed(seconds) = unknown {
            answer.hint = Some(format!("try again in {seconds} s"));
            answer.again_in = Some(seconds);
        }
        if status == StatusCode::UNAUTHORIZED {
            answer.challenge = true;
            answer.hint = Some(
                "show an API token: the header Doorward-Token, or Authorization: Bearer where \
                 the target needs none itself; doorward token create makes one"
                    .to_owned(),
            );
        }
        answer
    }
}

impl From<Nowhere> for Answer {
    fn from(nowhere: Nowhere) -> Self {
        match nowhere {
            Nowhere::Unclear => Self::bad_request(
                "host-unclear",
                "a request names one host, and names it plainly",
            ),
            Nowhere::NotOurs => Self::new(
                StatusCode::MISDIRECTED_REQUEST,
                "not-ours",
                "no target of this gateway is found under this host name",
            ),
        }
    }
}

impl From<NotAPath> for Answer {
    fn from(why: NotAPath) -> Self {
        Self::bad_request("path-unclear", why.to_string())
    }
}

/// Whether it is a person who looks at the answer.
pub fn wants_page(method: &Method, headers: &HeaderMap) -> bool {
    accepts_page(headers) && (*method == Method::GET || *method == Method::HEAD)
}

/// Whether a page would do, as windows say of themselves.
pub fn accepts_page(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().any(|accept| {
        accept
            .as_bytes()
            .windows(9)
            .any(|part| part == b"text/html")
    })
}

fn asking(target: &TargetName) -> String {
    format!("ask for access: doorward request {target}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{checkout::EndReason, ways_in::WebWay};

    fn ways_in() -> WaysIn {
        let web = WebWay {
            domain: "door.localhost".to_owned(),
            port: 8444,
        };
        let at = |text: &str| text.parse().unwrap();
        WaysIn::new(
            &at("door.example.org:443"),
            at("door.example.org:22"),
            web,
            None,
        )
    }

    #[test]
    fn a_waiting_request_is_named_with_its_link() {
        let wiki: TargetName = "wiki".parse().unwrap();
        let refusal = Refusal::StillWaiting {
            code: "7K3F".parse().unwrap(),
            target: wiki.clone(),
        };
        let answer = Answer::refusal(&refusal, &wiki, &ways_in());
        let problem: serde_json::Value = serde_json::from_str(&answer.problem()).unwrap();
        assert_eq!(problem["status"], 403);
        assert_eq!(problem["code"], "still-waiting");
        assert_eq!(problem["checkout"], "7K3F");
        assert_eq!(problem["link"], "https://door.example.org/checkouts/7K3F");
    }

    #[test]
    fn a_page_says_what_somebody_wrote_and_does_nothing_with_it() {
        let reason = KillReason::CheckoutEnded {
            code: "7K3F".parse().unwrap(),
            reason: EndReason::Revoked,
            by: "bob".to_owned(),
            message: "<script>alert('&')</script>".parse().unwrap(),
        };
        let answer = Answer::ended(&reason, &"wiki".parse().unwrap());
        let page = answer.page().html();
        assert!(
            page.contains("revoked by bob: &lt;script&gt;alert(&#39;&amp;&#39;)"),
            "{page}"
        );
        assert!(!page.contains("<script"));
        let response = answer.respond(true);
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    }

    #[test]
    fn what_ended_before_is_told_only_where_nothing_is_newer() {
        let wiki: TargetName = "wiki".parse().unwrap();
        let before = KillReason::UserDisabled;
        let none = Refusal::NoCheckout {
            target: "wiki".to_owned(),
        };
        let told = Answer::refusal(&none, &wiki, &ways_in()).after(Some(&before));
        assert_eq!(told.code, "user-disabled");
        let newer = Answer::refusal(&Refusal::StoreLost, &wiki, &ways_in()).after(Some(&before));
        assert_eq!(newer.code, "store-lost");
    }
}
