//! The audit log: appended inside the caller's transaction, signed, verified, exported.
//!
//! Answers whether what is written down is all that happened, unchanged. Never decides what
//! is written, and has no way to change or remove a record.

mod chain;
mod export;
mod verdict;
mod verify;
mod witness;

use aws_lc_rs::signature::Ed25519KeyPair;

pub use self::{
    chain::{NotAKey, PublicKey},
    export::export,
    verdict::{FirstBad, Flaw, Verdict, Whole},
    verify::{verify, verify_export},
    witness::{WitnessError, is_held, keep_witness, read_witness, renew_witness},
};
pub use crate::store::audit::{Filter, list, newest_at, newest_checkpoint};
use crate::{
    model::{
        audit::{AuditEvent, AuditRecord, Checkpoint},
        time::Timestamp,
    },
    store::{StoreError, Tx, audit as rows},
};

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

/// Signs the newest record, so that nothing up to it can be rewritten or cut unseen. None if
/// it is signed already, or there is none. Hand the answer to `renew_witness` once committed.
pub async fn checkpoint(
    tx: &mut Tx,
    key: &Ed25519KeyPair,
    now: Timestamp,
) -> Result<Option<Checkpoint>, StoreError> {
    let (seq, hash) = rows::hold(tx).await?;
    let signed_to = rows::newest_checkpoint(&mut *tx).await?;
    if seq <= signed_to.map_or(0, |newest| newest.seq) {
        return Ok(None);
    }
    let checkpoint = chain::sign(seq, now, hash, key);
    rows::insert_checkpoint(tx, &checkpoint).await?;
    Ok(Some(checkpoint))
}
