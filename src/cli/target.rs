//! `target`: what people reach through the gateway.
//!
//! A target without a pinned host key lets nobody through, so that is said when one is added.

use std::{fs, io::Read as _, path::PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    ask::Sure,
    client::{Client, Query},
    exit::{Done, Failure},
    json,
    noun::{self, put},
    page::Page,
    scan::{self, Scan},
    screen::{Screen, one_line},
    table::Table,
    web::{self, WebArgs},
};
use crate::model::{
    name::{PolicyName, TargetName},
    rdp::{Rdp, Security},
    target::{Address, Pin},
    web::TlsPin,
};

#[derive(Subcommand)]
pub enum Target {
    /// List the targets you may see
    #[command(visible_alias = "ls")]
    List(List),
    /// Show one target
    Show { name: TargetName },
    /// Add a target
    Add(Add),
    /// Change a target
    Set(Set),
    /// Let nobody use it for now; its live sessions end
    Disable { name: TargetName },
    /// Let people use it again
    Enable { name: TargetName },
    /// Look at the host keys of a server, to compare and pin them
    Scan(Scan),
    /// Remove a target; its check-outs and live sessions end
    #[command(visible_alias = "rm")]
    Remove {
        name: TargetName,
        #[command(flatten)]
        sure: Sure,
    },
}

#[derive(Args)]
pub struct List {
    /// Only with this text in the name, address or description
    #[arg(long, short = 'q', value_name = "TEXT")]
    search: Option<String>,
    #[command(flatten)]
    page: Page,
}

#[derive(Args)]
pub struct Add {
    name: TargetName,
    /// Where an SSH or RDP server listens: host:port
    #[arg(required_unless_present = "web", conflicts_with = "web")]
    address: Option<Address>,
    #[command(flatten)]
    web: WebArgs,
    #[command(flatten)]
    fields: Fields,
}

#[derive(Args)]
pub struct Set {
    name: TargetName,
    /// Where it listens: host:port
    #[arg(long)]
    address: Option<Address>,
    /// Back to the default policy
    #[arg(long, conflicts_with = "policy")]
    no_policy: bool,
    #[command(flatten)]
    web: WebArgs,
    #[command(flatten)]
    fields: Fields,
}

#[derive(Args)]
struct Fields {
    /// A host key it must prove, such as "ssh-ed25519 AAAA…"; may be given several times
    #[arg(long, value_name = "KEY")]
    host_key: Vec<String>,
    /// It is an RDP server, and is signed in to by network level authentication (nla) or in the
    /// clear inside TLS (tls), as xrdp wants it
    #[arg(long, value_name = "HOW", num_args = 0..=1, default_missing_value = "nla",
          conflicts_with = "web")]
    rdp: Option<Security>,
    /// What a web or RDP target must prove over TLS: sha256//BASE64 of its public key, as
    /// curl --pinnedpubkey takes it; may be given several times
    #[arg(long, value_name = "PIN")]
    pin: Vec<TlsPin>,
    /// The authorities of a web or RDP target's certificate, from a file in PEM
    #[arg(long, value_name = "FILE")]
    authority: Option<PathBuf>,
    /// Host keys from a file, or from standard input for `-`, as ssh-keyscan prints them
    #[arg(long, value_name = "FILE")]
    host_keys: Option<PathBuf>,
    #[arg(long)]
    policy: Option<PolicyName>,
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A label to find it by; may be given several times
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
}

pub async fn run(command: Target, client: &Client, screen: &Screen) -> Done {
    match command {
        Target::List(args) => list(args, client, screen).await,
        Target::Show { name } => noun::show(&["targets", name.as_str()], client, screen).await,
        Target::Add(args) => add(args, client, screen).await,
        Target::Set(args) => set(args, client, screen).await,
        Target::Disable { name } => switch(&name, true, client, screen).await,
        Target::Enable { name } => switch(&name, false, client, screen).await,
        Target::Scan(args) => scan::run(args, client, screen).await,
        Target::Remove { name, sure } => {
            let path = ["targets", name.as_str()];
            noun::remove("target", name.as_str(), &path, &sure, client, screen).await
        }
    }
}

async fn list(args: List, client: &Client, screen: &Screen) -> Done {
    let mut query = Query::new();
    query.extend(args.search.map(|text| ("q", text)));
    args.page.sort(&mut query);
    let answer = client.list(&["targets"], &query, args.page.limit()).await?;
    screen.show(&answer, |_| {
        let mut table = Table::new(&[
            "NAME",
            "PROTOCOL",
            "ADDRESS",
            "ACCOUNTS",
            "POLICY",
            "LABELS",
            "STATE",
            "DESCRIPTION",
        ]);
        for target in answer.items() {
            table.row([
                json::text(target, "name"),
                json::text(target, "protocol"),
                json::text(target, "address"),
                names(&target["accounts"]),
                names(&target["policy"]),
                json::text(target, "labels"),
                state(target).to_owned(),
                json::text(target, "description"),
            ]);
        }
        table.shown(screen, "There are no targets that you may see.")
    })?;
    args.page.note_more(&answer.value, screen);
    Ok(())
}

/// Names, whether the gateway tells them bare or with what belongs to them.
fn names(value: &Value) -> String {
    match value {
        Value::Array(values) => values.iter().map(names).collect::<Vec<_>>().join(", "),
        Value::Object(_) => json::text(value, "name"),
        other => json::shown(other),
    }
}

fn state(target: &Value) -> &'static str {
    let unpinned = target["host_keys"].as_array().is_some_and(Vec::is_empty);
    // Without TLS there is nothing that it could prove.
    let proves = target["web"]["tls"] != false;
    match (json::flag(target, "disabled"), unpinned && proves) {
        (true, _) => "disabled",
        (_, true) if target["web"].is_object() || target["rdp"].is_object() => "no pin",
        (_, true) => "no host key",
        _ => "ready",
    }
}

async fn add(args: Add, client: &Client, screen: &Screen) -> Done {
    let mut fields = args.fields.read()?;
    put(&mut fields, "name", Some(&args.name));
    put(&mut fields, "address", args.address.as_ref());
    let web = args.web.of_new(&mut fields)?;
    let pinned = fields.contains_key("host_keys");
    let answer = client.post(&["targets"], &Value::Object(fields)).await?;
    noun::said(&answer, screen, &format!("Added target {}.", args.name))?;
    let is_rdp = args.fields.rdp.is_some();
    match (&args.address, web) {
        (Some(address), _) if !pinned && is_rdp => screen.note(one_line(&format!(
            "Nothing is pinned, so nobody gets through yet: doorward target set {} --authority FILE, \
             or --pin sha256//BASE64 of the key of {address}",
            args.name
        ))),
        (Some(address), _) if !pinned => screen.note(one_line(&format!(
            "No host key is pinned, so nobody gets through yet: doorward target scan {address} --pin {}",
            args.name
        ))),
        (None, Some(web)) => web.note(pinned, &args.name, screen),
        _ => {}
    }
    Ok(())
}

async fn set(args: Set, client: &Client, screen: &Screen) -> Done {
    let mut fields = args.fields.read()?;
    put(&mut fields, "address", args.address);
    if args.no_policy {
        fields.insert("policy".to_owned(), Value::Null);
    }
    if args.web.is_given() {
        let path = ["targets", args.name.as_str()];
        let before = client.get(&path, &Query::new()).await?.value;
        args.web.of_known(&before, &mut fields)?;
    }
    let body = noun::changes(fields)?;
    let answer = client
        .patch(&["targets", args.name.as_str()], &body)
        .await?;
    noun::said(&answer, screen, &format!("Changed target {}.", args.name))
}

async fn switch(name: &TargetName, disabled: bool, client: &Client, screen: &Screen) -> Done {
    let body = json!({"disabled": disabled});
    let answer = client.patch(&["targets", name.as_str()], &body).await?;
    let verb = if disabled { "Disabled" } else { "Enabled" };
    noun::said(&answer, screen, &format!("{verb} target {name}."))
}

impl Fields {
    fn read(&self) -> Result<Map<String, Value>, Failure> {
        let mut fields = Map::new();
        let mut keys = self.host_key.clone();
        keys.extend(self.pin.iter().map(TlsPin::to_string));
        if let Some(path) = &self.authority {
            keys.extend(web::authorities(&read(path)?, path)?);
        }
        if let Some(path) = &self.host_keys {
            keys.extend(host_keys(&read(path)?));
            if keys.is_empty() {
                return Err(
                    Failure::usage(format!("there is no host key in {}", path.display()))
                        .next("check that the target answers: ssh-keyscan -p PORT HOST"),
                );
            }
        }
        if !keys.is_empty() {
            put(&mut fields, "host_keys", Some(keys));
        }
        let rdp = self.rdp.map(|security| Rdp { security });
        put(&mut fields, "rdp", rdp);
        put(&mut fields, "policy", self.policy.as_ref());
        put(&mut fields, "description", self.description.as_ref());
        if !self.label.is_empty() {
            put(&mut fields, "labels", Some(&self.label));
        }
        Ok(fields)
    }
}

fn read(path: &PathBuf) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin()
            .lock()
            .take(1 << 20)
            .read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(1 << 20).read_to_string(&mut text))
    };
    read.map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))?;
    Ok(text)
}

/// Keys in OpenSSH's one-line form, out of a `.pub`, a known_hosts or what ssh-keyscan prints.
fn host_keys(text: &str) -> Vec<String> {
    let mut keys: Vec<String> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let kind = words.iter().position(|word| {
                word.starts_with("ssh-") || word.starts_with("ecdsa-") || word.starts_with("sk-")
            })?;
            let key = format!("{} {}", words[kind], words.get(kind + 1)?);
            let authority = words[0] == "@cert-authority";
            Some(match authority {
                true => Pin::Authority(&key).to_string(),
                false => key,
            })
        })
        .collect();
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_keys_are_read_as_ssh_keyscan_prints_them() {
        let scanned = "# db1:22 SSH-2.0-OpenSSH_9.2\n\
            [db1]:2222 ssh-ed25519 AAAAC3Nz\n\
            ssh-rsa AAAAB3Nz root@db1\n\n";
        assert_eq!(
            host_keys(scanned),
            ["ssh-ed25519 AAAAC3Nz", "ssh-rsa AAAAB3Nz"]
        );
        assert!(host_keys("# nothing\n").is_empty());
    }
}
