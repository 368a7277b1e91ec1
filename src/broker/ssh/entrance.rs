//! From somebody who has signed in to the way to their target, or to why there is none.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use russh::{Disconnect, server};
use tokio::sync::{mpsc, watch};
use tracing::{debug, info};

use super::{
    channels::Channels,
    login::Login,
    person::{NO_PERMISSION, TRY_AGAIN, Told, UNAVAILABLE},
    relay::Activity,
    target::{Alive, Leg, TargetError},
    ways::{self, Arrival, Openings},
};
use crate::{
    kill::KillSwitch,
    model::{
        principal::Principal, refusal::Refusal, session::KillReason, session::Outcome,
        target::Protocol,
    },
    session::{Claim, DialError, Gate, Session},
};

/// How long somebody who was refused may stay, to be told on every channel they open.
const FAREWELL: Duration = Duration::from_secs(10);

/// How long somebody may stand in the hall without a channel: a master connection is kept
/// for the next jump, a forgotten one is not.
const WELCOME: Duration = Duration::from_secs(600);

/// How long a client may take to leave after its target is gone.
const LEAVE: Duration = Duration::from_millis(500);

/// In how many looks the idle limit is counted: it is exact to this fraction.
const LOOKS: u32 = 20;

/// What every channel of a connection waits for.
#[derive(Clone)]
pub enum Way {
    Open(Arc<Bridge>),
    Hall(Arc<Hall>),
    Closed(Told),
}

/// Where somebody stands who has signed in and named no target.
pub struct Hall {
    pub gate: Gate,
    pub visitor: Visitor,
}

impl Hall {
    pub async fn audit_refused(&self, kind: &str, refusal: &Refusal) {
        let Visitor {
            principal, peer, ..
        } = &self.visitor;
        self.gate
            .audit_refused(principal, *peer, kind, refusal)
            .await;
    }

    /// What there is for them here.
    pub fn told(&self) -> Told {
        Told {
            sentence: format!(
                "Name the target you want to reach, for example {}+db1",
                self.visitor.login.user
            ),
            status: NO_PERMISSION,
        }
    }
}

/// An admitted session and the target's leg of it.
pub struct Bridge {
    pub session: Session,
    pub leg: Leg,
    pub activity: Activity,
    pub openings: Openings,
}

/// Somebody who has proven who they are, and where they want to go.
pub struct Visitor {
    pub principal: Principal,
    pub login: Login,
    pub peer: SocketAddr,
    /// What their client calls itself.
    pub client: String,
    pub switch: KillSwitch,
}

/// Opens the way, tells everybody who waits for it, and stays while it must be watched.
pub async fn open(
    gate: Gate,
    visitor: Visitor,
    alive: Alive,
    way: watch::Sender<Option<Way>>,
    person: server::Handle,
    channels: Channels,
) {
    let switch = visitor.switch.clone();
    if visitor.login.place.is_none() {
        let _attended = gate.attend(&visitor.principal, switch);
        let hall = Arc::new(Hall { gate, visitor });
        let sentence = hall.told().sentence;
        way.send_replace(Some(Way::Hall(hall)));
        channels.deserted(WELCOME).await;
        return part(Duration::ZERO, sentence, &person).await;
    }
    let (stay, sentence) = match enter(&gate, visitor, alive).await {
        Ok((bridge, arrivals)) => {
            let bridge = Arc::new(bridge);
            way.send_replace(Some(Way::Open(bridge.clone())));
            let arrivals = ways::receive(bridge.clone(), arrivals, person.clone(), channels);
            tokio::select! {
                () = bridge.leg.lost() => {}
                () = arrivals => {}
                () = idle(&bridge, &switch) => return,
            }
            let sentence = format!("Connection to {} lost", bridge.session.target().name);
            bridge
                .session
                .close(Outcome::TargetFailed(sentence.clone()));
            (LEAVE, sentence)
        }
        Err(told) => {
            let sentence = told.sentence.clone();
            way.send_replace(Some(Way::Closed(told)));
            (FAREWELL, sentence)
        }
    };
    part(stay, sentence, &person).await;
}

/// Somebody who is known and gets no further: told on every channel they open.
pub async fn turn_away(told: Told, way: watch::Sender<Option<Way>>, person: server::Handle) {
    let sentence = told.sentence.clone();
    way.send_replace(Some(Way::Closed(told)));
    part(FAREWELL, sentence, &person).await;
}

/// Mostly the client leaves by itself, told on its channel. One that would keep the
/// connection for later is told that there is nothing behind it.
async fn part(stay: Duration, sentence: String, person: &server::Handle) {
    tokio::time::sleep(stay).await;
    let parting = person.disconnect(Disconnect::ByApplication, sentence, String::new());
    if parting.await.is_err() {
        debug!("Client gone before the farewell");
    }
}

async fn enter(
    gate: &Gate,
    visitor: Visitor,
    alive: Alive,
) -> Result<(Bridge, mpsc::Receiver<Arrival>), Told> {
    let place = visitor
        .login
        .place
        .expect("who names no target stands in the hall");
    let claim = Claim {
        protocol: Protocol::Ssh,
        target: place.target.to_string(),
        account: place.account,
        peer: visitor.peer,
        client: visitor.client,
    };
    let session = gate
        .admit(&visitor.principal, claim, visitor.switch)
        .await
        .map_err(|refusal| refused(&refusal))?;
    match Leg::open(&session, alive).await {
        Ok((leg, arrivals)) => {
            let bridge = Bridge {
                session,
                leg,
                activity: Activity::default(),
                openings: Openings::default(),
            };
            Ok((bridge, arrivals))
        }
        Err(error) => {
            info!(session = %session.id(), target = %session.target().name, error = chain(&error), "Target not reached");
            // A kill says its own words.
            session.close(Outcome::TargetFailed(error.to_string()));
            let status = match &error {
                TargetError::Dial(DialError::Killed(_)) => NO_PERMISSION,
                _ => UNAVAILABLE,
            };
            Err(Told {
                sentence: format!("Not connected: {error}"),
                status,
            })
        }
    }
}

pub fn refused(refusal: &Refusal) -> Told {
    Told {
        sentence: format!("Refused: {refusal}"),
        status: match refusal {
            Refusal::StoreLost | Refusal::ShuttingDown => TRY_AGAIN,
            _ => NO_PERMISSION,
        },
    }
}

/// Pulls the switch once nothing has passed for as long as the permit allows.
async fn idle(bridge: &Bridge, switch: &KillSwitch) {
    let Some(limit) = bridge.session.permit().idle_limit() else {
        return std::future::pending().await;
    };
    let seen = || bridge.activity.load(std::sync::atomic::Ordering::Relaxed);
    let mut last = seen();
    let mut quiet = 0;
    while quiet < LOOKS {
        tokio::time::sleep(limit.duration() / LOOKS).await;
        let now = seen();
        quiet = if now == last { quiet + 1 } else { 0 };
        last = now;
    }
    switch.pull(KillReason::IdleLimit(limit));
}

/// The error and what caused it, for the operator's log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
