//! A real OpenSSH server of the test's own: loopback, free port, keys of its own.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

use crate::support::Gateway;

pub struct Sshd {
    child: Child,
    pub port: u16,
    /// The public host key, OpenSSH's one-line form.
    pub host_key: String,
    /// The private key that opens it.
    pub key: PathBuf,
    pub login: String,
    log: Arc<Mutex<Vec<String>>>,
    pub dir: TempDir,
}

impl Sshd {
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// The same with more lines of `sshd_config`.
    pub async fn start_with(more: &str) -> Self {
        // Somebody else may take the free port before sshd does: then another one is tried.
        for _ in 0..10 {
            if let Some(sshd) = Self::try_start(more).await {
                return sshd;
            }
        }
        panic!("sshd found no port to listen on");
    }

    async fn try_start(more: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        for name in ["host", "user"] {
            keygen(&dir.path().join(name)).await;
        }
        let key = dir.path().join("user");
        std::fs::copy(
            key.with_extension("pub"),
            dir.path().join("authorized_keys"),
        )
        .unwrap();
        let port = free_port().await;
        // What a shell reads at its start on this machine is not what is tested.
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let config = dir.path().join("sshd_config");
        let lines = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {host}\nPidFile none\n\
             AuthorizedKeysFile {authorized}\nStrictModes no\nUsePAM no\n\
             PermitRootLogin prohibit-password\nPasswordAuthentication no\n\
             MaxStartups 500\nMaxSessions 500\nAcceptEnv LANG LC_* TEST_*\nLogLevel VERBOSE\n\
             Subsystem sftp internal-sftp\n{more}\nSetEnv HOME={home}\n",
            home = home.display(),
            host = dir.path().join("host").display(),
            authorized = dir.path().join("authorized_keys").display(),
        );
        std::fs::write(&config, lines).unwrap();
        // Debian's sshd wants this folder when root starts it.
        std::fs::create_dir_all("/run/sshd").ok();
        let mut child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(&config)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("openssh-server is installed");
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let kept = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().unwrap().push(line);
            }
        });
        for _ in 0..200 {
            // Whoever else may have taken the port answers too.
            let listens = log
                .lock()
                .unwrap()
                .iter()
                .any(|line| line.contains("listening"));
            if listens && TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                let host_key = std::fs::read_to_string(dir.path().join("host.pub")).unwrap();
                let host_key = host_key.trim().to_owned();
                return Some(Self {
                    child,
                    port,
                    host_key,
                    key,
                    login: me().await,
                    log,
                    dir,
                });
            }
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        None
    }

    /// What sshd has said.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Stops it, so that the target is down.
    pub async fn stop(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Enters it as target `name` with account `root` at a gateway; answers the account's id.
    pub async fn enter(&self, gateway: &Gateway, name: &str) -> String {
        let key = std::fs::read_to_string(&self.key).unwrap();
        let secret = json!({ "kind": "ssh-key", "value": key });
        let server = (self.port, self.host_key.as_str());
        gateway.enter(name, server, &self.login, secret).await
    }
}

pub async fn keygen(path: &std::path::Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path)
        .status()
        .await
        .expect("ssh-keygen is installed");
    assert!(made.success());
}

pub async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

async fn me() -> String {
    let output = Command::new("id").arg("-un").output().await.unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
