//! Answering and ending: `approve`, `deny`, `assign`, `revoke`, `check-in`, `cancel`.
//!
//! Each is one verb on one check-out; the gateway decides.

use clap::Args;
use serde_json::{Value, json};

use super::{
    checkout::CheckoutRef,
    client::Client,
    exit::Done,
    json,
    screen::{Screen, one_line},
    standing,
};
use crate::model::{name::UserName, time::Span};

#[derive(Args)]
pub struct Approve {
    /// The check-out: its code, such as 7K3F
    code: CheckoutRef,
    /// Another length than what was asked for
    #[arg(long = "for", short = 'f', value_name = "LENGTH")]
    length: Option<Span>,
    /// A message for the requester
    #[arg(long, short)]
    message: Option<String>,
}

/// A verb on one check-out, with a message for those it concerns.
#[derive(Args)]
pub struct Say {
    /// The check-out: its code, such as 7K3F
    code: CheckoutRef,
    /// A message for those it concerns
    #[arg(long, short)]
    message: Option<String>,
}

#[derive(Args)]
pub struct Assign {
    /// The check-out: its code, such as 7K3F
    code: CheckoutRef,
    /// The approver who is to answer it
    #[arg(long, value_name = "USER")]
    to: UserName,
}

/// What `Say` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Deny,
    Revoke,
    CheckIn,
    Cancel,
}

impl Verb {
    fn path(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Revoke => "revoke",
            Self::CheckIn => "check-in",
            Self::Cancel => "cancel",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Deny => "Denied",
            Self::Revoke => "Revoked",
            Self::CheckIn => "Checked in",
            Self::Cancel => "Cancelled",
        }
    }
}

pub async fn approve(args: Approve, client: &Client, screen: &Screen) -> Done {
    let mut body = json!({});
    if let Some(length) = args.length {
        body["duration"] = json!(length);
    }
    if let Some(message) = &args.message {
        body["message"] = json!(message);
    }
    let answer = client
        .post(&["checkouts", args.code.as_str(), "approve"], &body)
        .await?;
    screen.show(&answer, |value| {
        one_line(&match standing::state(value) {
            "requested" => format!(
                "Your vote on {} counts; more votes are needed.",
                json::text(value, "code")
            ),
            _ => done("Approved", value, screen),
        })
    })
}

pub async fn say(verb: Verb, args: Say, client: &Client, screen: &Screen) -> Done {
    let mut body = json!({});
    if let Some(message) = &args.message {
        body["message"] = json!(message);
    }
    let answer = client
        .post(&["checkouts", args.code.as_str(), verb.path()], &body)
        .await?;
    screen.show(&answer, |value| match (verb, standing::state(value)) {
        // A no to an extension leaves the check-out as it was.
        (Verb::Deny, "active") => one_line(&format!(
            "Denied the extension of {}; it stays {}.",
            json::text(value, "code"),
            standing::standing(value, screen.now())
        )),
        _ => one_line(&format!(
            "{} {}: {} for {}.",
            verb.done(),
            json::text(value, "code"),
            standing::what(value),
            json::text(value, "requester_name")
        )),
    })
}

pub async fn assign(args: Assign, client: &Client, screen: &Screen) -> Done {
    let answer = client
        .post(
            &["checkouts", args.code.as_str(), "assign"],
            &json!({"to": args.to}),
        )
        .await?;
    screen.show(&answer, |value| {
        one_line(&format!(
            "{} now waits for {}.",
            json::text(value, "code"),
            args.to
        ))
    })
}

fn done(verb: &str, value: &Value, screen: &Screen) -> String {
    format!(
        "{verb} {}: {} for {}, {}.",
        json::text(value, "code"),
        standing::what(value),
        json::text(value, "requester_name"),
        standing::standing(value, screen.now())
    )
}
