//! Live and past connections: `sessions`, `sessions files`, `kill`.
//!
//! A kill cuts the bytes of one session; its check-out goes on.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    client::{Client, Query},
    exit::Done,
    file,
    filter::Filter,
    json,
    page::Page,
    screen::{self, Screen, one_line},
    table::{Card, Table},
};
use crate::model::ids::SessionId;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Sessions {
    #[command(subcommand)]
    about: Option<About>,
    /// One session in full
    #[arg(conflicts_with_all = ["all", "closed", "checkout", "user", "target"])]
    id: Option<SessionId>,
    /// Live and closed ones; without it, live ones only
    #[arg(long, group = "which")]
    all: bool,
    /// Closed ones only
    #[arg(long, group = "which")]
    closed: bool,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    page: Page,
}

#[derive(Subcommand)]
enum About {
    /// What moved by sftp, scp and HTTP in one session
    Files(file::Files),
}

#[derive(Args)]
pub struct Kill {
    /// The session, as `doorward sessions` shows it
    session: SessionId,
    /// A message for the person
    #[arg(long, short)]
    message: Option<String>,
}

pub async fn list(args: Sessions, client: &Client, screen: &Screen) -> Done {
    if let Some(About::Files(args)) = &args.about {
        return file::list(args, client, screen).await;
    }
    if let Some(id) = &args.id {
        return show(id, client, screen).await;
    }
    let mut query: Query = Vec::new();
    if !args.all {
        query.push(("live", (!args.closed).to_string()));
    }
    args.filter.narrow(&mut query);
    args.page.sort(&mut query);
    let answer = client
        .list(&["sessions"], &query, args.page.limit())
        .await?;
    screen.show(&answer, |_| {
        let mut table = Table::new(&[
            "SESSION",
            "CHECK-OUT",
            "WHO",
            "TARGET",
            "ACCOUNT",
            "FROM",
            "OPENED",
            "IN",
            "OUT",
            "STATE",
        ]);
        for session in answer.items() {
            let opened = json::time(session, "opened_at");
            let state = match json::text(session, "closed_at").as_str() {
                "" => "live".to_owned(),
                _ => json::text(session, "outcome"),
            };
            table.row([
                json::text(session, "id"),
                named(session, "code", "checkout"),
                named(session, "user_name", "user"),
                named(session, "target_name", "target"),
                named(session, "account_name", "account"),
                json::text(session, "peer"),
                opened.map(|at| screen.when(at)).unwrap_or_default(),
                screen::bytes(json::number(session, "bytes_in")),
                screen::bytes(json::number(session, "bytes_out")),
                state,
            ]);
        }
        table.right(7);
        table.right(8);
        table.shown(screen, "There are no such sessions.")
    })?;
    args.page.note_more(&answer.value, screen);
    Ok(())
}

async fn show(id: &SessionId, client: &Client, screen: &Screen) -> Done {
    let answer = client.get(&["sessions", id.as_str()], &Vec::new()).await?;
    screen.show(&answer, |session| {
        let time = |path: &str| json::time(session, path).map(|at| screen.when(at));
        let mut card = Card::default();
        card.line("session", json::text(session, "id"));
        card.line("check-out", named(session, "code", "checkout"));
        card.line("who", named(session, "user_name", "user"));
        card.line("target", named(session, "target_name", "target"));
        card.line("account", named(session, "account_name", "account"));
        card.line("protocol", json::text(session, "protocol"));
        card.line("from", json::text(session, "peer"));
        card.line("client", json::text(session, "client"));
        card.line("opened", time("opened_at").unwrap_or_default());
        card.line("closed", time("closed_at").unwrap_or_default());
        card.line("outcome", json::text(session, "outcome"));
        card.line("message", json::text(session, "message"));
        card.line(
            "to the target",
            screen::bytes(json::number(session, "bytes_in")),
        );
        card.line(
            "from the target",
            screen::bytes(json::number(session, "bytes_out")),
        );
        card.shown()
    })
}

pub async fn kill(args: Kill, client: &Client, screen: &Screen) -> Done {
    let mut body = json!({});
    if let Some(message) = &args.message {
        body["message"] = json!(message);
    }
    let answer = client
        .post(&["sessions", args.session.as_str(), "kill"], &body)
        .await?;
    screen.show(&answer, |_| {
        one_line(&format!(
            "Killed {}; its check-out still stands.",
            args.session
        ))
    })
}

/// What people call it, else its identifier.
pub fn named(value: &serde_json::Value, name: &str, id: &str) -> String {
    match json::text(value, name) {
        name if name.is_empty() => json::text(value, id),
        name => name,
    }
}
