//! The log as JSON lines, which anybody verifies without the database.
//! Never leaves anything out: an export is the whole log.

use data_encoding::{DecodeError, HEXLOWER};
use futures::stream::{self, Stream};
use serde::{Deserialize, Serialize};

use crate::{
    model::{
        audit::{AuditRecord, Checkpoint},
        time::Timestamp,
    },
    store::{Store, StoreError, audit as rows},
};

/// A record's body is bounded by what it is made of; what is longer is not ours.
pub(super) const LONGEST_LINE: u64 = 1 << 20;
const PAGE: usize = 500;

/// One line of an export.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Line {
    Record(RecordLine),
    Checkpoint { checkpoint: CheckpointLine },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordLine {
    seq: i64,
    at: Timestamp,
    previous: String,
    hash: String,
    /// The event's JSON as text, because it is hashed to the byte.
    body: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckpointLine {
    seq: i64,
    at: Timestamp,
    hash: String,
    signature: String,
}

/// The whole log, in parts of many lines. Each checkpoint stands behind the record it signs.
pub fn export(store: Store) -> impl Stream<Item = Result<String, StoreError>> + Send + 'static {
    stream::try_unfold((store, 0), |(store, after)| async move {
        let page = rows::records_after(&store, after, PAGE).await?;
        let Some(last) = page.last().map(|lying| lying.record.seq) else {
            return Ok(None);
        };
        let checkpoints = rows::checkpoints_after(&store, after, PAGE).await?;
        let mut checkpoints = checkpoints.into_iter().peekable();
        let mut text = String::new();
        for lying in page {
            let seq = lying.record.seq;
            push(&mut text, &Line::Record(lying.record.into()));
            while let Some(checkpoint) = checkpoints.next_if(|next| next.seq <= seq) {
                let checkpoint = checkpoint.into();
                push(&mut text, &Line::Checkpoint { checkpoint });
            }
        }
        Ok(Some((text, (store, last))))
    })
}

fn push(text: &mut String, line: &Line) {
    text.push_str(&serde_json::to_string(line).expect("a line has text keys"));
    text.push('\n');
}

impl From<AuditRecord> for RecordLine {
    fn from(record: AuditRecord) -> Self {
        Self {
            seq: record.seq,
            at: record.at,
            previous: HEXLOWER.encode(&record.previous),
            hash: HEXLOWER.encode(&record.hash),
            body: record.body,
        }
    }
}

impl TryFrom<RecordLine> for AuditRecord {
    type Error = NotAHash;
    fn try_from(line: RecordLine) -> Result<Self, NotAHash> {
        Ok(Self {
            seq: line.seq,
            at: line.at,
            previous: hash(&line.previous)?,
            hash: hash(&line.hash)?,
            body: line.body,
        })
    }
}

impl From<Checkpoint> for CheckpointLine {
    fn from(checkpoint: Checkpoint) -> Self {
        Self {
            seq: checkpoint.seq,
            at: checkpoint.at,
            hash: HEXLOWER.encode(&checkpoint.hash),
            signature: HEXLOWER.encode(&checkpoint.signature),
        }
    }
}

impl TryFrom<CheckpointLine> for Checkpoint {
    type Error = NotAHash;
    fn try_from(line: CheckpointLine) -> Result<Self, NotAHash> {
        Ok(Self {
            seq: line.seq,
            at: line.at,
            hash: hash(&line.hash)?,
            signature: HEXLOWER.decode(line.signature.as_bytes())?,
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a hash or a signature is not hexadecimal text of the right length")]
pub(super) struct NotAHash;

impl From<DecodeError> for NotAHash {
    fn from(_: DecodeError) -> Self {
        Self
    }
}

fn hash(text: &str) -> Result<[u8; 32], NotAHash> {
    let bytes = HEXLOWER.decode(text.as_bytes())?;
    bytes.try_into().map_err(|_| NotAHash)
}
