//! Asking: `request`, `grant` and `extend`.
//!
//! Only fills in the form; every rule is the gateway's, so that nothing is decided twice.

use clap::Args;
use serde_json::{Value, json};

use super::{
    checkout::CheckoutRef,
    client::{Answer, Client},
    exit::{Done, Failure},
    json,
    moment::Moment,
    screen::{Screen, one_line},
    standing,
    wait::{self, Patience},
};
use crate::model::{
    name::{AccountName, PermissionSet, TargetName, UserName},
    time::{Span, Timestamp},
};

/// The form, as `request` and `grant` share it.
#[derive(Args)]
pub struct Form {
    target: TargetName,
    /// The account on the target, where it has several
    #[arg(long, short)]
    account: Option<AccountName>,
    /// Why it is needed
    #[arg(long, short)]
    reason: Option<String>,
    /// The ticket that justifies it, such as CHG0012345
    #[arg(long, short)]
    ticket: Option<String>,
    /// For how long, such as 30m or 2h
    #[arg(long = "for", short = 'f', value_name = "LENGTH")]
    length: Option<Span>,
    /// When it begins: 18:00, "2030-01-31 18:00", 2h, or RFC 3339
    #[arg(long, value_name = "TIME")]
    from: Option<Moment>,
    /// When it ends, in the same forms
    #[arg(long, value_name = "TIME", conflicts_with = "length")]
    until: Option<Moment>,
    /// To see the account's secret instead of connecting
    #[arg(long, conflicts_with = "set")]
    reveal: bool,
    /// To connect with this named permission set only
    #[arg(long, value_name = "NAME")]
    set: Option<PermissionSet>,
}

#[derive(Args)]
pub struct Request {
    #[command(flatten)]
    form: Form,
    /// Ask only this approver
    #[arg(long, value_name = "USER")]
    approver: Option<UserName>,
    /// Wait for the answer
    #[arg(long, short)]
    wait: bool,
    #[command(flatten)]
    patience: Patience,
}

#[derive(Args)]
pub struct Grant {
    /// Who gets it
    #[arg(long = "to", value_name = "USER")]
    to: UserName,
    #[command(flatten)]
    form: Form,
}

#[derive(Args)]
pub struct Extend {
    /// The check-out: its code, such as 7K3F
    code: CheckoutRef,
    /// How much more time, such as 30m
    #[arg(long = "for", short = 'f', value_name = "LENGTH")]
    length: Span,
    /// Why more time is needed
    #[arg(long, short)]
    reason: Option<String>,
}

pub async fn request(args: Request, client: &Client, screen: &Screen) -> Done {
    let mut body = args.form.body(screen.now())?;
    if let Some(approver) = &args.approver {
        body["approver"] = json!(approver);
    }
    let answer = client.post(&["checkouts"], &body).await?;
    if !args.wait {
        return screen.show(&answer, |checkout| asked(checkout, &answer, screen));
    }
    if wait::is_decided(&answer.value) {
        return wait::tell(&answer, screen);
    }
    screen.note(asked(&answer.value, &answer, screen));
    let code = standing::code_of(&answer.value)?;
    wait::until_answered(&code, &args.patience, client, screen).await
}

pub async fn grant(args: Grant, client: &Client, screen: &Screen) -> Done {
    let mut body = args.form.body(screen.now())?;
    body["user"] = json!(args.to);
    let answer = client.post(&["checkouts", "grant"], &body).await?;
    screen.show(&answer, |checkout| {
        one_line(&format!(
            "Granted {}: {} gets {}, {}.",
            json::text(checkout, "code"),
            args.to,
            standing::what(checkout),
            standing::standing(checkout, screen.now()),
        ))
    })
}

pub async fn extend(args: Extend, client: &Client, screen: &Screen) -> Done {
    let mut body = json!({"duration": args.length});
    if let Some(reason) = &args.reason {
        body["reason"] = json!(reason);
    }
    let answer = client
        .post(&["checkouts", args.code.as_str(), "extend"], &body)
        .await?;
    screen.show(&answer, |checkout| {
        let code = json::text(checkout, "code");
        let stands = standing::standing(checkout, screen.now());
        one_line(&if checkout["extension"].is_object() {
            format!(
                "{} more asked for {code}; it stays {stands}, and an approver must answer.",
                args.length
            )
        } else {
            format!("Extended {code}: {stands}.")
        })
    })
}

/// What is said once a request stands.
fn asked(value: &Value, answer: &Answer, screen: &Screen) -> String {
    let code = json::text(value, "code");
    let what = standing::what(value);
    let stands = standing::standing(value, screen.now());
    let verb = if answer.created {
        "Requested"
    } else {
        "Already requested"
    };
    let next = match standing::state(value) {
        "requested" => {
            let wait = screen.command(&format!("wait {code}"));
            format!("Wait for the answer: {wait}")
        }
        _ if value["asked"] == "reveal" => {
            let reveal = screen.command(&format!("reveal {code}"));
            format!("See the secret: {reveal}")
        }
        _ => format!(
            "Connect: {}",
            screen.connect(&json::text(value, "target_name"))
        ),
    };
    format!(
        "{}\n{}",
        one_line(&format!("{verb} {code}: {what}, {stands}.")),
        one_line(&next)
    )
}

impl Form {
    fn body(&self, now: Timestamp) -> Result<Value, Failure> {
        let mut body = json!({"target": self.target});
        if let Some(account) = &self.account {
            body["account"] = json!(account);
        }
        if let Some(reason) = &self.reason {
            body["reason"] = json!(reason);
        }
        if let Some(ticket) = &self.ticket {
            body["ticket"] = json!(ticket);
        }
        if self.reveal {
            body["asked"] = json!("reveal");
        } else if let Some(set) = &self.set {
            body["asked"] = json!({ "set": set });
        }
        match (&self.from, &self.until, self.length) {
            (None, None, length) => {
                if let Some(length) = length {
                    body["duration"] = json!(length);
                }
            }
            (from, until, length) => {
                let starts_at = match from {
                    Some(from) => from.after(now)?,
                    None => now,
                };
                let ends_at = match (until, length) {
                    (Some(until), _) => until.after(starts_at)?,
                    (None, Some(length)) => starts_at + length,
                    (None, None) => {
                        return Err(Failure::usage("--from needs an end")
                            .next("add --until TIME or --for LENGTH"));
                    }
                };
                body["window"] = json!({"starts_at": starts_at, "ends_at": ends_at});
            }
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        form: Form,
    }

    fn body(arguments: &[&str]) -> Result<Value, Failure> {
        let now = "2030-01-07T12:00:00Z".parse().unwrap();
        let arguments = ["request"].iter().chain(arguments);
        Line::try_parse_from(arguments).unwrap().form.body(now)
    }

    #[test]
    fn the_form_holds_what_was_given_and_nothing_else() {
        assert_eq!(body(&["db1"]).unwrap(), json!({"target": "db1"}));
        let full = [
            "db1",
            "-a",
            "root",
            "-r",
            "disk full",
            "-t",
            "CHG1",
            "--for",
            "1h30m",
            "--reveal",
        ];
        assert_eq!(
            body(&full).unwrap(),
            json!({
                "target": "db1", "account": "root", "reason": "disk full", "ticket": "CHG1",
                "duration": "1h30m", "asked": "reveal",
            })
        );
        assert_eq!(
            body(&["db1", "--set", "read-only"]).unwrap()["asked"],
            json!({"set": "read-only"})
        );
    }

    #[test]
    fn a_window_has_two_ends() {
        let window = json!({
            "starts_at": "2030-01-07T14:00:00.000Z", "ends_at": "2030-01-07T15:00:00.000Z",
        });
        for arguments in [
            ["--from", "2h", "--for", "1h"],
            ["--from", "2030-01-07T14:00:00Z", "--until", "1h"],
        ] {
            let arguments: Vec<_> = ["db1"].into_iter().chain(arguments).collect();
            assert_eq!(body(&arguments).unwrap()["window"], window, "{arguments:?}");
        }
        assert!(body(&["db1", "--from", "2h"]).is_err());
    }
}
