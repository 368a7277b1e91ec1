//! After the transcript: what is asked for is shown here, and whoever sits at the terminal
//! answers it as bob.
//!
//! Says and does what the copied lines would. Where nobody can type it only tells.

use std::{
    convert::Infallible,
    io::{self, BufRead as _, IsTerminal as _},
    time::Duration,
};

use nix::sys::signal::{SigSet, Signal};
use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    stage::Stage,
    story::{Story, items},
    tell::Tell,
};
use crate::cli::{exit::Failure, json};

/// How often it is looked whether somebody has asked.
const LOOKS_EVERY: Duration = Duration::from_millis(500);

const LAST_WORDS: &str = "that is enough";

/// What whoever sits at the terminal has been told of.
#[derive(Default)]
struct Told {
    /// The check-outs that were shown.
    shown: Vec<String>,
    /// The code of the one that waits for bob.
    waiting: Option<String>,
    /// The code of the one that he approved last.
    approved: Option<String>,
}

/// Goes on until it is dropped.
pub async fn answers(stage: &Stage, tell: &Tell) -> Infallible {
    let story = Story { stage, tell };
    let mut told = Told::default();
    let mut typed = typed();
    if typed.is_some() {
        tell.title("When alice has asked, you are bob: look here.");
    }
    tell.title("Ctrl-C ends the demo and leaves nothing behind.");
    loop {
        let line = async {
            match &mut typed {
                Some(typed) => typed.recv().await,
                None => std::future::pending().await,
            }
        };
        let done = tokio::select! {
            line = line => match line {
                Some(line) => told.answer(&story, line.trim()).await,
                None => {
                    typed = None;
                    Ok(())
                }
            },
            () = tokio::time::sleep(LOOKS_EVERY) => told.look(&story, typed.is_some()).await,
        };
        // The demo stays up whatever became of one answer.
        if let Err(Failure::Said(why)) = done {
            tell.failed(&why.to_string());
        }
    }
}

impl Told {
    /// Shows what has been asked for since the last look.
    async fn look(&mut self, story: &Story<'_>, can_answer: bool) -> Result<(), Failure> {
        let waiting = [("view", "waiting")];
        let waiting = items(&story.stage.bob.client, &["checkouts"], &waiting).await?;
        let code = |checkout: &Value| json::text(checkout, "code");
        if let Some(known) = &self.waiting
            && !waiting.iter().any(|checkout| code(checkout) == *known)
        {
            self.waiting = None;
        }
        for checkout in &waiting {
            let code = code(checkout);
            if self.shown.contains(&code) {
                continue;
            }
            let text = |path: &str| json::text(checkout, path);
            story.tell.line("");
            story.tell.title(&format!(
                "{} asks for {}, ticket {}:",
                text("requester_name"),
                text("target_name"),
                text("ticket"),
            ));
            story.tell.output(&text("reason"));
            let how = match can_answer {
                true => "press Enter, and bob approves it; n and Enter, and he says no".to_owned(),
                false => format!("bob says yes by: doorward approve {code}"),
            };
            story.tell.line(&format!("   {how}"));
            self.waiting = Some(code.clone());
            self.shown.push(code);
        }
        Ok(())
    }

    /// Does what was typed.
    async fn answer(&mut self, story: &Story<'_>, line: &str) -> Result<(), Failure> {
        let bob = &story.stage.bob;
        let line = line.to_ascii_lowercase();
        match (line.as_str(), self.waiting.clone(), self.approved.clone()) {
            ("n" | "no", Some(code), _) => {
                self.waiting = None;
                story.doorward(bob, &["deny", &code]).await?;
            }
            ("" | "y" | "yes", Some(code), _) => {
                self.waiting = None;
                let approved = story.doorward(bob, &["approve", &code]).await?;
                if approved.success {
                    let more = "press r and Enter, and bob takes it back while she is at it";
                    story.tell.line(&format!("   {more}"));
                    self.approved = Some(code);
                }
            }
            ("r", _, Some(code)) => {
                self.approved = None;
                let revoke = ["revoke", &code, "--message", LAST_WORDS];
                story.doorward(bob, &revoke).await?;
            }
            (_, None, None) => {
                let url = story.stage.wiki_url();
                story
                    .tell
                    .line(&format!("   nobody waits for bob; ask at {url}"));
            }
            _ => {}
        }
        Ok(())
    }
}

/// The lines that somebody types; none where nobody can.
fn typed() -> Option<mpsc::Receiver<String>> {
    if !io::stdin().is_terminal() {
        return None;
    }
    let (sender, lines) = mpsc::channel(1);
    // A thread that nobody waits for: one that reads a terminal does not end with the demo.
    let reading = std::thread::Builder::new().spawn(move || {
        // In the background a read would stop the whole process; so it fails.
        let mut stops = SigSet::empty();
        stops.add(Signal::SIGTTIN);
        if stops.thread_block().is_err() {
            return;
        }
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    reading.is_ok().then_some(lines)
}
