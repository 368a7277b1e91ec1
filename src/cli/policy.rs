//! `policy`: the rules of check-outs, as TOML that people edit.
//!
//! `policy show --toml` prints what `policy set -f` reads; what a file leaves out is the default.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    access,
    ask::Sure,
    client::{Client, Query},
    exit::{Done, Exit, Failure},
    json, noun,
    page::Page,
    screen::Screen,
    table::Table,
};
use crate::model::name::PolicyName;

#[derive(Subcommand)]
pub enum Policy {
    /// List policies
    #[command(visible_alias = "ls")]
    List(List),
    /// Show one policy with all its terms
    Show(Show),
    /// Make or change a policy from a TOML file
    Set(Set),
    /// Make it the policy of every target and account that names none
    Default { name: PolicyName },
    /// Remove a policy that nothing uses
    #[command(visible_alias = "rm")]
    Remove {
        name: PolicyName,
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
pub struct Show {
    name: PolicyName,
    /// As TOML, for `policy set -f`
    #[arg(long)]
    toml: bool,
}

#[derive(Args)]
pub struct Set {
    name: PolicyName,
    /// The TOML file; `-` is standard input
    #[arg(long, short)]
    file: PathBuf,
}

pub async fn run(command: Policy, client: &Client, screen: &Screen) -> Done {
    match command {
        Policy::List(args) => list(args, client, screen).await,
        Policy::Show(args) if args.toml => {
            let answer = client
                .get(&["policies", args.name.as_str()], &Query::new())
                .await?;
            screen.say(to_toml(&answer.value)?.trim_end())
        }
        Policy::Show(args) => noun::show(&["policies", args.name.as_str()], client, screen).await,
        Policy::Set(args) => set(args, client, screen).await,
        Policy::Default { name } => make_default(&name, client, screen).await,
        Policy::Remove { name, sure } => {
            let path = ["policies", name.as_str()];
            noun::remove("policy", name.as_str(), &path, &sure, client, screen).await
        }
    }
}

async fn list(args: List, client: &Client, screen: &Screen) -> Done {
    let mut query = Query::new();
    args.page.sort(&mut query);
    let answer = client
        .list(&["policies"], &query, args.page.limit())
        .await?;
    screen.show(&answer, |_| {
        let mut table = Table::new(&[
            "NAME",
            "DEFAULT",
            "VOTES",
            "REASON",
            "TICKET",
            "LENGTH",
            "AT MOST",
            "RECORDING",
            "DESCRIPTION",
        ]);
        for policy in answer.items() {
            let terms = &policy["terms"];
            let votes: u64 = json::list(terms, "approvals")
                .iter()
                .map(|stage| json::number(stage, "votes"))
                .sum();
            table.row([
                json::text(policy, "name"),
                if json::flag(policy, "is_default") {
                    "yes"
                } else {
                    ""
                }
                .to_owned(),
                votes.to_string(),
                json::text(terms, "reason"),
                json::text(terms, "ticket"),
                json::text(terms, "default_duration"),
                json::text(terms, "maximum_duration"),
                json::text(terms, "recording"),
                json::text(policy, "description"),
            ]);
        }
        table.shown(screen, "There are no policies.")
    })?;
    args.page.note_more(&answer.value, screen);
    Ok(())
}

async fn set(args: Set, client: &Client, screen: &Screen) -> Done {
    let file = access::read_policy(&args.file)?;
    let Some(known) = existing(&args.name, client).await? else {
        let mut body = file;
        body.insert("name".to_owned(), json!(args.name));
        let answer = client.post(&["policies"], &Value::Object(body)).await?;
        return noun::said(&answer, screen, &format!("Made policy {}.", args.name));
    };
    let mut body = Map::new();
    body.insert("description".to_owned(), known["description"].clone());
    body.extend(file);
    put(&args.name, &Value::Object(body), client, screen).await
}

async fn make_default(name: &PolicyName, client: &Client, screen: &Screen) -> Done {
    let Some(known) = existing(name, client).await? else {
        return Err(
            Failure::new(Exit::NotFound, format!("there is no policy {name}"))
                .next("`doorward policy list` shows them"),
        );
    };
    let body = json!({
        "is_default": true,
        "description": known["description"],
        "terms": known["terms"],
    });
    put(name, &body, client, screen).await
}

async fn put(name: &PolicyName, body: &Value, client: &Client, screen: &Screen) -> Done {
    let answer = client.put(&["policies", name.as_str()], body).await?;
    let role = if json::flag(&answer.value, "is_default") {
        ", the default"
    } else {
        ""
    };
    noun::said(&answer, screen, &format!("Changed policy {name}{role}."))
}

async fn existing(name: &PolicyName, client: &Client) -> Result<Option<Value>, Failure> {
    match client
        .get(&["policies", name.as_str()], &Query::new())
        .await
    {
        Ok(answer) => Ok(Some(answer.value)),
        Err(failure) if failure.exit() == Some(Exit::NotFound) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// What `set -f` reads: the description and the terms. TOML has no null, so none is left out.
fn to_toml(policy: &Value) -> Result<String, Failure> {
    let kept = json!({"description": policy["description"], "terms": policy["terms"]});
    toml::to_string_pretty(&without_nulls(&kept))
        .map_err(|error| Failure::fault(format!("this policy cannot be shown as TOML: {error}")))
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), without_nulls(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(values) => values.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::policy::Terms;

    #[test]
    fn what_is_shown_as_toml_reads_back_as_the_same_terms() {
        let terms = Terms::default();
        let policy = json!({"name": "p", "description": "d", "terms": terms});
        let file = access::parse_policy(&to_toml(&policy).unwrap()).unwrap();
        let read: Terms = serde_json::from_value(file["terms"].clone()).unwrap();
        assert_eq!(read, terms);
        assert_eq!(file["description"], "d");
    }
}
