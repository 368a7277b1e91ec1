//! Whether a session must leave a recording, and what is known of one.

use serde::{Deserialize, Serialize};

use super::{
    ids::{CheckoutId, RecordingId, SessionId},
    time::Timestamp,
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

/// A recording as the store lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Recording {
    pub id: RecordingId,
    pub session: SessionId,
    pub checkout: CheckoutId,
    /// What is in it: `terminal`.
    pub kind: String,
    /// The file below the recording directory.
    pub file: String,
    pub started_at: Timestamp,
    /// None while it is being written, or when the gateway died under it.
    pub finished_at: Option<Timestamp>,
    pub bytes: u64,
    /// SHA-256 of the finished file, hexadecimal.
    pub sha256: Option<String>,
}
