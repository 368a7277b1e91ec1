//! Waiting for an answer: `wait`, and `request --wait`.
//!
//! Shows a live line to people on a terminal. Ending the wait never touches the request.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::{
    checkout::CheckoutRef,
    client::{Answer, Client},
    events::Events,
    exit::{Done, Exit, Failure},
    json,
    screen::{Screen, distance, one_line},
    standing,
};
use crate::model::time::Span;

/// How often to look when no event comes, and how often the line is drawn.
pub const LOOK: Duration = Duration::from_secs(5);
const DRAW: Duration = Duration::from_secs(1);
/// How long a gateway may be unreachable before whoever watches a check-out gives up.
pub const FAILED_LOOKS: u32 = 12;

#[derive(Args)]
pub struct Patience {
    /// Give up waiting after this long (exit code 75); the request stays
    #[arg(long, value_name = "LENGTH")]
    timeout: Option<Span>,
}

#[derive(Args)]
pub struct Wait {
    /// The check-out: its code, such as 7K3F
    code: CheckoutRef,
    #[command(flatten)]
    patience: Patience,
}

pub async fn wait(args: Wait, client: &Client, screen: &Screen) -> Done {
    until_answered(&args.code, &args.patience, client, screen).await
}

/// Whether no answer is waited for any more, neither to a request nor to an extension.
pub fn is_decided(value: &Value) -> bool {
    match standing::state(value) {
        "requested" => false,
        "active" => !value["extension"].is_object(),
        _ => true,
    }
}

pub async fn until_answered(
    code: &CheckoutRef,
    patience: &Patience,
    client: &Client,
    screen: &Screen,
) -> Done {
    let mut line = Line::new(screen);
    let outcome = tokio::select! {
        outcome = watch(code, client, screen, &mut line) => outcome,
        () = over(patience) => Err(stopped(code, "it was not answered in the time given", screen)),
        () = screen.interrupted() => Err(stopped(code, "you stopped waiting", screen)),
    };
    line.clear();
    tell(&outcome?, screen)
}

async fn watch(
    code: &CheckoutRef,
    client: &Client,
    screen: &Screen,
    line: &mut Line<'_>,
) -> Result<Answer, Failure> {
    let mut events = Events::open(client).await;
    let mut failed = 0;
    let mut draw = tokio::time::interval(DRAW);
    loop {
        // The stream is open before this look, so that no change falls between the two.
        let answer = match client.get(&["checkouts", code.as_str()], &Vec::new()).await {
            Ok(answer) if is_decided(&answer.value) => return Ok(answer),
            Ok(answer) => {
                failed = 0;
                Some(answer)
            }
            Err(failure) if failure.may_pass() && failed < FAILED_LOOKS => {
                failed += 1;
                None
            }
            Err(failure) => return Err(failure),
        };
        let look = tokio::time::sleep(LOOK);
        tokio::pin!(look);
        loop {
            tokio::select! {
                event = events.next() => {
                    if event.is_about(answer.as_ref().map(|answer| &answer.value)) {
                        break;
                    }
                }
                () = &mut look => break,
                _ = draw.tick() => line.draw(&pending(code, answer.as_ref(), screen)),
            }
        }
    }
}

fn pending(code: &CheckoutRef, answer: Option<&Answer>, screen: &Screen) -> String {
    let Some(answer) = answer else {
        return format!("{code}: the gateway does not answer, trying again");
    };
    let value = &answer.value;
    let now = screen.now();
    let asked = json::time(value, "requested_at")
        .map_or_else(String::new, |at| format!(" asked {}", distance(at, now)));
    let waits = match standing::state(value) {
        "active" => "the extension waits for an approver".to_owned(),
        _ => {
            let who = match json::text(value, "approver").as_str() {
                "" => "an approver".to_owned(),
                name => name.to_owned(),
            };
            format!("waits for {who},{asked}")
        }
    };
    format!(
        "{}: {} {waits} (Ctrl-C stops waiting, the request stays)",
        json::text(value, "code"),
        standing::what(value)
    )
}

/// The answer, and an exit code that says whether it was a yes.
pub fn tell(answer: &Answer, screen: &Screen) -> Done {
    let value = &answer.value;
    let stands = standing::standing(value, screen.now());
    let code = json::text(value, "code");
    if standing::state(value) != "ended" {
        return screen.show(answer, |_| {
            let next = if value["asked"] == "reveal" {
                format!(
                    "See the secret: {}",
                    screen.command(&format!("reveal {code}"))
                )
            } else {
                format!(
                    "Connect: {}",
                    screen.connect(&json::text(value, "target_name"))
                )
            };
            format!(
                "{}\n{}",
                one_line(&format!("{code} is {stands}.")),
                one_line(&next)
            )
        });
    }
    if screen.json() {
        screen.raw(&answer.text)?;
    }
    Err(Failure::new(Exit::Refused, format!("{code} was {stands}")))
}

fn stopped(code: &CheckoutRef, why: &str, screen: &Screen) -> Failure {
    Failure::new(
        Exit::Waiting,
        format!("{why}, the request {code} still stands"),
    )
    .next(format!(
        "`{}` waits again, `{}` takes it back",
        screen.command(&format!("wait {code}")),
        screen.command(&format!("cancel {code}"))
    ))
}

async fn over(patience: &Patience) {
    match patience.timeout {
        Some(timeout) => tokio::time::sleep(timeout.duration()).await,
        None => std::future::pending().await,
    }
}

/// One line on the terminal that is drawn over; nothing where nobody watches.
struct Line<'a> {
    screen: &'a Screen,
    drawn: bool,
}

impl<'a> Line<'a> {
    fn new(screen: &'a Screen) -> Self {
        Self {
            screen,
            drawn: false,
        }
    }

    fn draw(&mut self, text: &str) {
        if !self.screen.is_live() {
            return;
        }
        // One column is left, or the terminal would wrap and the line could not be drawn over.
        let room = usize::from(self.screen.width()) - 1;
        let text: String = one_line(text).chars().take(room).collect();
        self.drawn = true;
        self.screen.draw(&text);
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            self.screen.draw("");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wait_is_over_when_nothing_is_open() {
        for (value, decided) in [
            (json!({"state": {"state": "requested"}}), false),
            (json!({"state": {"state": "approved"}}), true),
            (
                json!({"state": {"state": "active"}, "extension": null}),
                true,
            ),
            (
                json!({"state": {"state": "active"}, "extension": {"duration": "1h"}}),
                false,
            ),
            (json!({"state": {"state": "ended"}}), true),
        ] {
            assert_eq!(is_decided(&value), decided, "{value}");
        }
    }

    #[test]
    fn the_live_line_says_who_is_waited_for() {
        let value = json!({
            "code": "7K3F", "account_name": "root", "target_name": "db1",
            "approver": "bob", "state": {"state": "requested"},
        });
        let answer = Answer {
            text: value.to_string(),
            value,
            created: false,
        };
        let code = "7K3F".parse().unwrap();
        let said = pending(&code, Some(&answer), &Screen::people());
        assert!(
            said.starts_with("7K3F: root on db1 waits for bob,"),
            "{said}"
        );
    }

    #[test]
    fn an_ended_wait_has_its_own_exit_code_and_leaves_the_request() {
        let failure = stopped(
            &"7K3F".parse().unwrap(),
            "you stopped waiting",
            &Screen::people(),
        );
        assert_eq!(failure.exit(), Some(Exit::Waiting));
        let Failure::Said(said) = failure else {
            panic!("it is said")
        };
        assert!(
            said.to_string().contains("the request 7K3F still stands"),
            "{said}"
        );
    }
}
