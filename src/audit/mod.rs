//! The audit log: appended inside the caller's transaction, verified, signed, exported.
//!
//! Answers whether what is written down is all that happened, unchanged. Never decides what
//! is written, and has no way to change or remove a record.

mod chain;

use crate::{
    model::audit::{AuditEvent, AuditRecord},
    store::{StoreError, Tx, audit as rows},
};

pub use crate::store::audit::{Filter, list};

/// Writes down `event` as the last thing `tx` does: both happen, or neither.
///
/// INVARIANT: all other writes of the transaction come first. From here to the commit every
/// other transaction that appends waits for this one.
pub async fn append(tx: &mut Tx, event: &AuditEvent) -> Result<AuditRecord, StoreError> {
    let (seq, previous) = rows::take_next(tx).await?;
    let record = chain::link(seq, previous, event);
    rows::insert(tx, &record, &chain::keys(event)).await?;
    Ok(record)
}
