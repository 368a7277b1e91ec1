//! A server of somebody else's making, as a process of its own that says in JSON lines what it
//! was sent.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::support::PATIENCE;

pub struct Server {
    pub port: u16,
    lines: Arc<Mutex<Vec<Value>>>,
    folder: PathBuf,
    _child: Child,
}

impl Server {
    /// A mail server where `refused` has no mailbox.
    pub async fn mail(folder: &Path, refused: &str) -> Self {
        let (certificate, key) = (folder.join("mail.pem"), folder.join("mail.key"));
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = authority.self_signed(&authority_key).unwrap();
        let own = KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let issuer = Issuer::new(authority, authority_key);
        let signed = CertificateParams::new(names).unwrap();
        let signed = signed.signed_by(&own, &issuer).unwrap();
        std::fs::write(&certificate, signed.pem()).unwrap();
        std::fs::write(&key, own.serialize_pem()).unwrap();
        std::fs::write(folder.join("mail-ca.pem"), ca.pem()).unwrap();
        let mut command = script("mail.py");
        command.arg(&certificate).arg(&key);
        command.args(["doorward", "hunter2", refused]);
        Self::start(command, folder).await
    }

    /// A receiver of webhooks, which is told its secret later.
    pub async fn hook(folder: &Path) -> Self {
        let mut command = script("hook.py");
        command.arg(folder.join("secret"));
        Self::start(command, folder).await
    }

    async fn start(mut command: Command, folder: &Path) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = out.next_line().await.unwrap();
        let first = first.expect("aiosmtpd and standardwebhooks run: scripts/prerequisites test");
        let first: Value = serde_json::from_str(&first).unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = lines.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = out.next_line().await {
                kept.lock()
                    .unwrap()
                    .push(serde_json::from_str(&line).unwrap());
            }
        });
        Self {
            port: first["port"].as_u64().unwrap().try_into().unwrap(),
            lines,
            folder: folder.to_owned(),
            _child: child,
        }
    }

    /// Who vouches for the mail server.
    pub fn authority(&self) -> String {
        std::fs::read_to_string(self.folder.join("mail-ca.pem")).unwrap()
    }

    pub fn tell_secret(&self, secret: &str) {
        std::fs::write(self.folder.join("secret"), secret).unwrap();
    }

    pub fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits until it says something that fits.
    pub async fn line(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                if let Some(line) = self.lines().into_iter().find(|line| fits(line)) {
                    return line;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(line) => line,
            Err(_) => panic!("it did not come; what came: {:#?}", self.lines()),
        }
    }
}

/// Where `scripts/prerequisites test` puts what comes from PyPI.
fn script(name: &str) -> Command {
    let home = std::env::var("HOME").unwrap();
    let python = PathBuf::from(home).join(".cache/doorward/peers/bin/python");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway/telling");
    let mut command = Command::new(python);
    command.arg(folder.join(name));
    command
}
