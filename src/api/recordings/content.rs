//! The text of a recording: looked at, or taken away.
//!
//! Checked before the first byte is shown, written down before that, unsealed as it is sent.
//! A live one is shown as far as it is written.

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use tokio::task::spawn_blocking;

use super::{Kept, event, evidence, seen};
use crate::{
    api::{Api, auth::Caller, body::At, error::Problem},
    model::{audit::Actor, ids::RecordingId, principal::Principal},
    recording::Opened,
};

pub(super) const MEDIA: HeaderValue = HeaderValue::from_static("application/x-asciicast");

/// For a player.
pub async fn content(
    State(api): State<Api>,
    caller: Caller,
    At(id): At<RecordingId>,
) -> Result<Response, Problem> {
    let by = &caller.principal;
    let kept = seen(&api, by, &id).await?;
    let opened = evidence::open(&api, &kept).await?;
    note(&api, by, &kept, "recording.view", "viewed").await?;
    Ok(([(header::CONTENT_TYPE, MEDIA)], body(opened)).into_response())
}

/// As a file that is no longer sealed.
pub async fn export(
    State(api): State<Api>,
    caller: Caller,
    At(id): At<RecordingId>,
) -> Result<Response, Problem> {
    let by = &caller.principal;
    let kept = seen(&api, by, &id).await?;
    let opened = evidence::open(&api, &kept).await?;
    note(&api, by, &kept, "recording.export", "took away").await?;
    let name = format!("attachment; filename=\"{id}.cast\"");
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, MEDIA);
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_str(&name).expect("an id is plain"),
    );
    Ok((headers, body(opened)).into_response())
}

/// What is not written down is not shown.
pub(super) async fn note(
    api: &Api,
    by: &Principal,
    kept: &Kept,
    kind: &str,
    did: &str,
) -> Result<(), Problem> {
    let message = format!(
        "{} {did} the recording of {} on {} (check-out {})",
        by.name, kept.user_name, kept.target_name, kept.code
    );
    let event = event(api, kind, Actor::from(by), message, &kept.row).await?;
    api.try_note(&event).await
}

/// Frame after frame, each read when there is room for it: who reads slowly holds no thread.
fn body(opened: Opened) -> Body {
    Body::from_stream(stream::try_unfold(opened, |mut opened| async move {
        let read = spawn_blocking(move || {
            let text = opened.next_text()?.map(Bytes::copy_from_slice);
            Ok::<_, crate::recording::FrameError>(text.map(|text| (text, opened)))
        });
        read.await
            .map_err(std::io::Error::other)?
            .map_err(std::io::Error::other)
    }))
}
