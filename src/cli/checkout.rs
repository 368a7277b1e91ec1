//! Check-outs as people read them: the list, one in full, and one line about where it stands.
//!
//! Reads the gateway's JSON and decides nothing.

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{
    client::{Client, Query},
    exit::{Done, Exit},
    history, json,
    moment::Moment,
    page::Page,
    screen::{Screen, one_line},
    standing::{asked, end, grant, sentence, standing, when, word},
    table::{Card, Table},
};
use crate::model::{
    ids::{CheckoutId, Code, NotACode},
    name::{TargetName, UserName},
};

/// The longest part of a reason in a list.
const REASON: usize = 48;

/// What people type to mean one check-out: its code or its identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutRef(String);

impl CheckoutRef {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for CheckoutRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for CheckoutRef {
    type Err = NotACode;
    fn from_str(text: &str) -> Result<Self, NotACode> {
        if let Ok(id) = text.to_ascii_uppercase().parse::<CheckoutId>() {
            return Ok(Self(id.to_string()));
        }
        text.parse::<Code>().map(|code| Self(code.to_string()))
    }
}

#[derive(Args)]
pub struct Checkouts {
    /// Your own; this is the default
    #[arg(long, group = "view")]
    mine: bool,
    /// Those that wait for your answer
    #[arg(long, group = "view")]
    waiting: bool,
    /// All that you may see
    #[arg(long, group = "view")]
    all: bool,
    /// Only in this state
    #[arg(long, value_enum)]
    state: Option<StateFilter>,
    #[arg(long)]
    target: Option<TargetName>,
    #[arg(long)]
    user: Option<UserName>,
    #[arg(long)]
    ticket: Option<String>,
    /// Only with this text in the reason, ticket or names
    #[arg(long, short = 'q', value_name = "TEXT")]
    search: Option<String>,
    /// Asked for since then: 2d, 18:00, 2030-01-31, or RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Asked for before then
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    #[command(flatten)]
    page: Page,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StateFilter {
    Requested,
    Approved,
    Active,
    Ended,
    Denied,
    Cancelled,
    Lapsed,
    CheckedIn,
    Revoked,
    Expired,
}

pub async fn list(args: Checkouts, client: &Client, screen: &Screen) -> Done {
    let view = match (args.waiting, args.all) {
        (true, _) => "waiting",
        (_, true) => "all",
        _ => "mine",
    };
    let mut query: Query = vec![("view", view.to_owned())];
    let now = screen.now();
    let state = args.state.and_then(|state| state.to_possible_value());
    query.extend(state.map(|state| ("state", state.get_name().to_owned())));
    query.extend(args.target.map(|target| ("target", target.to_string())));
    query.extend(args.user.map(|user| ("user", user.to_string())));
    query.extend(args.ticket.map(|ticket| ("ticket", ticket)));
    query.extend(args.search.map(|text| ("q", text)));
    for (name, moment) in [("since", &args.since), ("until", &args.until)] {
        if let Some(moment) = moment {
            query.push((name, moment.before(now)?.to_string()));
        }
    }
    args.page.sort(&mut query);
    let answer = client
        .list(&["checkouts"], &query, args.page.limit())
        .await?;
    screen.show(&answer, |_| {
        let mut table = Table::new(&[
            "CODE", "STATE", "TARGET", "ACCOUNT", "WHO", "TICKET", "WHEN", "REASON",
        ]);
        for checkout in answer.items() {
            table.row([
                json::text(checkout, "code"),
                word(checkout).to_owned(),
                json::text(checkout, "target_name"),
                json::text(checkout, "account_name"),
                json::text(checkout, "requester_name"),
                json::text(checkout, "ticket"),
                when(checkout, now),
                shorten(&json::text(checkout, "reason")),
            ]);
        }
        let empty = match view {
            "waiting" => "Nothing waits for your answer.".to_owned(),
            "mine" => {
                let ask = screen.command("request TARGET");
                format!("You have no check-outs. Ask for one: {ask}")
            }
            _ => "There are no such check-outs.".to_owned(),
        };
        table.shown(screen, &empty)
    })?;
    args.page.note_more(&answer.value, screen);
    Ok(())
}

/// One check-out in full, with everything that happened to it.
#[derive(Args)]
pub struct Show {
    /// The check-out: its code, such as 7K3F
    code: CheckoutRef,
}

pub async fn show(args: Show, client: &Client, screen: &Screen) -> Done {
    let code = args.code.as_str();
    let answer = client.get(&["checkouts", code], &Vec::new()).await?;
    if screen.json() {
        return screen.raw(&answer.text);
    }
    screen.say(card(&answer.value, screen))?;
    let path = ["checkouts", code, "history"];
    match client.get(&path, &Query::new()).await {
        Ok(history) => screen.say(format!("\n{}", history::timeline(history.items(), screen))),
        // Who may see a check-out need not be allowed to see its history.
        Err(failure) if failure.exit() == Some(Exit::Refused) => Ok(()),
        Err(failure) => Err(failure),
    }
}

fn card(value: &Value, screen: &Screen) -> String {
    let now = screen.now();
    let mut card = Card::default();
    let time = |path: &str| json::time(value, path).map(|at| screen.when(at));
    card.line("check-out", json::text(value, "code"));
    card.line("state", standing(value, now));
    card.line("who", json::text(value, "requester_name"));
    card.line("target", json::text(value, "target_name"));
    card.line("account", json::text(value, "account_name"));
    card.line("asked for", asked(value));
    card.line("reason", json::text(value, "reason"));
    card.line("ticket", json::text(value, "ticket"));
    card.line("duration", json::text(value, "duration"));
    card.line("requested", time("requested_at").unwrap_or_default());
    card.line("approver", json::text(value, "approver"));
    card.line("granted by", json::text(value, "granted_by"));
    card.line("policy", json::text(value, "policy"));
    let grant = grant(value);
    for (name, path) in [("begins", "starts_at"), ("ends", "ends_at")] {
        let at = json::time(grant, path).or_else(|| json::time(&value["window"], path));
        card.line(name, at.map(|at| screen.when(at)).unwrap_or_default());
    }
    for vote in json::list(value, "votes") {
        card.line("approved by", approval(vote, screen));
    }
    if value["extension"].is_object() {
        let more = &value["extension"];
        card.line(
            "extension",
            sentence(
                &format!("{} more asked for", json::text(more, "duration")),
                &json::text(more, "reason"),
            ),
        );
    }
    let end = end(value);
    if end.is_object() {
        let at = json::time(end, "at").map(|at| screen.when(at));
        let what = format!(
            "{} by {} {}",
            word(value),
            json::text(end, "by"),
            at.unwrap_or_default()
        );
        card.line("ended", sentence(&what, &json::text(end, "message")));
    }
    card.line("id", json::text(value, "id"));
    card.shown()
}

fn approval(vote: &Value, screen: &Screen) -> String {
    let at = json::time(vote, "at").map(|at| screen.when(at));
    let what = format!(
        "{} for {} {}",
        json::text(vote, "name"),
        json::text(vote, "duration"),
        at.unwrap_or_default()
    );
    sentence(&what, &json::text(vote, "message"))
}

fn shorten(reason: &str) -> String {
    let reason = one_line(reason);
    if reason.chars().count() <= REASON {
        return reason;
    }
    let kept: String = reason.chars().take(REASON - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        assert_eq!("7k3f".parse::<CheckoutRef>().unwrap().as_str(), "7K3F");
        let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
        assert_eq!(
            id.to_lowercase().parse::<CheckoutRef>().unwrap().as_str(),
            id
        );
        assert!("7K3F/approve".parse::<CheckoutRef>().is_err());
    }

    #[test]
    fn a_long_reason_is_cut_in_a_list() {
        assert_eq!(shorten("short"), "short");
        assert_eq!(shorten(&"x".repeat(99)).chars().count(), REASON);
    }
}
