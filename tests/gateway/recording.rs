//! What sessions leave: it plays what was seen, is found by its words, and cannot be changed.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
};

use crate::{
    scene::{Scene, scene, scene_with},
    seen::{Seen, ended, seen, within},
    support::text,
};

impl Scene {
    /// Runs a command in a session and waits until its recording has its end.
    async fn recorded(&self, command: &str) -> Value {
        let before = self.recordings().await.len();
        self.seen(&[command]).await.well();
        self.ended(before).await
    }

    /// The newest recording, once there is one more than `before` and it has its end.
    async fn ended(&self, before: usize) -> Value {
        self.gateway
            .eventually("the recording's end", async || {
                let recordings = self.recordings().await;
                let newest = recordings.first().cloned()?;
                let ended = recordings.len() > before && newest["finished_at"].is_string();
                ended.then_some(newest)
            })
            .await
    }

    async fn recordings(&self) -> Vec<Value> {
        self.gateway.list("/recordings").await
    }

    /// What the API answers for one, as it is.
    async fn content(&self, token: &str, recording: &Value, what: &str) -> (StatusCode, Value) {
        let path = format!("/recordings/{}/{what}", text(&recording["id"]));
        self.gateway.call(token, Method::GET, &path, None).await
    }

    async fn cast(&self, recording: &Value) -> Cast {
        let (status, answer) = self.content(&self.gateway.root, recording, "content").await;
        assert!(status.is_success(), "{answer}");
        // One line alone, the header, was read as JSON by the caller.
        Cast(answer.as_str().map_or(answer.to_string(), str::to_owned))
    }

    fn file(&self, recording: &Value) -> PathBuf {
        let name = text(&recording["file"]);
        self.gateway.data().join("recordings").join(name)
    }

    async fn verified(&self, recording: &Value) -> Value {
        let (status, verdict) = self.content(&self.gateway.root, recording, "verify").await;
        assert!(status.is_success(), "{verdict}");
        verdict
    }

    /// The command line of the first admin.
    async fn doorward(&self, arguments: &[&str]) -> Seen {
        seen(self.gateway.doorward(&self.gateway.root, arguments)).await
    }

    /// A terminal at the target, under whoever's hands.
    fn terminal(&self, command: &str) -> Terminal {
        let mut child = self
            .ssh(&["-tt", command])
            .env("TERM", "xterm-256color")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        Terminal {
            stdin: child.stdin.take().unwrap(),
            stdout: child.stdout.take().unwrap(),
            child,
            seen: Vec::new(),
        }
    }
}

struct Terminal {
    child: Child,
    stdin: tokio::process::ChildStdin,
    stdout: tokio::process::ChildStdout,
    seen: Vec<u8>,
}

impl Terminal {
    async fn types(&mut self, keys: &str) {
        self.stdin.write_all(keys.as_bytes()).await.unwrap();
        self.stdin.flush().await.unwrap();
    }

    /// Reads until something has been shown behind what was seen before.
    async fn shows(&mut self, awaited: &str) {
        let from = self.seen.len();
        let reading = async {
            let mut buffer = [0; 4_096];
            while !String::from_utf8_lossy(&self.seen[from..]).contains(awaited) {
                let count = self.stdout.read(&mut buffer).await.unwrap();
                assert!(
                    count > 0,
                    "it ended: {}",
                    String::from_utf8_lossy(&self.seen)
                );
                self.seen.extend_from_slice(&buffer[..count]);
            }
        };
        within(awaited, reading).await;
    }

    /// Everything that was shown until the end.
    async fn ends(mut self) -> String {
        let ending = async {
            self.stdout.read_to_end(&mut self.seen).await.unwrap();
            self.child.wait().await.unwrap();
        };
        within("the terminal's end", ending).await;
        String::from_utf8_lossy(&self.seen).into_owned()
    }
}

/// An asciicast v2 as text.
struct Cast(String);

impl Cast {
    fn header(&self) -> Value {
        serde_json::from_str(self.0.lines().next().unwrap()).unwrap()
    }

    fn events(&self, wanted: &str) -> Vec<String> {
        let events = self.0.lines().skip(1).map(|line| {
            let (_, code, text): (f64, String, String) = serde_json::from_str(line).unwrap();
            (code, text)
        });
        let wanted = events.filter(|(code, _)| code == wanted);
        wanted.map(|(_, text)| text).collect()
    }

    fn shown(&self) -> String {
        self.events("o").concat()
    }
}

#[tokio::test]
async fn what_an_editor_showed_is_what_its_recording_plays() {
    let scene = scene().await;
    scene.approved().await;
    let file = scene.gateway.dir.path().join("edited");
    let mut vim = scene.terminal(&format!("vim -u NONE -n {}", file.display()));
    vim.shows("~").await;
    vim.types("ihello \u{1f980} from vim\r").await;
    vim.shows("vim").await;
    vim.types("\u{1b}:wq\r").await;
    let seen = vim.ends().await;
    assert!(std::fs::read_to_string(file).unwrap().contains("from vim"));
    let recording = scene.ended(0).await;
    let cast = scene.cast(&recording).await;
    assert_eq!(cast.shown(), seen, "to the byte");
    assert_eq!(cast.events("m"), ["exit status 0"]);
    assert_eq!(cast.events("i"), [""; 0], "the policy does not ask for it");
    let header = cast.header();
    assert_eq!(header["version"], 2);
    assert_eq!(header["env"]["TERM"], "xterm-256color");
    assert_eq!(recording["kind"], "terminal");
    assert_eq!(recording["user_name"], "alice");
    assert_eq!(recording["target_name"], "db1");
    assert_eq!(recording["state"], "whole");
    // What lies on the disk shows nothing of it.
    let sealed = std::fs::read(scene.file(&recording)).unwrap();
    assert!(sealed.starts_with(b"doorward recording 1 "));
    assert!(!sealed.windows(5).any(|part| part == b"hello"));
}

#[tokio::test]
async fn an_exported_recording_plays_anywhere_and_a_sealed_one_says_why_it_does_not() {
    let scene = scene().await;
    scene.approved().await;
    let recording = scene.recorded("echo one; echo two").await;
    let id = text(&recording["id"]);
    let out = scene.gateway.dir.path().join("one.cast");
    let out = out.to_str().unwrap();
    scene
        .doorward(&["recordings", "export", &id, "--out", out])
        .await
        .well();
    let played = scene.doorward(&["play", out, "--at-once"]).await;
    assert!(played.stdout.contains("one\ntwo\n"), "{played:?}");
    let sealed = scene.file(&recording);
    let refused = scene.doorward(&["play", sealed.to_str().unwrap()]).await;
    assert_eq!(refused.status, Some(9));
    let sentence = "this is a sealed recording";
    assert!(refused.stderr.contains(sentence), "{refused:?}");
    let of_it = |event: &Value| event["event"]["kind"] == "recording.export";
    let event = scene.gateway.audit_event(of_it).await;
    assert_eq!(event["event"]["detail"]["recording"], recording["id"]);
    assert_eq!(event["event"]["actor"]["user"]["name"], "root");
}

#[tokio::test]
async fn words_are_found_by_who_may_see_them_and_it_is_written_down() {
    let scene = scene().await;
    scene.approved().await;
    let recording = scene
        .recorded("printf 'the \\033[1mqui'; sleep 0.1; printf 'ck\\033[0m brown\\r\\nfox\\n'")
        .await;
    scene.recorded("echo something else").await;
    let search = async |token: &str, query: &str| {
        let path = format!("/recordings/search?q={query}");
        let (status, lines) = scene.gateway.call(token, Method::GET, &path, None).await;
        assert!(status.is_success(), "{lines}");
        // A single line is read as JSON by the caller.
        let lines = lines.as_str().map_or(lines.to_string(), str::to_owned);
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let (ends, hits): (Vec<_>, Vec<_>) = lines.partition(|line| line["searched"].is_number());
        (hits, ends[0]["searched"].as_u64().unwrap())
    };
    let dave = scene.gateway.person("dave", &["auditor"]).await;
    let (hits, searched) = search(&dave.token, "brown%20QUICK").await;
    assert_eq!(searched, 2);
    assert_eq!(hits.len(), 1, "{hits:?}");
    assert_eq!(hits[0]["recording"], recording["id"]);
    assert_eq!(hits[0]["text"], "the quick brown");
    assert_eq!(hits[0]["user_name"], "alice");
    let (own, _) = search(&scene.alice.token, "fox").await;
    assert_eq!(own.len(), 2, "in the command and in its output");
    let carol = scene.gateway.person("carol", &["requester"]).await;
    let (none, searched) = search(&carol.token, "fox").await;
    assert_eq!((none.len(), searched), (0, 0));
    let (status, _) = scene.content(&carol.token, &recording, "content").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    for (kind, actor) in [("recording.search", "carol"), ("recording.find", "dave")] {
        scene
            .gateway
            .audit_event(|event| {
                event["event"]["kind"] == kind && event["event"]["actor"]["user"]["name"] == actor
            })
            .await;
    }
    let found = scene
        .doorward(&["recordings", "search", "quick brown"])
        .await;
    assert!(found.stdout.contains("alice on db1"), "{found:?}");
    assert!(found.stdout.contains("the quick brown"), "{found:?}");
}

#[tokio::test]
async fn a_changed_cut_or_swapped_recording_is_refused_and_named() {
    let scene = scene().await;
    scene.approved().await;
    let one = scene.recorded("seq 1 2000").await;
    let two = scene.recorded("seq 1 2000").await;
    assert_eq!(scene.verified(&one).await["intact"], true);
    let file = scene.file(&one);
    let good = std::fs::read(&file).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    let other = std::fs::read(scene.file(&two)).unwrap();
    let id = text(&one["id"]);
    for (bytes, why) in [
        (
            flipped.clone(),
            "its bytes are not those that were recorded",
        ),
        (good[..good.len() - 25].to_vec(), "its end is missing"),
        (
            [good.clone(), vec![0]].concat(),
            "something was added to it",
        ),
        (other, "This recording was changed"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let verdict = scene.verified(&one).await;
        assert_eq!(verdict["intact"], false, "{why}");
        assert!(text(&verdict["message"]).contains(why), "{verdict}");
        let (status, problem) = scene.content(&scene.gateway.root, &one, "content").await;
        assert_eq!(status, StatusCode::CONFLICT, "{problem}");
        assert_eq!(problem["code"], "recording-changed");
    }
    let played = scene.doorward(&["play", &id, "--at-once"]).await;
    assert_eq!(played.status, Some(9), "{played:?}");
    assert!(played.stdout.is_empty(), "nothing of it is shown");
    let verified = scene.doorward(&["recordings", "verify"]).await;
    assert_eq!(verified.status, Some(9), "{verified:?}");
    assert!(verified.stdout.contains(&id), "{verified:?}");
    std::fs::remove_file(&file).unwrap();
    let verdict = scene.verified(&one).await;
    assert!(
        text(&verdict["message"]).contains("not there any more"),
        "{verdict}"
    );
    std::fs::write(&file, good).unwrap();
    assert_eq!(scene.verified(&one).await["intact"], true);
    scene
        .gateway
        .audit_event(|event| event["event"]["kind"] == "recording.changed")
        .await;
}

#[tokio::test]
async fn typed_lines_are_recorded_and_what_a_silent_prompt_takes_is_not() {
    let scene = scene().await;
    scene.terms(json!({ "record_input": true })).await;
    scene.approved().await;
    let mut shell = scene.terminal("PS1='ready> ' bash --norc --noprofile -i");
    shell.shows("ready> ").await;
    for line in [
        "echo se''en",
        "read -s -p 'secret? ' word; echo; echo taken",
    ] {
        // As fingers do: the next key when the one before is there.
        for key in line.chars() {
            shell.types(&key.to_string()).await;
            shell.shows(&key.to_string()).await;
        }
        shell.types("\r").await;
        shell
            .shows(if line.contains("read") {
                "secret? "
            } else {
                "ready> "
            })
            .await;
    }
    shell.types("hunter2-Sesame\r").await;
    shell.shows("ready> ").await;
    shell.types("exit\r").await;
    shell.ends().await;
    let recording = scene.ended(0).await;
    let cast = scene.cast(&recording).await;
    let typed = cast.events("i");
    assert_eq!(typed[0], "echo se''en\r", "{typed:?}");
    assert!(typed[1].starts_with("read -s"), "{typed:?}");
    assert!(typed.iter().any(|line| line == "exit\r"), "{typed:?}");
    assert!(!cast.0.contains("hunter2"), "{}", cast.0);
    let markers = cast.events("m");
    let unseen = "typed unseen: up to 16 bytes, not recorded";
    assert!(markers.iter().any(|marker| marker == unseen), "{markers:?}");
}

#[tokio::test]
async fn a_recording_is_deleted_when_its_time_is_over_and_says_so() {
    let scene = scene().await;
    scene.terms(json!({ "recording_retention": "1s" })).await;
    scene.approved().await;
    let recording = scene.recorded("echo short-lived").await;
    let file = scene.file(&recording);
    let path = format!("/recordings/{}", text(&recording["id"]));
    scene
        .gateway
        .eventually("the deletion", async || {
            let now = scene.gateway.get(&scene.gateway.root, &path).await;
            (now["state"] == "deleted" && !file.exists()).then_some(())
        })
        .await;
    let (status, problem) = scene
        .content(&scene.gateway.root, &recording, "content")
        .await;
    assert_eq!(status, StatusCode::GONE);
    let told = text(&problem["detail"]);
    assert!(told.contains("was deleted at"), "{told}");
    assert!(told.contains("as policy default says"), "{told}");
    let of_it = |event: &Value| event["event"]["kind"] == "recording.delete";
    let event = scene.gateway.audit_event(of_it).await;
    assert_eq!(event["event"]["actor"], "gateway");
    assert_eq!(event["event"]["detail"]["retention"], "1s");
    assert!(text(&event["event"]["message"]).contains("keeps recordings for 1s"));
}

#[tokio::test]
async fn p9_what_was_recorded_before_a_crash_is_played_after_it() {
    let mut scene = scene().await;
    scene.approved().await;
    let mut shell = scene.terminal("echo before the crash; cat");
    shell.shows("crash").await;
    // A live recording is shown as far as it is written.
    let live = scene
        .gateway
        .eventually("the live recording", async || {
            let live = scene.recordings().await.first().cloned()?;
            let cast = scene.cast(&live).await;
            cast.shown().contains("before the crash").then_some(live)
        })
        .await;
    assert_eq!(live["state"], "open");
    scene.gateway.crash_and_restart().await;
    drop(shell);
    let ended = scene.ended(0).await;
    assert_eq!(ended["state"], "cut-short");
    assert_eq!(
        ended["failure"],
        "the gateway stopped while it was recorded"
    );
    assert!(
        scene
            .cast(&ended)
            .await
            .shown()
            .contains("before the crash")
    );
    let verdict = scene.verified(&ended).await;
    assert_eq!(verdict["intact"], true, "{verdict}");
    // Nor can what a crash left be changed unseen.
    let file = scene.file(&ended);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.pop();
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(scene.verified(&ended).await["intact"], false);
}

#[tokio::test]
async fn p1_a_disk_that_fills_up_ends_the_session_and_admins_still_get_in() {
    let Some(volume) = Volume::mount("2m").await else {
        eprintln!("NOT TESTED: a recording that fails, as nothing can be mounted here");
        return;
    };
    let lines = format!(
        "recording.dir = {:?}\nrecording.reserve_mb = 0",
        volume.path()
    );
    let scene = scene_with(&lines).await;
    scene.approved().await;
    let flood = scene
        .ssh(&["base64 /dev/urandom"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let told = ended(flood).await.stderr;
    assert!(told.contains("Access ended: "), "{told}");
    assert!(told.contains("recorded"), "{told}");
    let recording = scene.ended(0).await;
    assert_eq!(recording["state"], "cut-short");
    assert!(
        text(&recording["failure"]).contains("No space left"),
        "{recording}"
    );
    // What was written until then is whole.
    assert_eq!(scene.verified(&recording).await["intact"], true);
    assert!(!scene.cast(&recording).await.shown().is_empty());
    let again = scene.seen(&["true"]).await;
    assert_ne!(again.status, Some(0));
    let sentence = "this session must be recorded";
    assert!(again.stderr.contains(sentence), "{again:?}");
    assert_eq!(
        scene.gateway.get(&scene.gateway.root, "/me").await["name"],
        "root"
    );
    let metrics = reqwest::get(format!("http://{}/metrics", scene.gateway.metrics))
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(
        metrics.contains("doorward_recordings_total{end=\"cut-short\"} 1"),
        "{metrics}"
    );
    assert!(
        metrics.contains("doorward_recording_volume_free_bytes"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_new_vault_key_keeps_old_recordings_open() {
    let scene = scene().await;
    scene.approved().await;
    let recording = scene.recorded("echo under the old key").await;
    let keys = scene.gateway.data().join("vault.key");
    let before = std::fs::read_to_string(&keys).unwrap();
    let config = scene.gateway.config().display().to_string();
    let rekey = ["vault", "rekey", "--config", &config];
    scene.doorward(&rekey).await.well();
    let after = std::fs::read_to_string(&keys).unwrap();
    let old = before.lines().last().unwrap();
    assert!(!after.contains(old), "the old key is forgotten");
    assert!(
        scene
            .cast(&recording)
            .await
            .shown()
            .contains("under the old key")
    );
    assert_eq!(scene.verified(&recording).await["intact"], true);
}

/// A small volume of its own, where the machine lets one be mounted.
struct Volume(tempfile::TempDir);

impl Volume {
    async fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={size}"),
                "doorward-test",
            ])
            .arg(folder.path())
            .status()
            .await;
        mounted
            .is_ok_and(|status| status.success())
            .then(|| Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Lazily: the gateway may still have a file open there.
        let unmounted = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.0.path())
            .status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}
