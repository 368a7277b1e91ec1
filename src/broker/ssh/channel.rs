//! The life of one session channel of a person: wait for the way to the target, be admitted
//! again (P6), relay, and be told why it ended (P10).

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tracing::debug;

use super::{
    asking::Attended,
    desk::{Commands, Visit},
    entrance::{Bridge, Way},
    inbox::{Inbox, Item},
    person::{NO_PERMISSION, PersonChannel, Told, UNAVAILABLE},
    relay::{Relay, Run},
    talk::{Ask, Environment, Tell},
};
use crate::kill::KillSwitch;

pub struct Channel {
    pub person: PersonChannel,
    pub asks: Arc<Inbox<Ask>>,
    pub way: watch::Receiver<Option<Way>>,
    pub environment: Arc<Environment>,
    pub commands: Arc<dyn Commands>,
    pub switch: KillSwitch,
}

/// How a channel was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    Orderly,
    /// Cut, and its client was told why; it may take this long to leave by itself.
    Told(Duration),
    /// Cut, and its client cannot be told here because it does not read.
    Untold,
}

impl Channel {
    pub async fn serve(mut self) -> Left {
        let switch = self.switch.clone();
        let reason = tokio::select! {
            biased;
            reason = switch.killed() => reason,
            () = self.relay() => {
                // Mostly it is closed, and who is gone needs no end.
                self.person.pass_on(Tell::Close).await.ok();
                return Left::Orderly;
            }
        };
        match Box::pin(self.person.last_words(&reason.to_string())).await {
            Some(leave) => Left::Told(leave),
            None => Left::Untold,
        }
    }

    async fn relay(&mut self) {
        loop {
            let way = match self.way.wait_for(Option::is_some).await {
                Ok(way) => way.clone(),
                // Nobody opens it any more: the connection ends.
                Err(_) => return,
            };
            match way {
                Some(Way::Open(bridge)) => return self.cross(&bridge).await,
                Some(Way::Asking(asking)) => {
                    let attended = Attended {
                        person: &self.person,
                        asks: &self.asks,
                        environment: &self.environment,
                        way: &mut self.way,
                    };
                    if !Box::pin(attended.serve(&asking)).await {
                        return;
                    }
                }
                Some(Way::Hall(hall)) => {
                    let visit = Visit {
                        hall: &hall,
                        person: &self.person,
                        asks: &self.asks,
                        environment: &self.environment,
                        commands: &*self.commands,
                    };
                    return Box::pin(visit.serve()).await;
                }
                Some(Way::Closed(told)) => return Box::pin(self.refuse(&told)).await,
                None => {}
            }
        }
    }

    async fn cross(&self, bridge: &Bridge) {
        let session = &bridge.session;
        if let Err(refusal) = Box::pin(session.recheck()).await {
            session.audit_refused("channel.refused", &refusal).await;
            let told = Told {
                sentence: format!("Refused: {refusal}"),
                status: NO_PERMISSION,
            };
            return Box::pin(self.refuse(&told)).await;
        }
        let target = match Box::pin(bridge.leg.channel()).await {
            Ok(target) => target,
            Err(error) => {
                let told = Told {
                    sentence: format!("Not connected: {error}"),
                    status: UNAVAILABLE,
                };
                return Box::pin(self.refuse(&told)).await;
            }
        };
        let relay = Relay {
            person: &self.person,
            asks: &self.asks,
            target: &target,
            session,
            environment: &self.environment,
            activity: &bridge.activity,
            openings: &bridge.openings,
            run: Run::default(),
        };
        relay.run().await;
    }

    /// Lets the client start what it wants and tells it there: before that, many a client
    /// shows nothing.
    async fn refuse(&self, told: &Told) {
        while let Some(item) = self.asks.next().await {
            let (wants, yes, starts) = match item {
                Item::Control(Ask::Close) => return,
                Item::Control(Ask::Start(wants, _)) => (wants, true, true),
                Item::Control(Ask::Terminal(wants, _)) => {
                    self.person.has_terminal();
                    (wants, true, false)
                }
                Item::Control(
                    Ask::Variable(wants, ..) | Ask::Agent(wants) | Ask::Display(wants, _),
                ) => (wants, true, false),
                Item::Control(Ask::Unknown(wants)) => (wants, false, false),
                Item::Bytes(..) | Item::Control(_) => (false, false, false),
            };
            if wants && self.person.answer(yes).await.is_err() {
                return;
            }
            if starts {
                break;
            }
        }
        if self.person.refuse(told).await.is_err() {
            debug!("Client gone before it was told");
        }
    }
}
