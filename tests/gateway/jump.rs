//! `ssh -J` and `ssh db1.door`: stock clients with the configuration that `doorward ssh-config`
//! writes, and strict about whom they speak to.

use std::{path::PathBuf, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
};

use crate::{
    scene::{Scene, scene},
    seen::{Seen, ended, fed, seen, shown, within},
    sshd::keygen,
};

/// Alice has an active check-out of db1 and none of db2, which is the same machine; her
/// client is configured.
async fn configured() -> Scene {
    let scene = scene().await;
    scene.sshd.enter(&scene.gateway, "db2").await;
    scene.configure().await;
    scene.approved().await;
    scene
}

impl Scene {
    /// As the person would do it, once.
    async fn configure(&self) {
        let arguments = ["ssh-config", "--write"];
        let write = self.gateway.doorward(&self.alice.token, &arguments);
        seen(write).await.well();
        // ssh knows no other home than that of the account it runs in.
        let known = self.known_hosts().display().to_string();
        let config = self.known_hosts().with_file_name("config");
        let config = std::fs::read_to_string(config).unwrap();
        let config = config.replace("~/.ssh/doorward/known_hosts", &known);
        let own = format!(
            "{config}\nHost *\n    BatchMode yes\n    IdentitiesOnly yes\n    IdentityFile {}\n    \
             LogLevel ERROR\n    ConnectTimeout 30\n",
            self.alice.key.display()
        );
        std::fs::write(self.config(), own).unwrap();
    }

    /// What `doorward ssh-config --write` left, and this test's key.
    fn config(&self) -> PathBuf {
        self.gateway.home().join("ssh_config")
    }

    fn known_hosts(&self) -> PathBuf {
        self.gateway.home().join(".ssh/doorward/known_hosts")
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

    async fn jumped(&self, arguments: &[&str]) -> Seen {
        let mut command = self.client("ssh");
        command.args(arguments);
        seen(command).await
    }

    /// A connection to the gateway that other clients share by their `ControlPath`.
    async fn master(&self, control: &str, host: &str) -> Child {
        let mut master = self.client("ssh");
        let master = master
            .args(["-o", "ControlMaster=yes", "-o", control, "-N", host])
            .spawn();
        let (_, socket) = control.split_once('=').unwrap();
        self.gateway.appears(socket.as_ref()).await;
        master.unwrap()
    }

    /// `ControlPath`, as an option of ssh.
    fn control(&self) -> String {
        let socket = self.gateway.home().join("mux");
        format!("ControlPath={}", socket.display())
    }
}

/// Runs a command that says something and stays; returns once it has said it.
async fn stays(mut command: Command) -> Child {
    let mut child = command
        .arg("echo in; exec sleep 600")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(shown(&mut child, 2).await, b"in");
    child
}

#[tokio::test]
async fn a_stock_client_reaches_a_target_by_its_host_name() {
    let scene = configured().await;
    let simple = scene
        .jumped(&["db1.door", "echo out; echo err >&2; exit 7"])
        .await;
    let expected = Seen {
        stdout: "out\n".to_owned(),
        stderr: "err\n".to_owned(),
        status: Some(7),
    };
    assert_eq!(simple, expected);
    // With the account named, and by `-J` with no more than known_hosts.
    let named = scene.jumped(&["root@db1.door", "echo named"]).await;
    assert_eq!(named.stdout, "named\n", "{named:?}");
    let known = scene.known_hosts();
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
        .jumped(&["-tt", "db1.door", "tty >/dev/null && echo on one"])
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
    let scene = configured().await;
    let known = scene.known_hosts();
    let other = scene.gateway.home().join("other");
    keygen(&other).await;
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
        let refused = scene.jumped(&["db1.door", "echo in"]).await;
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
    let scene = configured().await;
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
            seen(scp).await.well();
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
    fed(sftp, batch.as_bytes()).await.well();
    assert!(std::fs::read(path("got")).unwrap() == data);

    let mut rsync = Command::new("rsync");
    let ssh = format!("ssh -F {}", scene.config().display());
    rsync.args(["-a", "-e", &ssh, &path("original"), &there("synced")]);
    seen(rsync).await.well();
    assert!(std::fs::read(path("synced")).unwrap() == data);
}

#[tokio::test]
async fn p2_a_revoke_cuts_the_jump_and_says_why() {
    let scene = configured().await;
    let id = scene.requested().await;
    let mut command = scene.client("ssh");
    command.args(["-tt", "db1.door"]);
    let child = stays(command).await;
    scene.revoke(&id).await;
    let end = ended(child).await;
    let sentence = "\r\nAccess ended: revoked by bob: maintenance is over (check-out ";
    assert!(end.stdout.contains(sentence), "{end:?}");
    assert_eq!(end.status, Some(77), "{end:?}");
    // And no way back in.
    let again = scene.jumped(&["db1.door", "echo in"]).await;
    assert_eq!(again.status, Some(77), "{again:?}");
    assert!(
        again.stderr.contains("no active check-out for db1"),
        "{again:?}"
    );
}

#[tokio::test]
async fn p2_a_revoke_cuts_a_busy_jump_whose_client_has_stopped_reading() {
    let scene = configured().await;
    let id = scene.requested().await;
    let mut command = scene.client("ssh");
    let mut child = command
        .args(["db1.door", "exec cat /dev/zero"])
        .spawn()
        .unwrap();
    shown(&mut child, 1 << 20).await;
    // Nobody reads any more: its windows and every buffer on the way fill up.
    tokio::time::sleep(Duration::from_millis(300)).await;
    scene.revoke(&id).await;
    let closed = |event: &Value| {
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
    let scene = configured().await;
    let id = scene.requested().await;
    scene.approved_for("db2").await;
    let control = scene.control();
    let outer = scene.master(&control, "localhost").await;
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
    stdin.write_all(b"one\n").await.unwrap();
    assert_eq!(shown(&mut second, 4).await, b"one\n");

    scene.revoke(&id).await;
    let end = ended(first).await;
    assert_eq!(end.status, Some(77), "{end:?}");
    assert!(end.stderr.contains("revoked by bob"), "{end:?}");

    stdin.write_all(b"two\n").await.unwrap();
    assert_eq!(shown(&mut second, 4).await, b"two\n");
    drop(stdin);
    assert_eq!(ended(second).await.status, Some(0));
    drop(outer);
}

#[tokio::test]
async fn multiplexed_sessions_over_a_jump_end_together() {
    let scene = configured().await;
    let id = scene.requested().await;
    let control = scene.control();
    let shared = || {
        let mut command = scene.client("ssh");
        command.args(["-o", &control]);
        command
    };
    let mut master = scene.master(&control, "db1.door").await;
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
    let scene = configured().await;
    for (login, shown) in [
        ("jdoe", "jdoe"),
        ("CORP\\jdoe", "CORP\\\\jdoe"),
        ("bob", "bob"),
    ] {
        let refused = scene.jumped(&["-l", login, "db1.door", "true"]).await;
        assert_eq!(refused.status, Some(77), "{refused:?}");
        let sentence = "is neither your name here, alice, nor an account on db1";
        assert!(refused.stderr.contains(sentence), "{shown}: {refused:?}");
    }
    scene.refused("not-your-name").await;
    // Not for whom nothing was approved either, and in the same words as at the front door.
    let refused = scene.jumped(&["db2.door", "true"]).await;
    let direct = scene.gateway.seen(&scene.alice, "alice+db2", &["true"]);
    let direct = direct.await;
    let told = |text: &str| {
        text.lines()
            .find(|line| line.starts_with("Refused: "))
            .map(str::to_owned)
    };
    assert_eq!(told(&refused.stderr), told(&direct.stderr));
    assert_eq!(refused.status, Some(77));
    // A target that does not exist is told in those words, too.
    let nowhere = scene.jumped(&["nowhere.door", "true"]).await;
    assert!(
        nowhere.stderr.contains("no active check-out for nowhere"),
        "{nowhere:?}"
    );
}

#[tokio::test]
async fn a_jump_leads_to_targets_and_nowhere_else() {
    let scene = configured().await;
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
            let refused = scene.jumped(&["-W", &place, "localhost"]).await;
            assert_ne!(refused.status, Some(0), "{place}: {refused:?}");
            assert_eq!(refused.stdout, "", "{place}");
        }
    }
    scene.refused("unsupported").await;
    // What stands for a target's name is our own server and never that port.
    let ours = scene
        .jumped(&[
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
    let scene = configured().await;
    let control = scene.control();
    let mut outer = scene.master(&control, "localhost").await;
    scene.gateway.disable("alice").await;
    let end = within("the master", outer.wait()).await.unwrap();
    assert!(!end.success());
}
