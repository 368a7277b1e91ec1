//! Channels that a target opens towards the person: connections at a place where it was asked
//! to listen, the use of the agent, the use of the display.
//!
//! Taken only where this session has asked for that and may; everything else is refused, and
//! the auditor knows.

use std::sync::Arc;

use russh::{ChannelWriteHalf, client, server};
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    Originator, crowded,
    log::{Kind, Log},
    openings::Listener,
    pipe::{PersonEnd, pipe},
    prohibited, unsupported,
};
use crate::{
    broker::ssh::{
        channels::{Channels, Seat},
        entrance::Bridge,
        target::LegChannel,
    },
    model::{capability::Use, refusal::Refusal},
};

/// What a target has opened.
pub enum Arrival {
    Opened(Box<Opened>),
    /// Something that is refused already, named for the auditor.
    Refused(String),
}

pub struct Opened {
    pub door: Door,
    pub channel: LegChannel,
    pub reply: client::ChannelOpenHandle,
}

/// Where it wants to go.
#[derive(Debug)]
pub enum Door {
    /// `forwarded-tcpip` (RFC 4254 s7.2): the place it came in at.
    Listener {
        address: String,
        port: u32,
        originator: Originator,
    },
    /// `auth-agent@openssh.com`.
    Agent,
    /// `x11` (RFC 4254 s6.3.2).
    Display(Originator),
}

/// Serves them for as long as the session lives.
pub async fn receive(
    bridge: Arc<Bridge>,
    mut arrivals: mpsc::Receiver<Arrival>,
    person: server::Handle,
    channels: Channels,
) {
    let mut ways = JoinSet::new();
    loop {
        let arrival = tokio::select! {
            arrival = arrivals.recv() => arrival,
            Some(_) = ways.join_next() => continue,
        };
        match arrival {
            Some(Arrival::Opened(opened)) => match channels.seat() {
                Some(seat) => {
                    ways.spawn(opened.serve(bridge.clone(), person.clone(), seat));
                }
                None => opened.reply.reject(crowded()).await,
            },
            Some(Arrival::Refused(kind)) => {
                refuse(&bridge, &kind).await;
            }
            // The leg is gone, and the ways end with it.
            None => break,
        }
    }
    while ways.join_next().await.is_some() {}
}

/// What nobody asked for.
async fn refuse(bridge: &Bridge, kind: &str) -> Refusal {
    let refusal = unsupported("a channel that the target opened by itself, of kind", kind);
    let kind = "channel.refused";
    bridge.session.audit_refused(kind, &refusal).await;
    refusal
}

impl Opened {
    async fn serve(self: Box<Self>, bridge: Arc<Bridge>, person: server::Handle, seat: Seat) {
        let Self {
            door,
            channel,
            reply,
        } = *self;
        let session = &bridge.session;
        let way = match admit(door, &bridge).await {
            Ok(way) => way,
            Err(refusal) => return reply.reject(prohibited(refusal.to_string())).await,
        };
        let log = Log::open(bridge.clone(), way.kind(), way.place(), way.originator()).await;
        let opened = tokio::select! {
            biased;
            // The log names the reason.
            _ = session.switch().killed() => return,
            opened = way.open(&person) => opened,
        };
        let write = match opened {
            Ok(write) => write,
            Err(russh::Error::ChannelOpenFailure(failure)) => {
                log.ended(format!("not opened: {}", failure.description()));
                return reply.reject(failure).await;
            }
            // The person is gone, and so is this session in a moment.
            Err(_) => return,
        };
        let person = PersonEnd {
            seated: seat.take(write.id()),
            write,
        };
        reply.accept().await;
        tokio::select! {
            biased;
            _ = session.switch().killed() => {}
            result = pipe(&person, &channel, &log) => log.ended(result),
        }
    }
}

/// A way that this session has asked for.
enum Asked {
    Forward {
        listener: Listener,
        port: u32,
        originator: Originator,
    },
    Agent,
    Display(Originator),
}

/// Whether this session has asked for it, and still may (P6).
async fn admit(door: Door, bridge: &Bridge) -> Result<Asked, Refusal> {
    let kind = door.kind();
    let Some(asked) = door.asked_for(bridge).await else {
        return Err(refuse(bridge, kind).await);
    };
    let session = &bridge.session;
    let still = match session.permit().allows(asked.wanted()) {
        Ok(()) => session.recheck().await,
        Err(refusal) => Err(refusal),
    };
    if let Err(refusal) = still {
        session.audit_refused("forward.refused", &refusal).await;
        return Err(refusal);
    }
    Ok(asked)
}

impl Door {
    fn kind(&self) -> &'static str {
        match self {
            Self::Listener { .. } => "forwarded-tcpip",
            Self::Agent => "auth-agent@openssh.com",
            Self::Display(_) => "x11",
        }
    }

    async fn asked_for(self, bridge: &Bridge) -> Option<Asked> {
        let openings = &bridge.openings;
        match self {
            Self::Listener {
                address,
                port,
                originator,
            } => openings
                .reached(&address, port)
                .await
                .map(|listener| Asked::Forward {
                    listener,
                    port,
                    originator,
                }),
            Self::Agent => openings.agent().then_some(Asked::Agent),
            Self::Display(from) => openings.display().then_some(Asked::Display(from)),
        }
    }
}

impl Asked {
    fn wanted(&self) -> Use<'_> {
        match self {
            Self::Forward { listener, .. } => Use::RemoteForward(&listener.endpoint),
            Self::Agent => Use::Agent,
            Self::Display(_) => Use::X11,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Forward { .. } => Kind::RemoteForward,
            Self::Agent => Kind::Agent,
            Self::Display(_) => Kind::X11,
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Forward { listener, .. } => listener.place(),
            Self::Agent | Self::Display(_) => String::new(),
        }
    }

    fn originator(&self) -> Option<Originator> {
        match self {
            Self::Forward { originator, .. } | Self::Display(originator) => {
                Some(originator.clone())
            }
            Self::Agent => None,
        }
    }

    /// Opens the same towards the person's client. It waits as long as that takes: the client
    /// may have to connect first, or to ask its user. The seat is taken meanwhile.
    async fn open(
        &self,
        person: &server::Handle,
    ) -> Result<ChannelWriteHalf<server::Msg>, russh::Error> {
        let opened = match self {
            Self::Forward {
                listener,
                port,
                originator: from,
            } => {
                // In the client's own words, by which it finds its forward.
                let to = listener.address.as_str();
                let opening = person.channel_open_forwarded_tcpip(
                    to,
                    *port,
                    from.address.as_str(),
                    from.port,
                );
                opening.await
            }
            Self::Display(from) => {
                let opening = person.channel_open_x11(from.address.as_str(), from.port);
                opening.await
            }
            Self::Agent => person.channel_open_agent().await,
        };
        let (_, write) = opened?.split();
        Ok(write)
    }
}
