//! A connection that the target makes for the person's client: `ssh -L`, `-D`, `-W`.
//!
//! The target resolves and connects, with its own network around it. What it answers, yes
//! or why not, is what the client reads.

use std::sync::Arc;

use russh::{ChannelWriteHalf, server};
use tokio::sync::watch;

use super::{
    Originator,
    log::{Kind, Log},
    pipe::{PersonEnd, pipe},
    prohibited, unsupported,
};
use crate::{
    broker::ssh::{
        channels::Seat,
        entrance::{Bridge, Way},
    },
    model::{
        capability::{Endpoint, Use},
        refusal::Refusal,
    },
};

/// A `direct-tcpip` channel (RFC 4254 s7.2) that a client has asked for.
pub struct Forward {
    pub host: String,
    pub port: u32,
    pub originator: Originator,
    pub write: ChannelWriteHalf<server::Msg>,
    pub reply: server::ChannelOpenHandle,
    pub seat: Seat,
}

impl Forward {
    pub async fn serve(self, mut way: watch::Receiver<Option<Way>>) {
        let opened = match way.wait_for(Option::is_some).await {
            Ok(way) => way.clone(),
            // Nobody opens it any more: the connection ends.
            Err(_) => return,
        };
        if let Some(Way::Asking(asking)) = opened
            && let Some(told) = asking.not_here().await
        {
            return self.reply.reject(prohibited(told.sentence)).await;
        }
        match Way::settled(&mut way).await {
            Some(Way::Open(bridge)) => self.cross(bridge).await,
            Some(Way::Hall(hall)) => {
                let refusal = self.unsupported();
                hall.audit_refused("forward.refused", &refusal).await;
                self.reply.reject(prohibited(refusal.to_string())).await;
            }
            Some(Way::Closed(told)) => self.reply.reject(prohibited(told.sentence)).await,
            Some(Way::Asking(_)) | None => {}
        }
    }

    async fn cross(self, bridge: Arc<Bridge>) {
        let session = &bridge.session;
        let endpoint = match self.admit(&bridge).await {
            Ok(endpoint) => endpoint,
            Err(refusal) => {
                session.audit_refused("forward.refused", &refusal).await;
                return self.reply.reject(prohibited(refusal.to_string())).await;
            }
        };
        let place = endpoint.to_string();
        let from = Some(self.originator.clone());
        let log = Log::open(bridge.clone(), Kind::Forward, place, from).await;
        let opened = bridge.leg.forward(&endpoint, &self.originator).await;
        let target = match opened {
            Ok(target) => target,
            Err(failure) => {
                log.ended(format!("not opened: {}", failure.description()));
                return self.reply.reject(failure).await;
            }
        };
        // To connect may take minutes: asked again as the two are joined (P6).
        if let Err(refusal) = session.recheck().await {
            log.ended(refusal.to_string());
            return self.reply.reject(prohibited(refusal.to_string())).await;
        }
        let person = PersonEnd {
            seated: self.seat.take(self.write.id()),
            write: self.write,
        };
        self.reply.accept().await;
        tokio::select! {
            biased;
            // The log names the reason.
            _ = session.switch().killed() => {}
            result = pipe(&person, &target, &log) => log.ended(result),
        }
    }

    async fn admit(&self, bridge: &Bridge) -> Result<Endpoint, Refusal> {
        let endpoint =
            Endpoint::to_connect(&self.host, self.port).map_err(|_| self.unsupported())?;
        bridge.session.permit().allows(Use::Forward(&endpoint))?;
        bridge.session.recheck().await?;
        Ok(endpoint)
    }

    fn unsupported(&self) -> Refusal {
        unsupported("forwarding to", &format!("{}:{}", self.host, self.port))
    }
}
