//! The second factor: asked for after a password, set up where it must be, and shown again
//! where the gateway asks for a fresh proof.
//!
//! Codes are typed and never arguments; what is shown once goes to the terminal and nowhere else.

use serde_json::{Value, json};

use super::{
    ask::{self, PasswordFrom},
    client::{Answer, Client},
    exit::{Exit, Failure},
    json,
    screen::{Screen, warn},
};

const WHAT: &str = "Code of your authenticator app, or a recovery code";

/// The password was right; makes the sign-in whole.
pub async fn half(
    client: &Client,
    half: &Value,
    from: &PasswordFrom,
    screen: &Screen,
) -> Result<Answer, Failure> {
    let step = json::text(half, "step");
    let kinds = half["factors"].as_array().cloned().unwrap_or_default();
    if kinds.is_empty() {
        return set_up(client, &step, screen).await;
    }
    if kinds.iter().all(|kind| kind == "passkey") {
        return Err(Failure::usage(
            "a passkey cannot be shown on a terminal, and it is all you have",
        )
        .next("add an authenticator app, or make recovery codes, in the console"));
    }
    let code = from.second(WHAT)?;
    let body = json!({ "step": step, "code": *code });
    client.post(&["sign-in", "second"], &body).await
}

/// They must have one, so it is made here.
async fn set_up(client: &Client, step: &str, screen: &Screen) -> Result<Answer, Failure> {
    if !ask::on_a_terminal() {
        return Err(Failure::usage(
            "you must set a second factor up first, and there is no terminal here",
        )
        .next("sign in at the console, or run `doorward login` in a terminal"));
    }
    let body = json!({ "step": step });
    let offer = client.post(&["sign-in", "app"], &body).await?;
    warn("You must have a second factor here. Enter this into an authenticator app:");
    warn(&format!("  {}", json::text(&offer.value, "secret")));
    warn(&format!("  {}", json::text(&offer.value, "uri")));
    let code = ask::secret("The code it shows then")?;
    let body = json!({ "step": step, "code": *code });
    let answer = client.post(&["sign-in", "second"], &body).await?;
    let codes = answer.value["recovery_codes"].as_array();
    if let Some(codes) = codes.filter(|_| !screen.json()) {
        warn("Write these recovery codes down. Each signs you in once, without the app:");
        for code in codes.iter().filter_map(Value::as_str) {
            warn(&format!("  {code}"));
        }
    }
    Ok(answer)
}

/// What the gateway wants to be shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Factor,
    /// The password, of whoever has no second factor.
    AnyProof,
}

/// Asks for a fresh proof; false where nobody is there to give it.
pub async fn prove(client: &Client, wanted: Option<Wanted>) -> Result<bool, Failure> {
    if !ask::on_a_terminal() {
        return Ok(false);
    }
    let held = client.get(&["me", "factors"], &Vec::new()).await?;
    let none = held.value["could_show"]
        .as_array()
        .is_none_or(Vec::is_empty);
    if none && wanted == Some(Wanted::Factor) {
        return Err(Failure::new(
            Exit::Refused,
            "this needs a second factor, and you have none yet",
        )
        .next("set one up in the console, on your own page"));
    }
    warn("This needs a fresh proof of who you are.");
    let body = match none {
        true => json!({ "password": *ask::secret("Your password")? }),
        false => json!({ "code": *ask::secret(WHAT)? }),
    };
    client.post_once(&["me", "prove"], &body).await?;
    Ok(true)
}
