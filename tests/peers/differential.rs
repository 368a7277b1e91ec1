//! The same scripts on both ways: standard output, standard error, exit status and signal
//! are the same, or the difference is named and justified in `docs/ssh.md`.

use std::{
    os::unix::process::ExitStatusExt as _, path::Path, process::Stdio, sync::Arc, time::Duration,
};

use regex::Regex;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    case::{self, Case},
    scene::{Scene, Way},
};

/// Only keeps a hanging script from hanging for ever; it is a difference then.
const PATIENCE: Duration = Duration::from_secs(100);

const HUNG: &str = "hung";

/// So many cases run at once.
const AT_ONCE: usize = 4;

/// What the gateway says where the machine is so busy that its database has no turn for it in
/// five seconds: that it may be tried again. So it is, for as often as this.
const BUSY: [&str; 3] = [
    "the gateway cannot reach its database; try again shortly",
    "database is busy or out of reach",
    "its recording cannot be started",
];
const TRIES: usize = 10;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    ended: String,
    stdout: String,
    stderr: String,
}

impl Seen {
    fn was_turned_away(&self) -> bool {
        let said = |words: &str| self.stderr.contains(words) || self.stdout.contains(words);
        BUSY.iter().any(|words| said(words))
    }
}

#[tokio::test]
async fn commands_are_the_same_through_the_gateway() {
    compare("commands.toml", Scene::set().await).await;
}

#[tokio::test]
async fn streams_are_the_same_through_the_gateway() {
    compare("streams.toml", Scene::set().await).await;
}

#[tokio::test]
async fn terminals_are_the_same_through_the_gateway() {
    compare("terminals.toml", Scene::set().await).await;
}

#[tokio::test]
async fn connections_are_the_same_through_the_gateway() {
    compare("connections.toml", Scene::set().await).await;
}

#[tokio::test]
async fn files_are_the_same_through_the_gateway() {
    compare("files.toml", Scene::set().await).await;
}

async fn compare(file: &str, scene: Scene) {
    let cases = case::read(file);
    let all = cases.len();
    let (scene, turn) = (Arc::new(scene), Arc::new(Semaphore::new(AT_ONCE)));
    let mut running = JoinSet::new();
    for (number, case) in cases.into_iter().enumerate() {
        let (scene, turn) = (scene.clone(), turn.clone());
        running.spawn(async move {
            let _turn = turn.acquire().await.unwrap();
            judge(&scene, &case, number).await
        });
    }
    let judged = running.join_all().await;
    let wrong: Vec<_> = judged.into_iter().flatten().collect();
    println!("{file}: {all} cases, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What is wrong about a case, if anything is.
async fn judge(scene: &Scene, case: &Case, number: usize) -> Option<String> {
    let mut tries = 1;
    let (direct, bridge) = loop {
        let [here, there] = scene.folders(&format!("{number}-{tries}"));
        let (direct, bridge) = tokio::join!(
            seen(&scene.direct, &here, &case.run),
            seen(&scene.bridge, &there, &case.run)
        );
        if tries == TRIES || !bridge.was_turned_away() {
            break (direct, bridge);
        }
        println!("{}: the gateway had no turn, once more", case.name);
        tries += 1;
    };
    let Case { name, run, differs } = case;
    match differs {
        _ if direct.ended == HUNG => Some(format!("{name}: hangs directly\n  {run}")),
        None if direct == bridge => None,
        None => Some(format!(
            "{name}\n  {run}\n  directly    {}\n  the gateway {}",
            shown(&direct),
            shown(&bridge)
        )),
        Some(why) if !is_documented(why) => {
            Some(format!("{name}: docs/ssh.md does not say {why:?}"))
        }
        Some(_) if direct == bridge => Some(format!("{name}: it does not differ any more")),
        Some(_) => None,
    }
}

async fn seen(way: &Way, folder: &Path, script: &str) -> Seen {
    let mut command = way.command("bash", folder);
    let child = command
        .args(["-c", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A person's shell has a process group of its own as well.
        .process_group(0)
        .spawn()
        .unwrap();
    let group = child.id().unwrap();
    match tokio::time::timeout(PATIENCE, child.wait_with_output()).await {
        Ok(output) => {
            let output = output.unwrap();
            Seen {
                ended: match (output.status.code(), output.status.signal()) {
                    (Some(code), _) => format!("status {code}"),
                    (None, signal) => format!("signal {signal:?}"),
                },
                stdout: same_words(way, &output.stdout),
                stderr: same_words(way, &output.stderr),
            }
        }
        Err(_) => {
            // All that the script has started, and nothing else.
            let group = nix::unistd::Pid::from_raw(group.try_into().unwrap());
            nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).ok();
            Seen {
                ended: HUNG.to_owned(),
                stdout: String::new(),
                stderr: String::new(),
            }
        }
    }
}

/// Without what may differ by right: where the way's own files are, its port, its user.
fn same_words(way: &Way, bytes: &[u8]) -> String {
    let text: String = bytes
        .utf8_chunks()
        .flat_map(|chunk| {
            let invalid = chunk.invalid().iter();
            let invalid: String = invalid.map(|byte| format!("\\x{byte:02x}")).collect();
            [chunk.valid().to_owned(), invalid]
        })
        .collect();
    let text = text.replace(&way.home.display().to_string(), "HOME");
    let port = Regex::new(r"port \d+").expect("a pattern");
    port.replace_all(&text, "port N").into_owned()
}

fn is_documented(why: &str) -> bool {
    include_str!("../../docs/ssh.md").contains(why)
}

fn shown(seen: &Seen) -> String {
    let cut = |text: &str| match text.len() {
        0..1000 => format!("{text:?}"),
        length => format!(
            "{:?}… ({length} bytes)",
            text.chars().take(600).collect::<String>()
        ),
    };
    let (out, err) = (cut(&seen.stdout), cut(&seen.stderr));
    format!("{}\n      out {out}\n      err {err}", seen.ended)
}
