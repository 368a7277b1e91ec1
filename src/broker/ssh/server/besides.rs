//! What a client asks for besides session channels: to jump, to have a target listen, and
//! what it gets neither.
//!
//! A no is audited before it is said, and what waits for its audit has a seat.

use russh::server::{ChannelOpenHandle, Handle, Msg};
use tokio::sync::watch;
use tracing::debug;

use super::FromPerson;
use crate::{
    broker::ssh::{
        entrance::Way,
        jump::{Guest, Jump},
        person::PersonChannel,
        ways::{self, Listen, Listeners},
    },
    kill::KillSwitch,
    model::refusal::Refusal,
};

impl FromPerson {
    /// Ends the connection inside this channel here, under the name of the target.
    pub(super) async fn jump(
        &mut self,
        guest: Guest,
        channel: russh::Channel<Msg>,
        reply: ChannelOpenHandle,
        handle: Handle,
    ) {
        let switch = KillSwitch::new();
        let Some((arrival, hurry)) = self.arrival.inside(switch.clone()) else {
            return reply.reject(ways::crowded()).await;
        };
        let seated = match self.channels.seat() {
            Some(seat) if !self.switch.is_pulled() => seat.take(channel.id()),
            _ => return reply.reject(ways::no_seat(&self.switch)).await,
        };
        let (_, write) = channel.split();
        reply.accept().await;
        let jump = Jump {
            broker: self.broker.clone(),
            guest,
            peer: self.peer,
            person: PersonChannel::new(write, handle),
            asks: seated.asks().clone(),
            outer: self.switch.clone(),
            switch,
            arrival,
        };
        self.spawn(hurry);
        self.spawn(async move { seated.leave(jump.serve().await) });
    }

    /// Audited first, then refused: a client that wanted nothing else leaves at once. What
    /// waits for its audit has a seat, so that a flood is bounded.
    pub(super) async fn refuse_channel(&mut self, refusal: Refusal, reply: ChannelOpenHandle) {
        let Some(seat) = self.channels.seat() else {
            return reply.reject(ways::no_seat(&self.switch)).await;
        };
        let audited = audit_refused(self.way.subscribe(), refusal.clone());
        self.spawn(async move {
            audited.await;
            reply.reject(ways::prohibited(refusal.to_string())).await;
            drop(seat);
        });
    }

    /// A request too many is refused by being dropped.
    pub(super) fn listen(&mut self, listen: Listen) {
        let way = self.way.subscribe();
        if self.listeners.is_none() {
            let (listeners, serving) = Listeners::new(way);
            self.spawn(serving);
            self.listeners = Some(listeners);
        }
        let taken = self
            .listeners
            .as_ref()
            .map(|listeners| listeners.ask(listen));
        if let Some(Err(_)) = taken {
            debug!(peer = %self.peer, "Client asks for more forwards than anybody answers");
        }
    }
}

/// Waits until there is a session to which the refusal belongs.
pub(super) async fn audit_refused(mut way: watch::Receiver<Option<Way>>, refusal: Refusal) {
    match Way::settled(&mut way).await {
        Some(Way::Open(bridge)) => {
            let session = &bridge.session;
            session.audit_refused("channel.refused", &refusal).await;
        }
        Some(Way::Hall(hall)) => hall.audit_refused("channel.refused", &refusal).await,
        Some(Way::Asking(_) | Way::Closed(_)) | None => {}
    }
}
