//! The SHA-256 of what passes, worked out beside it: on another core, where there is one.
//!
//! Hashing costs more than all else that happens to a large file together. Whoever passes it
//! on waits for the hash only where a whole `MOST_WAITING` is behind, and then lends a hand.
//! What is small is hashed as it passes, and holds nothing.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::digest::{Context, Digest, SHA256};
use bytes::Bytes;
use tokio::runtime::Handle;

/// So much at the beginning is hashed as it passes, and so much later is worth
/// another thread's being woken.
const BATCH: usize = 128 * 1024;
/// What is held at the most, besides the piece that is on its way.
const MOST_WAITING: usize = 1024 * 1024;
/// In so many pieces at the most: each keeps all of the packet that it came in.
const MOST_PIECES: usize = 256;

#[derive(Default)]
pub struct Hashing {
    beside: Arc<Beside>,
    /// What was hashed before anything waited.
    begun: usize,
}

struct Beside {
    /// INVARIANT: locked before a piece is taken and until it is in, so that they go in in the
    /// order in which they came.
    digest: Mutex<Context>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    at_work: bool,
}

impl Default for Beside {
    fn default() -> Self {
        Self {
            digest: Mutex::new(Context::new(&SHA256)),
            waiting: Mutex::default(),
        }
    }
}

impl Hashing {
    /// The next of what passes.
    pub fn add(&mut self, piece: &Bytes) {
        if self.begun < BATCH {
            self.begun = self.begun.saturating_add(piece.len());
            locked(&self.beside.digest).update(piece);
            return;
        }
        let (worth_it, mut behind) = self.beside.take(piece.clone());
        match Handle::try_current() {
            Ok(runtime) if worth_it => {
                let beside = self.beside.clone();
                runtime.spawn_blocking(move || beside.work());
            }
            _ => {}
        }
        while behind.is_too_much() {
            behind = self.beside.one();
        }
    }

    /// Of all that passed.
    pub fn finish(self) -> Digest {
        while self.beside.one().pieces > 0 {}
        // Of the last piece, too, which another thread may just have taken.
        locked(&self.beside.digest).clone().finish()
    }
}

impl Beside {
    /// Whether somebody is to be called for it, and how much waits now.
    fn take(&self, piece: Bytes) -> (bool, Behind) {
        let mut waiting = locked(&self.waiting);
        waiting.bytes += piece.len();
        waiting.pieces.push_back(piece);
        let worth_it = !waiting.at_work && waiting.bytes >= BATCH;
        waiting.at_work |= worth_it;
        (worth_it, waiting.behind())
    }

    /// Everything that waits.
    fn work(&self) {
        loop {
            let mut digest = locked(&self.digest);
            let mut waiting = locked(&self.waiting);
            let Some(piece) = waiting.next() else {
                waiting.at_work = false;
                return;
            };
            drop(waiting);
            digest.update(&piece);
        }
    }

    /// One piece; answers how much waits behind it.
    fn one(&self) -> Behind {
        let mut digest = locked(&self.digest);
        let mut waiting = locked(&self.waiting);
        let piece = waiting.next();
        let behind = waiting.behind();
        drop(waiting);
        if let Some(piece) = piece {
            digest.update(&piece);
        }
        behind
    }
}

/// How much waits.
struct Behind {
    bytes: usize,
    pieces: usize,
}

impl Behind {
    fn is_too_much(&self) -> bool {
        self.bytes > MOST_WAITING || self.pieces > MOST_PIECES
    }
}

impl Waiting {
    fn behind(&self) -> Behind {
        Behind {
            bytes: self.bytes,
            pieces: self.pieces.len(),
        }
    }

    fn next(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front()?;
        self.bytes -= piece.len();
        Some(piece)
    }
}

/// A digest that somebody panicked over would be wrong in silence, and none does: what happens
/// under these locks cannot.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::digest;
    use proptest::prelude::*;

    use super::*;

    fn hashed(pieces: &[Bytes]) -> (Digest, usize) {
        let mut hashing = Hashing::default();
        let mut most = 0;
        for piece in pieces {
            hashing.add(piece);
            let behind = locked(&hashing.beside.waiting).behind();
            assert!(behind.pieces <= MOST_PIECES);
            most = most.max(behind.bytes);
        }
        (hashing.finish(), most)
    }

    fn pieces(lengths: &[usize]) -> Vec<Bytes> {
        let numbered = lengths.iter().zip((0..=u8::MAX).cycle());
        numbered
            .map(|(length, number)| Bytes::from(vec![number; *length]))
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn it_is_the_hash_of_all_in_order(
            lengths in proptest::collection::vec(0_usize..300_000, 0..40),
            threads in any::<bool>(),
        ) {
            let pieces = pieces(&lengths);
            let whole = digest(&SHA256, &pieces.concat());
            let run = || hashed(&pieces);
            let (hash, most) = match threads {
                true => tokio::runtime::Runtime::new().unwrap().block_on(async { run() }),
                false => run(),
            };
            prop_assert_eq!(hash.as_ref(), whole.as_ref());
            prop_assert!(most <= MOST_WAITING, "{} waited", most);
        }
    }

    #[test]
    fn what_comes_in_crumbs_is_not_held_in_crumbs() {
        let mut lengths = vec![BATCH];
        lengths.extend([1; 10_000]);
        let pieces = pieces(&lengths);
        let (hash, most) = hashed(&pieces);
        assert_eq!(hash.as_ref(), digest(&SHA256, &pieces.concat()).as_ref());
        assert!(most <= MOST_PIECES);
    }

    #[test]
    fn what_is_small_holds_nothing() {
        let (_, most) = hashed(&pieces(&[1, 1000, 100_000]));
        assert_eq!(most, 0);
    }
}
