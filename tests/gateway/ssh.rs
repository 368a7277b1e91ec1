//! SSH as stock clients speak it: the same through the gateway as directly, nothing more
//! than what was granted, and over when it is over.

use std::{
    ffi::OsStr, net::SocketAddr, os::unix::ffi::OsStrExt as _, process::Stdio, sync::Arc,
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    sync::mpsc,
};

use crate::{
    sshd::{Sshd, keygen},
    support::{Gateway, PASSWORD, PATIENCE, Person, text},
};

struct Scene {
    gateway: Gateway,
    sshd: Sshd,
    alice: Person,
    bob: Person,
}

/// Alice has an active check-out of db1.
async fn scene() -> (Scene, String) {
    scene_with("").await
}

async fn scene_with(sshd: &str) -> (Scene, String) {
    let (gateway, sshd) = tokio::join!(Gateway::start(), Sshd::start_with(sshd));
    sshd.enter(&gateway, "db1").await;
    let alice = gateway.person("alice", &["requester"]).await;
    let bob = gateway.person("bob", &["approver"]).await;
    let scene = Scene {
        gateway,
        sshd,
        alice,
        bob,
    };
    let ask = json!({ "target": "db1", "reason": "disk is full", "ticket": "CHG0012345" });
    let id = text(
        &scene
            .gateway
            .post(&scene.alice.token, "/checkouts", ask)
            .await["id"],
    );
    let approve = format!("/checkouts/{id}/approve");
    scene
        .gateway
        .post(&scene.bob.token, &approve, json!({}))
        .await;
    (scene, id)
}

impl Scene {
    fn via(&self) -> Command {
        let mut command = self.gateway.ssh_command(&self.alice, "alice+db1");
        command.args(["-o", "LogLevel=ERROR"]);
        command
    }

    fn direct(&self) -> Command {
        let mut command = Command::new("ssh");
        command
            .args([
                "-F",
                "none",
                "-o",
                "BatchMode=yes",
                "-o",
                "StrictHostKeyChecking=no",
            ])
            .args([
                "-o",
                "UserKnownHostsFile=/dev/null",
                "-o",
                "LogLevel=ERROR",
                "-i",
            ])
            .arg(&self.sshd.key)
            .args([
                "-p",
                &self.sshd.port.to_string(),
                "-l",
                &self.sshd.login,
                "127.0.0.1",
            ])
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// `sftp` or `scp` to `db1:`, as the person would type it.
    fn copy_command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args([
                "-F",
                "none",
                "-q",
                "-o",
                "BatchMode=yes",
                "-o",
                "StrictHostKeyChecking=no",
            ])
            .args([
                "-o",
                "UserKnownHostsFile=/dev/null",
                "-o",
                "IdentitiesOnly=yes",
            ])
            .args(["-o", "User=alice+db1", "-i"])
            .arg(&self.alice.key)
            .args(["-P", &self.gateway.ssh.port().to_string()])
            .env_remove("SSH_AUTH_SOCK")
            .kill_on_drop(true);
        command
    }

    async fn revoke(&self, id: &str) {
        let body = json!({ "message": "maintenance is over" });
        let path = format!("/checkouts/{id}/revoke");
        self.gateway.post(&self.bob.token, &path, body).await;
    }

    async fn refused(&self, code: &str) {
        let refused = |event: &serde_json::Value| event["event"]["outcome"]["refused"] == code;
        self.gateway.audit_event(refused).await;
    }
}

async fn within<T>(what: &str, task: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(PATIENCE, task).await;
    ended.unwrap_or_else(|_| panic!("{what} hung"))
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    stdout: String,
    stderr: String,
    status: Option<i32>,
}

async fn seen(mut command: Command, input: &[u8]) -> Seen {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A command may end without reading it.
    let feed = tokio::spawn(async move { stdin.write_all(&input).await.ok() });
    let output = within("ssh", child.wait_with_output()).await.unwrap();
    feed.await.unwrap();
    Seen {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.code(),
    }
}

#[tokio::test]
async fn commands_behave_through_the_gateway_as_they_do_directly() {
    let (scene, _) = scene().await;
    for (arguments, input) in [
        (&["true"][..], &b""[..]),
        (&["false"], b""),
        (&["exit 123"], b""),
        (&["echo out; echo err >&2; exit 7"], b""),
        (&["printf 'no line end'"], b""),
        (&["cat"], b"through and back\n"),
        (&["cat; echo after the end of file; cat"], b"half closed\n"),
        (&["head -c 3"], &[b'x'; 100_000]),
        (&["kill -TERM $$"], b""),
        (&["kill -KILL $$"], b""),
        (&["no-such-command"], b""),
        (&["printf '%s' \"$LC_ALL\""], b""),
        (&["printf '\\377\\0\\200' | od -c"], b""),
        (&["echo $'b\\xc3\\xa4ng' ü"], b""),
        (&["-tt", "tty >/dev/null && stty -a"], b""),
        (&["-tt", "stty raw -echo; echo on a terminal; exit 3"], b""),
        (&["-T"], b"echo from a shell; exit 5\n"),
        (&["-n", "echo $TERM"], b""),
        (&["-s", "no-such-subsystem"], b""),
        (&["seq 1 200000"], b""),
        (&["exec 2>/dev/null; sleep 0.05; echo slept"], b""),
    ] {
        // OpenSSH takes options also behind the host.
        let prepared = |mut command: Command| {
            command
                .args(["-o", "SendEnv=LC_ALL"])
                .args(arguments)
                .env("LC_ALL", "C.UTF-8");
            command
        };
        let (direct, via) = tokio::join!(
            seen(prepared(scene.direct()), input),
            seen(prepared(scene.via()), input)
        );
        if arguments.contains(&"no-such-subsystem") {
            // Refused by the gateway, in its own words.
            assert!(
                via.stderr.contains("subsystem no-such-subsystem"),
                "{via:?}"
            );
            continue;
        }
        assert_eq!(via, direct, "{arguments:?}");
    }
}

#[tokio::test]
async fn a_reader_that_stops_early_ends_the_command_as_directly() {
    let (scene, _) = scene().await;
    let mut ended = Vec::new();
    for mut command in [scene.direct(), scene.via()] {
        let mut child = command.arg("yes").stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        // As `| head -1` does.
        stdout.read_exact(&mut [0; 2]).await.unwrap();
        drop(stdout);
        ended.push(within("yes", child.wait()).await.unwrap().code());
    }
    assert_eq!(ended[1], ended[0]);
}

#[tokio::test]
async fn a_key_pressed_under_a_flood_reaches_the_target() {
    let (scene, _) = scene().await;
    let mut child = scene
        .via()
        .args(["-tt", "stty raw isig -echo; exec yes"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut vec![0; 1 << 20]).await.unwrap();
    let flood = tokio::spawn(async move {
        tokio::io::copy(&mut stdout, &mut tokio::io::sink())
            .await
            .ok();
    });
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"\x03").await.unwrap();
    // The client waits for the end of `yes` alone.
    let ended = within("the end of it", child.wait()).await.unwrap();
    assert_eq!(ended.code(), Some(255), "by a signal");
    flood.await.unwrap();
}

/// Hears how a command has ended.
struct Ear(mpsc::UnboundedSender<u32>);

impl russh::client::Handler for Ear {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        _: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        Ok(true)
    }

    async fn exit_status(
        &mut self,
        _: russh::ChannelId,
        status: u32,
        _: &mut russh::client::Session,
    ) -> Result<(), russh::Error> {
        self.0.send(status).unwrap();
        Ok(())
    }
}

#[tokio::test]
async fn a_client_that_closes_first_hears_how_it_ended() {
    let (scene, _) = scene().await;
    let direct = SocketAddr::from(([127, 0, 0, 1], scene.sshd.port));
    for (address, login, key) in [
        (direct, scene.sshd.login.as_str(), scene.sshd.key.clone()),
        (scene.gateway.ssh, "alice+db1", scene.alice.key.clone()),
    ] {
        let (heard, mut ending) = mpsc::unbounded_channel();
        let mut client = russh::client::connect(Arc::default(), address, Ear(heard))
            .await
            .unwrap();
        let key = russh::keys::load_secret_key(key, None).unwrap();
        let key = russh::keys::PrivateKeyWithHashAlg::new(Arc::new(key), None);
        let signed_in = client.authenticate_publickey(login, key).await.unwrap();
        assert!(signed_in.success());
        let channel = client.channel_open_session().await.unwrap();
        // PuTTY closes as soon as both sides have sent their last byte.
        let command = "exec >&- 2>&-; sleep 0.3; exit 7";
        channel.exec(true, command).await.unwrap();
        channel.close().await.unwrap();
        let ended = within("the command", ending.recv()).await;
        assert_eq!(ended, Some(7), "as {login}");
    }
}

#[tokio::test]
async fn a_variable_that_is_no_text_is_left_out_and_the_command_runs() {
    let (scene, _) = scene().await;
    let mut command = scene.via();
    command
        .args(["-o", "SendEnv=LC_X", "echo [$LC_X]"])
        .env("LC_X", OsStr::from_bytes(b"\xff\xfe"));
    let seen = seen(command, b"").await;
    assert_eq!((seen.stdout.as_str(), seen.status), ("[]\n", Some(0)));
}

#[tokio::test]
async fn both_directions_flood_past_a_slow_reader_and_no_byte_is_lost() {
    let (scene, _) = scene().await;
    // More than every window and buffer on the way together, and a rekey in the middle.
    let length = 48 << 20;
    let mut command = scene.via();
    let mut child = command
        .args(["-o", "RekeyLimit=16M", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let byte = |at: usize| (at.wrapping_mul(2_654_435_761) >> 16) as u8;
    let writer = tokio::spawn(async move {
        let data: Vec<u8> = (0..length).map(byte).collect();
        stdin.write_all(&data).await.unwrap();
    });
    let read = async {
        let mut at = 0;
        let mut piece = vec![0; 64 * 1024];
        for turn in 0.. {
            if turn < 40 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let count = stdout.read(&mut piece).await.unwrap();
            if count == 0 {
                break;
            }
            let whole = (0..count).all(|index| piece[index] == byte(at + index));
            assert!(whole, "damaged after {at} bytes");
            at += count;
        }
        at
    };
    assert_eq!(within("the way back", read).await, length);
    writer.await.unwrap();
    assert!(within("ssh", child.wait()).await.unwrap().success());
}

#[tokio::test]
async fn files_move_both_ways_by_sftp_and_both_kinds_of_scp() {
    let (scene, _) = scene().await;
    let folder = scene.sshd.dir.path();
    let path = |name: &str| folder.join(name).display().to_string();
    let data: Vec<u8> = (0..8_000_000_u32).map(|at| ((at * 7) >> 3) as u8).collect();
    std::fs::write(path("original"), &data).unwrap();
    let batch = format!(
        "put {} {}\nget {} {}\n",
        path("original"),
        path("put"),
        path("put"),
        path("got")
    );
    let mut sftp = scene.copy_command("sftp");
    sftp.args(["-R", "256", "-b", "-", "127.0.0.1"]);
    let moved = seen(sftp, batch.as_bytes()).await;
    assert_eq!(moved.status, Some(0), "{moved:?}");
    assert!(std::fs::read(path("got")).unwrap() == data);
    for old in [false, true] {
        for (from, to) in [
            (path("original"), "127.0.0.1:".to_owned() + &path("up")),
            ("127.0.0.1:".to_owned() + &path("up"), path("down")),
        ] {
            let mut scp = scene.copy_command("scp");
            if old {
                scp.arg("-O");
            }
            let moved = seen(
                {
                    scp.args([from, to]);
                    scp
                },
                b"",
            )
            .await;
            assert_eq!(moved.status, Some(0), "{moved:?}");
        }
        assert!(std::fs::read(path("down")).unwrap() == data);
        std::fs::remove_file(path("down")).unwrap();
    }
}

#[tokio::test]
async fn p6_what_was_not_granted_is_refused_and_the_session_lives_on() {
    let (scene, _) = scene().await;
    let mut command = scene.gateway.ssh_command(&scene.alice, "alice+db1");
    command.args(["-A", "-W", "127.0.0.1:1"]);
    let forward = seen(command, b"").await;
    assert_ne!(forward.status, Some(0));
    assert!(
        forward.stderr.contains("dministratively prohibited"),
        "{}",
        forward.stderr
    );
    scene.refused("not-capable").await;

    let mut command = scene.via();
    command.args([
        "-A",
        "-o",
        "RemoteForward=0 127.0.0.1:1",
        "echo still here; echo [$SSH_AUTH_SOCK]",
    ]);
    let lives = seen(command, b"").await;
    assert_eq!(lives.stdout, "still here\n[]\n", "{lives:?}");

    // Neither a library nor an escape sequence reaches the target.
    let mut command = scene.via();
    command.args([
        "-o",
        "SetEnv=LD_PRELOAD=/tmp/x.so TEST_X=1",
        "-tt",
        "echo [$TEST_X][$LD_PRELOAD]$TERM",
    ]);
    command.env("TERM", "\u{1b}]0;x\u{7}");
    let bare = seen(command, b"").await;
    assert_eq!(bare.stdout, "[][]dumb\r\n", "{bare:?}");
}

#[tokio::test]
async fn p2_a_revoke_ends_every_channel_of_a_shared_connection() {
    let (scene, id) = scene().await;
    let socket = scene.gateway.dir.path().join("mux");
    let control = format!("ControlPath={}", socket.display());
    let mut master = scene.via();
    let mut master = master
        .args(["-o", "ControlMaster=yes", "-o", &control, "-N"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let there = async || socket.exists().then_some(());
    scene.gateway.eventually("the master's socket", there).await;
    let mut sleepers = Vec::new();
    for _ in 0..3 {
        let mut command = scene.via();
        let mut sleeper = command
            .args(["-o", &control, "echo in; sleep 600"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut some = [0; 3];
        let stdout = sleeper.stdout.as_mut().unwrap();
        within("a channel", stdout.read_exact(&mut some))
            .await
            .unwrap();
        sleepers.push(sleeper);
    }
    scene.revoke(&id).await;
    for sleeper in sleepers {
        let output = within("a channel's end", sleeper.wait_with_output())
            .await
            .unwrap();
        assert!(!output.status.success());
    }
    within("the master's end", master.wait()).await.unwrap();
    let mut command = scene.via();
    command.args(["-o", &control, "echo in"]);
    let again = seen(command, b"").await;
    assert_eq!(again.status, Some(77), "{again:?}");
}

#[tokio::test]
async fn p10_the_end_is_told_in_the_terminal() {
    let (scene, id) = scene().await;
    let mut command = scene.via();
    command.args(["-tt", "echo in; sleep 600"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut some = [0; 4];
    let stdout = child.stdout.as_mut().unwrap();
    within("the shell", stdout.read_exact(&mut some))
        .await
        .unwrap();
    scene.revoke(&id).await;
    let output = within("ssh", child.wait_with_output()).await.unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let sentence = "\r\nAccess ended: revoked by bob: maintenance is over (check-out ";
    assert!(shown.contains(sentence), "{shown:?}");
    assert_eq!(output.status.code(), Some(77), "{output:?}");
}

#[tokio::test]
async fn a_changed_host_key_is_refused_before_any_credential_leaves() {
    let (scene, _) = scene().await;
    let other = scene.sshd.dir.path().join("other");
    keygen(&other).await;
    let pinned = std::fs::read_to_string(other.with_extension("pub")).unwrap();
    let change = json!({ "host_keys": [pinned.trim()] });
    let patch = reqwest::Method::PATCH;
    let root = &scene.gateway.root;
    scene
        .gateway
        .must(root, patch, "/targets/db1", change)
        .await;
    let mut command = scene.via();
    command.arg("true");
    let refused = seen(command, b"").await;
    assert_eq!(refused.status, Some(69), "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("another host key than the pinned one"),
        "{refused:?}"
    );
    assert!(!scene.sshd.log().contains("Accepted"));
    let audit = scene.gateway.get(root, "/audit?limit=200").await;
    assert!(
        !audit.to_string().contains("credential.use"),
        "unsealed for nothing"
    );
}

#[tokio::test]
async fn a_target_that_is_down_is_named() {
    let (mut scene, _) = scene().await;
    scene.sshd.stop().await;
    let mut command = scene.via();
    command.arg("true");
    let refused = seen(command, b"").await;
    assert_eq!(refused.status, Some(69), "{refused:?}");
    assert!(refused.stderr.contains("Not connected"), "{refused:?}");
}

#[tokio::test]
async fn p8_a_key_that_was_only_offered_lends_nobody_its_name() {
    let (scene, _) = scene().await;
    let carol = scene.gateway.person("carol", &["requester"]).await;
    // Carol's client offers Alice's public key, which it cannot sign with, and then its own.
    let stolen = scene.gateway.dir.path().join("stolen");
    std::fs::copy(&carol.key, &stolen).unwrap();
    std::fs::copy(
        scene.alice.key.with_extension("key.pub"),
        stolen.with_extension("pub"),
    )
    .unwrap();
    for login in ["alice+db1", "carol+db1"] {
        let mut command = scene.gateway.ssh_command(&carol, login);
        command.arg("-i").arg(&stolen).arg("true");
        let refused = seen(command, b"").await;
        assert_ne!(refused.status, Some(0), "{login} {refused:?}");
        assert!(!scene.sshd.log().contains("Accepted"), "{login}");
    }
}

#[tokio::test]
async fn strange_log_in_names_are_one_refusal() {
    let (scene, _) = scene().await;
    for login in [
        "alice+db1.",
        "Alice+db1",
        "alice+",
        "+db1",
        "alice+db1+",
        "аlice+db1",
        "root",
    ] {
        let mut command = scene.gateway.ssh_command(&scene.alice, login);
        command.arg("true");
        let refused = seen(command, b"").await;
        assert_eq!(refused.status, Some(255), "{login} {refused:?}");
        assert!(
            refused.stderr.contains("Permission denied"),
            "{login} {refused:?}"
        );
    }
    let mut command = scene.gateway.ssh_command(&scene.alice, "alice+elsewhere");
    command.arg("true");
    assert_eq!(seen(command, b"").await.status, Some(77));
}

#[tokio::test]
async fn a_password_signs_in_by_either_way() {
    let (scene, _) = scene().await;
    let folder = scene.gateway.dir.path();
    let answers = [
        ("right", PASSWORD, true),
        ("wrong", "not the password", false),
    ];
    for (name, password, right) in answers {
        let askpass = folder.join(name);
        std::fs::write(&askpass, format!("#!/bin/sh\necho '{password}'\n")).unwrap();
        std::fs::set_permissions(
            &askpass,
            std::os::unix::fs::PermissionsExt::from_mode(0o700),
        )
        .unwrap();
        for way in ["password", "keyboard-interactive"] {
            let mut command = Command::new("ssh");
            command
                .args(["-F", "none", "-o", "StrictHostKeyChecking=no", "-o"])
                .arg("UserKnownHostsFile=/dev/null")
                .args(["-o", &format!("PreferredAuthentications={way}")])
                .args([
                    "-o",
                    "PubkeyAuthentication=no",
                    "-o",
                    "NumberOfPasswordPrompts=1",
                ])
                .args(["-p", &scene.gateway.ssh.port().to_string()])
                .args(["-l", "alice+db1", "127.0.0.1", "echo in"])
                .env("SSH_ASKPASS", &askpass)
                .env("SSH_ASKPASS_REQUIRE", "force")
                .env_remove("SSH_AUTH_SOCK")
                .kill_on_drop(true);
            let tried = seen(command, b"").await;
            assert_eq!(tried.stdout == "in\n", right, "{way} {tried:?}");
        }
    }
}
