//! The demo's transcript: each step shows what it does and fails if it did not happen.
//!
//! Commands are the real ones: the system's `ssh`, and this program as the people call it.

use std::{io, process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
    time::timeout,
};

use super::{
    stage::{DESKTOP, DOOR, Person, Stage, TARGET, WIKI, WIKI_TICKET},
    tell::Tell,
};
use crate::{
    cli::{
        client::{Client, Query},
        exit::{Done, Failure},
        json,
    },
    clock::Stopwatch,
};

/// Nothing here takes longer unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// A session is busy when so much has come.
const BUSY: usize = 64 * 1024;
const TICKET: &str = "CHG0012345";
const DESKTOP_TICKET: &str = "CHG0012400";
const GREETING: &str = "hello from the target";

/// A program of the system's that the demo shows.
pub async fn needs(program: &str, version: &str, package: &str) -> Done {
    let mut tried = Command::new(program);
    let tried = tried
        .arg(version)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    match tried.status().await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::fault(format!(
            "the demo shows the system's {program}, and there is none in PATH"
        ))
        .next(format!(
            "install it, on Debian with `apt-get install {package}`"
        ))),
        Err(error) => Err(Failure::fault(format!(
            "{program} cannot be started: {error}"
        ))),
    }
}

pub async fn show(stage: &Stage, tell: &Tell) -> Done {
    let story = Story { stage, tell };
    stage.introduce(tell);

    tell.step(1, "Without a check-out alice does not get in");
    story.refused().await?;

    tell.step(2, "She asks for one, with a reason and a ticket");
    let code = story.ask().await?;

    tell.step(3, "bob approves");
    story.approve(&code).await?;

    tell.step(4, "Now the same ssh runs a command on the target");
    story.run().await?;

    tell.step(5, "A busy live session is cut when bob revokes");
    story.cut(&code).await?;

    tell.step(6, "And the door is shut again");
    story.refused_again().await?;

    tell.step(
        7,
        "Everything is written down, each event chained to the one before",
    );
    story.verify(&code).await?;

    tell.step(8, "And recorded");
    story.replay(&code).await?;

    tell.step(9, "A web application is behind the same door");
    story.web_refused().await?;

    tell.step(10, "alice asks, bob approves");
    let code = story.agreed(WIKI, WIKI_TICKET, "look it up").await?;

    tell.step(11, "Now the gateway signs in to it for her");
    story.web_served().await?;

    tell.step(12, "And what she holds open ends with the check-out");
    story.web_cut(&code).await?;

    let desktop = match &stage.desktop {
        Ok(desktop) => desktop,
        Err(why) => {
            tell.line("");
            tell.note(&format!("A desktop is not shown: {why}."));
            return Ok(());
        }
    };
    tell.step(13, "And a desktop: no check-out, no way in");
    story.rdp_refused().await?;

    tell.step(14, "alice asks, bob approves");
    let code = story
        .agreed(DESKTOP, DESKTOP_TICKET, "install the update")
        .await?;

    tell.step(15, "She looks at it with xfreerdp until bob revokes");
    story.rdp_cut(desktop, &code).await
}

pub struct Story<'a> {
    pub stage: &'a Stage,
    pub tell: &'a Tell,
}

/// How a program ended.
pub struct Ended {
    pub success: bool,
    pub out: String,
    pub error: String,
}

impl Story<'_> {
    async fn refused(&self) -> Done {
        let ended = self.ssh("id").await?;
        self.must(!ended.success && ended.out.is_empty(), "ssh was refused")?;
        self.must(
            self.stage.target.visits() == 0,
            "the target was never contacted",
        )
    }

    async fn ask(&self) -> Result<String, Failure> {
        let asked = self
            .doorward(
                &self.stage.alice,
                &[
                    "request",
                    TARGET,
                    "--ticket",
                    TICKET,
                    "--reason",
                    "rotate the logs",
                ],
            )
            .await?;
        let mine = items(
            &self.stage.alice.client,
            &["checkouts"],
            &[("view", "mine")],
        )
        .await?;
        let code = mine.first().map(|one| json::text(one, "code"));
        let code = code.unwrap_or_default();
        self.must(
            asked.success && !code.is_empty(),
            "the request waits for an approver",
        )?;
        Ok(code)
    }

    async fn approve(&self, code: &str) -> Done {
        let approved = self
            .doorward(&self.stage.bob, &["approve", code, "--message", "go ahead"])
            .await?;
        self.must(
            approved.success,
            "approved, by somebody other than who asked",
        )
    }

    async fn run(&self) -> Done {
        let ended = self.ssh(&format!("echo {GREETING}; id -un")).await?;
        let said = ended.out.contains(GREETING);
        let leaked = [&ended.out, &ended.error]
            .iter()
            .any(|text| text.contains(self.stage.target.password.as_str()));
        self.must(ended.success && said, "it ran on the target")?;
        self.must(
            !leaked,
            "alice gave no password of the target, and saw none",
        )
    }

    async fn cut(&self, code: &str) -> Done {
        let work = "while :; do ls -l /etc; done";
        self.tell
            .command("alice", &format!("ssh {} '{work}'", place()));
        let mut ssh = self.ssh_command(work);
        let mut ssh = ssh.stdin(Stdio::piped()).spawn().map_err(not_started)?;
        let (Some(mut out), Some(mut error)) = (ssh.stdout.take(), ssh.stderr.take()) else {
            return Err(Failure::fault("ssh was started without its outputs"));
        };
        let mut busy = vec![0; BUSY];
        let shown = timeout(PATIENCE, out.read_exact(&mut busy)).await;
        self.must(
            shown.is_ok_and(|read| read.is_ok()),
            &format!("{} KiB have come, and more is coming", BUSY / 1024),
        )?;
        self.doorward(&self.stage.bob, &["sessions"]).await?;

        let message = "maintenance is over";
        self.tell.command(
            "bob",
            &format!("doorward revoke {code} --message '{message}'"),
        );
        let body = json!({ "message": message });
        let path = ["checkouts", code, "revoke"];
        let watch = Stopwatch::start();
        let revoke = self.stage.bob.client.post(&path, &body);
        let mut last_words = String::new();
        let gone = async {
            let drained = drain(&mut out);
            let (_, _, status) =
                tokio::join!(drained, error.read_to_string(&mut last_words), ssh.wait());
            (status.is_ok(), watch.elapsed())
        };
        let (revoked, gone) = tokio::join!(revoke, timeout(PATIENCE, gone));
        revoked?;
        self.tell.output(&last_words);
        let said = format!("Access ended: revoked by bob: {message} (check-out {code})");
        self.must(last_words.contains(&said), "alice read why")?;
        let (ended, after) = gone.unwrap_or((false, PATIENCE));
        self.must(
            ended,
            &format!(
                "her ssh was gone {} ms after the revoke was sent",
                after.as_millis()
            ),
        )
    }

    async fn refused_again(&self) -> Done {
        let ended = self.ssh("id").await?;
        self.must(!ended.success && ended.out.is_empty(), "ssh was refused")
    }

    /// Asked by one, approved by the other; answers the check-out's code.
    async fn agreed(&self, target: &str, ticket: &str, reason: &str) -> Result<String, Failure> {
        let request = ["request", target, "--ticket", ticket, "--reason", reason];
        let asked = self.doorward(&self.stage.alice, &request).await?;
        let query = [("view", "mine"), ("target", target)];
        let mine = items(&self.stage.alice.client, &["checkouts"], &query).await?;
        let code = mine.first().map(|one| json::text(one, "code"));
        let code = code.unwrap_or_default();
        let approved = self.doorward(&self.stage.bob, &["approve", &code]).await?;
        self.must(asked.success && approved.success, "asked and approved")?;
        Ok(code)
    }

    async fn verify(&self, code: &str) -> Done {
        let list = ["audit", "list", "--checkout", code];
        let history = self.doorward(&self.stage.root, &list).await?;
        self.must(history.success, "who did what is kept")?;
        let verified = self
            .doorward(&self.stage.root, &["audit", "verify"])
            .await?;
        self.must(verified.success, "the chain holds")
    }

    async fn replay(&self, code: &str) -> Done {
        let id = timeout(PATIENCE, self.first_recording(code)).await;
        let id = id.map_err(|_| Failure::fault("no recording was finished"))??;
        let played = self.doorward(&self.stage.root, &["play", &id]).await?;
        self.must(
            played.success && played.out.contains(GREETING),
            "it shows what alice saw",
        )
    }

    /// Waits until the first session's recording is whole; it is written beside the session.
    pub async fn first_recording(&self, code: &str) -> Result<String, Failure> {
        let client = &self.stage.root.client;
        loop {
            let recordings = items(client, &["recordings"], &[("checkout", code)]).await?;
            let whole = recordings
                .iter()
                .filter(|recording| recording["finished_at"].is_string())
                .min_by_key(|recording| json::text(recording, "id"));
            if let Some(recording) = whole {
                return Ok(json::text(recording, "id"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Alice's ssh, shown.
    async fn ssh(&self, command: &str) -> Result<Ended, Failure> {
        self.tell
            .command("alice", &format!("ssh {} '{command}'", place()));
        let ended = ended(self.ssh_command(command)).await?;
        self.tell.output(&ended.error);
        self.tell.output(&ended.out);
        Ok(ended)
    }

    fn ssh_command(&self, command: &str) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F")
            .arg(self.stage.ssh_config())
            .args(["-o", "BatchMode=yes"])
            .arg(place())
            .arg(command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        ssh
    }

    /// This program, called by `who`, shown.
    pub async fn doorward(&self, who: &Person, arguments: &[&str]) -> Result<Ended, Failure> {
        let ended = ended(self.command(who, arguments)?).await?;
        self.tell.output(&ended.error);
        self.tell.output(&ended.out);
        Ok(ended)
    }

    /// The same, said and not started yet.
    pub fn command(&self, who: &Person, arguments: &[&str]) -> Result<Command, Failure> {
        let shown: Vec<_> = arguments.iter().map(|word| quoted(word)).collect();
        self.tell
            .command(who.name, &format!("doorward {}", shown.join(" ")));
        let program = std::env::current_exe()
            .map_err(|error| Failure::fault(format!("cannot find this program: {error}")))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_remove("DOORWARD_PROFILE")
            .envs(self.stage.environment(who))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Ok(command)
    }

    pub fn must(&self, happened: bool, what: &str) -> Done {
        if happened {
            self.tell.done(what);
            return Ok(());
        }
        self.tell.failed(what);
        Err(Failure::fault(format!("this did not happen: {what}")))
    }
}

fn place() -> String {
    format!("alice+{TARGET}@{DOOR}")
}

fn quoted(word: &str) -> String {
    if word.contains(' ') {
        format!("'{word}'")
    } else {
        word.to_owned()
    }
}

pub async fn items(
    client: &Client,
    path: &[&str],
    query: &[(&'static str, &str)],
) -> Result<Vec<Value>, Failure> {
    let query: Query = query
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    let answer = client.get(path, &query).await?;
    Ok(answer.items().to_vec())
}

pub async fn ended(mut command: Command) -> Result<Ended, Failure> {
    let child = command.spawn().map_err(not_started)?;
    let output = timeout(PATIENCE, child.wait_with_output())
        .await
        .map_err(|_| Failure::fault("a program of the demo did not end"))?
        .map_err(not_started)?;
    Ok(Ended {
        success: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        error: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

async fn drain(from: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = vec![0; 32 * 1024];
    while let Ok(1..) = from.read(&mut buffer).await {}
}

fn not_started(error: io::Error) -> Failure {
    Failure::fault(format!(
        "a program of the demo could not be started: {error}"
    ))
}
