//! From somebody who has signed in to the way to their target, or to why there is none.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use russh::{Disconnect, server};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tracing::{debug, info};

use super::{
    asking::{self, AskSettings, Asking, WaitingRoom},
    channels::Channels,
    login::Login,
    person::{NO_PERMISSION, Told, UNAVAILABLE},
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
    session::{Claim, DialError, Filed, Gate, Session},
};

pub use super::asking::refused;

/// How long somebody who was refused may stay, to be told on every channel they open.
const FAREWELL: Duration = Duration::from_secs(10);

/// How long somebody may stand in the hall without a channel: a master connection is kept
/// for the next one, a forgotten one is not.
const WELCOME: Duration = Duration::from_secs(600);

/// How long a client may take to leave after its target is gone.
const LEAVE: Duration = Duration::from_millis(500);

/// How long a disconnect may take to be sent, and then to be followed.
const GOODBYE: Duration = Duration::from_secs(1);

/// In how many looks the idle limit is counted: it is exact to this fraction.
const LOOKS: u32 = 20;

/// What every channel of a connection waits for.
#[derive(Clone)]
pub enum Way {
    Open(Arc<Bridge>),
    /// A check-out is asked for and waited for.
    Asking(Arc<Asking>),
    Hall(Arc<Hall>),
    Closed(Told),
}

impl Way {
    /// Where it leads, once nobody is asked or waits any more. None if nobody opens it.
    pub async fn settled(way: &mut watch::Receiver<Option<Self>>) -> Option<Self> {
        let settled = |way: &Option<Self>| !matches!(way, None | Some(Self::Asking(_)));
        way.wait_for(settled).await.ok()?.clone()
    }
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
    /// What they asked for while they signed in.
    pub filed: Option<Box<Filed>>,
}

/// What opening a way takes.
#[derive(Clone)]
pub struct Entrance {
    pub gate: Gate,
    pub alive: Alive,
    pub ask: AskSettings,
    pub waiting: WaitingRoom,
}

/// The bridge, and what the target asks for by itself.
type Entered = (Bridge, mpsc::Receiver<Arrival>);

/// Why a way does not open.
enum Shut {
    /// By the rules.
    Refused(Refusal),
    Told(Told),
}

impl From<Told> for Shut {
    fn from(told: Told) -> Self {
        Self::Told(told)
    }
}

impl Shut {
    fn told(self) -> Told {
        match self {
            Self::Refused(refusal) => asking::refused(&refusal),
            Self::Told(told) => told,
        }
    }
}

impl Entrance {
    /// Opens the way, tells everybody who waits for it, and stays while it must be watched.
    pub async fn open(
        self,
        visitor: Visitor,
        way: watch::Sender<Option<Way>>,
        person: server::Handle,
        channels: Channels,
    ) {
        // A user who is disabled goes wherever they stand, as does everybody at a stop.
        let _attended = self.gate.attend(&visitor.principal, visitor.switch.clone());
        if visitor.login.place.is_none() {
            let gate = self.gate.clone();
            let switch = visitor.switch.clone();
            way.send_replace(Some(Way::Hall(Arc::new(Hall { gate, visitor }))));
            channels.deserted(WELCOME).await;
            let sentence = "Nothing was asked for".to_owned();
            return part(Duration::ZERO, sentence, &person, &switch).await;
        }
        let switch = visitor.switch.clone();
        // In a box: what it takes to get in is not kept for as long as they stay.
        let entered = Box::pin(self.enter_or_ask(visitor, &way, channels.clone())).await;
        let (stay, sentence) = match entered {
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
        part(stay, sentence, &person, &switch).await;
    }

    async fn enter_or_ask(
        &self,
        mut visitor: Visitor,
        way: &watch::Sender<Option<Way>>,
        channels: Channels,
    ) -> Result<Entered, Told> {
        match self.enter(&visitor).await {
            Err(Shut::Refused(refusal)) if asking::helps(&refusal) => {}
            Err(shut) => return Err(shut.told()),
            Ok(entered) => return Ok(entered),
        }
        let place = self
            .waiting
            .enter(&visitor.principal.user)
            .ok_or_else(asking::too_many)?;
        let filed = visitor.filed.take().map(|filed| *filed);
        let (gate, by) = (self.gate.clone(), visitor.principal.clone());
        let wanted = visitor.login.place.clone().expect("it was refused");
        let asking = Asking::new(gate, self.ask, channels, by, wanted, filed, place).await;
        let asking = Arc::new(asking.map_err(|refusal| asking::refused(&refusal))?);
        way.send_replace(Some(Way::Asking(asking.clone())));
        asking.decided().await?;
        self.enter(&visitor).await.map_err(Shut::told)
    }

    async fn enter(&self, visitor: &Visitor) -> Result<Entered, Shut> {
        let place = visitor.login.place.as_ref();
        let place = place.expect("who names no target stands in the hall");
        let claim = Claim {
            protocol: Protocol::Ssh,
            target: place.target.to_string(),
            account: place.account.clone(),
            checkout: None,
            peer: visitor.peer,
            client: visitor.client.clone(),
        };
        let session = self
            .gate
            .admit(&visitor.principal, claim, visitor.switch.clone())
            .await
            .map_err(Shut::Refused)?;
        match Leg::open(&session, self.alive).await {
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
                Err(Shut::Told(Told {
                    sentence: format!("Not connected: {error}"),
                    status,
                }))
            }
        }
    }
}

/// Somebody who is known and gets no further: told on every channel they open.
pub async fn turn_away(
    told: Told,
    way: watch::Sender<Option<Way>>,
    person: server::Handle,
    switch: KillSwitch,
) {
    let sentence = told.sentence.clone();
    way.send_replace(Some(Way::Closed(told)));
    part(FAREWELL, sentence, &person, &switch).await;
}

/// Mostly the client leaves by itself, told on its channel. One that would keep the
/// connection for later is told that there is nothing behind it.
///
/// One that does not read cannot be told, and must not stay for that.
async fn part(stay: Duration, sentence: String, person: &server::Handle, switch: &KillSwitch) {
    tokio::time::sleep(stay).await;
    let parting = person.disconnect(Disconnect::ByApplication, sentence, String::new());
    if timeout(GOODBYE, parting)
        .await
        .is_ok_and(|sent| sent.is_err())
    {
        debug!("Client gone before the farewell");
    }
    tokio::time::sleep(GOODBYE).await;
    switch.pull(KillReason::NotLeaving);
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
