//! The demo as people start it, with the real `ssh`: it ends well, and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{path::Path, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// Nothing here is timed; this only keeps a hanging test from hanging for ever.
const PATIENCE: Duration = Duration::from_secs(180);

/// The demo, with a folder for its temporary files that nobody else writes to.
fn demo(folder: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_doorward"))
        .arg("demo")
        .args(arguments)
        .env("TMPDIR", folder)
        .env_remove("DEMO")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn left(folder: &TempDir) -> Vec<std::ffi::OsString> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}

/// Processes that name the folder in their arguments: ssh with its configuration.
fn running(folder: &TempDir) -> Vec<String> {
    let folder = folder.path().to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| std::fs::read_to_string(process.path().join("cmdline")).ok())
        .filter(|line| line.contains(folder))
        .collect()
}

#[tokio::test]
async fn the_demo_shows_the_whole_line_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let demo = demo(folder.path(), &["--once"]);
    let output = timeout(PATIENCE, demo.wait_with_output())
        .await
        .expect("it ends")
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{error}");
    for part in [
        "✓ the target was never contacted",
        "✓ the request waits for an approver",
        "✓ it ran on the target",
        "Access ended: revoked by bob: maintenance is over",
        "ms after the revoke was sent",
        "✓ the chain holds",
        "✓ it shows what alice saw",
        "✓ the wiki was never contacted",
        "hello from the wiki",
        "✓ the gateway gave the wiki its password, and nobody else",
        "Access ended: revoked by bob: that is enough",
        "✓ her WebSocket was closed ",
        "✓ and the next request says it too",
        "✓ xfreerdp shows the desktop",
        "✓ her client was told that an administrator has ended it",
        "✓ what she saw is kept as pictures",
    ] {
        assert!(said.contains(part), "{part} is missing:\n{said}");
    }
    // Plain when it is no terminal that reads it.
    assert!(!said.contains('\x1b'));
    assert!(left(&folder).is_empty(), "{:?}", left(&folder));
}

#[tokio::test]
async fn ctrl_c_in_the_middle_leaves_nothing() {
    // Before anything runs, while a session is busy, and when all is shown.
    for moment in ["1. Without", "and more is coming", "Ctrl-C ends the demo"] {
        let folder = tempfile::tempdir().unwrap();
        let mut demo = demo(folder.path(), &[]);
        let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
        let reached = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains(moment) {
                    return true;
                }
            }
            false
        };
        assert!(timeout(PATIENCE, reached).await.expect("it goes on"));
        let pid = i32::try_from(demo.id().unwrap()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGINT).unwrap();
        let mut rest = String::new();
        let ended = async {
            lines.into_inner().read_to_string(&mut rest).await.unwrap();
            demo.wait().await.unwrap()
        };
        let status = timeout(PATIENCE, ended).await.expect("it ends");
        // Asked to stay, it was ended as it should be; before that, it was broken off.
        assert_eq!(status.success(), moment.starts_with("Ctrl-C"), "{moment}");
        assert!(left(&folder).is_empty(), "{moment}: {:?}", left(&folder));
        assert!(running(&folder).is_empty(), "{:?}", running(&folder));
    }
}

#[tokio::test]
async fn without_the_programs_for_it_no_desktop_is_shown_and_what_it_takes_is_said() {
    let (folder, programs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for program in ["ssh", "curl", "id", "ls", "sh"] {
        let mut found = std::env::split_paths("/usr/bin:/bin").map(|place| place.join(program));
        let found = found.find(|path| path.exists()).unwrap();
        std::os::unix::fs::symlink(found, programs.path().join(program)).unwrap();
    }
    let mut demo = Command::new(env!("CARGO_BIN_EXE_doorward"));
    demo.args(["demo", "--once"])
        .env("PATH", programs.path())
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(PATIENCE, demo.output()).await.expect("it ends");
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let why = "A desktop is not shown: it takes what `apt-get install xvfb";
    assert!(said.contains(why), "{said}");
    assert!(left(&folder).is_empty(), "{:?}", left(&folder));
}

#[tokio::test]
async fn without_ssh_it_says_so_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(["demo", "--once"])
        .env("PATH", folder.path())
        .env("TMPDIR", folder.path())
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("there is none in PATH"), "{said}");
    assert!(left(&folder).is_empty());
}
