//! `account`: privileged identities on targets.
//!
//! A secret goes in and never comes out here; it is read from the terminal, a file or
//! standard input.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{
    ask::{self, Sure},
    client::{Client, Query},
    exit::{Done, Exit, Failure},
    json,
    noun::{self, put},
    page::Page,
    screen::{Screen, one_line},
    table::Table,
};
use crate::model::{
    ids::AccountId,
    name::{AccountName, PolicyName, TargetName},
};

#[derive(Subcommand)]
pub enum Account {
    /// List accounts
    #[command(visible_alias = "ls")]
    List(List),
    /// Show one account
    Show { account: AccountRef },
    /// Add an account
    Add(Add),
    /// Change an account
    Set(Set),
    /// Seal a new secret for it
    SetSecret(SetSecret),
    /// Let nobody use it for now; its live sessions end
    Disable { account: AccountRef },
    /// Let people use it again
    Enable { account: AccountRef },
    /// Remove an account with its secret; its check-outs and live sessions end
    #[command(visible_alias = "rm")]
    Remove {
        account: AccountRef,
        #[command(flatten)]
        sure: Sure,
    },
}

#[derive(Args)]
pub struct List {
    /// Only on this target
    #[arg(long)]
    target: Option<TargetName>,
    #[command(flatten)]
    page: Page,
}

#[derive(Args)]
pub struct Add {
    name: AccountName,
    /// A target it is on; may be given several times
    #[arg(long, short, required = true, value_name = "TARGET")]
    target: Vec<TargetName>,
    /// The user name at the target, where it is another than NAME
    #[arg(long, value_name = "USER")]
    login: Option<String>,
    #[arg(long)]
    policy: Option<PolicyName>,
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Set the secret later
    #[arg(long, conflicts_with_all = ["secret_file", "passphrase_file", "ssh_ca", "client_certificate"])]
    no_secret: bool,
    #[command(flatten)]
    secret: SecretFrom,
}

#[derive(Args)]
pub struct Set {
    account: AccountRef,
    /// The targets it is on, instead of those it was on
    #[arg(long, short, value_name = "TARGET")]
    target: Vec<TargetName>,
    /// The user name at the target
    #[arg(long, value_name = "USER")]
    login: Option<String>,
    #[arg(long)]
    policy: Option<PolicyName>,
    /// Back to the target's policy
    #[arg(long, conflicts_with = "policy")]
    no_policy: bool,
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

#[derive(Args)]
pub struct SetSecret {
    account: AccountRef,
    #[command(flatten)]
    secret: SecretFrom,
}

/// Where a secret comes from.
#[derive(Args)]
struct SecretFrom {
    /// No secret: a certificate of the gateway's user authority for each session
    #[arg(long, conflicts_with_all = ["secret_file", "passphrase_file"])]
    ssh_ca: bool,
    /// Read the password or private key from this file, or from standard input for `-`
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The file with the private key's passphrase
    #[arg(long, value_name = "FILE", requires = "secret_file")]
    passphrase_file: Option<PathBuf>,
    /// The certificate that belongs to the private key, for web targets that ask for one
    #[arg(
        long,
        value_name = "FILE",
        requires = "secret_file",
        conflicts_with = "passphrase_file"
    )]
    client_certificate: Option<PathBuf>,
}

/// NAME, NAME@TARGET, or the identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountRef {
    Id(AccountId),
    Named(AccountName, Option<TargetName>),
}

impl std::str::FromStr for AccountRef {
    type Err = Box<dyn std::error::Error + Send + Sync>;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        Ok(match text.rsplit_once('@') {
            Some((name, target)) => Self::Named(name.parse()?, Some(target.parse()?)),
            None => Self::Named(text.parse()?, None),
        })
    }
}

pub async fn run(command: Account, client: &Client, screen: &Screen) -> Done {
    match command {
        Account::List(args) => list(args, client, screen).await,
        Account::Show { account } => {
            let (id, _) = find(&account, client).await?;
            noun::show(&["accounts", &id], client, screen).await
        }
        Account::Add(args) => add(args, client, screen).await,
        Account::Set(args) => set(args, client, screen).await,
        Account::SetSecret(args) => {
            let (id, name) = find(&args.account, client).await?;
            let secret = args.secret.read(&name)?;
            let answer = client.put(&["accounts", &id, "secret"], &*secret).await?;
            let said = match args.secret.ssh_ca {
                true => format!(
                    "{name} signs in with certificates; `doorward ssh-ca` says what its targets must trust."
                ),
                false => format!("Sealed a new secret for {name}."),
            };
            noun::said(&answer, screen, &said)
        }
        Account::Disable { account } => switch(&account, true, client, screen).await,
        Account::Enable { account } => switch(&account, false, client, screen).await,
        Account::Remove { account, sure } => {
            let (id, name) = find(&account, client).await?;
            noun::remove("account", &name, &["accounts", &id], &sure, client, screen).await
        }
    }
}

async fn list(args: List, client: &Client, screen: &Screen) -> Done {
    let mut query = Query::new();
    query.extend(args.target.map(|target| ("target", target.to_string())));
    args.page.sort(&mut query);
    let answer = client
        .list(&["accounts"], &query, args.page.limit())
        .await?;
    screen.show(&answer, |_| {
        let mut table = Table::new(&[
            "NAME",
            "LOGIN",
            "TARGETS",
            "SECRET",
            "POLICY",
            "STATE",
            "DESCRIPTION",
        ]);
        for account in answer.items() {
            let secret = json::text(account, "secret");
            let state = match (json::flag(account, "disabled"), secret.is_empty()) {
                (true, _) => "disabled",
                (_, true) => "no secret",
                _ => "ready",
            };
            table.row([
                json::text(account, "name"),
                json::text(account, "login"),
                json::text(account, "targets"),
                secret,
                json::text(account, "policy"),
                state.to_owned(),
                json::text(account, "description"),
            ]);
        }
        table.shown(screen, "There are no accounts.")
    })?;
    args.page.note_more(&answer.value, screen);
    Ok(())
}

async fn add(args: Add, client: &Client, screen: &Screen) -> Done {
    let mut fields = Map::new();
    put(&mut fields, "name", Some(&args.name));
    put(&mut fields, "targets", Some(&args.target));
    put(&mut fields, "login", args.login.as_ref());
    put(&mut fields, "policy", args.policy.as_ref());
    put(&mut fields, "description", args.description.as_ref());
    if !args.no_secret {
        let secret = args.secret.read(args.name.as_str())?;
        fields.insert("secret".to_owned(), (*secret).clone().0);
    }
    let answer = client.post(&["accounts"], &Value::Object(fields)).await?;
    noun::said(&answer, screen, &format!("Added account {}.", args.name))
}

async fn set(args: Set, client: &Client, screen: &Screen) -> Done {
    let mut fields = Map::new();
    if !args.target.is_empty() {
        put(&mut fields, "targets", Some(&args.target));
    }
    put(&mut fields, "login", args.login.as_ref());
    put(&mut fields, "policy", args.policy.as_ref());
    put(&mut fields, "description", args.description.as_ref());
    if args.no_policy {
        fields.insert("policy".to_owned(), Value::Null);
    }
    let body = noun::changes(fields)?;
    let (id, name) = find(&args.account, client).await?;
    let answer = client.patch(&["accounts", &id], &body).await?;
    noun::said(&answer, screen, &format!("Changed account {name}."))
}

async fn switch(account: &AccountRef, disabled: bool, client: &Client, screen: &Screen) -> Done {
    let (id, name) = find(account, client).await?;
    let body = json!({"disabled": disabled});
    let answer = client.patch(&["accounts", &id], &body).await?;
    let verb = if disabled { "Disabled" } else { "Enabled" };
    noun::said(&answer, screen, &format!("{verb} account {name}."))
}

/// The identifier and the name of the one account that is meant.
async fn find(wanted: &AccountRef, client: &Client) -> Result<(String, String), Failure> {
    let (name, target) = match wanted {
        AccountRef::Id(id) => return Ok((id.to_string(), id.to_string())),
        AccountRef::Named(name, target) => (name, target),
    };
    let answer = noun::everything(client, &["accounts"], &Query::new()).await?;
    let on = |account: &Value| match target {
        Some(target) => json::list(account, "targets")
            .iter()
            .any(|on| on == target.as_str()),
        None => true,
    };
    let fitting: Vec<&Value> = answer
        .items()
        .iter()
        .filter(|account| account["name"] == name.as_str() && on(account))
        .collect();
    match fitting.as_slice() {
        [] => Err(
            Failure::new(Exit::NotFound, format!("there is no account {name}"))
                .next("`doorward account list` shows them"),
        ),
        [one] => Ok((json::text(one, "id"), name.to_string())),
        several => {
            let places: Vec<String> = several
                .iter()
                .filter_map(|account| json::list(account, "targets").first())
                .map(|target| format!("{name}@{}", json::shown(target)))
                .collect();
            Err(Failure::usage(format!("there are several accounts {name}"))
                .next(one_line(&format!("name one: {}", places.join(", ")))))
        }
    }
}

impl SecretFrom {
    /// `{kind, value, passphrase?}`, as the gateway takes it.
    fn read(&self, name: &str) -> Result<Zeroizing<Body>, Failure> {
        if self.ssh_ca {
            return Ok(Zeroizing::new(Body(json!({"kind": "ssh-ca"}))));
        }
        let secret = match &self.secret_file {
            Some(path) => ask::secret_file(path)?,
            None => ask::secret_twice(&format!("Secret of {name}"))?,
        };
        if let Some(path) = &self.client_certificate {
            let certificate = ask::secret_file(path)?;
            let whole = Zeroizing::new(format!("{}\n{}", *certificate, *secret));
            let body = json!({"kind": "client-certificate", "value": *whole});
            return Ok(Zeroizing::new(Body(body)));
        }
        let mut body = if holds_certificate(&secret) {
            json!({"kind": "client-certificate", "value": *secret})
        } else if is_private_key(&secret) {
            json!({"kind": "ssh-key", "value": *secret})
        } else {
            json!({"kind": "password", "value": secret.trim_end_matches(['\r', '\n'])})
        };
        if let Some(path) = &self.passphrase_file {
            let passphrase = ask::secret_file(path)?;
            body["passphrase"] = json!(passphrase.trim_end_matches(['\r', '\n']));
        }
        Ok(Zeroizing::new(Body(body)))
    }
}

/// A secret on its way out, wiped when it was sent.
#[derive(Clone, serde::Serialize)]
#[serde(transparent)]
struct Body(Value);

impl zeroize::Zeroize for Body {
    fn zeroize(&mut self) {
        for field in self.0.as_object_mut().into_iter().flatten() {
            if let Value::String(text) = field.1 {
                text.zeroize();
            }
        }
    }
}

fn is_private_key(secret: &str) -> bool {
    secret.trim_start().starts_with("-----BEGIN ")
}

/// A private key of SSH comes without one.
pub fn holds_certificate(secret: &str) -> bool {
    secret.contains("-----BEGIN CERTIFICATE-----")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_named_with_or_without_its_target() {
        let read = |text: &str| text.parse::<AccountRef>().unwrap();
        assert_eq!(
            read("root@db1"),
            AccountRef::Named("root".parse().unwrap(), Some("db1".parse().unwrap()))
        );
        assert_eq!(
            read("svc$"),
            AccountRef::Named("svc$".parse().unwrap(), None)
        );
        assert!(matches!(
            read("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
            AccountRef::Id(_)
        ));
        assert!("a b".parse::<AccountRef>().is_err());
    }

    #[test]
    fn a_secrets_kind_is_seen_and_a_passwords_line_end_is_not_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            let path = folder.path().join("secret");
            std::fs::write(&path, text).unwrap();
            let from = SecretFrom {
                ssh_ca: false,
                secret_file: Some(path),
                passphrase_file: None,
                client_certificate: None,
            };
            from.read("root").unwrap().0.clone()
        };
        assert_eq!(
            read("pa ss\n"),
            json!({"kind": "password", "value": "pa ss"})
        );
        assert_eq!(read("-----BEGIN X-----\n")["kind"], "ssh-key");
        let both = "-----BEGIN PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\n";
        assert_eq!(read(both)["kind"], "client-certificate");
    }
}
