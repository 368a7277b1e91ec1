//! An empty database for one test, gone afterwards however the test ended.

use std::{
    future::Future,
    sync::atomic::{AtomicU32, Ordering},
};

use doorward::store::Store;
use sqlx::{AnyPool, AssertSqlSafe, Connection, Executor, PgConnection};

/// The store of one test, and a side door to its tables for what no function of ours does.
#[derive(Clone)]
pub struct Database {
    pub store: Store,
    pub url: String,
    side_door: AnyPool,
}

impl Database {
    async fn open(url: String) -> Self {
        let store = Store::open(&url).await.expect("an empty database opens");
        let side_door = AnyPool::connect(&url).await.expect("and opens again");
        Self {
            store,
            url,
            side_door,
        }
    }

    /// Runs a statement behind the store's back; answers how many rows it touched.
    pub async fn meddle(&self, statement: &str) -> u64 {
        let done = self.try_to_meddle(statement).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    pub async fn try_to_meddle(&self, statement: &str) -> Result<u64, sqlx::Error> {
        let statement = AssertSqlSafe(statement.to_owned());
        let done = self.side_door.execute(statement).await?;
        Ok(done.rows_affected())
    }

    async fn close(self) {
        self.side_door.close().await;
        self.store.close().await;
    }
}

pub async fn with_sqlite<F: Future<Output = ()> + Send + 'static>(test: fn(Database) -> F) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite:{}/doorward.db", folder.path().display());
    run(Database::open(url).await, test).await;
}

pub async fn with_postgres<F: Future<Output = ()> + Send + 'static>(test: fn(Database) -> F) {
    let server = std::env::var("DOORWARD_TEST_POSTGRES").expect(
        "DOORWARD_TEST_POSTGRES holds the URL of a PostgreSQL to test with; \
         run the tests by `make test` or `scripts/with-postgres cargo nextest run`",
    );
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("doorward_test_{}_{number}", std::process::id());
    let mut admin = PgConnection::connect(&server)
        .await
        .expect("PostgreSQL answers");
    let create = format!("create database {name} template template0");
    admin.execute(AssertSqlSafe(create)).await.expect("creates");
    let url = match server.rsplit_once('/') {
        Some((server, _)) => format!("{server}/{name}"),
        None => panic!("DOORWARD_TEST_POSTGRES names no database"),
    };
    let ended = tokio::spawn(async move { run(Database::open(url).await, test).await }).await;
    let drop = format!("drop database {name} with (force)");
    admin.execute(AssertSqlSafe(drop)).await.expect("drops");
    if let Err(failed) = ended {
        std::panic::resume_unwind(failed.into_panic());
    }
}

async fn run<F: Future<Output = ()> + Send + 'static>(database: Database, test: fn(Database) -> F) {
    test(database.clone()).await;
    database.close().await;
}
