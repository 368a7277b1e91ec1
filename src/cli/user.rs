//! `user`: the people who use the gateway.
//!
//! A password is read from the terminal or standard input, never from an argument.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    ask::{PasswordFrom, Sure},
    client::{Client, Query},
    exit::Done,
    json, key,
    noun::{self, put},
    page::Page,
    screen::Screen,
    table::Table,
};
use crate::model::{
    name::{GroupName, UserName},
    principal::Role,
};

#[derive(Subcommand)]
pub enum User {
    /// List users
    #[command(visible_alias = "ls")]
    List(List),
    /// Show one user
    Show { name: UserName },
    /// Add a user
    Add(Add),
    /// Change a user
    Set(Set),
    /// End everything of theirs at once: sessions, check-outs, tokens
    Disable { name: UserName },
    /// Let them sign in again
    Enable { name: UserName },
    /// Set their password
    Password(Password),
    /// The SSH keys they sign in with
    #[command(subcommand)]
    Key(UserKey),
    /// Remove a user; everything of theirs ends
    #[command(visible_alias = "rm")]
    Remove {
        name: UserName,
        #[command(flatten)]
        sure: Sure,
    },
}

#[derive(Args)]
pub struct List {
    /// Only with this role
    #[arg(long)]
    role: Option<Role>,
    /// Only in this group
    #[arg(long)]
    group: Option<GroupName>,
    /// Only with this text in the name
    #[arg(long, short = 'q', value_name = "TEXT")]
    search: Option<String>,
    #[command(flatten)]
    page: Page,
}

#[derive(Args)]
pub struct Add {
    name: UserName,
    /// Another user of the same human being, who then counts as one person
    #[arg(long, value_name = "USER")]
    person: Option<UserName>,
    /// No password: they sign in with an SSH key, and an admin adds it
    #[arg(long, conflicts_with = "password_stdin")]
    no_password: bool,
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    password: PasswordFrom,
}

#[derive(Args)]
pub struct Set {
    name: UserName,
    #[command(flatten)]
    fields: Fields,
}

#[derive(Args)]
struct Fields {
    #[arg(long, value_name = "NAME")]
    full_name: Option<String>,
    #[arg(long)]
    email: Option<String>,
    /// requester, approver, auditor or admin; may be given several times
    #[arg(long, short)]
    role: Vec<Role>,
    /// A group they are in; may be given several times
    #[arg(long, short)]
    group: Vec<GroupName>,
}

#[derive(Args)]
pub struct Password {
    name: UserName,
    #[command(flatten)]
    password: PasswordFrom,
}

#[derive(Subcommand)]
pub enum UserKey {
    /// List their keys
    #[command(visible_alias = "ls")]
    List { user: UserName },
    /// Add a public key
    Add {
        user: UserName,
        #[command(flatten)]
        key: key::Add,
    },
    /// Remove a key
    #[command(visible_alias = "rm")]
    Remove { user: UserName, fingerprint: String },
}

pub async fn run(command: User, client: &Client, screen: &Screen) -> Done {
    match command {
        User::List(args) => list(args, client, screen).await,
        User::Show { name } => noun::show(&["users", name.as_str()], client, screen).await,
        User::Add(args) => add(args, client, screen).await,
        User::Set(args) => {
            let body = noun::changes(args.fields.read())?;
            let answer = client.patch(&["users", args.name.as_str()], &body).await?;
            noun::said(&answer, screen, &format!("Changed user {}.", args.name))
        }
        User::Disable { name } => {
            let path = ["users", name.as_str(), "disable"];
            let answer = client.post(&path, &json!({})).await?;
            noun::said(
                &answer,
                screen,
                &format!("Disabled user {name}; everything of theirs has ended."),
            )
        }
        User::Enable { name } => {
            let path = ["users", name.as_str(), "enable"];
            let answer = client.post(&path, &json!({})).await?;
            noun::said(&answer, screen, &format!("Enabled user {name}."))
        }
        User::Password(Password { name, password }) => {
            let new = password.fresh(&format!("New password of {name}"))?;
            let path = ["users", name.as_str(), "password"];
            let answer = client.put(&path, &json!({"new": *new})).await?;
            noun::said(&answer, screen, &format!("The password of {name} is set."))
        }
        User::Key(UserKey::List { user }) => {
            key::list(&["users", user.as_str(), "ssh-keys"], client, screen).await
        }
        User::Key(UserKey::Add { user, key: new }) => {
            key::add(&["users", user.as_str(), "ssh-keys"], &new, client, screen).await
        }
        User::Key(UserKey::Remove { user, fingerprint }) => {
            let path = ["users", user.as_str(), "ssh-keys", &fingerprint];
            key::remove(&path, &fingerprint, client, screen).await
        }
        User::Remove { name, sure } => {
            let path = ["users", name.as_str()];
            noun::remove("user", name.as_str(), &path, &sure, client, screen).await
        }
    }
}

async fn list(args: List, client: &Client, screen: &Screen) -> Done {
    let mut query = Query::new();
    query.extend(args.role.map(|role| ("role", role.to_string())));
    query.extend(args.group.map(|group| ("group", group.to_string())));
    query.extend(args.search.map(|text| ("q", text)));
    args.page.sort(&mut query);
    let answer = client.list(&["users"], &query, args.page.limit()).await?;
    screen.show(&answer, |_| {
        let mut table = Table::new(&["NAME", "FULL NAME", "ROLES", "GROUPS", "STATE"]);
        for user in answer.items() {
            let disabled = json::flag(user, "disabled");
            table.row([
                json::text(user, "name"),
                json::text(user, "full_name"),
                json::text(user, "roles"),
                json::text(user, "groups"),
                if disabled { "disabled" } else { "enabled" }.to_owned(),
            ]);
        }
        table.shown(screen, "There are no such users.")
    })?;
    args.page.note_more(&answer.value, screen);
    Ok(())
}

async fn add(args: Add, client: &Client, screen: &Screen) -> Done {
    let mut fields = args.fields.read();
    put(&mut fields, "name", Some(&args.name));
    // The form of the gateway has both lists; leaving one out means none.
    for name in ["roles", "groups"] {
        fields.entry(name).or_insert_with(|| json!([]));
    }
    put(&mut fields, "person", args.person.as_ref());
    if !args.no_password {
        let password = args.password.fresh(&format!("Password of {}", args.name))?;
        fields.insert("password".to_owned(), json!(*password));
    }
    let answer = client.post(&["users"], &Value::Object(fields)).await?;
    noun::said(&answer, screen, &format!("Added user {}.", args.name))
}

impl Fields {
    fn read(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        put(&mut fields, "full_name", self.full_name.as_ref());
        put(&mut fields, "email", self.email.as_ref());
        if !self.role.is_empty() {
            put(&mut fields, "roles", Some(&self.role));
        }
        if !self.group.is_empty() {
            put(&mut fields, "groups", Some(&self.group));
        }
        fields
    }
}
