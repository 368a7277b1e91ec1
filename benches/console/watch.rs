//! Consoles that watch: ten streams for each of so many people, and how soon each knows of a
//! request.

use std::time::Instant;

use reqwest::header::ACCEPT;
use serde_json::json;
use tokio::sync::mpsc;

use crate::{Result, ask, gateway::Gateway, stats::Times};

/// As many as the gateway gives a person.
const EACH: usize = 10;
const REQUESTS: usize = 20;

#[allow(clippy::disallowed_methods, reason = "a bench measures time")]
pub async fn watch(gateway: &Gateway, people: usize) -> Result<Times> {
    let (heard, mut hears) = mpsc::unbounded_channel::<Instant>();
    let mut streams = Vec::new();
    for token in gateway.people.iter().take(people) {
        // A browser is one connection.
        let client = gateway.client()?;
        for _ in 0..EACH {
            let url = gateway.url("/events");
            let asked = client.get(url).bearer_auth(token);
            let mut response = asked.header(ACCEPT, "text/event-stream").send().await?;
            if !response.status().is_success() {
                return Err(format!("a stream was refused: {}", response.status()).into());
            }
            let heard = heard.clone();
            streams.push(tokio::spawn(async move {
                while let Ok(Some(part)) = response.chunk().await {
                    let requested = part.windows(9).any(|it| it == b"requested");
                    if requested && heard.send(Instant::now()).is_err() {
                        return;
                    }
                }
            }));
        }
    }
    let mut times = Times::default();
    for _ in 0..REQUESTS {
        let begun = Instant::now();
        let asked = gateway.post(&gateway.alice, "/checkouts", ask()).await?;
        for _ in 0..streams.len() {
            let at = tokio::time::timeout(std::time::Duration::from_secs(60), hears.recv());
            let at = at.await?.ok_or("nobody listens any more")?;
            times.add(at.saturating_duration_since(begun));
        }
        let id = asked["id"].as_str().ok_or("a check-out without id")?;
        let path = format!("/checkouts/{id}/cancel");
        gateway.post(&gateway.alice, &path, json!({})).await?;
    }
    for stream in streams {
        stream.abort();
    }
    Ok(times)
}
