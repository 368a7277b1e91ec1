//! The commands of the desk: this command line, run inside the gateway for somebody who came
//! with nothing but `ssh`.
//!
//! Each desk signs in to the API as its person and asks it like any client, so that there is
//! one set of rights, refusals and words. Verbs that need files or an address are left out.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use clap::{CommandFactory as _, Parser, Subcommand, error::ErrorKind};
use futures::{FutureExt as _, future::BoxFuture};
use serde_json::{Value, json};
use tracing::{debug, warn};
use zeroize::Zeroizing;

use super::{
    answer, checkout,
    client::{Client, Query},
    exit::{Done, Exit, Failure},
    json, request,
    screen::{self, Screen},
    session, target, wait,
};
use crate::{
    broker::ssh::{self, Errand},
    identity::{Door, Identity},
    model::{principal::Principal, ways_in::WaysIn},
};

#[derive(Parser)]
#[command(
    no_binary_name = true,
    name = "",
    disable_version_flag = true,
    subcommand_required = true,
    override_usage = "COMMAND [--json]",
    help_template = "{subcommands}\n\n{options}",
    max_term_width = 100
)]
struct Line {
    /// Print the gateway's JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the targets you may ask for
    Targets(target::List),
    /// Ask for a check-out; without options you are asked for what is needed
    Request(Box<request::Request>),
    /// Wait for the answer to a request
    Wait(wait::Wait),
    /// List check-outs
    Checkouts(Box<checkout::Checkouts>),
    /// Show one check-out and everything that happened to it
    Checkout(checkout::Show),
    /// Ask for more time
    Extend(request::Extend),
    /// Give a check-out back before its time is over
    CheckIn(answer::Say),
    /// Take back a request
    Cancel(answer::Say),
    /// Say yes to a request or an extension
    Approve(answer::Approve),
    /// Say no to a request or an extension
    Deny(answer::Say),
    /// Let another approver answer it
    Assign(answer::Assign),
    /// Give somebody a check-out they did not ask for
    Grant(Box<request::Grant>),
    /// End a check-out now; its sessions are cut
    Revoke(answer::Say),
    /// List live sessions, or show one
    Sessions(session::Sessions),
    /// Cut one session; its check-out still stands
    Kill(session::Kill),
    /// Leave
    #[command(visible_alias = "quit")]
    Exit,
}

/// What the desks of a gateway share.
pub struct Commands {
    pub identity: Identity,
    pub api: axum::Router,
    pub ways_in: WaysIn,
}

impl ssh::Commands for Commands {
    fn sit_down(
        &self,
        by: Principal,
        peer: SocketAddr,
    ) -> BoxFuture<'_, Option<Arc<dyn ssh::Desk>>> {
        async move {
            let issued = match self.identity.sign_in(&by, peer.ip(), Door::Ssh).await {
                Ok(issued) => issued,
                Err(error) => {
                    warn!(%error, "Desk not opened");
                    return None;
                }
            };
            let token = Zeroizing::new(issued.secret.reveal().to_owned());
            let api = self
                .api
                .clone()
                .layer(axum::Extension(crate::api::Peer(peer)));
            let client = Client::inside(api, token).ok()?;
            let (host, port) = (self.ways_in.ssh.host(), self.ways_in.ssh.port());
            let at = match port {
                22 => String::new(),
                port => format!("-p {port} "),
            };
            let desk: Arc<dyn ssh::Desk> = Arc::new(Desk {
                client: Arc::new(client),
                connect: format!("ssh {at}{}+{{}}@{host}", by.name),
                names: Mutex::default(),
            });
            Some(desk)
        }
        .boxed()
    }
}

/// One person's desk. Dropped means signed out.
struct Desk {
    client: Arc<Client>,
    connect: String,
    /// Targets and codes that may be meant next.
    names: Mutex<BTreeSet<String>>,
}

impl ssh::Desk for Desk {
    fn run(&self, errand: Errand) -> BoxFuture<'_, u32> {
        async move {
            let desk = screen::Desk {
                paper: errand.paper,
                columns: errand.columns,
                interrupted: errand.interrupted,
                connect: self.connect.clone(),
            };
            let line = match Line::try_parse_from(&errand.words) {
                Ok(line) => line,
                Err(error) => return told(&error, &Screen::at(desk, false)),
            };
            let screen = Screen::at(desk, line.json);
            match self.ask(line.verb, &screen).await {
                Ok(()) | Err(Failure::PipeClosed) => 0,
                Err(Failure::Said(said)) => {
                    match screen.json() {
                        true => screen.warn(&said.json().to_string()),
                        false => screen.warn(&as_typed_here(&said.to_string())),
                    }
                    said.exit as u32
                }
            }
        }
        .boxed()
    }

    fn offers(&self, line: &str) -> Vec<String> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        offers(line, &names)
    }

    fn look_around(&self) -> BoxFuture<'_, ()> {
        async move {
            let mut names = BTreeSet::new();
            for (noun, view, field) in [
                ("targets", None, "name"),
                ("checkouts", Some("mine"), "code"),
                ("checkouts", Some("waiting"), "code"),
            ] {
                let mut query: Query = vec![("limit", "50".to_owned())];
                query.extend(view.map(|view| ("view", view.to_owned())));
                // What cannot be had is not offered.
                if let Ok(answer) = self.client.get(&[noun], &query).await {
                    let open = |item: &&Value| item["status"].is_null() || is_open(item);
                    let items = answer.items().iter().filter(open);
                    names.extend(items.map(|item| json::text(item, field)));
                }
            }
            *self.names.lock().unwrap_or_else(PoisonError::into_inner) = names;
        }
        .boxed()
    }
}

impl Desk {
    async fn ask(&self, verb: Verb, screen: &Screen) -> Done {
        let client = &self.client;
        match verb {
            Verb::Targets(args) => target::run(target::Target::List(args), client, screen).await,
            Verb::Request(args) => request::request(*args, client, screen).await,
            Verb::Wait(args) => wait::wait(args, client, screen).await,
            Verb::Checkouts(args) => checkout::list(*args, client, screen).await,
            Verb::Checkout(args) => checkout::show(args, client, screen).await,
            Verb::Extend(args) => request::extend(args, client, screen).await,
            Verb::CheckIn(args) => answer::say(answer::Verb::CheckIn, args, client, screen).await,
            Verb::Cancel(args) => answer::say(answer::Verb::Cancel, args, client, screen).await,
            Verb::Approve(args) => answer::approve(args, client, screen).await,
            Verb::Deny(args) => answer::say(answer::Verb::Deny, args, client, screen).await,
            Verb::Assign(args) => answer::assign(args, client, screen).await,
            Verb::Grant(args) => request::grant(*args, client, screen).await,
            Verb::Revoke(args) => answer::say(answer::Verb::Revoke, args, client, screen).await,
            Verb::Sessions(args) => session::list(args, client, screen).await,
            Verb::Kill(args) => session::kill(args, client, screen).await,
            Verb::Exit => Ok(()),
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let client = self.client.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // It ends by itself, and the token ends without it too.
            runtime.spawn(async move {
                if let Err(failure) = client.post(&["sign-out"], &json!({})).await {
                    debug!(exit = ?failure.exit(), "Desk not signed out");
                }
            });
        }
    }
}

/// Hints name a command as it is typed elsewhere.
fn as_typed_here(said: &str) -> String {
    said.replace("`doorward target list`", "`targets`")
        .replace("`doorward ", "`")
}

/// A slip or a question about the commands themselves.
fn told(error: &clap::Error, screen: &Screen) -> u32 {
    let text = error.render().to_string();
    let asked = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if asked {
        // Nobody is left to read it.
        screen.say(text.trim_end()).ok();
        return 0;
    }
    screen.warn(text.trim_end());
    Exit::Usage as u32
}

fn is_open(checkout: &Value) -> bool {
    matches!(
        checkout["status"].as_str(),
        Some("requested" | "approved" | "active")
    )
}

/// First a verb, then its options and the names that are around.
fn offers(line: &str, names: &BTreeSet<String>) -> Vec<String> {
    let command = Line::command();
    let (before, word) = line.rsplit_once(' ').unwrap_or(("", line));
    let fits = |offer: &String| offer.starts_with(word);
    let Some(verb) = before.split_whitespace().next() else {
        let verbs = command
            .get_subcommands()
            .map(|verb| verb.get_name().to_owned());
        return verbs.chain(["help".to_owned()]).filter(fits).collect();
    };
    if word.starts_with('-') {
        let verb = command.find_subcommand(verb);
        let options = verb.into_iter().flat_map(|verb| verb.get_arguments());
        let options = options.filter_map(|option| Some(format!("--{}", option.get_long()?)));
        return options.chain(["--json".to_owned()]).filter(fits).collect();
    }
    let word = word.to_lowercase();
    let meant = |name: &&String| name.to_lowercase().starts_with(&word);
    names.iter().filter(meant).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_desks_lines_are_sound() {
        Line::command().debug_assert();
    }

    #[test]
    fn what_fits_is_offered() {
        let names = ["db1", "db2", "7K3F"].map(str::to_owned).into();
        assert_eq!(offers("che", &names), ["checkouts", "checkout", "check-in"]);
        assert_eq!(offers("request d", &names), ["db1", "db2"]);
        assert_eq!(offers("approve 7k", &names), ["7K3F"]);
        assert_eq!(
            offers("request db1 --ti", &names),
            ["--ticket", "--timeout"]
        );
        assert!(offers("nonsense --x", &names).is_empty());
    }
}
