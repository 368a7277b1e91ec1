//! `apply -f access.toml`: makes the gateway hold what a file says, and shows the difference.
//!
//! The gateway decides what changes; secrets are sealed one by one afterwards, only where an
//! account has none, so that applying twice changes nothing.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{
    access::{self, Access, SecretRef},
    ask::Sure,
    client::{Answer, Client, Query},
    exit::{Done, Failure},
    json, noun,
    screen::{Screen, one_line},
};

#[derive(Args)]
pub struct Apply {
    /// The file; `-` is standard input
    #[arg(long, short)]
    file: PathBuf,
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
    /// Remove what the file does not name
    #[arg(long)]
    prune: bool,
    /// Seal every secret again, not only those that are missing
    #[arg(long)]
    secrets: bool,
    #[command(flatten)]
    sure: Sure,
}

pub async fn run(args: Apply, client: &Client, screen: &Screen) -> Done {
    let access = access::read(&args.file)?;
    if args.dry_run {
        let answer = send(&args, &access, true, client).await?;
        let missing = missing_secrets(&args, &access, client).await?;
        screen.show(&answer, |plan| diff(plan, &missing, "would change"))?;
        return Ok(());
    }
    if args.prune {
        let plan = send(&args, &access, true, client).await?;
        let removals = removals(&plan.value);
        if !removals.is_empty() {
            let question = format!("This removes {}. Go on?", removals.join(", "));
            args.sure.confirm(&one_line(&question))?;
        }
    }
    let answer = send(&args, &access, false, client).await?;
    let sealed = missing_secrets(&args, &access, client).await?;
    for (id, secret) in &sealed {
        let body = secret.body()?;
        client.put(&["accounts", id, "secret"], &body).await?;
    }
    screen.show(&answer, |plan| diff(plan, &sealed, "changed"))
}

async fn send(
    args: &Apply,
    access: &Access,
    dry_run: bool,
    client: &Client,
) -> Result<Answer, Failure> {
    let body = json!({
        "dry_run": dry_run,
        "prune": args.prune,
        "document": access.document,
    });
    client.post(&["apply"], &body).await
}

/// The accounts that are to get the secret the file names. One that is not there yet has no
/// identifier; on a dry run it is listed all the same.
async fn missing_secrets<'a>(
    args: &Apply,
    access: &'a Access,
    client: &Client,
) -> Result<Vec<(String, &'a SecretRef)>, Failure> {
    if access.secrets.is_empty() {
        return Ok(Vec::new());
    }
    let accounts = noun::everything(client, &["accounts"], &Query::new()).await?;
    let mut missing = Vec::new();
    for secret in &access.secrets {
        let found = accounts
            .items()
            .iter()
            .find(|account| secret.is_of(account));
        match found {
            Some(account) if args.secrets || account["secret"].is_null() => {
                missing.push((json::text(account, "id"), secret));
            }
            Some(_) => {}
            None if args.dry_run => missing.push((String::new(), secret)),
            None => {
                return Err(Failure::fault(format!(
                    "account {} is not there after it was applied",
                    secret.account
                )));
            }
        }
    }
    Ok(missing)
}

impl SecretRef {
    fn is_of(&self, account: &Value) -> bool {
        let shares = json::list(account, "targets")
            .iter()
            .any(|target| self.targets.iter().any(|own| target == own.as_str()));
        account["name"] == self.account.as_str() && shares
    }
}

fn removals(plan: &Value) -> Vec<String> {
    json::list(plan, "changes")
        .iter()
        .filter(|change| change["action"] == "delete")
        .map(|change| {
            format!(
                "{} {}",
                json::text(change, "noun"),
                json::text(change, "name")
            )
        })
        .collect()
}

/// `+` new, `~` changed with its fields, `-` removed; and a sum.
fn diff(plan: &Value, secrets: &[(String, &SecretRef)], verb: &str) -> String {
    let mut lines = Vec::new();
    let mut counted = 0;
    for change in json::list(plan, "changes") {
        let sign = match change["action"].as_str() {
            Some("create") => '+',
            Some("update") => '~',
            Some("delete") => '-',
            _ => continue,
        };
        counted += 1;
        let what = format!(
            "{} {}",
            json::text(change, "noun"),
            json::text(change, "name")
        );
        lines.push(one_line(&format!("{sign} {what}")));
        if sign != '-' {
            lines.extend(json::list(change, "fields").iter().map(field));
        }
    }
    for (_, secret) in secrets {
        counted += 1;
        let on = secret.targets.join(", ");
        lines.push(one_line(&format!("~ account {} on {on}", secret.account)));
        lines.push("    secret: sealed".to_owned());
    }
    match counted {
        0 => lines.push("Nothing to change.".to_owned()),
        1 => lines.push(format!("1 {verb}.")),
        more => lines.push(format!("{more} {verb}.")),
    }
    lines.join("\n")
}

fn field(field: &Value) -> String {
    let name = json::text(field, "field");
    let side = |name: &str| match &field[name] {
        Value::Null => None,
        value => Some(json::shown(value)),
    };
    one_line(&match (side("before"), side("after")) {
        (None, Some(after)) => format!("    {name}: {after}"),
        (Some(before), None) => format!("    {name}: {before} → nothing"),
        (before, after) => format!(
            "    {name}: {} → {}",
            before.unwrap_or_default(),
            after.unwrap_or_default()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_shown_as_a_diff() {
        let plan = json!({"changes": [
            {"noun": "target", "name": "db1", "action": "update", "fields": [
                {"field": "address", "before": "a:22", "after": "b:22"},
                {"field": "policy", "before": "old", "after": null},
            ]},
            {"noun": "user", "name": "eve", "action": "delete", "fields": []},
            {"noun": "group", "name": "dba", "action": "unchanged", "fields": []},
            {"noun": "group", "name": "ops", "action": "create", "fields": [
                {"field": "members", "before": null, "after": ["a", "b"]},
            ]},
        ]});
        assert_eq!(
            diff(&plan, &[], "would change"),
            "~ target db1\n    address: a:22 → b:22\n    policy: old → nothing\n- user eve\n\
             + group ops\n    members: a, b\n3 would change."
        );
        assert_eq!(removals(&plan), ["user eve"]);
        assert_eq!(
            diff(&json!({"changes": []}), &[], "changed"),
            "Nothing to change."
        );
    }
}
