//! Recordings: what sessions left, and playing one. Who looked is written down first.

use std::path::{Component, Path};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

use super::{
    Api, auth::Caller, body::At, error::Problem, page::List, query::Params, sessions, sight, write,
};
use crate::{
    model::{
        audit::{Actor, AuditEvent},
        ids::RecordingId,
        principal::Principal,
        recording::Recording,
    },
    store::{self, Order, StoreError, recording::Sort},
};

pub const FILTERS: &[(&str, &str)] = &[
    ("session", "a session's id"),
    ("checkout", "a check-out's id or code"),
];

pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
) -> Result<Json<List<Recording>>, Problem> {
    let by = &caller.principal;
    let checkout = match params.text("checkout") {
        Some(named) => Some(sight::checkout(&api, by, named).await?.id),
        None => None,
    };
    let session = params.read("session")?;
    if let Some(session) = &session {
        sessions::seen(&api, by, session).await?;
    }
    let all = checkout.is_some() || session.is_some() || sight::reads_everything(by);
    let filter = store::recording::Filter { session, checkout };
    let (order, page) = write::page(&params, Order::descending(Sort::StartedAt))?;
    let listing = store::recording::list(api.store(), &filter, order, &page).await?;
    let mut items = Vec::new();
    for recording in listing.items {
        if all || sees(&api, by, &recording).await? {
            items.push(recording);
        }
    }
    Ok(Json(List {
        items,
        next: listing.next.map(|cursor| cursor.to_string()),
    }))
}

pub async fn show(
    State(api): State<Api>,
    caller: Caller,
    At(id): At<RecordingId>,
) -> Result<Json<Recording>, Problem> {
    Ok(Json(seen(&api, &caller.principal, &id).await?))
}

/// The file as far as it is written when it is asked for.
pub async fn content(
    State(api): State<Api>,
    caller: Caller,
    At(id): At<RecordingId>,
) -> Result<Response, Problem> {
    let by = &caller.principal;
    let recording = seen(&api, by, &id).await?;
    let session = store::session::by_id(api.store(), &recording.session).await?;
    let file = open(api.recordings(), &recording.file).await?;
    let length = file
        .metadata()
        .await
        .map_err(|error| Problem::fault("reading a recording", &error))?
        .len();
    let message = format!("{} viewed the recording of {}", by.name, session.user_name);
    let event = AuditEvent::done(api.now(), "recording.view", Actor::from(by), message)
        .with(json!({ "recording": id }))
        .about_session(&recording.session)
        .about_target(&session.row.target)
        .about_account(&session.row.account)
        .about_user(&session.row.user);
    let event = AuditEvent {
        checkout: Some(recording.checkout),
        ..event
    };
    // What is not written down is not shown.
    api.try_note(&event).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-asciicast".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
    ];
    let body = Body::from_stream(ReaderStream::new(file.take(length)));
    Ok((headers, body).into_response())
}

async fn open(folder: &Path, file: &str) -> Result<tokio::fs::File, Problem> {
    let inside = Path::new(file)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !inside {
        let error = std::io::Error::other("a recording's file is not in its folder");
        return Err(Problem::fault("reading a recording", &error));
    }
    match tokio::fs::File::open(folder.join(file)).await {
        Ok(file) => Ok(file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Problem::gone(
            "the file of this recording is not there any more",
        )),
        Err(error) => Err(Problem::fault("reading a recording", &error)),
    }
}

async fn seen(api: &Api, by: &Principal, id: &RecordingId) -> Result<Recording, Problem> {
    match store::recording::by_id(api.store(), id).await {
        Ok(recording) if sees(api, by, &recording).await? => Ok(recording),
        Ok(_) | Err(StoreError::NotFound(_)) => Err(Problem::not_found("recording")),
        Err(error) => Err(error.into()),
    }
}

async fn sees(api: &Api, by: &Principal, recording: &Recording) -> Result<bool, Problem> {
    if sight::reads_everything(by) {
        return Ok(true);
    }
    let checkout = store::checkout::by_id(api.store(), &recording.checkout).await?;
    Ok(sight::sees(by, &checkout))
}
