//! `rdp TARGET`: the way in for an RDP client, and the one-time secret that opens it.
//!
//! The secret goes to standard output and to the client that is started, and into no file: a
//! .rdp file cannot hold one that anybody but Windows itself has written.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
};

use clap::Args;
use serde_json::{Value, json};

use super::{
    client::{Client, Query},
    exit::{Done, Exit, Failure},
    json,
    screen::{Screen, one_line},
};
use crate::model::{
    name::{AccountName, TargetName},
    target::Address,
};

#[derive(Args)]
pub struct Rdp {
    target: TargetName,
    /// The account on the target, where it has several
    #[arg(long, short)]
    account: Option<AccountName>,
    /// Where the gateway takes RDP, if not where it says: host:port
    #[arg(long, value_name = "HOST:PORT", env = "DOORWARD_RDP")]
    gateway: Option<Address>,
    /// Also write a .rdp file for mstsc, Remmina and others; the secret is not in it
    #[arg(long, short = 'o', value_name = "FILE")]
    file: Option<PathBuf>,
    /// Start xfreerdp with it
    #[arg(long)]
    open: bool,
}

pub async fn run(args: Rdp, client: &Client, screen: &Screen) -> Done {
    let code = standing(&args, client).await?;
    let answer = client
        .post(&["checkouts", &code, "rdp"], &json!({}))
        .await?;
    let told = json::text(&answer.value, "address");
    let address = match &args.gateway {
        Some(address) => address.to_string(),
        None => told,
    };
    let login = json::text(&answer.value, "login");
    if let Some(path) = &args.file {
        fs::write(path, file(&address, &login)).map_err(|error| {
            Failure::fault(format!("{} cannot be written: {error}", path.display()))
        })?;
    }
    let secret = json::text(&answer.value, "secret");
    if args.open {
        return open(&address, &login, &secret);
    }
    if screen.json() {
        return screen.raw(&answer.text);
    }
    screen.say(format!(
        "address   {}\nuser      {}\npassword  {}",
        one_line(&address),
        one_line(&login),
        one_line(&secret)
    ))?;
    let until = json::time(&answer.value, "ends_at").map(|at| screen.when(at));
    screen.note(one_line(&format!(
        "Good until the end of check-out {code}, {}. That you saw it is written down.",
        until.unwrap_or_default()
    )));
    Ok(())
}

/// The check-out that stands for it.
async fn standing(args: &Rdp, client: &Client) -> Result<String, Failure> {
    let mut query = Query::new();
    query.extend([
        ("view", "mine".to_owned()),
        ("state", "active".to_owned()),
        ("target", args.target.to_string()),
    ]);
    let account = args.account.as_ref().map(AccountName::to_string);
    query.extend(account.map(|account| ("account", account)));
    let answer = client.get(&["checkouts"], &query).await?;
    // One that was asked for to see the secret opens nothing.
    let usable = |checkout: &&Value| checkout["asked"] != "reveal";
    let found = answer.items().iter().find(usable);
    let code = found.map(|checkout| json::text(checkout, "code"));
    code.ok_or_else(|| {
        let sentence = format!("you have no active check-out for {}", args.target);
        Failure::new(Exit::Refused, sentence).next(format!("doorward request {}", args.target))
    })
}

/// What mstsc and others read (the lines are Microsoft's).
fn file(address: &str, login: &str) -> String {
    [
        format!("full address:s:{address}"),
        format!("username:s:{login}"),
        "enablecredsspsupport:i:1".to_owned(),
        "authentication level:i:2".to_owned(),
        "prompt for credentials:i:1".to_owned(),
        "autoreconnection enabled:i:0".to_owned(),
        "redirectclipboard:i:0".to_owned(),
        "drivestoredirect:s:".to_owned(),
        String::new(),
    ]
    .join("\r\n")
}

/// The secret goes to its standard input: a command line everybody on the machine could read.
fn open(address: &str, login: &str, secret: &str) -> Done {
    let failed = |error: io::Error| {
        Failure::fault(format!("xfreerdp cannot be started: {error}"))
            .next("install it, or type what the same command prints without --open")
    };
    let mut client = Command::new("xfreerdp")
        .arg(format!("/v:{address}"))
        .arg(format!("/u:{login}"))
        // It would ask for a domain as well. What a stranger between could do, the one-time
        // secret itself shows: it is bound to the certificate.
        .args(["/d:", "/from-stdin:force", "/cert:tofu", "-auto-reconnect"])
        .stdin(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = client.stdin.take() {
        // One that is gone already says so itself.
        writeln!(input, "{secret}").ok();
    }
    let status = client.wait().map_err(failed)?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::fault(format!("xfreerdp ended with {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_the_place_and_the_user_and_no_secret() {
        let file = file("door.example.org:3389", "alice+win1");
        assert!(file.starts_with("full address:s:door.example.org:3389\r\n"));
        assert!(file.contains("\r\nusername:s:alice+win1\r\n"));
        assert!(file.ends_with("\r\n") && !file.contains("password"));
    }
}
