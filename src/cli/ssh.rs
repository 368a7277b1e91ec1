//! `ssh TARGET`: the stock ssh client, through the gateway.
//!
//! Only finds the right line; everything else is ssh's and the gateway's.

use std::{os::unix::process::CommandExt as _, process::Command};

use clap::Args;
use serde_json::Value;

use super::{
    client::{Client, Query},
    exit::{Done, Failure},
    json,
    profile::Access,
    screen::{Screen, one_line},
};
use crate::model::{
    name::{AccountName, TargetName},
    target::Address,
};

#[derive(Args)]
pub struct Ssh {
    target: TargetName,
    /// The account on the target, where it has several
    #[arg(long, short)]
    account: Option<AccountName>,
    /// Where the gateway takes SSH: host:port
    #[arg(long, value_name = "HOST:PORT", env = "DOORWARD_SSH")]
    gateway: Option<Address>,
    /// Print the line instead of running it
    #[arg(long)]
    print: bool,
    /// What ssh gets after the destination: a command, and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

pub async fn run(args: Ssh, access: &Access, client: &Client, screen: &Screen) -> Done {
    let line = line(&args, access, client).await?;
    if screen.json() {
        return screen.raw(&serde_json::json!({"command": line}).to_string());
    }
    if args.print {
        let quoted: Vec<String> = line.iter().map(|word| quote(word)).collect();
        return screen.say(one_line(&quoted.join(" ")));
    }
    // Only comes back when ssh could not be started.
    let error = Command::new(&line[0]).args(&line[1..]).exec();
    Err(Failure::fault(format!("ssh cannot be started: {error}"))
        .next("install an OpenSSH client, or see the line with --print"))
}

async fn line(args: &Ssh, access: &Access, client: &Client) -> Result<Vec<String>, Failure> {
    let me = client.get(&["me"], &Query::new()).await?;
    let user = user_of(&me.value);
    let place = match &args.gateway {
        Some(address) => address.clone(),
        None => told(&me.value, access)?,
    };
    let login = match &args.account {
        Some(account) => format!("{user}+{account}@{}", args.target),
        None => format!("{user}+{}", args.target),
    };
    let mut line = vec!["ssh".to_owned(), "-p".to_owned(), place.port().to_string()];
    // The login holds `@` and `+`; -l takes it as it is.
    line.extend([
        "-l".to_owned(),
        login,
        "--".to_owned(),
        place.host().to_owned(),
    ]);
    line.extend(args.command.iter().cloned());
    Ok(line)
}

/// The name of whom the gateway says one is.
pub fn user_of(me: &Value) -> String {
    match &me["user"] {
        Value::Object(_) => json::text(me, "user.name"),
        _ => json::text(me, "name"),
    }
}

/// What the profile says, else what the gateway says. A gateway knows one name of its own;
/// where both listeners are the same machine, the one that has just worked is better.
pub fn told(me: &Value, access: &Access) -> Result<Address, Failure> {
    if let Some(place) = access.ssh.as_ref().and_then(|place| place.parse().ok()) {
        return Ok(place);
    }
    let told: Option<Address> = json::text(me, "gateway.ssh").parse().ok();
    let console = json::text(me, "gateway.console");
    told.map(|told| {
        let same = console
            .strip_prefix("https://")
            .is_some_and(|place| place.starts_with(&told.bracketed()));
        let reached = format!("{}:{}", access.server.host(), told.port());
        let here = reached.parse().ok().filter(|_| same);
        here.unwrap_or(told)
    })
    .ok_or_else(|| {
        Failure::usage("where the gateway takes SSH is not known").next("add --gateway HOST:PORT")
    })
}

/// A word as a shell reads it back.
fn quote(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@+=,%".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_line_can_be_pasted() {
        assert_eq!(quote("alice+root@db1"), "alice+root@db1");
        assert_eq!(quote("uname -a; it's"), r"'uname -a; it'\''s'");
        assert_eq!(quote(""), "''");
    }
}
