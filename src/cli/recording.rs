//! `recordings`: what sessions left. `play` (another file) shows one in the terminal.
//!
//! A download goes to a new file, readable by its owner alone.

use std::{fs, os::unix::fs::OpenOptionsExt as _, path::PathBuf};

use clap::{Args, Subcommand};
use futures::StreamExt as _;

use super::{
    checkout::CheckoutRef,
    client::{Client, Query},
    exit::{Done, Exit, Failure},
    json, noun,
    page::Page,
    screen::{self, Screen},
    session::named,
    table::Table,
};
use crate::model::ids::{RecordingId, SessionId};

#[derive(Subcommand)]
pub enum Recordings {
    /// List recordings
    #[command(visible_alias = "ls")]
    List(List),
    /// Show what is known of one
    Show { id: RecordingId },
    /// Download one (asciicast v2); it is written down who looked
    Get(Get),
}

#[derive(Args)]
pub struct List {
    /// Only of this session
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
    /// Only under this check-out
    #[arg(long, value_name = "CODE")]
    checkout: Option<CheckoutRef>,
    #[command(flatten)]
    page: Page,
}

#[derive(Args)]
pub struct Get {
    id: RecordingId,
    /// Where to; without it, standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub async fn run(command: Recordings, client: &Client, screen: &Screen) -> Done {
    match command {
        Recordings::List(args) => list(args, client, screen).await,
        Recordings::Show { id } => noun::show(&["recordings", id.as_str()], client, screen).await,
        Recordings::Get(args) => download(args, client, screen).await,
    }
}

async fn list(args: List, client: &Client, screen: &Screen) -> Done {
    let mut query = Query::new();
    query.extend(args.session.map(|session| ("session", session.to_string())));
    query.extend(args.checkout.map(|code| ("checkout", code.to_string())));
    args.page.sort(&mut query);
    let answer = client
        .list(&["recordings"], &query, args.page.limit())
        .await?;
    screen.show(&answer, |_| {
        let mut table = Table::new(&[
            "RECORDING",
            "CHECK-OUT",
            "WHO",
            "TARGET",
            "KIND",
            "STARTED",
            "SIZE",
            "STATE",
        ]);
        for recording in answer.items() {
            let finished = !json::text(recording, "finished_at").is_empty();
            let started = json::time(recording, "started_at");
            table.row([
                json::text(recording, "id"),
                named(recording, "code", "checkout"),
                json::text(recording, "user_name"),
                json::text(recording, "target_name"),
                json::text(recording, "kind"),
                started.map(|at| screen.when(at)).unwrap_or_default(),
                screen::bytes(json::number(recording, "bytes")),
                if finished { "finished" } else { "unfinished" }.to_owned(),
            ]);
        }
        table.right(6);
        table.shown(screen, "There are no such recordings.")
    })?;
    args.page.note_more(&answer.value, screen);
    Ok(())
}

async fn download(args: Get, client: &Client, screen: &Screen) -> Done {
    let path = ["recordings", args.id.as_str(), "content"];
    let response = client.stream(&path, &Query::new()).await?;
    match &args.output {
        None => {
            copy(response, &mut std::io::stdout().lock()).await?;
            Ok(())
        }
        Some(path) => {
            let mut file = new_file(path)?;
            let count = copy(response, &mut file).await?;
            screen.note(format!(
                "{} written to {}.",
                screen::bytes(count),
                path.display()
            ));
            Ok(())
        }
    }
}

/// A file that was not there before, for its owner alone.
pub fn new_file(path: &PathBuf) -> Result<fs::File, Failure> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| {
            let shown = path.display();
            match error.kind() {
                std::io::ErrorKind::AlreadyExists => {
                    Failure::new(Exit::Conflict, format!("{shown} is there already"))
                        .next("choose another name with --output")
                }
                _ => Failure::usage(format!("{shown} cannot be written: {error}")),
            }
        })
}

/// Everything of a streamed answer; how many bytes that were.
pub async fn copy(
    response: reqwest::Response,
    into: &mut impl std::io::Write,
) -> Result<u64, Failure> {
    let mut body = response.bytes_stream();
    let mut count = 0;
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| {
            Failure::new(
                Exit::Unreachable,
                format!("the download broke off after {count} bytes ({error})"),
            )
            .next("try again")
        })?;
        match into.write_all(&piece) {
            Ok(()) => count += piece.len() as u64,
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                return Err(Failure::PipeClosed);
            }
            Err(error) => return Err(Failure::fault(format!("cannot write: {error}"))),
        }
    }
    into.flush()
        .map_err(|error| Failure::fault(format!("cannot write: {error}")))?;
    Ok(count)
}
