//! `sessions files`: what moved by sftp, scp and HTTP in one session.
//!
//! Paths are shown as the log keeps them, which does nothing to a terminal.

use clap::Args;

use super::{
    client::{Client, Query},
    exit::Done,
    json,
    page::Page,
    screen::{self, Screen},
    table::Table,
};
use crate::model::ids::SessionId;

#[derive(Args)]
pub struct Files {
    /// The session, as `doorward sessions --all` shows it
    session: SessionId,
    /// Only of this file channel of it, from 1
    #[arg(long, value_name = "N")]
    channel: Option<u32>,
    /// Show the SHA-256 of each file
    #[arg(long)]
    sha256: bool,
    #[command(flatten)]
    page: Page,
}

pub async fn list(args: &Files, client: &Client, screen: &Screen) -> Done {
    let mut query = Query::new();
    query.extend(args.channel.map(|channel| ("channel", channel.to_string())));
    args.page.sort(&mut query);
    let path = ["sessions", args.session.as_str(), "files"];
    let answer = client.list(&path, &query, args.page.limit()).await?;
    screen.show(&answer, |_| {
        let mut header = vec!["WHEN", "WHAT", "PATH", "SIZE", "RESULT"];
        if args.sha256 {
            header.push("SHA-256");
        }
        let mut table = Table::new(&header);
        for file in answer.items() {
            let at = json::time(file, "at");
            let to = json::text(file, "to");
            let path = json::text(file, "path");
            let detail = json::text(file, "detail");
            let result = json::text(file, "result");
            let moves_content = !json::text(file, "direction").is_empty();
            let mut row = vec![
                at.map(|at| screen.when(at)).unwrap_or_default(),
                json::text(file, "op"),
                if to.is_empty() {
                    path
                } else {
                    format!("{path} -> {to}")
                },
                match moves_content {
                    true => screen::bytes(json::number(file, "bytes")),
                    false => String::new(),
                },
                if detail.is_empty() {
                    result
                } else {
                    format!("{result}: {detail}")
                },
            ];
            if args.sha256 {
                row.push(json::text(file, "sha256"));
            }
            table.row(row);
        }
        table.right(3);
        table.shown(screen, "No files moved in this session.")
    })?;
    args.page.note_more(&answer.value, screen);
    Ok(())
}
