//! The keys with which web targets verify who the gateway says is there (RFC 7517).
//!
//! Public keys, for everybody: a target has no token of the gateway's.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use super::Api;

pub async fn show(State(api): State<Api>) -> Response {
    let keys = api.0.parts.identity_keys.clone();
    // Targets ask once and again where a token names a key that they do not know.
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(keys)).into_response()
}
