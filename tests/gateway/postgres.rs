//! A database of the test's own on the PostgreSQL server that `make test` starts.

use tempfile::TempDir;
use tokio::process::Command;

pub struct Postgres {
    server: String,
    name: String,
    /// Holds the password's file; the configuration takes no password in a URL.
    dir: TempDir,
}

impl Postgres {
    pub async fn make() -> Self {
        let server = std::env::var("DOORWARD_TEST_POSTGRES")
            .expect("DOORWARD_TEST_POSTGRES is not set: run this through `make test`");
        let name = format!("gateway_{}", std::process::id());
        let postgres = Self {
            server,
            name,
            dir: tempfile::tempdir().unwrap(),
        };
        postgres
            .sql(&format!("create database {}", postgres.name))
            .await;
        postgres
    }

    /// The lines of configuration that name it.
    pub fn config(&self) -> String {
        let rest = self
            .server
            .strip_prefix("postgres://")
            .expect("postgres://USER:PASSWORD@HOST/NAME");
        let (account, place) = rest.split_once('@').expect("an account");
        let (user, password) = account.split_once(':').expect("a password");
        let (host, _) = place.split_once('/').expect("a database");
        let file = self.dir.path().join("password");
        std::fs::write(&file, password).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        format!(
            "database.url = \"postgres://{user}@{host}/{}\"\ndatabase.password = {{ file = {file:?} }}",
            self.name
        )
    }

    pub async fn drop(self) {
        self.sql(&format!("drop database {} with (force)", self.name))
            .await;
    }

    async fn sql(&self, statement: &str) {
        let done = Command::new("psql")
            .args([&self.server, "-qc", statement])
            .output()
            .await
            .unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
}
