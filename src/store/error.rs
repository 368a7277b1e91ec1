//! What can go wrong with the store, by name; which fence of the schema refused a write.
//! Knows the words of both databases for it, so that nobody else must.

use std::path::PathBuf;

use sqlx::error::ErrorKind;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("database failed while {doing}")]
    Database {
        doing: &'static str,
        source: sqlx::Error,
    },
    #[error("database gave no answer while {doing}")]
    Silent { doing: &'static str },
    #[error("database cannot be opened: {0}")]
    Open(String),
    #[error("database {path} is locked by another process")]
    Locked { path: PathBuf },
    /// No turn to write, or no connection, came in time.
    #[error("database is busy or out of reach: no turn came in time")]
    Busy,
    #[error("database was made by a newer doorward (migration {0} is not known here)")]
    Newer(i64),
    /// A stored value does not read back: written by something else, or by a newer version.
    #[error("database holds something unreadable in {column}: {why}")]
    Unreadable { column: String, why: String },
    /// Somebody else changed it first: load it again and decide again.
    #[error("it was changed by somebody else in the meantime")]
    Conflict,
    /// A statement of the transaction had failed, so nothing of it was written.
    #[error("nothing was written: a part of it had failed")]
    Failed,
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("there is such a {0} already")]
    Duplicate(&'static str),
    /// Another check-out holds the exclusive account.
    #[error("the account is held by another check-out")]
    Exclusive,
    #[error("the last admin who is not disabled must stay one")]
    LastAdmin,
    #[error("{what} is still used by {by}")]
    InUse {
        what: &'static str,
        by: &'static str,
    },
    /// The database refused a change of state that the life cycle does not have.
    #[error("a check-out cannot move from its state to that one")]
    IllegalMove,
    #[error(transparent)]
    NotACursor(#[from] super::NotACursor),
}

impl StoreError {
    /// Whether the database is out of reach, as opposed to having answered no.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Busy | Self::Silent { .. } | Self::Locked { .. } | Self::Open(_) => true,
            Self::Database { source, .. } => match source {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::BeginFailed => true,
                sqlx::Error::Database(error) => out_of_reach(error.code().as_deref()),
                _ => false,
            },
            _ => false,
        }
    }

    pub(super) fn unreadable(column: impl Into<String>, why: impl ToString) -> Self {
        Self::Unreadable {
            column: column.into(),
            why: why.to_string(),
        }
    }

    /// The error of a statement, by the fence that refused it if one did.
    pub(super) fn database(doing: &'static str, source: sqlx::Error) -> Self {
        if matches!(source, sqlx::Error::PoolTimedOut) {
            return Self::Busy;
        }
        let Some(error) = source.as_database_error() else {
            return Self::Database { doing, source };
        };
        match error.kind() {
            ErrorKind::UniqueViolation => {
                // PostgreSQL names the index, SQLite its columns.
                let index = error.constraint().unwrap_or(error.message());
                match UNIQUE.iter().find(|(name, columns, _)| {
                    *name == index || index.ends_with(&format!(": {columns}"))
                }) {
                    Some((.., Fence::Exclusive)) => Self::Exclusive,
                    Some((.., Fence::Duplicate(what))) => Self::Duplicate(what),
                    None => Self::Database { doing, source },
                }
            }
            // Two transactions waited for each other, or for a row that has changed since.
            ErrorKind::Other if matches!(error.code().as_deref(), Some("40001" | "40P01")) => {
                Self::Conflict
            }
            _ => Self::Database { doing, source },
        }
    }

    /// Whether a foreign key refused the statement.
    pub(super) fn is_foreign_key(&self) -> bool {
        match self {
            Self::Database { source, .. } => source
                .as_database_error()
                .is_some_and(|error| error.is_foreign_key_violation()),
            _ => false,
        }
    }
}

enum Fence {
    Exclusive,
    Duplicate(&'static str),
}

/// The unique indexes of the schema: name, columns, and what refusing means.
const UNIQUE: &[(&str, &str, Fence)] = &[
    ("checkout_one_holder", "checkout.account", Fence::Exclusive),
    (
        "checkout_code",
        "checkout.code",
        Fence::Duplicate("check-out code"),
    ),
    (
        "checkout_one_pending",
        "checkout.requester, checkout.target, checkout.account, checkout.asked",
        Fence::Duplicate("pending request"),
    ),
    (
        "checkout_pkey",
        "checkout.id",
        Fence::Duplicate("check-out"),
    ),
    ("users_name", "users.name", Fence::Duplicate("user")),
    ("users_pkey", "users.id", Fence::Duplicate("user")),
    (
        "user_group_name",
        "user_group.name",
        Fence::Duplicate("group"),
    ),
    (
        "ssh_key_pkey",
        "ssh_key.fingerprint",
        Fence::Duplicate("SSH key"),
    ),
    (
        "token_secret_hash",
        "token.secret_hash",
        Fence::Duplicate("token"),
    ),
    ("policy_name", "policy.name", Fence::Duplicate("policy")),
    ("target_name", "target.name", Fence::Duplicate("target")),
    (
        "account_target_name",
        "account_target.target_id, account_target.account_name",
        Fence::Duplicate("account on this target"),
    ),
    ("node_pkey", "node.id", Fence::Duplicate("node")),
    ("session_pkey", "session.id", Fence::Duplicate("session")),
    (
        "recording_pkey",
        "recording.id",
        Fence::Duplicate("recording"),
    ),
];

/// SQLite: full, locked, cannot be opened or read. PostgreSQL: connection, resources, stopping.
fn out_of_reach(code: Option<&str>) -> bool {
    let Some(code) = code else {
        return false;
    };
    match code.parse::<u32>() {
        // SQLite's extended codes keep the kind in the low byte; PostgreSQL's have five digits.
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6 | 8 | 10 | 11 | 13 | 14 | 26),
        _ => ["08", "53", "55P03", "57", "58"]
            .iter()
            .any(|class| code.starts_with(class)),
    }
}
