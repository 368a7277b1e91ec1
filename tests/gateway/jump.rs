//! `ssh -J` and `ssh db1.door`: stock clients with the configuration that `doorward ssh-config`
//! writes, and strict about whom they speak to.

use std::{path::PathBuf, process::Stdio};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

use crate::{
    sshd::Sshd,
    support::{Gateway, PATIENCE, Person, text},
};

struct Scene {
    gateway: Gateway,
    sshd: Sshd,
    alice: Person,
    bob: Person,
    /// What `doorward ssh-config --write` left, and this test's key.
    home: PathBuf,
}

/// Alice has an active check-out of db1 and none of db2, which is the same machine.
async fn scene() -> (Scene, String) {
    let (gateway, sshd) = tokio::join!(Gateway::start(), Sshd::start());
    sshd.enter(&gateway, "db1").await;
    sshd.enter(&gateway, "db2").await;
    let alice = gateway.person("alice", &["requester"]).await;
    let bob = gateway.person("bob", &["approver"]).await;
    let home = gateway.dir.path().join("home");
    let scene = Scene {
        gateway,
        sshd,
        alice,
        bob,
        home,
    };
    scene.configure().await;
    let id = scene.check_out("db1").await;
    (scene, id)
}

impl Scene {
    async fn check_out(&self, target: &str) -> String {
        let ask = json!({ "target": target, "reason": "disk is full", "ticket": "CHG0012345" });
        let asked = self.gateway.post(&self.alice.token, "/checkouts", ask);
        let id = text(&asked.await["id"]);
        let approve = format!("/checkouts/{id}/approve");
        self.gateway
            .post(&self.bob.token, &approve, json!({}))
            .await;
        id
    }

    async fn revoke(&self, id: &str) {
        let body = json!({ "message": "maintenance is over" });
        let path = format!("/checkouts/{id}/revoke");
        self.gateway.post(&self.bob.token, &path, body).await;
    }

    /// As the person would do it, once.
    async fn configure(&self) {
        let written = Command::new(env!("CARGO_BIN_EXE_doorward"))
            .args(["ssh-config", "--write"])
            .env("HOME", &self.home)
            .env("XDG_CONFIG_HOME", self.home.join("config"))
            .env("DOORWARD_SERVER", self.gateway.url())
            .env("DOORWARD_CA", self.gateway.ca())
            .env("DOORWARD_TOKEN", &self.alice.token)
            .output()
            .await
            .unwrap();
        assert!(written.status.success(), "{written:?}");
        // ssh knows no other home than that of the account it runs in.
        let folder = self.home.join(".ssh/doorward");
        let config = std::fs::read_to_string(folder.join("config")).unwrap();
        let known = folder.join("known_hosts").display().to_string();
        let config = config.replace("~/.ssh/doorward/known_hosts", &known);
        let own = format!(
            "{config}\nHost *\n    BatchMode yes\n    IdentitiesOnly yes\n    IdentityFile {}\n    \
             LogLevel ERROR\n    ConnectTimeout 30\n",
            self.alice.key.display()
        );
        std::fs::write(self.config(), own).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.home.join("ssh_config")
    }

    /// `ssh`, `sftp` or `scp` with that configuration and nothing of this machine.
    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg("-F")
            .arg(self.config())
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn ssh(&self, arguments: &[&str]) -> Seen {
        let mut command = self.client("ssh");
        command.args(arguments);
        seen(command).await
    }

    async fn refused(&self, code: &str) {
        let refused = |event: &serde_json::Value| event["event"]["outcome"]["refused"] == code;
        self.gateway.audit_event(refused).await;
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    stdout: String,
    stderr: String,
    status: Option<i32>,
}

async fn within<T>(what: &str, task: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(PATIENCE, task).await;
    ended.unwrap_or_else(|_| panic!("{what} hung"))
}

async fn seen(mut command: Command) -> Seen {
    ended(command.spawn().unwrap()).await
}

async fn ended(child: Child) -> Seen {
    let output = within("a client", child.wait_with_output()).await.unwrap();
    Seen {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.code(),
    }
}

/// Runs a command that says something and stays; returns once it has said it.
async fn stays(mut command: Command) -> Child {
    let mut child = command
        .arg("echo in; exec sleep 600")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 2];
    let stdout = child.stdout.as_mut().unwrap();
    let read = within("the command", stdout.read_exact(&mut said)).await;
    if read.is_err() {
        panic!("{:?}", ended(child).await);
    }
    assert_eq!(&said, b"in");
    child
}

#[tokio::test]
async fn a_stock_client_reaches_a_target_by_its_host_name() {
    let (scene, _) = scene().await;
    let simple = scene
        .ssh(&["db1.door", "echo out; echo err >&2; exit 7"])
        .await;
    let expected = Seen {
        stdout: "out\n".to_owned(),
        stderr: "err\n".to_owned(),
        status: Some(7),
    };
    assert_eq!(simple, expected);
    // With the account named, and by `-J` with no more than known_hosts.
    let named = scene.ssh(&["root@db1.door", "echo named"]).await;
    assert_eq!(named.stdout, "named\n", "{named:?}");
    let known = scene.home.join(".ssh/doorward/known_hosts");
    let gateway = format!("alice@localhost:{}", scene.gateway.ssh.port());
    let mut command = scene.client("ssh");
    command
        .args(["-J", &gateway, "-l", "alice", "-o", "HostKeyAlias=db1.door"])
        .args(["-o", "StrictHostKeyChecking=yes", "-o"])
        .arg(format!("UserKnownHostsFile={}", known.display()))
        .args(["db1", "-p", "4711", "echo jumped"]);
    let jumped = seen(command).await;
    assert_eq!(jumped.stdout, "jumped\n", "{jumped:?}");
    // A terminal, too.
    let terminal = scene
        .ssh(&["-tt", "db1.door", "tty >/dev/null && echo on one"])
        .await;
    assert_eq!(terminal.stdout, "on one\r\n", "{terminal:?}");

    let sessions = scene.gateway.get(&scene.bob.token, "/sessions").await;
    let sessions = sessions["items"].as_array().unwrap();
    assert_eq!(sessions.len(), 4, "each is a session of its own");
    assert!(
        sessions
            .iter()
            .all(|session| session["target_name"] == "db1" || session["target"].is_string())
    );
}

#[tokio::test]
async fn nobody_is_believed_without_a_certificate_of_the_authority() {
    let (scene, _) = scene().await;
    let known = scene.home.join(".ssh/doorward/known_hosts");
    let other = scene.home.join("other");
    crate::sshd::keygen(&other).await;
    let other = std::fs::read_to_string(other.with_extension("pub")).unwrap();
    let line = std::fs::read_to_string(&known).unwrap();
    let (pattern, _) = line.split_once(" ssh-ed25519").unwrap();
    let other = format!("{pattern} {other}");
    // For the target alone first: the gateway is believed, what it shows behind it is not.
    let port = scene.gateway.ssh.port();
    let only = other.replace(&format!(",[localhost]:{port}"), "");
    let good = line.replace("*.door,", "");
    for text in [format!("{good}{only}"), other] {
        std::fs::write(&known, text).unwrap();
        let refused = scene.ssh(&["db1.door", "echo in"]).await;
        assert_eq!(refused.status, Some(255), "{refused:?}");
        assert!(
            refused.stderr.contains("Host key verification failed"),
            "{refused:?}"
        );
        assert_eq!(refused.stdout, "");
    }
}

#[tokio::test]
async fn files_move_both_ways() {
    let (scene, _) = scene().await;
    let folder = scene.sshd.dir.path();
    let path = |name: &str| folder.join(name).display().to_string();
    let data: Vec<u8> = (0..12_000_000_u32)
        .map(|at| ((at * 7) >> 3) as u8)
        .collect();
    std::fs::write(path("original"), &data).unwrap();
    let there = |name: &str| format!("db1.door:{}", path(name));
    for old in [&[][..], &["-O"]] {
        for (from, to) in [(path("original"), there("up")), (there("up"), path("down"))] {
            let mut scp = scene.client("scp");
            scp.arg("-q").args(old).args([from, to]);
            let moved = seen(scp).await;
            assert_eq!(moved.status, Some(0), "{moved:?}");
        }
        assert!(std::fs::read(path("down")).unwrap() == data);
        std::fs::remove_file(path("down")).unwrap();
    }
    let batch = format!(
        "put {0} {1}\nget {1} {2}\n",
        path("original"),
        path("put"),
        path("got")
    );
    let mut sftp = scene.client("sftp");
    sftp.args(["-q", "-b", "-", "db1.door"]);
    let mut child = sftp.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(batch.as_bytes()).await.unwrap();
    drop(stdin);
    let moved = ended(child).await;
    assert_eq!(moved.status, Some(0), "{moved:?}");
    assert!(std::fs::read(path("got")).unwrap() == data);

    let mut rsync = Command::new("rsync");
    let ssh = format!("ssh -F {}", scene.config().display());
    rsync
        .args(["-a", "-e", &ssh, &path("original"), &there("synced")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let synced = seen(rsync).await;
    assert_eq!(synced.status, Some(0), "{synced:?}");
    assert!(std::fs::read(path("synced")).unwrap() == data);
}

#[tokio::test]
async fn p2_a_revoke_cuts_the_jump_and_says_why() {
    let (scene, id) = scene().await;
    let mut command = scene.client("ssh");
    command.args(["-tt", "db1.door"]);
    let child = stays(command).await;
    scene.revoke(&id).await;
    let end = ended(child).await;
    let sentence = "\r\nAccess ended: revoked by bob: maintenance is over (check-out ";
    assert!(end.stdout.contains(sentence), "{end:?}");
    assert_eq!(end.status, Some(77), "{end:?}");
    // And no way back in.
    let again = scene.ssh(&["db1.door", "echo in"]).await;
    assert_eq!(again.status, Some(77), "{again:?}");
    assert!(
        again.stderr.contains("no active check-out for db1"),
        "{again:?}"
    );
}

#[tokio::test]
async fn p2_a_revoke_cuts_a_busy_jump_whose_client_has_stopped_reading() {
    let (scene, id) = scene().await;
    let mut command = scene.client("ssh");
    let mut child = command
        .args(["db1.door", "exec cat /dev/zero"])
        .spawn()
        .unwrap();
    let mut some = vec![0; 1 << 20];
    let stdout = child.stdout.as_mut().unwrap();
    within("the flood", stdout.read_exact(&mut some))
        .await
        .unwrap();
    // Nobody reads any more: its windows and every buffer on the way fill up.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    scene.revoke(&id).await;
    let closed = |event: &serde_json::Value| {
        event["event"]["kind"] == "session.close"
            && event["event"]["message"]
                .to_string()
                .contains("revoked by bob")
    };
    scene.gateway.audit_event(closed).await;
    // The target's process is gone with its connection.
    let gone = async || {
        let log = scene.sshd.log();
        (log.contains("Connection closed")
            || log.contains("Disconnected")
            || log.contains("Connection reset"))
        .then_some(())
    };
    scene.gateway.eventually("the target's hang-up", gone).await;
    drop(child.stdout.take());
    within("ssh", child.wait()).await.unwrap();
}

#[tokio::test]
async fn two_targets_share_one_connection_to_the_gateway_and_one_end_leaves_the_other() {
    let (scene, id) = scene().await;
    scene.check_out("db2").await;
    let socket = scene.home.join("mux");
    let control = format!("ControlPath={}", socket.display());
    let mut outer = scene.client("ssh");
    let outer = outer
        .args(["-o", "ControlMaster=yes", "-o", &control, "-N", "localhost"])
        .spawn()
        .unwrap();
    let there = async || socket.exists().then_some(());
    scene.gateway.eventually("the master's socket", there).await;
    let proxy = format!(
        "ProxyCommand=ssh -F {} -o '{control}' -W %h:%p localhost",
        scene.config().display()
    );
    let over = |target: &str| {
        let mut command = scene.client("ssh");
        command.args(["-o", "ProxyJump=none", "-o", &proxy, target]);
        command
    };
    let first = stays(over("db1.door")).await;
    let mut second = over("db2.door");
    let mut second = second.arg("cat").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = second.stdin.take().unwrap();
    let mut echoed = [0; 4];
    stdin.write_all(b"one\n").await.unwrap();
    let stdout = second.stdout.as_mut().unwrap();
    within("the echo", stdout.read_exact(&mut echoed))
        .await
        .unwrap();

    scene.revoke(&id).await;
    let end = ended(first).await;
    assert_eq!(end.status, Some(77), "{end:?}");
    assert!(end.stderr.contains("revoked by bob"), "{end:?}");

    stdin.write_all(b"two\n").await.unwrap();
    within("the second echo", stdout.read_exact(&mut echoed))
        .await
        .unwrap();
    assert_eq!(&echoed, b"two\n");
    drop(stdin);
    assert_eq!(ended(second).await.status, Some(0));
    drop(outer);
}

#[tokio::test]
async fn multiplexed_sessions_over_a_jump_end_together() {
    let (scene, id) = scene().await;
    let socket = scene.home.join("mux");
    let control = format!("ControlPath={}", socket.display());
    let shared = || {
        let mut command = scene.client("ssh");
        command.args(["-o", &control]);
        command
    };
    let mut master = shared();
    let mut master = master
        .args(["-o", "ControlMaster=yes", "-N", "db1.door"])
        .spawn()
        .unwrap();
    let there = async || socket.exists().then_some(());
    scene.gateway.eventually("the master's socket", there).await;
    let mut sleepers = Vec::new();
    for _ in 0..5 {
        let mut command = shared();
        command.arg("db1.door");
        sleepers.push(stays(command).await);
    }
    scene.revoke(&id).await;
    for sleeper in sleepers {
        assert_ne!(ended(sleeper).await.status, Some(0));
    }
    within("the master's end", master.wait()).await.unwrap();
}

#[tokio::test]
async fn a_name_that_is_neither_theirs_nor_an_account_is_told_so() {
    let (scene, _) = scene().await;
    for (login, shown) in [
        ("jdoe", "jdoe"),
        ("CORP\\jdoe", "CORP\\\\jdoe"),
        ("bob", "bob"),
    ] {
        let refused = scene.ssh(&["-l", login, "db1.door", "true"]).await;
        assert_eq!(refused.status, Some(77), "{refused:?}");
        let sentence = "is neither your name here, alice, nor an account on db1";
        assert!(refused.stderr.contains(sentence), "{shown}: {refused:?}");
    }
    scene.refused("not-your-name").await;
    // Not for whom nothing was approved either, and in the same words as at the front door.
    let refused = scene.ssh(&["db2.door", "true"]).await;
    let direct = scene
        .gateway
        .ssh_command(&scene.alice, "alice+db2")
        .arg("true")
        .output();
    let direct = direct.await.unwrap();
    let told = |text: &str| {
        text.lines()
            .find(|line| line.starts_with("Refused: "))
            .map(str::to_owned)
    };
    assert_eq!(
        told(&refused.stderr),
        told(&String::from_utf8_lossy(&direct.stderr))
    );
    assert_eq!(refused.status, Some(77));
    // A target that does not exist is told in those words, too.
    let nowhere = scene.ssh(&["nowhere.door", "true"]).await;
    assert!(
        nowhere.stderr.contains("no active check-out for nowhere"),
        "{nowhere:?}"
    );
}

#[tokio::test]
async fn a_jump_leads_to_targets_and_nowhere_else() {
    let (scene, _) = scene().await;
    let ports = [
        scene.gateway.ssh.port(),
        scene.gateway.admin.port(),
        scene.sshd.port,
    ];
    for host in [
        "127.0.0.1",
        "169.254.169.254",
        "gateway.example.org",
        "::1",
        "db1.door.example.org",
    ] {
        for port in ports {
            let place = format!("[{host}]:{port}");
            let refused = scene.ssh(&["-W", &place, "localhost"]).await;
            assert_ne!(refused.status, Some(0), "{place}: {refused:?}");
            assert_eq!(refused.stdout, "", "{place}");
        }
    }
    scene.refused("unsupported").await;
    // What stands for a target's name is our own server and never that port.
    let ours = scene
        .ssh(&[
            "-W",
            &format!("db1:{}", scene.gateway.admin.port()),
            "localhost",
        ])
        .await;
    assert!(
        ours.stdout.starts_with("SSH-2.0-OpenSSH_Doorward"),
        "{ours:?}"
    );
    // No jump inside a jump.
    let mut command = scene.client("ssh");
    command.args(["-W", "db1:22", "db1.door"]);
    let nested = seen(command).await;
    assert_eq!(nested.stdout, "", "{nested:?}");
    assert_ne!(nested.status, Some(0));
}

#[tokio::test]
async fn a_disabled_user_loses_the_connection_they_could_jump_from() {
    let (scene, _) = scene().await;
    let socket = scene.home.join("mux");
    let control = format!("ControlPath={}", socket.display());
    let mut outer = scene.client("ssh");
    let mut outer = outer
        .args(["-o", "ControlMaster=yes", "-o", &control, "-N", "localhost"])
        .spawn()
        .unwrap();
    let there = async || socket.exists().then_some(());
    scene.gateway.eventually("the master's socket", there).await;
    let root = &scene.gateway.root;
    scene
        .gateway
        .post(root, "/users/alice/disable", json!({}))
        .await;
    let end = within("the master", outer.wait()).await.unwrap();
    assert!(!end.success());
}
