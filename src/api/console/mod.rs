//! The console: what browsers are served at the admin endpoint besides the API.
//!
//! Signs them in, keeps that in a cookie of this host, and hands out the application and the
//! pages that work without one. Never a decision about a check-out.

pub(super) mod cookie;
mod shell;
mod sign_in;

use std::time::Duration;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tower_http::timeout::TimeoutLayer;
use tracing::error;

use super::Api;
use crate::{
    identity::sign_in::SignInError,
    page::{self, Page},
};

/// A form of two short fields, and an address.
const LARGEST: usize = 16 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);

pub fn router(api: &Api) -> Router<Api> {
    let pages = Router::new()
        .route("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .layer(middleware::from_fn_with_state(api.clone(), dressed));
    Router::new()
        .route("/session", post(cookie::begin).delete(cookie::end))
        .route("/session/second", post(cookie::second))
        .layer(middleware::map_response(plain))
        .merge(pages)
        .merge(shell::router())
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            PATIENCE,
        ))
}

/// Why a page is not what was asked for.
#[derive(Debug)]
pub(super) enum No {
    /// It leads to no target.
    Nowhere,
    /// Another page sent it.
    Foreign,
    /// It cannot be read in one way.
    Unclear,
    SignIn(SignInError),
}

/// A change is made by our own page only, whatever cookies come with it.
fn own_page(uri: &Uri, headers: &HeaderMap) -> Result<(), No> {
    let own = page::authority(uri, headers)
        .is_some_and(|authority| page::is_same_origin(headers, authority));
    own.then_some(()).ok_or(No::Foreign)
}

fn own_policy(response: &mut Response, policy: &str) {
    let policy = HeaderValue::from_str(policy).expect("policies of ours are ASCII");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
}

/// What is no page is kept by nobody and taken for nothing else.
async fn plain(mut response: Response) -> Response {
    for (name, value) in super::HEADERS {
        response.headers_mut().insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    response
}

/// What every page of the console says to browsers, unless it says something narrower.
async fn dressed(State(_): State<Api>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if !response
        .headers()
        .contains_key(header::CONTENT_SECURITY_POLICY)
    {
        own_policy(&mut response, &page::policy("", None));
    }
    let headers = response.headers_mut();
    for (name, value) in page::PRIVATE {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    headers.insert(
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=31536000"),
    );
    response
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let (status, title, says) = match &self {
            Self::Nowhere => (
                StatusCode::BAD_REQUEST,
                "This leads nowhere",
                "The address to come back to is no target of this gateway. Open the target's \
                 own address again.",
            ),
            Self::Foreign => (
                StatusCode::FORBIDDEN,
                "Not from this page",
                "Another page has sent this, and nothing was done. Open the address by itself.",
            ),
            Self::Unclear => (
                StatusCode::BAD_REQUEST,
                "Not understood",
                "This request can be read in two ways, and so is not read. Open the target's \
                 own address again.",
            ),
            Self::SignIn(SignInError::Refused) => (
                StatusCode::FORBIDDEN,
                "Not signed in",
                "You are not signed in any more. Open the target's own address again.",
            ),
            Self::SignIn(error) => {
                error!(%error, "Sign-in page failed");
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Not now",
                    "The gateway cannot reach its database. Try again shortly.",
                )
            }
        };
        let page = Page::new(title).says(says);
        (status, page.html()).into_response()
    }
}
