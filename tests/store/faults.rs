//! A database that is missing, locked, not one, too new, or away: one clear sentence, and
//! nothing lost.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use doorward::store::{Store, StoreError, meta};

fn url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

async fn refused(url: &str) -> StoreError {
    match Store::open(url).await {
        Ok(_) => panic!("{url} opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_new_file_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("with blank ? % ü.db");
    // A `?` would begin parameters.
    assert!(
        refused(&url(&path))
            .await
            .to_string()
            .contains("no parameters")
    );
    let path = folder.path().join("with blank # % ü.db");
    let store = Store::open(&url(&path)).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    meta::write(&mut tx, "a", "1").await.unwrap();
    tx.commit().await.unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
    }
    store.close().await;
    let store = Store::open(&url(&path)).await.unwrap();
    assert_eq!(meta::read(&store, "a").await.unwrap().as_deref(), Some("1"));
    store.ping().await.unwrap();
    store.close().await;
    assert!(store.ping().await.unwrap_err().is_unavailable());
}

#[tokio::test]
async fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no/such/doorward.db");
    let error = refused(&url(&missing)).await.to_string();
    assert!(error.contains("no/such does not exist"), "{error}");

    let text = folder.path().join("text.db");
    fs::write(
        &text,
        "this is no database, whatever its name says. ".repeat(100),
    )
    .unwrap();
    let error = refused(&url(&text)).await.to_string();
    assert!(
        error.contains("text.db is not an SQLite database"),
        "{error}"
    );

    let error = refused(&url(folder.path())).await.to_string();
    assert!(
        error.contains(&folder.path().display().to_string()),
        "{error}"
    );

    for wrong in [
        "mysql://u:hunter2@h/d",
        "doorward.db",
        "",
        "sqlite:",
        "sqlite::memory:",
    ] {
        let error = refused(wrong).await.to_string();
        assert!(error.contains("sqlite:"), "{wrong}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let error = refused("postgres://u:hunter2@127.0.0.1:1/d").await;
    assert!(error.is_unavailable());
    let error = format!("{error} {error:?}");
    assert!(
        error.contains("127.0.0.1:1/d") && !error.contains("hunter2"),
        "{error}"
    );
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorward.db");
    Store::open(&url(&path)).await.unwrap().close().await;
    let side_door = sqlx::SqlitePool::connect(&url(&path)).await.unwrap();
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (9000, 'tomorrow', 1, x'00', 0)",
    )
    .execute(&side_door)
    .await
    .unwrap();
    side_door.close().await;
    let error = refused(&url(&path)).await;
    assert!(matches!(error, StoreError::Newer(9000)), "{error:?}");
}

/// Adversarial test 48, the store's part: another process holds the file, then lets it go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_database_is_unavailable_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorward.db");
    let store = Store::open(&url(&path)).await.unwrap();
    let side_door = sqlx::SqlitePool::connect(&url(&path)).await.unwrap();
    let mut lock = side_door.begin_with("begin immediate").await.unwrap();
    sqlx::query("update gate set passed = 1")
        .execute(&mut *lock)
        .await
        .unwrap();

    let mut tx = store.begin().await.unwrap();
    let error = meta::write(&mut tx, "a", "1").await.unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    drop(tx);
    assert_eq!(meta::read(&store, "a").await.unwrap(), None, "reads go on");

    lock.rollback().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    meta::write(&mut tx, "a", "2").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(meta::read(&store, "a").await.unwrap().as_deref(), Some("2"));
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorward.db");
    Store::open(&url(&path)).await.unwrap().close().await;
    // The limit stands in for the disk; it is kept in no file, so it is set on each connection.
    let store = Store::open(&url(&path)).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    meta::write(&mut tx, "a", "1").await.unwrap();
    tx.commit().await.unwrap();
    let side_door = sqlx::any::AnyPoolOptions::new()
        .max_connections(1)
        .connect(&url(&path))
        .await
        .unwrap();
    sqlx::query("pragma max_page_count = 1")
        .execute(&side_door)
        .await
        .unwrap();
    let full = sqlx::query("insert into meta values ('b', $1)")
        .bind("x".repeat(1 << 20))
        .execute(&side_door)
        .await
        .unwrap_err();
    let error = StoreError::Database {
        doing: "writing",
        source: full,
    };
    assert!(error.is_unavailable(), "{error:?}");
    assert_eq!(meta::read(&store, "a").await.unwrap().as_deref(), Some("1"));
    assert_eq!(meta::read(&store, "b").await.unwrap(), None);
}

/// P9, the store's part: what lies on the disk at any moment is what was committed.
#[tokio::test]
async fn a_copy_taken_in_the_middle_of_a_write_holds_what_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorward.db");
    let store = Store::open(&url(&path)).await.unwrap();
    let as_after_a_crash = async |name: &str| {
        // The files as they are, without any of the open connections' memory.
        let copy = folder.path().join(name);
        fs::create_dir(&copy).unwrap();
        for file in ["doorward.db", "doorward.db-wal"] {
            fs::copy(folder.path().join(file), copy.join(file)).unwrap();
        }
        let store = Store::open(&url(&copy.join("doorward.db"))).await.unwrap();
        let kept = meta::read(&store, "a").await.unwrap();
        let (seq, _) = doorward::store::audit::head(&store).await.unwrap();
        store.close().await;
        (kept, seq)
    };
    let mut tx = store.begin().await.unwrap();
    meta::write(&mut tx, "a", &"x".repeat(10_000))
        .await
        .unwrap();
    assert_eq!(as_after_a_crash("written").await, (None, 0));
    doorward::audit::append(&mut tx, &crate::sample::event("test.done"))
        .await
        .unwrap();
    assert_eq!(as_after_a_crash("audited").await, (None, 0));
    tx.commit().await.unwrap();
    assert_eq!(
        as_after_a_crash("committed").await,
        (Some("x".repeat(10_000)), 1)
    );
}

/// Adversarial test 48, the store's part: PostgreSQL ends every connection, as a restart does.
#[tokio::test]
async fn a_server_that_hung_up_is_called_again() {
    crate::database::with_postgres(hung_up).await;
}

async fn hung_up(db: crate::database::Database) {
    let store = &db.store;
    let mut tx = store.begin().await.unwrap();
    meta::write(&mut tx, "a", "1").await.unwrap();
    db.meddle(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()",
    )
    .await;
    let error = meta::write(&mut tx, "b", "1").await.unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    drop(tx);
    assert_eq!(meta::read(store, "a").await.unwrap(), None);
    let mut tx = store.begin().await.unwrap();
    meta::write(&mut tx, "a", "2").await.unwrap();
    tx.commit().await.unwrap();
}
