//! Tells those who watch of every change they may see, as server-sent events.
//!
//! A hint to look, never the thing itself. Ends when the token does: looked at again at each
//! change and each minute, so that nobody who was disabled goes on watching.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::stream;
use serde_json::json;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Interval, MissedTickBehavior, interval},
};

use super::{
    Api,
    auth::Caller,
    error::Problem,
    limits::{MOST_STREAMS, Watching},
    sight,
};
use crate::{
    lifecycle::Change,
    store::{self, StoreError},
};

/// Between two looks at the token while nothing happens.
const LOOK: Duration = Duration::from_secs(60);
/// Between two signs of life, so that nobody in between takes the stream for dead.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

struct Watch {
    api: Api,
    caller: Caller,
    changes: Receiver<Change>,
    looks: Interval,
    /// Given back with the stream.
    _watching: Watching,
}

pub async fn stream(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    let Some(watching) = api.limits().watch(&caller.principal.user) else {
        let detail = format!("you watch {MOST_STREAMS} times already, which is the most");
        return Err(Problem::conflict("too-many", detail).hint("end one of them"));
    };
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watch = Watch {
        changes: api.lifecycle().subscribe(),
        api,
        caller,
        looks,
        _watching: watching,
    };
    let events = stream::unfold(watch, async |mut watch| {
        let event = watch.next().await?;
        Some((Ok::<_, Infallible>(event), watch))
    });
    let sse = Sse::new(events).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE));
    Ok(sse.into_response())
}

impl Watch {
    /// The next event the caller may see; none once they may see no more.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let closing = self.api.closing().clone();
            let change = tokio::select! {
                () = closing.cancelled() => return None,
                _ = self.looks.tick() => None,
                change = self.changes.recv() => Some(change),
            };
            if !self.still_admitted().await {
                return None;
            }
            match change {
                None => {}
                Some(Ok(change)) => {
                    if let Some(event) = self.seen(change).await {
                        return Some(event);
                    }
                }
                // They missed some: what they know of may be stale, whatever it is.
                Some(Err(RecvError::Lagged(missed))) => {
                    return Some(event("missed", json!({ "events": missed })));
                }
                Some(Err(RecvError::Closed)) => return None,
            }
        }
    }

    /// Whether the token still stands; brings roles and groups up to date.
    async fn still_admitted(&mut self) -> bool {
        let store = self.api.store();
        let by = &self.caller.principal;
        let now = self.api.now();
        let token = store::token::by_id(store, &self.caller.token).await;
        let user = store::user::by_id(store, &by.user).await;
        match (token, user) {
            (Ok(token), Ok(user)) if token.expires_at > now && !user.disabled => {
                let proof = by.proof.clone();
                self.caller.principal = user.scoped_principal(proof, token.scopes);
                true
            }
            _ => false,
        }
    }

    async fn seen(&self, change: Change) -> Option<Event> {
        let by = &self.caller.principal;
        match change {
            Change::Checkout { id, state } => {
                let checkout = self.read(store::checkout::by_id(self.api.store(), &id).await)?;
                sight::sees(by, &checkout)
                    .then(|| event("checkout", json!({ "id": id, "state": state })))
            }
            Change::Session { id, live } => {
                let store = self.api.store();
                let session = self.read(store::session::by_id(store, &id).await)?;
                let checkout = store::checkout::by_id(store, &session.row.checkout).await;
                let state = if live { "open" } else { "closed" };
                let data = json!({ "id": id, "state": state, "checkout": session.row.checkout });
                sight::sees(by, &self.read(checkout)?).then(|| event("session", data))
            }
            Change::Noun { noun, name } => {
                let own = noun == "user" && name == by.name.as_str();
                (own || sight::reads_everything(by)).then(|| event(noun, json!({ "id": name })))
            }
        }
    }

    /// What cannot be read cannot be shown; the next look will find it.
    fn read<T>(&self, read: Result<T, StoreError>) -> Option<T> {
        read.ok()
    }
}

fn event(noun: &str, data: serde_json::Value) -> Event {
    Event::default().event(noun).data(data.to_string())
}
