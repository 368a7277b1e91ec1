//! `recordings`: what sessions left. `play` (another file) shows one in the terminal.

mod export;
mod har;
mod pictures;
mod search;
mod verify;

use clap::{Args, Subcommand};

pub use self::export::{copy, new_file};
use super::{
    client::{Client, Query},
    exit::Done,
    filter::Filter,
    json, noun,
    page::Page,
    screen::{self, Screen},
    table::Table,
};
use crate::model::{
    ids::{RecordingId, SessionId},
    time::Span,
};

#[derive(Subcommand)]
pub enum Recordings {
    /// List recordings
    #[command(visible_alias = "ls")]
    List(List),
    /// Show what is known of one
    Show { id: RecordingId },
    /// Take one away as a plain .cast file (asciicast v2), as HAR, stills or a video; it is
    /// written down who did
    Export(export::Export),
    /// Find lines in what sessions showed; it is written down who searched, and what they saw
    Search(search::Search),
    /// Check that recordings are what was recorded
    Verify(verify::Verify),
}

#[derive(Args)]
pub struct List {
    /// Only of this session
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    page: Page,
}

pub async fn run(command: Recordings, client: &Client, screen: &Screen) -> Done {
    match command {
        Recordings::List(args) => list(args, client, screen).await,
        Recordings::Show { id } => noun::show(&["recordings", id.as_str()], client, screen).await,
        Recordings::Export(args) => export::run(args, client, screen).await,
        Recordings::Search(args) => search::run(args, client, screen).await,
        Recordings::Verify(args) => verify::run(args, client, screen).await,
    }
}

async fn list(args: List, client: &Client, screen: &Screen) -> Done {
    let mut query = Query::new();
    query.extend(args.session.map(|session| ("session", session.to_string())));
    args.filter.narrow(&mut query);
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
            "ACCOUNT",
            "KIND",
            "STARTED",
            "LENGTH",
            "SIZE",
            "STATE",
        ]);
        for recording in answer.items() {
            let finished = !json::text(recording, "finished_at").is_empty();
            let length = Span::seconds(json::number(recording, "duration_s")).to_string();
            let size = screen::bytes(json::number(recording, "bytes"));
            let started = json::time(recording, "started_at");
            table.row([
                json::text(recording, "id"),
                json::text(recording, "code"),
                json::text(recording, "user_name"),
                json::text(recording, "target_name"),
                json::text(recording, "account_name"),
                json::text(recording, "kind"),
                started.map(|at| screen.when(at)).unwrap_or_default(),
                if finished { length } else { String::new() },
                if finished { size } else { String::new() },
                json::text(recording, "state"),
            ]);
        }
        table.right(8);
        table.shown(screen, "There are no such recordings.")
    })?;
    args.page.note_more(&answer.value, screen);
    Ok(())
}
