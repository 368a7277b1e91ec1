//! Web applications of other people's making, from PyPI: one process each, on a free port.

use std::{path::PathBuf, process::Stdio, time::Duration};

use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::sshd::free_port;

pub struct App {
    pub port: u16,
    dir: TempDir,
    _child: Child,
}

/// A certificate for `name` by its own key, and how it is pinned.
pub struct Own {
    pub certificate: String,
    pub key: String,
    pub pin: String,
}

impl Own {
    pub fn of(name: &str) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let public = rcgen::PublicKeyData::subject_public_key_info(&key);
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &public);
        Self {
            certificate,
            key: key.serialize_pem(),
            pin: format!("sha256//{}", data_encoding::BASE64.encode(hash.as_ref())),
        }
    }
}

/// Where `scripts/prerequisites test` puts what comes from PyPI.
fn python() -> PathBuf {
    let home = std::env::var("HOME").unwrap();
    let python = PathBuf::from(home).join(".cache/doorward/apps/bin/python");
    let missing = "Flask, Authlib and Django are not installed; run: scripts/prerequisites test";
    assert!(python.exists(), "{missing}");
    python
}

impl App {
    /// `PORT CERTIFICATE KEY JOURNAL` and what is in `more` are told to the script.
    pub async fn start(script: &str, own: &Own, more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("cert.pem"), &own.certificate).unwrap();
        std::fs::write(dir.path().join("key.pem"), &own.key).unwrap();
        let script = format!(
            "{}/tests/gateway/web/apps/{script}",
            env!("CARGO_MANIFEST_DIR")
        );
        // Somebody else may take the free port first: then another one is tried.
        for _ in 0..10 {
            let port = free_port().await;
            let said = std::fs::File::create(dir.path().join("said")).unwrap();
            let mut child = Command::new(python())
                .arg("-B")
                .args([&script, &port.to_string(), "cert.pem", "key.pem", "journal"])
                .args(more)
                .current_dir(dir.path())
                .stdin(Stdio::null())
                .stdout(said.try_clone().unwrap())
                .stderr(said)
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            for _ in 0..1_500 {
                if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                    return Self {
                        port,
                        dir,
                        _child: child,
                    };
                }
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let said = std::fs::read_to_string(dir.path().join("said")).unwrap_or_default();
        panic!("{script} does not start: {said}");
    }

    /// What it noted, a line each.
    pub fn journal(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.path().join("journal")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How many of its lines begin so.
    pub fn noted(&self, beginning: &str) -> usize {
        let lines = self.journal();
        lines.iter().filter(|it| it.starts_with(beginning)).count()
    }

    /// Says something to it directly.
    pub async fn post(&self, path: &str) {
        let url = format!("https://localhost:{}{path}", self.port);
        let client = reqwest::Client::builder().danger_accept_invalid_certs(true);
        let answer = client.build().unwrap().post(url).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }
}
