//! One real sshd, reached by two ways: directly, and through a gateway where alice has an
//! active check-out of it. Whoever stands on either way types the same: `ssh target`.

use std::{
    any::Any,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{people::Person, sshd::Sshd, support::Gateway};

/// Programs that are told by an option which configuration to read.
const CLIENTS: [&str; 3] = ["ssh", "scp", "sftp"];

pub struct Scene {
    pub gateway: Gateway,
    /// Alice's, and who may answer it.
    checkout: String,
    bob: Person,
    pub direct: Way,
    pub bridge: Way,
    /// Where both ways have their folders. Short, because sockets lie in it.
    _folder: TempDir,
    _database: TempDir,
    _target: Target,
}

/// What the gateway's door takes.
pub enum Limits {
    /// All the tests come from one address.
    ForManyAtOnce,
    /// Nothing set but these lines of configuration.
    AsTheyCome(&'static str),
}

/// A server that is reached by both ways.
pub struct Target {
    pub port: u16,
    pub host_key: String,
    pub login: String,
    /// The private key that opens it.
    pub key: PathBuf,
    /// What lives as long as the target.
    pub _server: Box<dyn Any + Send + Sync>,
}

impl From<Sshd> for Target {
    fn from(sshd: Sshd) -> Self {
        Self {
            port: sshd.port,
            host_key: sshd.host_key.clone(),
            login: sshd.login.clone(),
            key: sshd.key.clone(),
            _server: Box::new(sshd),
        }
    }
}

/// A way to the target, with the names of the clients in a folder of its own.
///
/// INVARIANT: the names of both ways are of the same length, so that no line is wrapped
/// elsewhere because of them.
#[derive(Debug, Clone)]
pub struct Way {
    pub name: &'static str,
    pub home: PathBuf,
    pub port: u16,
    pub user: String,
    pub key: PathBuf,
}

impl Scene {
    /// To an sshd, under the default policy.
    pub async fn set() -> Self {
        // The time of the last log-in is another one each time, and nobody knows what stands
        // in the start-up files of whoever runs the tests. Bash reads one for commands, too,
        // unless it is told that it is not the first.
        let home = TempDir::new().unwrap();
        let set = format!("SetEnv SHLVL=5 HOME={}", home.path().display());
        let sshd = Sshd::start_with(&format!("PrintLastLog no\n{set}")).await;
        let mut target = Target::from(sshd);
        target._server = Box::new((target._server, home));
        Self::before(target, json!({}), Limits::ForManyAtOnce).await
    }

    /// To this target, under a policy with these terms.
    pub async fn before(target: Target, terms: Value, limits: Limits) -> Self {
        let limits = match limits {
            Limits::ForManyAtOnce => "ssh.max_per_address = 1000\nssh.max_handshakes = 1000",
            Limits::AsTheyCome(more) => more,
        };
        // Hundreds of sessions write to the database, and every one waits for the disk. That
        // disk may be slow or busy here, and a gateway that waits for too long refuses.
        let memory = Path::new("/dev/shm");
        let fast = match memory.is_dir() {
            true => TempDir::new_in(memory).unwrap(),
            false => tempfile::tempdir().unwrap(),
        };
        let database = fast.path().join("doorward.db");
        let database = format!("database.url = \"sqlite:{}\"", database.display());
        let gateway = Gateway::start_with(&format!("{limits}\n{database}")).await;
        target.enter(&gateway, terms).await;
        let (alice, bob) = gateway.people().await;
        let checkout = gateway.check_out(&alice, &bob, "db1").await;

        let folder = tempfile::Builder::new().prefix("dw").tempdir().unwrap();
        let way = |name, port, user: &str, key: &Path| Way {
            name,
            home: folder.path().join(name),
            port,
            user: user.to_owned(),
            key: key.to_owned(),
        };
        let scene = Self {
            checkout,
            bob,
            direct: way("direct", target.port, &target.login, &target.key),
            bridge: way("bridge", gateway.ssh.port(), "alice+db1", &alice.key),
            gateway,
            _folder: folder,
            _database: fast,
            _target: target,
        };
        for way in scene.ways() {
            way.furnish();
            // It learns the host key, which later runs then do not mention.
            let mut first = way.command("ssh", &way.home);
            let first = first.args(["target", "true"]).output().await.unwrap();
            assert!(first.status.success(), "{}: {first:?}", way.name);
        }
        scene
    }

    pub fn ways(&self) -> [&Way; 2] {
        [&self.direct, &self.bridge]
    }

    pub async fn revoke(&self, message: &str) {
        let (bob, id) = (&self.bob, &self.checkout);
        self.gateway.answer(bob, id, "revoke", message).await;
    }

    /// A fresh folder of the same name on both ways.
    pub fn folders(&self, name: &str) -> [PathBuf; 2] {
        self.ways().map(|way| {
            let folder = way.home.join(name);
            std::fs::create_dir_all(&folder).unwrap();
            folder
        })
    }
}

impl Target {
    /// As `db1` with the account `root` that its key opens.
    async fn enter(&self, gateway: &Gateway, terms: Value) {
        let key = std::fs::read_to_string(&self.key).unwrap();
        let secret = json!({ "kind": "ssh-key", "value": key });
        let server = (self.port, self.host_key.as_str());
        gateway.enter("db1", server, &self.login, secret).await;
        gateway.under("db1", terms).await;
    }
}

impl Way {
    fn furnish(&self) {
        let Self {
            home,
            port,
            user,
            key,
            ..
        } = self;
        let bin = home.join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let config = home.join("config");
        let text = format!(
            "Host target\n\
             \x20   HostName 127.0.0.1\n    HostKeyAlias target\n    Port {port}\n    User {user}\n\
             Host *\n\
             \x20   IdentityFile {key}\n    IdentitiesOnly yes\n    BatchMode yes\n\
             \x20   StrictHostKeyChecking accept-new\n    UserKnownHostsFile {known}\n\
             \x20   GlobalKnownHostsFile none\n    ConnectTimeout 60\n",
            key = key.display(),
            known = home.join("known_hosts").display(),
        );
        std::fs::write(&config, text).unwrap();
        for client in CLIENTS {
            let line = format!("exec /usr/bin/{client} -F '{}' \"$@\"\n", config.display());
            program(&bin.join(client), &line);
        }
        let terminal = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/terminal.py");
        let line = format!("exec python3 '{}' \"$@\"\n", terminal.display());
        program(&bin.join("terminal"), &line);
    }

    /// What its host key looks like, as `SHA256:…`.
    pub async fn fingerprint(&self) -> String {
        let known = self.home.join("known_hosts");
        let mut keygen = Command::new("ssh-keygen");
        let shown = keygen.arg("-lf").arg(known).output().await.unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        let fingerprint = shown.split(' ').find(|word| word.starts_with("SHA256:"));
        fingerprint.expect("one key is known").to_owned()
    }

    /// A program as somebody on this way would start it, with nothing of this machine's
    /// configuration.
    pub fn command(&self, program: &str, folder: &Path) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = self.home.join("bin");
        // What is in `bin` goes before what is installed, also for the program itself.
        let own = bin.join(program);
        let mut command = Command::new(if own.exists() {
            &own
        } else {
            Path::new(program)
        });
        command
            .env_clear()
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("HOME", &self.home)
            .env("LANG", "C.UTF-8")
            .env("TERM", "xterm")
            .current_dir(folder)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

fn program(path: &Path, line: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{line}")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
