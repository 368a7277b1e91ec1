//! Signing in and out: `login`, `logout`, `whoami`, `bootstrap`, `password`.
//!
//! An unknown gateway is believed once, after a person has seen its fingerprint, and from
//! then on only if it is the same. Passwords are never arguments and never kept.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{
    ask::{self, PasswordFrom},
    client::{Answer, Client, Server},
    exit::{Done, Exit, Failure},
    json,
    profile::{self, Environment, Profile, Profiles},
    screen::{Screen, one_line},
    second,
    table::Card,
    trust::{self, Fingerprint, Trust},
};
use crate::model::name::UserName;

/// Which gateway, and why it is the right one.
#[derive(Args)]
pub struct Gateway {
    /// The gateway's address: https://host[:port]
    #[arg(long, short, value_name = "URL", env = "DOORWARD_SERVER")]
    server: Option<Server>,
    /// Trust only what this authority has signed (PEM)
    #[arg(long, value_name = "FILE", env = "DOORWARD_CA")]
    ca: Option<PathBuf>,
    /// Trust the gateway with this SHA-256 fingerprint without asking
    #[arg(long, value_name = "SHA256", conflicts_with = "ca")]
    fingerprint: Option<Fingerprint>,
}

#[derive(Args)]
pub struct Login {
    #[command(flatten)]
    gateway: Gateway,
    /// The user to sign in as
    #[arg(long, short)]
    user: Option<UserName>,
    #[command(flatten)]
    password: PasswordFrom,
}

#[derive(Args)]
pub struct Bootstrap {
    #[command(flatten)]
    gateway: Gateway,
    /// The name of the first admin
    #[arg(long, short)]
    user: Option<UserName>,
    #[arg(long, value_name = "NAME")]
    full_name: Option<String>,
    /// Read the one-time token of the first start from this file instead of the terminal
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    password: PasswordFrom,
}

#[derive(Args)]
pub struct Password {
    /// Read the current and the new password from the first two lines of standard input
    #[arg(long)]
    password_stdin: bool,
}

pub async fn login(args: Login, profiles: &mut Profiles, screen: &Screen) -> Done {
    let (client, profile) = args.gateway.open(profiles).await?;
    let user = name(args.user, &profile, "user")?;
    let password = args.password.existing(&format!("Password of {user}"))?;
    let body = json!({"user": user, "password": *password});
    let mut answer = client.post(&["sign-in"], &body).await?;
    if answer.value["step"].is_string() {
        answer = second::half(&client, &answer.value, &args.password, screen).await?;
    }
    signed_in(&answer, profile, profiles, screen)
}

pub async fn bootstrap(args: Bootstrap, profiles: &mut Profiles, screen: &Screen) -> Done {
    let (client, profile) = args.gateway.open(profiles).await?;
    let user = name(args.user, &Profile::default(), "name of the first admin")?;
    let token = match &args.token_file {
        Some(file) => ask::secret_file(file)?,
        None => ask::secret("One-time token")?,
    };
    let password = args.password.fresh(&format!("New password of {user}"))?;
    let mut body = json!({"token": token.trim(), "user": user, "password": *password});
    if let Some(full_name) = args.full_name {
        body["full_name"] = json!(full_name);
    }
    let answer = client.post(&["bootstrap"], &body).await?;
    signed_in(&answer, profile, profiles, screen)
}

pub async fn logout(profiles: &mut Profiles, screen: &Screen) -> Done {
    let access = profiles.access(Environment::default())?;
    let told = match access.token {
        Some(_) => Client::new(&access)?.post(&["sign-out"], &json!({})).await,
        None => return screen.say("Nobody was signed in."),
    };
    // Here the token is forgotten whatever the gateway says; it runs out there by itself.
    profiles.forget_token()?;
    match told {
        Ok(_) => {}
        Err(failure) if failure.exit() == Some(Exit::NotSignedIn) => {}
        Err(failure) => return Err(failure),
    }
    if screen.json() {
        return screen.raw("{}");
    }
    screen.say(format!("Signed out of {}.", access.server))
}

pub async fn whoami(client: &Client, profiles: &Profiles, screen: &Screen) -> Done {
    let answer = client.get(&["me"], &Vec::new()).await?;
    screen.show(&answer, |me| {
        let user = if me["user"].is_object() {
            &me["user"]
        } else {
            me
        };
        let mut card = Card::default();
        card.line("user", json::text(user, "name"));
        card.line("full name", json::text(user, "full_name"));
        card.line("roles", json::text(user, "roles"));
        card.line("groups", json::text(user, "groups"));
        card.line("gateway", client.server().to_string());
        card.line("profile", profiles.name());
        if let Some(at) = profiles.chosen().and_then(|profile| profile.expires_at) {
            card.line("signed in", format!("until {}", screen.when(at)));
        }
        card.shown()
    })
}

pub async fn password(args: Password, client: &Client, screen: &Screen) -> Done {
    let (current, new) = if args.password_stdin {
        ask::two_lines_of_stdin()?
    } else {
        let current = ask::secret("Current password")?;
        (current, ask::secret_twice("New password")?)
    };
    let body = json!({"current": *current, "new": *new});
    let answer = client.put(&["me", "password"], &body).await?;
    screen.show(&answer, |_| "Your password is changed.".to_owned())
}

impl Gateway {
    /// A client that trusts the gateway, and the profile that remembers why.
    async fn open(&self, profiles: &Profiles) -> Result<(Client, Profile), Failure> {
        let known = profiles.chosen();
        let server = match (&self.server, known) {
            (Some(server), _) => server.clone(),
            (None, Some(known)) => known
                .server
                .parse()
                .map_err(|error| Failure::usage(format!("client.toml: {error}")))?,
            (None, None) => {
                return Err(
                    Failure::usage("which gateway is not known yet").next("add --server https://…")
                );
            }
        };
        let known = known.filter(|known| known.server == server.to_string());
        let trust = self.trust(&server, known).await?;
        let mut profile = Profile {
            server: server.to_string(),
            user: known.and_then(|known| known.user.clone()),
            ssh: known.and_then(|known| known.ssh.clone()),
            ..Profile::default()
        };
        profile.set_trust(&trust);
        Ok((Client::open(&server, &trust, None)?, profile))
    }

    async fn trust(&self, server: &Server, known: Option<&Profile>) -> Result<Trust, Failure> {
        if let Some(file) = &self.ca {
            return Ok(Trust::Authority(profile::read_ca(file)?));
        }
        if let Some(wanted) = &self.fingerprint {
            return compare(server, wanted).await;
        }
        if let Some(known) = known {
            return known.trust();
        }
        if Client::open(server, &Trust::System, None)?
            .is_trusted()
            .await?
        {
            return Ok(Trust::System);
        }
        believe(server).await
    }
}

async fn compare(server: &Server, wanted: &Fingerprint) -> Result<Trust, Failure> {
    let look = trust::first_look(server).await?;
    if look.fingerprint == *wanted {
        return Ok(look.trust);
    }
    if look.own == *wanted {
        return Ok(Trust::Certificate(look.own));
    }
    Err(Failure::new(
        Exit::Unreachable,
        format!("{server} has another fingerprint ({})", look.fingerprint),
    )
    .next("do not go on unless you know why"))
}

/// Shows who the gateway says it is, and asks a person.
async fn believe(server: &Server) -> Result<Trust, Failure> {
    let look = trust::first_look(server).await?;
    let what = match look.trust {
        Trust::Authority(_) => "authority",
        Trust::System | Trust::Certificate(_) => "certificate",
    };
    if !ask::on_a_terminal() {
        return Err(Failure::new(
            Exit::Unreachable,
            format!(
                "{server} is not known yet (the SHA-256 fingerprint of its {what} is {})",
                look.fingerprint
            ),
        )
        .next("if that is right, add --fingerprint with it, or --ca FILE"));
    }
    super::screen::warn(&format!(
        "{server} is not known yet. Its {what} is\n  {}\n  SHA-256 {}",
        one_line(&look.subject),
        look.fingerprint
    ));
    super::screen::warn(
        "On the gateway `openssl x509 -noout -sha256 -fingerprint -in certs/ca.pem` shows it.",
    );
    ask::confirm("Is it the same?")?;
    Ok(look.trust)
}

fn name(given: Option<UserName>, profile: &Profile, what: &str) -> Result<UserName, Failure> {
    if let Some(name) = given {
        return Ok(name);
    }
    let typed = match &profile.user {
        Some(name) => name.clone(),
        None => ask::line(what).map_err(|failure| failure.next("add --user NAME"))?,
    };
    typed
        .parse()
        .map_err(|error| Failure::usage(format!("{error}")))
}

fn signed_in(
    answer: &Answer,
    mut profile: Profile,
    profiles: &mut Profiles,
    screen: &Screen,
) -> Done {
    let value = &answer.value;
    let user = match &value["user"] {
        Value::String(name) => name.clone(),
        user => json::text(user, "name"),
    };
    profile.token = Some(json::text(value, "token")).filter(|token| !token.is_empty());
    if profile.token.is_none() {
        return Err(Failure::fault("the gateway answered without a token"));
    }
    profile.user = Some(user.clone());
    profile.expires_at = json::time(value, "expires_at");
    let until = profile
        .expires_at
        .map_or_else(String::new, |at| format!(", until {}", screen.when(at)));
    let server = profile.server.clone();
    profiles.keep(profile)?;
    if screen.json() {
        // The token is in client.toml; a log that catches the output must not catch it.
        let shown = json!({"user": user, "server": server, "expires_at": value["expires_at"]});
        return screen.raw(&shown.to_string());
    }
    screen.say(one_line(&format!(
        "Signed in to {server} as {user}{until}."
    )))
}
