//! `reveal CODE`: the secret of an account, where a check-out allows it.
//!
//! The secret goes to standard output alone, as it is. On a terminal one that could move the
//! cursor is not shown at all, rather than changed.

use std::io::{self, IsTerminal};

use clap::Args;
use serde_json::json;

use super::{
    checkout::CheckoutRef,
    client::Client,
    exit::{Done, Failure},
    json,
    screen::{Screen, one_line},
};
use crate::model::text::forbidden;

#[derive(Args)]
pub struct Reveal {
    /// The check-out: its code, such as 7K3F
    code: CheckoutRef,
}

pub async fn run(args: Reveal, client: &Client, screen: &Screen) -> Done {
    let answer = client
        .post(&["checkouts", args.code.as_str(), "reveal"], &json!({}))
        .await?;
    if screen.json() {
        return screen.raw(&answer.text);
    }
    let secret = json::text(&answer.value, "secret");
    if io::stdout().is_terminal() && secret.chars().any(forbidden) {
        return Err(
            Failure::usage("this secret holds characters that a terminal would act on").next(
                format!("send it to a file: doorward reveal {} > FILE", args.code),
            ),
        );
    }
    screen.note(one_line(&format!(
        "{} of {}; this view is written down.",
        json::text(&answer.value, "kind"),
        json::text(&answer.value, "login"),
    )));
    screen.say(secret.trim_end_matches('\n'))?;
    if !json::text(&answer.value, "passphrase").is_empty() {
        screen.note("It has a passphrase; --json shows it as well.");
    }
    Ok(())
}
