//! `group`: sets of users, for policies to name.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    ask::Sure,
    client::{Client, Query},
    exit::Done,
    json,
    noun::{self, put},
    page::Page,
    screen::Screen,
    table::Table,
};
use crate::model::name::{GroupName, UserName};

#[derive(Subcommand)]
pub enum Group {
    /// List groups
    #[command(visible_alias = "ls")]
    List(List),
    /// Show one group
    Show { name: GroupName },
    /// Add a group
    Add(Add),
    /// Change a group's description, or replace its members
    Set(Set),
    /// Put users into it
    Join {
        name: GroupName,
        #[arg(required = true)]
        users: Vec<UserName>,
    },
    /// Take users out of it
    Leave {
        name: GroupName,
        #[arg(required = true)]
        users: Vec<UserName>,
    },
    /// Remove a group
    #[command(visible_alias = "rm")]
    Remove {
        name: GroupName,
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
    name: GroupName,
    #[command(flatten)]
    fields: Fields,
}

#[derive(Args)]
pub struct Set {
    name: GroupName,
    #[command(flatten)]
    fields: Fields,
}

#[derive(Args)]
struct Fields {
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A user in it; may be given several times
    #[arg(long, short, value_name = "USER")]
    member: Vec<UserName>,
}

pub async fn run(command: Group, client: &Client, screen: &Screen) -> Done {
    match command {
        Group::List(args) => list(args, client, screen).await,
        Group::Show { name } => noun::show(&["groups", name.as_str()], client, screen).await,
        Group::Add(args) => {
            let mut fields = args.fields.read();
            put(&mut fields, "name", Some(&args.name));
            fields.entry("members").or_insert_with(|| json!([]));
            let answer = client.post(&["groups"], &Value::Object(fields)).await?;
            noun::said(&answer, screen, &format!("Added group {}.", args.name))
        }
        Group::Set(args) => {
            let body = noun::changes(args.fields.read())?;
            change(&args.name, &body, client, screen).await
        }
        Group::Join { name, users } => {
            let mut members = members(&name, client).await?;
            members.extend(users.iter().map(ToString::to_string));
            members.sort();
            members.dedup();
            change(&name, &json!({"members": members}), client, screen).await
        }
        Group::Leave { name, users } => {
            let mut members = members(&name, client).await?;
            members.retain(|member| users.iter().all(|user| user.as_str() != member));
            change(&name, &json!({"members": members}), client, screen).await
        }
        Group::Remove { name, sure } => {
            let path = ["groups", name.as_str()];
            noun::remove("group", name.as_str(), &path, &sure, client, screen).await
        }
    }
}

async fn list(args: List, client: &Client, screen: &Screen) -> Done {
    let mut query = Query::new();
    args.page.sort(&mut query);
    let answer = client.list(&["groups"], &query, args.page.limit()).await?;
    screen.show(&answer, |_| {
        let mut table = Table::new(&["NAME", "MEMBERS", "DESCRIPTION"]);
        for group in answer.items() {
            table.row([
                json::text(group, "name"),
                json::text(group, "members"),
                json::text(group, "description"),
            ]);
        }
        table.shown(screen, "There are no groups.")
    })?;
    args.page.note_more(&answer.value, screen);
    Ok(())
}

async fn members(name: &GroupName, client: &Client) -> Result<Vec<String>, super::exit::Failure> {
    let group = client
        .get(&["groups", name.as_str()], &Query::new())
        .await?;
    let members = json::list(&group.value, "members").iter();
    Ok(members.map(json::shown).collect())
}

async fn change(name: &GroupName, body: &Value, client: &Client, screen: &Screen) -> Done {
    let answer = client.patch(&["groups", name.as_str()], body).await?;
    let members = json::text(&answer.value, "members");
    let members = if members.is_empty() {
        "nobody".to_owned()
    } else {
        members
    };
    noun::said(
        &answer,
        screen,
        &format!("Changed group {name}; in it: {members}."),
    )
}

impl Fields {
    fn read(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        put(&mut fields, "description", self.description.as_ref());
        if !self.member.is_empty() {
            put(&mut fields, "members", Some(&self.member));
        }
        fields
    }
}
