//! `audit`: what was written down, and whether it still is what was written.
//!
//! `verify` asks the gateway or, with --config, reads the database itself; `verify-file` trusts
//! neither and checks an export on any machine.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    checkout::CheckoutRef,
    client::{Client, Query},
    evidence,
    exit::{Done, Failure},
    history, json,
    moment::Moment,
    operate::{self, Operate},
    page::note_more,
    recording,
    screen::Screen,
    serve::At,
    table::Table,
};
use crate::model::name::{TargetName, UserName};

#[derive(Subcommand)]
pub enum Audit {
    /// List audit events
    #[command(visible_alias = "ls")]
    List(List),
    /// Check every link of the chain
    Verify(Verify),
    /// Write the whole chain as JSON lines
    Export(Export),
    /// Check an exported chain, without a gateway
    VerifyFile(evidence::VerifyFile),
    /// Print the gateway's public key, for verify-file
    Key(Operate),
}

#[derive(Args)]
pub struct List {
    /// Only this kind, such as checkout.approve
    #[arg(long)]
    kind: Option<String>,
    /// Only about this check-out
    #[arg(long, value_name = "CODE")]
    checkout: Option<CheckoutRef>,
    /// Only about this user
    #[arg(long)]
    user: Option<UserName>,
    /// Only what this user did
    #[arg(long, value_name = "USER")]
    actor: Option<UserName>,
    /// Only about this target
    #[arg(long)]
    target: Option<TargetName>,
    /// Only what was refused
    #[arg(long)]
    refused: bool,
    /// Since then: 2d, 18:00, 2030-01-31, or RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Before then
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Only those with a higher number
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
    /// How many to show at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

#[derive(Args)]
pub struct Verify {
    /// Read the database of this configuration instead of asking a gateway
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args)]
pub struct Export {
    /// Where to; without it, standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub async fn run(command: Audit, client: &Client, screen: &Screen) -> Done {
    match command {
        Audit::List(args) => list(args, client, screen).await,
        Audit::Verify(_) => verify(client, screen).await,
        Audit::Export(args) => export(args, client, screen).await,
        here @ (Audit::VerifyFile(_) | Audit::Key(_)) => run_here(here, screen).await,
    }
}

impl Audit {
    /// Whether it reads files of this machine and asks no gateway.
    pub fn is_here(&self) -> bool {
        match self {
            Self::Verify(args) => args.config.is_some(),
            Self::VerifyFile(_) | Self::Key(_) => true,
            Self::List(_) | Self::Export(_) => false,
        }
    }
}

pub async fn run_here(command: Audit, screen: &Screen) -> Done {
    match command {
        Audit::Verify(args) => operate::verify(At::file(args.config), screen).await,
        Audit::VerifyFile(args) => evidence::verify_file(&args, screen),
        Audit::Key(at) => evidence::show_key(&at, screen).await,
        Audit::List(_) | Audit::Export(_) => Err(Failure::fault("this asks a gateway")),
    }
}

async fn list(args: List, client: &Client, screen: &Screen) -> Done {
    let mut query = Query::new();
    let now = screen.now();
    query.extend(args.kind.map(|kind| ("kind", kind)));
    query.extend(args.checkout.map(|code| ("checkout", code.to_string())));
    query.extend(args.user.map(|user| ("user", user.to_string())));
    query.extend(args.actor.map(|actor| ("actor", actor.to_string())));
    query.extend(args.target.map(|target| ("target", target.to_string())));
    if args.refused {
        query.push(("refused", "true".to_owned()));
    }
    query.extend(args.after.map(|after| ("after", after.to_string())));
    for (name, moment) in [("since", &args.since), ("until", &args.until)] {
        if let Some(moment) = moment {
            query.push((name, moment.before(now)?.to_string()));
        }
    }
    let limit = args.limit as usize;
    let answer = client.list(&["audit"], &query, limit).await?;
    screen.show(&answer, |_| {
        let mut table = Table::new(&["NUMBER", "WHEN", "WHO", "KIND", "WHAT"]);
        table.right(0);
        for item in answer.items() {
            let event = history::event(item);
            let at = json::time(&event, "at").or_else(|| json::time(item, "at"));
            table.row([
                json::text(item, "seq"),
                at.map(|at| screen.when(at)).unwrap_or_default(),
                history::who(&event),
                json::text(&event, "kind"),
                history::what(&event),
            ]);
        }
        table.shown(screen, "There are no such events.")
    })?;
    note_more(&answer.value, args.limit, screen);
    Ok(())
}

async fn verify(client: &Client, screen: &Screen) -> Done {
    let answer = client.get(&["audit", "verify"], &Query::new()).await?;
    let message = json::text(&answer.value, "message");
    if screen.json() {
        screen.raw(&answer.text)?;
    }
    if !json::flag(&answer.value, "intact") {
        return Err(evidence::broken(&message));
    }
    if screen.json() {
        return Ok(());
    }
    screen.say(evidence::sentence(&message))
}

async fn export(args: Export, client: &Client, screen: &Screen) -> Done {
    let response = client.stream(&["audit", "export"], &Query::new()).await?;
    match &args.output {
        None => recording::copy(response, &mut std::io::stdout().lock()).await?,
        Some(path) => {
            let mut file = recording::new_file(path)?;
            let count = recording::copy(response, &mut file).await?;
            screen.note(format!("The chain is in {}.", path.display()));
            count
        }
    };
    Ok(())
}
