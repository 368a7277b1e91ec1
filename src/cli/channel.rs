//! `channel`: the ways on which people are told, and what became of what went there.
//!
//! A secret is asked for or read from standard input; what a webhook signs with is shown once.

use std::{fs, path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    ask::{PasswordFrom, Sure},
    client::{Client, Query},
    exit::{Done, Exit, Failure},
    json,
    noun::{self, put},
    page::Page,
    screen::{Screen, one_line},
    table::Table,
};
use crate::model::{
    name::{GroupName, TargetName},
    notice::{ChannelKind, ChannelName, DeliveryState, Event, HookUrl},
    target::Address,
};

#[derive(Subcommand)]
pub enum Channel {
    /// List channels and how each does
    #[command(visible_alias = "ls")]
    List(List),
    /// Show one channel
    Show { name: ChannelName },
    /// Add a channel; `--kind` says which
    Add(Box<Add>),
    /// Send a test and wait for what becomes of it
    Test { name: ChannelName },
    /// Send nothing there for now
    Disable { name: ChannelName },
    /// Send what waits, and what comes
    Enable { name: ChannelName },
    /// What went out, what waits, and what was given up and why
    Deliveries(Deliveries),
    /// Begin anew with a delivery that did not arrive
    Retry { id: String },
    /// Remove a channel, and what is on its way there
    #[command(visible_alias = "rm")]
    Remove {
        name: ChannelName,
        #[command(flatten)]
        sure: Sure,
    },
}

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    page: Page,
}

#[derive(Args)]
pub struct Add {
    name: ChannelName,
    /// email, webhook, slack or teams
    #[arg(long, value_name = "KIND")]
    kind: ChannelKind,
    /// The mail server: host:port
    #[arg(long, value_name = "HOST:PORT")]
    relay: Option<Address>,
    /// How the mail server is spoken to: starttls, tls or none
    #[arg(long, value_name = "HOW")]
    security: Option<String>,
    /// Whom mail comes from
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// As whom the gateway signs in at the mail server; its password is asked for
    #[arg(long, value_name = "NAME")]
    login: Option<String>,
    /// Where a webhook goes; the address of a chat is asked for, because it is its secret
    #[arg(long, value_name = "URL")]
    url: Option<HookUrl>,
    /// The certificate of the authority that vouches for the server, PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// It may be the gateway itself, or a link-local address
    #[arg(long)]
    allow_local: bool,
    /// Only this event; may be given several times
    #[arg(long, value_name = "EVENT")]
    event: Vec<Event>,
    /// Only about this target; may be given several times
    #[arg(long, value_name = "TARGET")]
    target: Vec<TargetName>,
    /// Only about targets with this label; may be given several times
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
    /// Only of requesters in this group; may be given several times
    #[arg(long, value_name = "GROUP")]
    group: Vec<GroupName>,
    #[command(flatten)]
    secret: PasswordFrom,
}

#[derive(Args)]
pub struct Deliveries {
    /// Only on this channel
    #[arg(long)]
    channel: Option<ChannelName>,
    /// waiting, delivered or dead
    #[arg(long)]
    state: Option<DeliveryState>,
    #[command(flatten)]
    page: Page,
}

/// Between two looks at a test.
const LOOK: Duration = Duration::from_millis(300);
/// A try ends after half of it.
const PATIENCE: u32 = 200;

pub async fn run(command: Channel, client: &Client, screen: &Screen) -> Done {
    match command {
        Channel::List(args) => list(args, client, screen).await,
        Channel::Show { name } => noun::show(&["channels", name.as_str()], client, screen).await,
        Channel::Add(args) => add(*args, client, screen).await,
        Channel::Test { name } => test(&name, client, screen).await,
        Channel::Disable { name } => {
            let said = format!("Nothing goes to {name} any more.");
            change(&name, true, &said, client, screen).await
        }
        Channel::Enable { name } => {
            let said = format!("{name} is told again.");
            change(&name, false, &said, client, screen).await
        }
        Channel::Deliveries(args) => deliveries(args, client, screen).await,
        Channel::Retry { id } => {
            let answer = client
                .post(&["deliveries", &id, "retry"], &json!({}))
                .await?;
            noun::said(&answer, screen, "It is tried again.")
        }
        Channel::Remove { name, sure } => {
            let path = ["channels", name.as_str()];
            noun::remove("channel", name.as_str(), &path, &sure, client, screen).await
        }
    }
}

async fn list(args: List, client: &Client, screen: &Screen) -> Done {
    let mut query = Query::new();
    args.page.sort(&mut query);
    let path = ["channels"];
    let answer = client.list(&path, &query, args.page.limit()).await?;
    screen.show(&answer, |_| {
        let mut table = Table::new(&["NAME", "KIND", "STATE", "WAITING", "GIVEN UP", "WHY"]);
        for channel in answer.items() {
            let state = match (
                json::flag(channel, "disabled"),
                json::number(channel, "failing"),
            ) {
                (true, _) => "off",
                (false, 0) => "on",
                (false, _) => "fails",
            };
            table.row([
                json::text(channel, "name"),
                json::text(channel, "kind"),
                state.to_owned(),
                json::number(channel, "waiting").to_string(),
                json::number(channel, "dead").to_string(),
                json::text(channel, "error"),
            ]);
        }
        table.shown(screen, "There are no channels: nobody is told anything.")
    })?;
    args.page.note_more(&answer.value, screen);
    Ok(())
}

async fn add(args: Add, client: &Client, screen: &Screen) -> Done {
    let ca = match &args.ca {
        None => None,
        Some(path) => Some(fs::read_to_string(path).map_err(|error| {
            Failure::fault(format!("{} cannot be read: {error}", path.display()))
        })?),
    };
    let mut shared = Map::new();
    put(&mut shared, "ca", ca);
    put(&mut shared, "allow_local", Some(args.allow_local));
    let mut body = Map::new();
    put(&mut body, "name", Some(&args.name));
    put(&mut body, "kind", Some(args.kind));
    put(&mut body, "events", Some(&args.event));
    put(&mut body, "targets", Some(&args.target));
    put(&mut body, "labels", Some(&args.label));
    put(&mut body, "groups", Some(&args.group));
    let secret = match args.kind {
        ChannelKind::Email => {
            put(&mut shared, "relay", args.relay);
            put(&mut shared, "security", args.security);
            put(&mut shared, "from", args.from);
            put(&mut shared, "login", args.login.as_ref());
            body.insert("email".to_owned(), Value::Object(shared));
            match args.login {
                Some(login) => Some(args.secret.existing(&format!("Password of {login}"))?),
                None => None,
            }
        }
        ChannelKind::Webhook => {
            put(&mut shared, "url", args.url);
            body.insert("hook".to_owned(), Value::Object(shared));
            None
        }
        ChannelKind::Slack | ChannelKind::Teams => {
            body.insert("hook".to_owned(), Value::Object(shared));
            Some(args.secret.existing("Address that the chat gave you")?)
        }
    };
    put(&mut body, "secret", secret.as_ref().map(|it| it.as_str()));
    let answer = client.post(&["channels"], &Value::Object(body)).await?;
    let made = json::text(&answer.value, "secret");
    noun::said(&answer, screen, &format!("Added channel {}.", args.name))?;
    if !screen.json() && !made.is_empty() {
        screen.say(one_line(&format!("secret  {made}")))?;
        screen.note("It is shown once: whoever receives the webhook verifies with it.");
    }
    Ok(())
}

async fn change(
    name: &ChannelName,
    disabled: bool,
    said: &str,
    client: &Client,
    screen: &Screen,
) -> Done {
    let path = ["channels", name.as_str()];
    let answer = client
        .patch(&path, &json!({ "disabled": disabled }))
        .await?;
    noun::said(&answer, screen, said)
}

async fn test(name: &ChannelName, client: &Client, screen: &Screen) -> Done {
    let path = ["channels", name.as_str(), "test"];
    let mut answer = client.post(&path, &json!({})).await?;
    let id = json::text(&answer.value, "id");
    for _ in 0..PATIENCE {
        if answer.value["state"] != "waiting" {
            break;
        }
        tokio::time::sleep(LOOK).await;
        answer = client.get(&["deliveries", &id], &Query::new()).await?;
    }
    match json::text(&answer.value, "state").as_str() {
        "delivered" => noun::said(&answer, screen, &format!("The test has arrived on {name}.")),
        "dead" => {
            let why = json::text(&answer.value, "error");
            let sentence = format!("the test did not arrive on {name}: {why}");
            Err(Failure::new(Exit::Unreachable, one_line(&sentence)))
        }
        _ => Err(Failure::new(
            Exit::Waiting,
            format!("the test is still on its way on {name}"),
        )
        .next("doorward channel deliveries")),
    }
}

async fn deliveries(args: Deliveries, client: &Client, screen: &Screen) -> Done {
    let mut query = Query::new();
    args.page.sort(&mut query);
    query.extend(args.channel.map(|it| ("channel", it.to_string())));
    query.extend(args.state.map(|it| ("state", it.as_str().to_owned())));
    let path = ["deliveries"];
    let answer = client.list(&path, &query, args.page.limit()).await?;
    screen.show(&answer, |_| {
        let heads = [
            "WHEN", "EVENT", "CODE", "CHANNEL", "TO", "STATE", "TRIES", "WHY", "ID",
        ];
        let mut table = Table::new(&heads);
        for delivery in answer.items() {
            let when = json::time(delivery, "created_at").map(|at| screen.when(at));
            table.row([
                when.unwrap_or_default(),
                json::text(delivery, "event"),
                json::text(delivery, "code"),
                json::text(delivery, "channel_name"),
                json::text(delivery, "recipient"),
                json::text(delivery, "state"),
                json::number(delivery, "attempts").to_string(),
                json::text(delivery, "error"),
                json::text(delivery, "id"),
            ]);
        }
        table.shown(screen, "Nothing went out.")
    })?;
    args.page.note_more(&answer.value, screen);
    Ok(())
}
