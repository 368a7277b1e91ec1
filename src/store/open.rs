//! Finding, making, opening and migrating the database a URL names.
//! Every failure is one sentence that says which file or server, and what to do.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Once},
};

use sqlx::{
    AnyConnection, Connection, Executor,
    any::{AnyConnectOptions, AnyPoolOptions},
    migrate::{MigrateError, Migrator},
};
use tokio::sync::Semaphore;

use super::{PATIENCE, Result, Store, StoreError, checkout};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");
static DRIVERS: Once = Once::new();

/// Of SQLite: one writes, the others read. Each is a thread with a cache of two megabytes.
const SQLITE_CONNECTIONS: u32 = 6;

/// Of PostgreSQL, on this node.
const POSTGRES_CONNECTIONS: u32 = 16;

/// `full`: a commit that was answered is on the disk, because a revoke must not be lost.
const PRAGMAS: &str = "pragma busy_timeout = 5000; pragma journal_mode = wal; \
    pragma synchronous = full; pragma foreign_keys = on; pragma trusted_schema = off";

/// A node that hangs in the middle of a transaction must not hold up the audit chain of all.
const SETTINGS: &str = "set lock_timeout = '5s'; set idle_in_transaction_session_timeout = '10s'";

impl Store {
    /// Opens the database at `url`, `sqlite:PATH` or `postgres://…`, makes the file (mode
    /// 0600) if it is missing, and brings the schema up to this version.
    pub async fn open(url: &str) -> Result<Self> {
        let store = Self::connect(url).await?;
        store.migrate().await?;
        checkout::enter_missing_readers(&store).await?;
        Ok(store)
    }

    async fn connect(url: &str) -> Result<Self> {
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        match url.split_once(':') {
            Some(("sqlite", path)) => Self::connect_sqlite(path).await,
            Some(("postgres" | "postgresql", _)) => Self::connect_postgres(url).await,
            // The URL may hold a password: say what was expected, not what was given.
            _ => Err(StoreError::Open(
                "its URL must begin with sqlite: (and a path) or postgres://".to_owned(),
            )),
        }
    }

    async fn connect_sqlite(path: &str) -> Result<Self> {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.contains('?') || path == ":memory:" {
            let why = "sqlite: needs the path of a file and takes no parameters";
            return Err(StoreError::Open(why.to_owned()));
        }
        let path = prepare_file(Path::new(path))?;
        let options = format!("sqlite://{}", percent_encoded(&path))
            .parse::<AnyConnectOptions>()
            .map_err(|error| StoreError::Open(format!("{}: {error}", path.display())))?;
        try_once(&options, PRAGMAS)
            .await
            .map_err(|error| cannot_open_file(&path, error))?;
        let pool = AnyPoolOptions::new()
            .max_connections(SQLITE_CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .max_lifetime(None)
            .idle_timeout(None)
            // A file needs no handshake to see whether it is still there.
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(PRAGMAS).await.map(drop) })
            })
            .connect_with(options)
            .await
            .map_err(|error| cannot_open_file(&path, error))?;
        Ok(Self {
            pool,
            writer: Some(Arc::new(Semaphore::new(1))),
        })
    }

    async fn connect_postgres(url: &str) -> Result<Self> {
        let wrong =
            |error| StoreError::Open(format!("PostgreSQL at {}: {error}", without_password(url)));
        let options = url.parse::<AnyConnectOptions>().map_err(wrong)?;
        try_once(&options, SETTINGS).await.map_err(wrong)?;
        let pool = AnyPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(SETTINGS).await.map(drop) })
            })
            .connect_with(options)
            .await
            .map_err(wrong)?;
        Ok(Self { pool, writer: None })
    }

    async fn migrate(&self) -> Result<()> {
        MIGRATIONS
            .run(&self.pool)
            .await
            .map_err(|error| match error {
                MigrateError::VersionMissing(version) => StoreError::Newer(version),
                MigrateError::Execute(source) => {
                    StoreError::database("migrating the schema", source)
                }
                other => StoreError::Open(format!("its schema cannot be migrated: {other}")),
            })
    }
}

/// One connection by itself: a pool tries again and again, and then only says that it took long.
async fn try_once(options: &AnyConnectOptions, settings: &'static str) -> Result<(), sqlx::Error> {
    let tried = async {
        let mut connection = AnyConnection::connect_with(options).await?;
        connection.execute(settings).await?;
        connection.close().await
    };
    match tokio::time::timeout(2 * PATIENCE, tried).await {
        Ok(tried) => tried,
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

/// The absolute path of the file, which exists afterwards and is the owner's alone if new.
fn prepare_file(path: &Path) -> Result<PathBuf> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = fs::canonicalize(folder).map_err(|error| {
        let folder = folder.display();
        StoreError::Open(match error.kind() {
            io::ErrorKind::NotFound => {
                format!("its folder {folder} does not exist; create it or change database.url")
            }
            _ => format!("its folder {folder} cannot be used: {error}"),
        })
    })?;
    let Some(name) = path.file_name() else {
        return Err(StoreError::Open(format!("{} is no file", path.display())));
    };
    let path = folder.join(name);
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    match opened {
        Ok(_) => Ok(path),
        Err(error) => Err(StoreError::Open(format!("{}: {error}", path.display()))),
    }
}

fn cannot_open_file(path: &Path, error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code());
    let kind = code
        .and_then(|code| code.parse::<u32>().ok())
        .map(|code| code & 0xff);
    match kind {
        Some(5 | 6) => StoreError::Locked {
            path: path.to_owned(),
        },
        Some(26) => StoreError::Open(format!("{} is not an SQLite database", path.display())),
        _ => StoreError::Open(format!("{}: {error}", path.display())),
    }
}

/// A path as a URL holds it: sqlx reads `?` and `%` otherwise.
fn percent_encoded(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    bytes
        .iter()
        .map(|byte| match byte {
            byte if plain(byte) => char::from(*byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// `postgres://user@host/db` for messages; what stands between the colon and the @ is left out.
fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    match rest.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{host}")
        }
        None => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql::{Source, sql};

    #[tokio::test]
    async fn every_connection_to_a_file_waits_for_the_disk_and_holds_foreign_keys() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/doorward.db", folder.path().display());
        let store = Store::open(&url).await.unwrap();
        let mut held = Vec::new();
        for _ in 0..SQLITE_CONNECTIONS {
            let mut connection = store.pool.acquire().await.unwrap();
            for (setting, value) in [
                ("synchronous", 2),
                ("foreign_keys", 1),
                ("busy_timeout", 5_000),
            ] {
                let query = sqlx::AssertSqlSafe(format!("pragma {setting}"));
                let row = connection.fetch_one(query).await.unwrap();
                assert_eq!(sqlx::Row::get::<i64, _>(&row, 0), value, "{setting}");
            }
            held.push(connection);
        }
        drop(held);
        let mode = (&store)
            .one(sql("testing", "pragma journal_mode"))
            .await
            .unwrap();
        assert_eq!(mode.text("journal_mode").unwrap(), "wal");
    }

    #[test]
    fn a_message_never_holds_the_password() {
        for (url, shown) in [
            ("postgres://u:p@h:1/d?x=y", "postgres://u@h:1/d"),
            ("postgres://u:p@ss@h/d", "postgres://u@h/d"),
            ("postgres://h/d?password=p", "postgres://h/d"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
