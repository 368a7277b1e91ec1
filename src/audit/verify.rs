//! Walks the whole log, in the store or in an exported file, in pages: constant memory.

use std::io::{self, BufRead, Read};

use super::{
    PublicKey,
    chain::Walk,
    export::{self, Line},
    verdict::{FirstBad, Flaw, Verdict},
};
use crate::{
    model::audit::Checkpoint,
    store::{Store, StoreError, audit as rows},
};

const PAGE: usize = 500;

/// Whether the log in the store is whole. `witness` is a checkpoint kept outside the database:
/// with it an older copy of the whole database is found as well.
pub async fn verify(
    store: &Store,
    key: &PublicKey,
    witness: Option<&Checkpoint>,
) -> Result<Verdict, StoreError> {
    // Read before the records, so that one that is signed meanwhile is not missed among them.
    let newest = rows::newest_checkpoint(store).await?;
    let mut walk = Walk::new(key, witness);
    let mut limit = PAGE;
    let walked = loop {
        let before = walk.last();
        // Read before the page, for the same reason.
        let head = rows::head(store).await?;
        let page = match rows::records_after(store, before, limit).await {
            Ok(page) => page,
            // Which of the page it is, is found one by one.
            Err(StoreError::Unreadable { .. }) if limit > 1 => {
                limit = 1;
                continue;
            }
            Err(StoreError::Unreadable { .. }) => break Err(Flaw::Unreadable.at(before + 1)),
            Err(error) => return Err(error),
        };
        if page.is_empty() {
            break end(walk, head, store, newest.as_ref()).await?;
        }
        let checkpoints = rows::checkpoints_after(store, before, PAGE).await?;
        if let Err(first_bad) = walk_page(&mut walk, &page, &checkpoints) {
            break Err(first_bad);
        }
    };
    Ok(Walk::verdict(walked))
}

fn walk_page(
    walk: &mut Walk<'_>,
    page: &[rows::Lying],
    checkpoints: &[Checkpoint],
) -> Result<(), FirstBad> {
    let mut checkpoints = checkpoints.iter().peekable();
    for lying in page {
        walk.record(&lying.record, Some(&lying.keys))?;
        while let Some(checkpoint) = checkpoints.next_if(|next| next.seq <= walk.last()) {
            walk.checkpoint(checkpoint)?;
        }
    }
    Ok(())
}

async fn end<'a>(
    walk: Walk<'a>,
    head: rows::Head,
    store: &Store,
    newest: Option<&Checkpoint>,
) -> Result<Result<Walk<'a>, FirstBad>, StoreError> {
    let ended = walk.end(newest).and_then(|()| {
        // `head` is from before the last look: records it names and that look did not find are missing.
        if head.0 > walk.last() {
            walk.head(head.0, &head.1)
        } else {
            Ok(())
        }
    });
    if let Err(first_bad) = ended {
        return Ok(Err(first_bad));
    }
    // One from after the last look may be ahead of it, but never behind.
    let now = rows::head(store).await?;
    if now.0 <= walk.last()
        && let Err(first_bad) = walk.head(now.0, &now.1)
    {
        return Ok(Err(first_bad));
    }
    Ok(Ok(walk))
}

/// Whether an exported log is whole; needs no database. Give it the witness: an export ends
/// where its maker wanted.
pub fn verify_export(
    mut from: impl BufRead,
    key: &PublicKey,
    witness: Option<&Checkpoint>,
) -> io::Result<Verdict> {
    let mut walk = Walk::new(key, witness);
    let mut line = Vec::new();
    let walked = loop {
        line.clear();
        let mut bounded = from.by_ref().take(export::LONGEST_LINE);
        if bounded.read_until(b'\n', &mut line)? == 0 {
            break walk.end(None).map(|()| walk);
        }
        let checked = match serde_json::from_slice::<Line>(&line) {
            Ok(Line::Record(record)) => match record.try_into() {
                Ok(record) => walk.record(&record, None),
                Err(_) => Err(Flaw::Unreadable.at(walk.last() + 1)),
            },
            Ok(Line::Checkpoint { checkpoint }) => match Checkpoint::try_from(checkpoint) {
                Ok(checkpoint) if checkpoint.seq > walk.last() => walk.end(Some(&checkpoint)),
                Ok(checkpoint) => walk.checkpoint(&checkpoint),
                Err(_) => Err(Flaw::Unreadable.at(walk.last() + 1)),
            },
            Err(_) => Err(Flaw::Unreadable.at(walk.last() + 1)),
        };
        if let Err(first_bad) = checked {
            break Err(first_bad);
        }
    };
    Ok(Walk::verdict(walked))
}
