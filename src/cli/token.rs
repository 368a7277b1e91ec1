//! `token`: API tokens of one's own, for programs.
//!
//! The secret of a token is shown once, when it is made, and on standard output alone.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{
    client::{Client, Query},
    exit::Done,
    json, noun,
    screen::Screen,
    table::Table,
};
use crate::model::{ids::TokenId, time::Span};

#[derive(Subcommand)]
pub enum Token {
    /// List your tokens
    #[command(visible_alias = "ls")]
    List,
    /// Make a token; it is shown once
    Create(Create),
    /// Make a token useless at once
    Revoke { id: TokenId },
}

#[derive(Args)]
pub struct Create {
    /// What it is for
    label: String,
    /// What it may do; may be given several times
    #[arg(long, short, value_enum, required = true)]
    scope: Vec<ScopeName>,
    /// How long it lasts
    #[arg(
        long = "for",
        short = 'f',
        value_name = "LENGTH",
        default_value = "30d"
    )]
    length: Span,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScopeName {
    /// Look at what you may see
    Read,
    /// Ask for, extend, cancel and check in
    Request,
    /// Answer requests, revoke, kill
    Approve,
    /// Change targets, accounts, policies and people
    Admin,
    /// See an account's secret where a check-out allows it
    Reveal,
}

impl ScopeName {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Request => "request",
            Self::Approve => "approve",
            Self::Admin => "admin",
            Self::Reveal => "reveal",
        }
    }
}

pub async fn run(command: Token, client: &Client, screen: &Screen) -> Done {
    match command {
        Token::List => list(client, screen).await,
        Token::Create(args) => create(args, client, screen).await,
        Token::Revoke { id } => {
            let answer = client.delete(&["me", "tokens", id.as_str()]).await?;
            noun::said(&answer, screen, &format!("Revoked token {id}."))
        }
    }
}

async fn list(client: &Client, screen: &Screen) -> Done {
    let answer = client.get(&["me", "tokens"], &Query::new()).await?;
    screen.show(&answer, |_| {
        let mut table = Table::new(&["ID", "LABEL", "SCOPES", "MADE", "EXPIRES", "LAST USED"]);
        for token in answer.items() {
            let time = |path: &str| json::time(token, path).map(|at| screen.when(at));
            table.row([
                json::text(token, "id"),
                json::text(token, "label"),
                json::text(token, "scopes"),
                time("created_at").unwrap_or_default(),
                time("expires_at").unwrap_or_default(),
                time("last_used_at").unwrap_or_else(|| "never".to_owned()),
            ]);
        }
        table.shown(screen, "You have no tokens.")
    })
}

async fn create(args: Create, client: &Client, screen: &Screen) -> Done {
    let scopes: Vec<&str> = args.scope.iter().map(|scope| scope.as_str()).collect();
    let body = json!({"label": args.label, "scopes": scopes, "expires_in": args.length});
    let answer = client.post(&["me", "tokens"], &body).await?;
    screen.show(&answer, |token| json::text(token, "token"))?;
    screen.note("This is shown only now. Programs send it as DOORWARD_TOKEN.");
    Ok(())
}
