//! `recordings verify`: whether recordings are what was recorded.
//!
//! The gateway reads each of them whole, against the audit log. One that does not hold is
//! named, and the command ends with the code for it.

use clap::Args;
use serde_json::Value;

use crate::{
    cli::{
        client::{Client, Query},
        exit::{Done, Exit, Failure},
        json,
        screen::{Screen, one_line},
    },
    model::ids::RecordingId,
};

/// More than anybody has; verifying ends before a list does.
const ALL: usize = 1_000_000;

#[derive(Args)]
pub struct Verify {
    /// Which; without one, every recording that is kept
    #[arg(value_name = "ID")]
    ids: Vec<RecordingId>,
}

pub async fn run(args: Verify, client: &Client, screen: &Screen) -> Done {
    let mut ids: Vec<String> = args.ids.iter().map(ToString::to_string).collect();
    if ids.is_empty() {
        let listed = client.list(&["recordings"], &Query::new(), ALL).await?;
        let kept = listed.items().iter();
        ids.extend(
            kept.filter(|recording| json::text(recording, "state") != "deleted")
                .map(|recording| json::text(recording, "id")),
        );
    }
    let (mut held, mut broken) = (0, 0);
    for id in &ids {
        let verdict = verified(id, client).await?;
        if json::flag(&verdict, "intact") {
            held += 1;
        } else {
            broken += 1;
        }
        if screen.json() {
            screen.raw(&line(id, verdict).to_string())?;
        } else if args.ids.is_empty() && json::flag(&verdict, "intact") {
            continue;
        } else {
            let message = json::text(&verdict, "message");
            screen.say(format!("{id}  {}", one_line(&message)))?;
        }
    }
    if broken > 0 {
        let sentence = format!("{broken} of {} recordings do not hold", held + broken);
        return Err(Failure::new(Exit::Broken, sentence));
    }
    if args.ids.is_empty() && !screen.json() {
        screen.say(format!("{held} recordings hold."))?;
    }
    Ok(())
}

async fn verified(id: &str, client: &Client) -> Result<Value, Failure> {
    let response = client
        .stream(&["recordings", id, "verify"], &Query::new())
        .await?;
    let text = response.text().await.map_err(|error| {
        let sentence = format!("the answer broke off ({error})");
        Failure::new(Exit::Unreachable, sentence)
    })?;
    serde_json::from_str(&text)
        .map_err(|_| Failure::fault("the gateway's answer is no JSON".to_owned()))
}

/// One line of JSON for programs, with the recording it is about.
fn line(id: &str, mut verdict: Value) -> Value {
    verdict["recording"] = id.into();
    verdict
}
