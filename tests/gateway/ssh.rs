//! SSH as stock clients speak it: the same through the gateway as directly, nothing more
//! than what was granted, and over when it is over.

use std::{
    ffi::OsStr, net::SocketAddr, os::unix::ffi::OsStrExt as _, process::Stdio, time::Duration,
};

use serde_json::json;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{
    scene::{Scene, Way, scene},
    seen::{drained, echoed, ended, fed, seen, shown, within},
    sshd::keygen,
    support::PASSWORD,
    wild::signed_in,
};

/// Alice has an active check-out of db1.
async fn granted() -> Scene {
    let scene = scene().await;
    scene.approved().await;
    scene
}

impl Scene {
    /// As `Scene::ssh`, with no more said than what went wrong.
    fn via(&self, arguments: &[&str]) -> Command {
        let mut command = self.ssh(&["-o", "LogLevel=ERROR"]);
        command.args(arguments);
        command
    }

    fn direct(&self) -> Command {
        let port = self.sshd.port.to_string();
        let mut command = Command::new("ssh");
        command
            .args(["-F", "none", "-o", "BatchMode=yes"])
            .args(["-o", "StrictHostKeyChecking=no"])
            .args(["-o", "UserKnownHostsFile=/dev/null"])
            .args(["-o", "LogLevel=ERROR", "-i"])
            .arg(&self.sshd.key)
            .args(["-p", &port, "-l", &self.sshd.login, "127.0.0.1"])
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

#[tokio::test]
async fn commands_behave_through_the_gateway_as_they_do_directly() {
    let scene = granted().await;
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
            fed(prepared(scene.direct()), input),
            fed(prepared(scene.via(&[])), input)
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
    let scene = granted().await;
    let mut ended = Vec::new();
    for mut command in [scene.direct(), scene.via(&[])] {
        let mut child = command.arg("yes").stdout(Stdio::piped()).spawn().unwrap();
        // As `| head -1` does.
        shown(&mut child, 2).await;
        drop(child.stdout.take());
        ended.push(within("yes", child.wait()).await.unwrap().code());
    }
    assert_eq!(ended[1], ended[0]);
}

#[tokio::test]
async fn a_key_pressed_under_a_flood_reaches_the_target() {
    let scene = granted().await;
    let mut child = scene
        .via(&["-tt", "stty raw isig -echo; exec yes"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    shown(&mut child, 1 << 20).await;
    let flood = drained(&mut child);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"\x03").await.unwrap();
    // The client waits for the end of `yes` alone.
    let ended = within("the end of it", child.wait()).await.unwrap();
    assert_eq!(ended.code(), Some(255), "by a signal");
    flood.await.unwrap();
}

#[tokio::test]
async fn a_client_that_closes_first_hears_how_it_ended() {
    let scene = granted().await;
    let direct = SocketAddr::from(([127, 0, 0, 1], scene.sshd.port));
    for (address, login, key) in [
        (direct, scene.sshd.login.as_str(), &scene.sshd.key),
        (scene.gateway.ssh, "alice+db1", &scene.alice.key),
    ] {
        let (client, mut ending) = signed_in(address, login, key).await;
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
    let scene = granted().await;
    let mut command = scene.via(&["-o", "SendEnv=LC_X", "echo [$LC_X]"]);
    command.env("LC_X", OsStr::from_bytes(b"\xff\xfe"));
    assert_eq!(seen(command).await.well().stdout, "[]\n");
}

#[tokio::test]
async fn both_directions_flood_past_a_slow_reader_and_no_byte_is_lost() {
    let scene = granted().await;
    // More than every window and buffer on the way together, and a rekey in the middle.
    let length = 48 << 20;
    let mut child = scene
        .via(&["-o", "RekeyLimit=16M", "cat"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let pause = Duration::from_millis(20);
    assert_eq!(echoed(stdin, stdout, length, pause).await, length);
    assert!(within("ssh", child.wait()).await.unwrap().success());
}

#[tokio::test]
async fn files_move_both_ways_by_sftp_and_both_kinds_of_scp() {
    let scene = granted().await;
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
    let mut sftp = scene.copier("sftp", Way::Gateway);
    sftp.args(["-R", "256", "-b", "-", "127.0.0.1"]);
    fed(sftp, batch.as_bytes()).await.well();
    assert!(std::fs::read(path("got")).unwrap() == data);
    let there = |name: &str| format!("127.0.0.1:{}", path(name));
    for old in [&[][..], &["-O"]] {
        for (from, to) in [(path("original"), there("up")), (there("up"), path("down"))] {
            let mut scp = scene.copier("scp", Way::Gateway);
            scp.args(old).args([from, to]);
            seen(scp).await.well();
        }
        assert!(std::fs::read(path("down")).unwrap() == data);
        std::fs::remove_file(path("down")).unwrap();
    }
}

#[tokio::test]
async fn p6_what_was_not_granted_is_refused_and_the_session_lives_on() {
    let scene = granted().await;
    let forward = scene.seen(&["-A", "-W", "127.0.0.1:1"]).await;
    assert_ne!(forward.status, Some(0));
    assert!(
        forward.stderr.contains("dministratively prohibited"),
        "{}",
        forward.stderr
    );
    scene.refused("not-capable").await;

    let remote = "RemoteForward=0 127.0.0.1:1";
    let command = "echo still here; echo [$SSH_AUTH_SOCK]";
    let lives = seen(scene.via(&["-A", "-o", remote, command])).await;
    assert_eq!(lives.stdout, "still here\n[]\n", "{lives:?}");

    // Neither a library nor an escape sequence reaches the target.
    let set = "SetEnv=LD_PRELOAD=/tmp/x.so TEST_X=1";
    let mut command = scene.via(&["-o", set, "-tt", "echo [$TEST_X][$LD_PRELOAD]$TERM"]);
    command.env("TERM", "\u{1b}]0;x\u{7}");
    let bare = seen(command).await;
    assert_eq!(bare.stdout, "[][]dumb\r\n", "{bare:?}");
}

#[tokio::test]
async fn p2_a_revoke_ends_every_channel_of_a_shared_connection() {
    let scene = scene().await;
    let id = scene.approved().await;
    let socket = scene.gateway.dir.path().join("mux");
    let control = format!("ControlPath={}", socket.display());
    let mut master = scene
        .via(&["-o", "ControlMaster=yes", "-o", &control, "-N"])
        .spawn()
        .unwrap();
    scene.gateway.appears(&socket).await;
    let mut sleepers = Vec::new();
    for _ in 0..3 {
        let command = scene.via(&["-o", &control, "echo in; sleep 600"]).spawn();
        let mut sleeper = command.unwrap();
        shown(&mut sleeper, 3).await;
        sleepers.push(sleeper);
    }
    scene.revoke(&id).await;
    for sleeper in sleepers {
        assert_ne!(ended(sleeper).await.status, Some(0));
    }
    within("the master's end", master.wait()).await.unwrap();
    let again = seen(scene.via(&["-o", &control, "echo in"])).await;
    assert_eq!(again.status, Some(77), "{again:?}");
}

#[tokio::test]
async fn p10_the_end_is_told_in_the_terminal() {
    let scene = scene().await;
    let id = scene.approved().await;
    let mut child = scene
        .via(&["-tt", "echo in; sleep 600"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    shown(&mut child, 4).await;
    scene.revoke(&id).await;
    let end = ended(child).await;
    let sentence = "\r\nAccess ended: revoked by bob: maintenance is over (check-out ";
    assert!(end.stdout.contains(sentence), "{end:?}");
    assert_eq!(end.status, Some(77), "{end:?}");
}

#[tokio::test]
async fn a_changed_host_key_is_refused_before_any_credential_leaves() {
    let scene = granted().await;
    let other = scene.sshd.dir.path().join("other");
    keygen(&other).await;
    let pinned = std::fs::read_to_string(other.with_extension("pub")).unwrap();
    let change = json!({ "host_keys": [pinned.trim()] });
    scene.gateway.patch("/targets/db1", change).await;
    let refused = seen(scene.via(&["true"])).await;
    assert_eq!(refused.status, Some(69), "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("another host key than the pinned one"),
        "{refused:?}"
    );
    scene.was_never_reached();
    let root = &scene.gateway.root;
    let audit = scene.gateway.get(root, "/audit?limit=200").await;
    assert!(
        !audit.to_string().contains("credential.use"),
        "unsealed for nothing"
    );
}

#[tokio::test]
async fn a_target_that_is_down_is_named() {
    let mut scene = granted().await;
    scene.sshd.stop().await;
    let refused = seen(scene.via(&["true"])).await;
    assert_eq!(refused.status, Some(69), "{refused:?}");
    assert!(refused.stderr.contains("Not connected"), "{refused:?}");
}

#[tokio::test]
async fn p8_a_key_that_was_only_offered_lends_nobody_its_name() {
    let scene = granted().await;
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
        let offered = ["-i", stolen.to_str().unwrap(), "true"];
        let refused = scene.gateway.seen(&carol, login, &offered).await;
        assert_ne!(refused.status, Some(0), "{login} {refused:?}");
        scene.was_never_reached();
    }
}

#[tokio::test]
async fn strange_log_in_names_are_one_refusal() {
    let scene = granted().await;
    for login in [
        "alice+db1.",
        "Alice+db1",
        "alice+",
        "+db1",
        "alice+db1+",
        "аlice+db1",
        "root",
    ] {
        let refused = scene.gateway.seen(&scene.alice, login, &["true"]).await;
        assert_eq!(refused.status, Some(255), "{login} {refused:?}");
        assert!(
            refused.stderr.contains("Permission denied"),
            "{login} {refused:?}"
        );
    }
    let nowhere = scene
        .gateway
        .seen(&scene.alice, "alice+elsewhere", &["true"]);
    assert_eq!(nowhere.await.status, Some(77));
}

#[tokio::test]
async fn a_password_signs_in_by_either_way() {
    let scene = granted().await;
    for (password, right) in [(PASSWORD, true), ("not the password", false)] {
        for way in ["password", "keyboard-interactive"] {
            let mut command = Command::new("ssh");
            command
                .args(["-F", "none", "-o", "StrictHostKeyChecking=no"])
                .args(["-o", "UserKnownHostsFile=/dev/null"])
                .args(["-o", &format!("PreferredAuthentications={way}")])
                .args(["-o", "PubkeyAuthentication=no"])
                .args(["-o", "NumberOfPasswordPrompts=1"])
                .args(["-p", &scene.gateway.ssh.port().to_string()])
                .args(["-l", "alice+db1", "127.0.0.1", "echo in"])
                .env_remove("SSH_AUTH_SOCK");
            scene.gateway.hand(password, &mut command);
            let tried = seen(command).await;
            assert_eq!(tried.stdout == "in\n", right, "{way} {tried:?}");
        }
    }
}
