//! Whether a session must leave a recording, and what is known of one.

use serde::{Deserialize, Serialize};

use super::{
    ids::{CheckoutId, RecordingId, SessionId},
    size::Size,
    time::{Span, Timestamp},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecordingMode {
    /// No recorder, no session; a recorder that fails ends the session.
    #[default]
    Required,
    /// Recorded when possible; a failure is audited and the session goes on.
    BestEffort,
    Off,
}

/// What the terms of a check-out say about its recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordingTerms {
    pub mode: RecordingMode,
    /// Whether what is typed is recorded too, as far as the target shows it.
    pub input: bool,
    /// How much of each body of a web request or answer; none where left out.
    pub bodies: Option<Size>,
    /// How long a recording is kept; none means for ever.
    pub retention: Option<Span>,
}

/// A recording as the store lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Recording {
    pub id: RecordingId,
    pub session: SessionId,
    pub checkout: CheckoutId,
    /// What is in it: `terminal`, `command`, `subsystem`, `requests` or `desktop`.
    pub kind: String,
    /// The file below the recording directory; empty once it is removed.
    pub file: String,
    pub started_at: Timestamp,
    /// None while it is being written, or when the gateway died under it.
    pub finished_at: Option<Timestamp>,
    /// So many bytes of the file are the recording.
    pub bytes: u64,
    /// BLAKE3 of these bytes, hexadecimal; none before the end.
    pub root: Option<String>,
    /// Why it is not whole.
    pub failure: Option<String>,
    /// When it is deleted; none means never.
    pub keep_until: Option<Timestamp>,
    pub deleted_at: Option<Timestamp>,
}
