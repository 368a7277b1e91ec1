//! The command line: reads arguments, calls the rest, writes to the terminal.
//!
//! One noun or verb a file; `client` is the only way to a gateway, `exit` the only table of
//! exit codes. Nothing here decides what is allowed.

mod access;
mod account;
mod answer;
mod apply;
mod ask;
mod audit;
mod channel;
mod checkout;
mod client;
mod demo;
pub mod desk;
mod events;
mod evidence;
mod exit;
mod file;
mod filter;
mod group;
mod hints;
mod history;
mod json;
mod key;
mod moment;
mod noun;
mod operate;
mod page;
mod play;
mod policy;
mod profile;
mod rdp;
mod recording;
mod request;
mod reveal;
mod scan;
mod screen;
mod second;
mod serve;
mod session;
mod sign_in;
mod ssh;
mod ssh_ca;
mod ssh_config;
mod standing;
mod table;
mod target;
mod token;
mod trust;
mod user;
mod verb;
mod wait;
mod web;
mod web_port;

use std::process::ExitCode;

use clap::Parser;

use self::{
    exit::{Done, Failure},
    screen::Screen,
    verb::Verb,
};

/// A check-out gateway for privileged access.
#[derive(Parser)]
#[command(
    name = "doorward",
    version,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 fault, 2 usage, 3 not signed in, 4 not found, 5 refused, \
                  6 conflict, 7 unreachable, 8 try later, 9 broken, 75 still waiting."
)]
pub struct Line {
    /// Print the gateway's JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    /// Which profile of client.toml to use
    #[arg(long, global = true, value_name = "NAME", env = "DOORWARD_PROFILE")]
    profile: Option<String>,
    #[command(subcommand)]
    verb: Verb,
}

pub fn main() -> ExitCode {
    let line = Line::parse();
    let screen = if line.json {
        Screen::programs()
    } else {
        Screen::people()
    };
    match start(line, &screen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::PipeClosed) => ExitCode::SUCCESS,
        Err(Failure::Said(said)) => {
            if screen.json() {
                screen::warn(&said.json().to_string());
            } else {
                screen::warn(&format!("doorward: {said}"));
            }
            said.exit.into()
        }
    }
}

fn start(line: Line, screen: &Screen) -> Done {
    crate::tls::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::fault(format!("cannot start: {error}")))?;
    runtime.block_on(line.verb.run(line.profile.as_deref(), screen))
}
