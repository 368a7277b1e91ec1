//! Whether a recording is what was recorded: its file against its row, its row against the
//! audit chain.
//!
//! Every look at a recording passes here first. What was found changed is written down.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use tracing::error;
use utoipa::ToSchema;

use super::{Kept, event, seen};
use crate::{
    api::{Api, auth::Caller, body::At, error::Problem},
    model::{audit::Actor, ids::RecordingId, recording::Recording},
    recording::{ArchiveError, Ending, Opened},
    store::{self, audit::Filter},
    vault::WrappedKey,
};

/// What the audit event of a recording's end says of it.
#[derive(Debug, Deserialize)]
struct Witnessed {
    recording: RecordingId,
    #[serde(default)]
    bytes: u64,
    root: Option<String>,
}

/// What checking a recording came to.
#[derive(Serialize, ToSchema)]
pub struct Verified {
    intact: bool,
    /// One sentence for people.
    message: String,
    /// BLAKE3 of the file, as the audit chain knows it; none before the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    /// The audit event that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
}

/// Reads all of a recording and says whether it is what was recorded.
pub async fn verify(
    State(api): State<Api>,
    caller: Caller,
    At(id): At<RecordingId>,
) -> Result<Json<Verified>, Problem> {
    let kept = seen(&api, &caller.principal, &id).await?;
    let key = key(&api, &kept).await?;
    let held = held(&api, kept).await?;
    let row = held.kept.row.clone();
    let found = match held.same {
        Ok(()) => {
            let (archive, row) = (api.archive().clone(), row.clone());
            blocking(move || archive.verify(&row, &key)).await?
        }
        Err(error) => Err(error),
    };
    let (intact, message) = match found {
        Ok(Ending::Whole) => (true, "This recording is whole and unchanged.".to_owned()),
        Ok(Ending::Open) => match &row.failure {
            Some(why) => (
                true,
                format!("This recording is unchanged; it ends early: {why}."),
            ),
            None => (
                true,
                "This recording has no end yet; what is written is whole.".to_owned(),
            ),
        },
        Err(error) if error.is_tampering() => {
            found_changed(&api, &row, &error).await;
            (false, sentence(&error))
        }
        Err(error) => return Err(Problem::fault("reading a recording", &error)),
    };
    Ok(Json(Verified {
        intact,
        message,
        root: row.root,
        seq: held.seq,
    }))
}

/// Opens a recording that is what was recorded; says why not otherwise.
pub(super) async fn open(api: &Api, kept: &Kept) -> Result<Opened, Problem> {
    let key = key(api, kept).await?;
    let held = held(api, kept.clone()).await?;
    let row = held.kept.row.clone();
    let opened = match held.same {
        Ok(()) => {
            let archive = api.archive().clone();
            blocking(move || archive.open(&row, &key)).await?
        }
        Err(error) => Err(error),
    };
    match opened {
        Ok(opened) => Ok(opened),
        Err(error) if error.is_tampering() => {
            found_changed(api, &held.kept.row, &error).await;
            let problem = Problem::conflict("recording-changed", error.to_string());
            Err(problem.hint("tell the people who run this gateway; `doorward audit verify` checks the audit log"))
        }
        Err(error) => Err(Problem::fault("reading a recording", &error)),
    }
}

/// A recording's row, held against the audit chain.
struct Held {
    kept: Kept,
    same: Result<(), ArchiveError>,
    /// The audit event of its end.
    seq: Option<i64>,
}

async fn held(api: &Api, mut kept: Kept) -> Result<Held, Problem> {
    loop {
        let witnessed = witnessed(api, &kept.row).await?;
        let told = witnessed
            .as_ref()
            .and_then(|(_, end)| Some((end.root.as_ref()?, end.bytes)));
        let same = told == kept.row.root.as_ref().map(|root| (root, kept.row.bytes));
        let seq = witnessed.as_ref().map(|(seq, _)| *seq);
        if same {
            let same = Ok(());
            return Ok(Held { kept, same, seq });
        }
        // It may have ended between the two looks; both are written at once.
        let now = store::recording::by_id(api.store(), &kept.row.id).await?;
        if now == kept {
            let what = "the audit log says otherwise of its end than the database does";
            let same = Err(ArchiveError::Changed(what.to_owned()));
            return Ok(Held { kept, same, seq });
        }
        kept = now;
    }
}

/// The key of a recording; a deleted one has none, and says so.
pub(super) async fn key(api: &Api, kept: &Kept) -> Result<WrappedKey, Problem> {
    if let Some(at) = kept.row.deleted_at {
        return Err(Problem::gone(format!(
            "this recording was deleted at {at}: it was kept as long as policy {} says",
            kept.policy
        )));
    }
    let key = store::recording::key(api.store(), &kept.row.id).await?;
    let key = key.ok_or_else(|| Problem::gone("this recording has been deleted"))?;
    Ok(WrappedKey {
        bytes: key.wrapped_key,
        kek_id: key.kek_id,
    })
}

/// The newest audit event about the end of a recording.
async fn witnessed(api: &Api, row: &Recording) -> Result<Option<(i64, Witnessed)>, Problem> {
    const PAGE: usize = 200;
    let mut filter = Filter {
        kinds: vec!["recording.finish".to_owned()],
        checkout: Some(row.checkout.clone()),
        session: Some(row.session.clone()),
        since: Some(row.started_at),
        ..Filter::default()
    };
    loop {
        let records = store::audit::list(api.store(), &filter, PAGE).await?;
        for record in &records {
            #[derive(Deserialize)]
            struct Body {
                detail: Witnessed,
            }
            match serde_json::from_str::<Body>(&record.body) {
                Ok(body) if body.detail.recording == row.id => {
                    return Ok(Some((record.seq, body.detail)));
                }
                _ => {}
            }
        }
        match records.last() {
            Some(last) if records.len() == PAGE => filter.before = Some(last.seq),
            _ => return Ok(None),
        }
    }
}

async fn found_changed(api: &Api, row: &Recording, found: &ArchiveError) {
    error!(recording = %row.id, error = %found, "Recording found changed");
    let message = format!("recording {} is not what was recorded: {found}", row.id);
    match event(api, "recording.changed", Actor::Gateway, message, row).await {
        Ok(event) => api.note(event).await,
        Err(error) => error!(code = error.code(), "Changed recording not audited"),
    }
}

fn sentence(error: &ArchiveError) -> String {
    let text = error.to_string();
    format!("{}{}.", text[..1].to_uppercase(), &text[1..])
}

/// Runs what reads files where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let done = spawn_blocking(work).await;
    done.map_err(|error| Problem::fault("reading a recording", &error))
}
