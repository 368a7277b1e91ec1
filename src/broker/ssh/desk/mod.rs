//! The desk: what `ssh alice@gateway` opens, and what `ssh alice@gateway targets` runs.
//!
//! Reads lines and shows what comes of them. The commands are not here: they are the command
//! line's, handed in, so that nothing is decided or said in two ways.

mod request;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    console::{Console, Typed, editor::Editor, inert_lines},
    entrance::Hall,
    inbox::{Inbox, Stream},
    opening::Opening,
    person::{NO_PERMISSION, PersonChannel, PersonGone, Told},
    talk::{Ask, Environment, Size, Start, Terminal},
};
use crate::model::principal::Principal;

/// Nobody types: somebody left their desk.
const IDLE: Duration = Duration::from_secs(15 * 60);

/// A line that makes no sense: `EX_USAGE` of every command line.
const USAGE: u32 = 2;

/// What a command may have said before it is read.
const PAPERS: usize = 1_024;

/// Where the commands are.
pub trait Commands: Send + Sync {
    /// A desk for somebody who has proven who they are; none if the gateway cannot now.
    fn sit_down(&self, by: Principal, peer: SocketAddr) -> BoxFuture<'_, Option<Arc<dyn Desk>>>;
}

/// One person's desk.
pub trait Desk: Send + Sync {
    /// Runs one command and returns its exit status.
    fn run(&self, errand: Errand) -> BoxFuture<'_, u32>;

    /// The words that could stand where a line ends that is still typed.
    fn offers(&self, line: &str) -> Vec<String>;

    /// Brings what is offered up to date.
    fn look_around(&self) -> BoxFuture<'_, ()>;
}

/// One command, and where its words go.
pub struct Errand {
    pub words: Vec<String>,
    pub paper: mpsc::Sender<Paper>,
    /// Of the terminal, if there is one.
    pub columns: Option<u16>,
    pub interrupted: CancellationToken,
}

/// What a command says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paper {
    /// Its result.
    Said(String),
    /// Beside the result.
    Noted(String),
    /// A line that the next one is drawn over; an empty one wipes it.
    Drawn(String),
}

/// Somebody in the hall, on a channel of theirs.
pub struct Visit<'a> {
    pub hall: &'a Hall,
    pub person: &'a PersonChannel,
    pub asks: &'a Inbox<Ask>,
    pub environment: &'a Environment,
    pub commands: &'a dyn Commands,
}

impl Visit<'_> {
    pub async fn serve(&self) {
        // A person who is gone needs no last word.
        if let Ok(Some(status)) = self.attend().await {
            self.person.finish(status).await.ok();
        }
    }

    /// The exit status; none if there is nobody to tell.
    async fn attend(&self) -> Result<Option<u32>, PersonGone> {
        let Some(opening) = Opening::read(self.person, self.asks, self.environment).await? else {
            return Ok(None);
        };
        let visitor = &self.hall.visitor;
        let Some(desk) = self
            .commands
            .sit_down(visitor.principal.clone(), visitor.peer)
            .await
        else {
            self.person.refuse(&away()).await?;
            return Ok(None);
        };
        let terminal = opening.terminal.as_ref();
        let mut sitting = Sitting {
            visit: self,
            desk: desk.clone(),
            console: Console::new(self.person, self.asks, size(terminal)),
            terminal: terminal.is_some(),
        };
        let status = match &opening.start {
            Start::Shell if sitting.terminal => sitting.converse().await?,
            Start::Shell => sitting.read_script().await?,
            Start::Exec(command) => {
                let line = String::from_utf8_lossy(command);
                sitting.run(&line).await?
            }
            Start::Subsystem(_) => {
                self.person.refuse(&self.no_target()).await?;
                return Ok(None);
            }
        };
        Ok(Some(status))
    }

    fn no_target(&self) -> Told {
        Told {
            sentence: format!(
                "Name the target you want to reach, for example {}+db1",
                self.hall.visitor.login.user
            ),
            status: NO_PERMISSION,
        }
    }
}

struct Sitting<'a> {
    visit: &'a Visit<'a>,
    desk: Arc<dyn Desk>,
    console: Console<'a>,
    terminal: bool,
}

impl Sitting<'_> {
    /// Line after line, until they leave.
    async fn converse(&mut self) -> Result<u32, PersonGone> {
        let user = &self.visit.hall.visitor.principal.name;
        let host = self.visit.hall.gate.ways_in().ssh.host().to_owned();
        let prompt = format!("{user}@{host}> ");
        let desk = self.desk.clone();
        let mut editor = Editor::with_completion(Box::new(move |line| desk.offers(line)));
        self.console
            .say("Doorward. `help` lists the commands, Tab completes, Ctrl-D leaves.")
            .await?;
        let mut status = 0;
        loop {
            self.desk.look_around().await;
            let typed = timeout(IDLE, self.console.line(&prompt, &mut editor)).await;
            let Ok(typed) = typed else {
                self.console.say("\nNobody has typed for a while.").await?;
                return Ok(NO_PERMISSION);
            };
            match typed? {
                Typed::Line(line) if is_leaving(&line) => return Ok(status),
                Typed::Line(line) if line.trim().is_empty() => {}
                Typed::Line(line) => status = self.run(&line).await?,
                Typed::Interrupt => status = 0,
                Typed::End => return Ok(status),
            }
        }
    }

    /// Lines from a pipe, up to the first that fails.
    async fn read_script(&mut self) -> Result<u32, PersonGone> {
        while let Ok(Some(line)) = timeout(IDLE, self.console.unseen_line()).await {
            if is_leaving(&line) {
                return Ok(0);
            }
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let status = self.run(&line).await?;
            if status != 0 {
                return Ok(status);
            }
        }
        Ok(0)
    }

    async fn run(&mut self, line: &str) -> Result<u32, PersonGone> {
        let Some(words) = shlex::split(line) else {
            self.show(Paper::Noted("A quote is not closed.".to_owned()))
                .await?;
            return Ok(USAGE);
        };
        let words = match self.terminal {
            true => match request::filled_in(self, words).await? {
                Some(words) => words,
                None => return Ok(NO_PERMISSION),
            },
            false => words,
        };
        let (paper, mut papers) = mpsc::channel(PAPERS);
        let interrupted = CancellationToken::new();
        let errand = Errand {
            words,
            paper,
            columns: self.terminal.then(|| self.console.columns() as u16),
            interrupted: interrupted.clone(),
        };
        let desk = self.desk.clone();
        let running = desk.run(errand);
        tokio::pin!(running);
        let status = loop {
            tokio::select! {
                biased;
                () = self.console.interrupt(), if !interrupted.is_cancelled() => {
                    interrupted.cancel();
                }
                Some(paper) = papers.recv() => self.show(paper).await?,
                status = &mut running => break status,
            }
        };
        // What it said last.
        while let Ok(paper) = papers.try_recv() {
            self.show(paper).await?;
        }
        Ok(status)
    }

    async fn show(&self, paper: Paper) -> Result<(), PersonGone> {
        let person = self.visit.person;
        match paper {
            Paper::Said(text) | Paper::Noted(text) if self.terminal => {
                self.console.say(&text).await
            }
            Paper::Said(text) => person.bytes(Stream::Out, line(text)).await,
            Paper::Noted(text) => person.bytes(Stream::Err, line(text)).await,
            Paper::Drawn(text) if text.is_empty() => self.console.wipe().await,
            Paper::Drawn(text) => self.console.draw_over(&text).await,
        }
    }
}

fn line(text: String) -> Bytes {
    let mut line = inert_lines(&text);
    line.push('\n');
    Bytes::from(line)
}

fn is_leaving(line: &str) -> bool {
    matches!(line.trim(), "exit" | "quit" | "logout" | "bye")
}

fn size(terminal: Option<&Terminal>) -> Size {
    terminal.map_or(
        Size {
            columns: 0,
            rows: 0,
            pixels_wide: 0,
            pixels_high: 0,
        },
        |terminal| terminal.size,
    )
}

fn away() -> Told {
    Told {
        sentence: "The gateway cannot answer now; try again shortly".to_owned(),
        status: super::person::TRY_AGAIN,
    }
}
