//! All SQL, for SQLite and PostgreSQL with one text; one file a noun.
//!
//! Answers what is kept and writes what was decided, guarded against whoever was faster.
//! Never decides what is allowed, never reads a clock, never sees an open secret.

pub mod account;
pub mod audit;
pub mod authority;
pub mod channel;
pub mod checkout;
pub mod delivery;
mod error;
pub mod factor;
pub mod file;
pub mod group;
pub mod handover;
mod list;
pub mod meta;
pub mod node;
pub mod notice;
mod open;
pub mod passkey;
pub mod place;
pub mod policy;
pub mod recording;
pub mod secret;
mod select;
pub mod session;
mod sql;
pub mod ssh_key;
pub mod step;
pub mod target;
pub mod token;
pub mod user;
pub mod voucher;

use std::{sync::Arc, time::Duration};

use sqlx::{Any, AnyPool, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use self::{
    error::StoreError,
    list::{Cursor, Listing, NotACursor, Order, Page},
    sql::Source,
};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A look-up where not being there is an answer.
pub fn found<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The database, open. Cloning it shares the connections.
#[derive(Debug, Clone)]
pub struct Store {
    pool: AnyPool,
    /// SQLite has one writer. Who waits for it here waits in turn and wakes at once; who waits
    /// inside SQLite sleeps in ever longer steps and may starve.
    writer: Option<Arc<Semaphore>>,
}

/// Longest wait for a connection or for the writer before the store counts as unavailable.
const PATIENCE: Duration = Duration::from_secs(5);

/// One transaction. Dropped without `commit` it never happened.
///
/// INVARIANT: its first statement is a write, and the audit record is its last: that orders
/// concurrent transactions on both databases, and none waits for another in a circle.
/// A task that holds one must not begin another.
#[must_use]
#[derive(Debug)]
pub struct Tx {
    inner: Transaction<'static, Any>,
    /// A statement failed in it. PostgreSQL answers a commit then with "rolled back" and no
    /// error, which must not be taken for a commit.
    failed: bool,
    _writer: Option<OwnedSemaphorePermit>,
}

impl Store {
    /// Begins a transaction. Waits for the only writer on SQLite.
    pub async fn begin(&self) -> Result<Tx> {
        let doing = "beginning a transaction";
        let writer = match &self.writer {
            None => None,
            Some(writer) => {
                let turn = tokio::time::timeout(PATIENCE, writer.clone().acquire_owned());
                let turn = turn.await.map_err(|_| StoreError::Busy)?;
                Some(turn.expect("the semaphore is never closed"))
            }
        };
        Ok(Tx {
            inner: sql::answered(doing, self.pool.begin()).await?,
            failed: false,
            _writer: writer,
        })
    }

    /// Whether the database answers. For `/readyz` and for the bounded silence.
    pub async fn ping(&self) -> Result<()> {
        let mut from = self;
        let answer = sql::sql("asking for a sign of life", "select seq from audit_head");
        from.one(answer).await.map(drop)
    }

    /// Closes the connections after those who hold one gave it back.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl Tx {
    /// Makes it so. `Failed` if a statement of it failed, whatever became of that error:
    /// then nothing of it happened.
    pub async fn commit(self) -> Result<()> {
        if self.failed {
            return Err(StoreError::Failed);
        }
        sql::answered("committing a transaction", self.inner.commit()).await
    }

    /// Undoes all of it. Dropping does as well, a little later.
    pub async fn rollback(self) -> Result<()> {
        sql::answered("undoing a transaction", self.inner.rollback()).await
    }
}
