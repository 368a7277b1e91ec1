//! `target scan`: what a server shows, for an admin to compare with what its console says,
//! and to pin.
//!
//! The gateway looks, because it is the gateway that must reach the target. Without `--pin`
//! nothing changes.

use clap::Args;
use serde_json::{Value, json};

use super::{
    ask::Sure,
    client::{Client, Query},
    exit::{Done, Failure},
    json, noun,
    screen::Screen,
    table::Table,
};
use crate::model::{name::TargetName, target::Address};

#[derive(Args)]
pub struct Scan {
    /// Where it listens: host:port
    address: Address,
    /// Pin what is shown for this target, besides what is pinned already
    #[arg(long, value_name = "TARGET")]
    pin: Option<TargetName>,
    /// Pin the authorities of the certificates that are shown, instead of the keys
    #[arg(long, requires = "pin")]
    authority: bool,
    #[command(flatten)]
    sure: Sure,
}

pub async fn run(args: Scan, client: &Client, screen: &Screen) -> Done {
    let body = json!({ "address": args.address });
    let answer = client.post(&["host-keys", "scan"], &body).await?;
    let shown = json::list(&answer.value, "host_keys");
    if args.pin.is_none() || !screen.json() {
        screen.show(&answer, |_| table(shown, screen))?;
    }
    let Some(target) = &args.pin else {
        screen.note(format!(
            "Compare them on the server itself, with ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, \
             then: doorward target scan {} --pin TARGET",
            args.address
        ));
        return Ok(());
    };
    let found: Vec<String> = match args.authority {
        true => shown
            .iter()
            .map(|key| json::text(key, "vouched.authority"))
            .collect(),
        false => shown.iter().map(|key| json::text(key, "key")).collect(),
    };
    let path = ["targets", target.as_str()];
    let before = client.get(&path, &Query::new()).await?.value;
    let mut pinned: Vec<String> = json::list(&before, "host_keys")
        .iter()
        .filter_map(|line| line.as_str().map(str::to_owned))
        .collect();
    let known = pinned.len();
    for line in found.into_iter().filter(|line| !line.is_empty()) {
        if !pinned.contains(&line) {
            pinned.push(line);
        }
    }
    if pinned.len() == known {
        if known == 0 {
            return Err(Failure::usage("none of these keys has a certificate"));
        }
        return screen.say(format!("All of it is pinned for {target} already."));
    }
    let (new, one) = (pinned.len() - known, pinned.len() - known == 1);
    let what = match (args.authority, one) {
        (true, true) => "authority",
        (true, false) => "authorities",
        (false, true) => "key",
        (false, false) => "keys",
    };
    args.sure.confirm(&format!(
        "Are these the fingerprints that {target} itself shows? Pin {new} {what}?"
    ))?;
    let answer = client.patch(&path, &json!({ "host_keys": pinned })).await?;
    noun::said(
        &answer,
        screen,
        &format!("Pinned {new} {what} for {target}."),
    )
}

fn table(shown: &[Value], screen: &Screen) -> String {
    let mut table = Table::new(&["KIND", "FINGERPRINT", "CERTIFICATE OF", "FOR"]);
    for key in shown {
        let line = json::text(key, "key");
        let kind = line.split(' ').next().unwrap_or_default().to_owned();
        table.row([
            kind,
            json::text(key, "fingerprint"),
            json::text(key, "vouched.fingerprint"),
            json::text(key, "vouched.names"),
        ]);
    }
    table.shown(screen, "It shows no host key.")
}
