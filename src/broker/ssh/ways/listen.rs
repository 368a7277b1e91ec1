//! Places where the target listens for the person's client: `ssh -R`.
//!
//! The client's requests are taken one after the other, in a task of their own: it must
//! answer them in their order (RFC 4254 s4), and the target may take its time.

use russh::server::GlobalReply;
use tokio::sync::{mpsc, watch};

use super::{openings::Listener, unsupported};
use crate::{
    broker::ssh::entrance::{Bridge, Way},
    model::{
        capability::{Endpoint, Use},
        refusal::Refusal,
    },
};

/// So many requests may wait for their turn. No honest client has so many at once.
const WAITING: usize = 64;

/// At how many places the target may listen for one session.
const MOST: usize = 64;

/// A request of the client. Its reply is none if it wants none.
pub enum Listen {
    Begin {
        address: String,
        port: u32,
        reply: Option<GlobalReply>,
    },
    End {
        address: String,
        port: u32,
        reply: Option<GlobalReply>,
    },
    /// At a socket of the target's file system.
    Socket {
        path: String,
        reply: Option<GlobalReply>,
    },
}

impl Listen {
    fn unsupported(&self) -> Refusal {
        match self {
            Self::Begin { address, port, .. } | Self::End { address, port, .. } => {
                unsupported("forwarding from", &format!("{address}:{port}"))
            }
            Self::Socket { path, .. } => unsupported("forwarding from the socket", path),
        }
    }
}

/// The way to the task that serves such requests. A request too many is refused.
pub struct Listeners(mpsc::Sender<Listen>);

impl Listeners {
    /// Dropping what comes back unsent says no.
    pub fn ask(&self, listen: Listen) -> Result<(), Box<Listen>> {
        self.0
            .try_send(listen)
            .map_err(|error| Box::new(error.into_inner()))
    }

    /// The way in, and the task.
    pub fn new(way: watch::Receiver<Option<Way>>) -> (Self, impl Future<Output = ()>) {
        let (sender, requests) = mpsc::channel(WAITING);
        (Self(sender), serve(way, requests))
    }
}

async fn serve(mut way: watch::Receiver<Option<Way>>, mut requests: mpsc::Receiver<Listen>) {
    let bridge = match Way::settled(&mut way).await {
        Some(Way::Open(bridge)) => bridge,
        // No target, so nobody who could listen: every reply is dropped, which says no.
        Some(Way::Hall(hall)) => {
            while let Some(request) = requests.recv().await {
                let refusal = request.unsupported();
                hall.audit_refused("forward.refused", &refusal).await;
            }
            return;
        }
        Some(Way::Asking(_) | Way::Closed(_)) | None => return,
    };
    while let Some(request) = requests.recv().await {
        match request {
            Listen::Begin {
                address,
                port,
                reply,
            } => match begin(&bridge, address, port).await {
                Ok(chosen) => yes(reply, chosen),
                Err(refusal) => no(&bridge, reply, refusal).await,
            },
            Listen::End {
                address,
                port,
                reply,
            } => {
                if end(&bridge, &address, port).await {
                    yes(reply, None);
                }
            }
            Listen::Socket { path, reply } => {
                let refusal = unsupported("forwarding from the socket", &path);
                no(&bridge, reply, Some(refusal)).await;
            }
        }
    }
}

fn yes(reply: Option<GlobalReply>, port: Option<u16>) {
    if let Some(reply) = reply {
        reply.success(port.map(u32::from));
    }
}

/// Audited first, then refused: a client that wanted nothing else leaves at once.
async fn no(bridge: &Bridge, reply: Option<GlobalReply>, refusal: Option<Refusal>) {
    if let Some(refusal) = refusal {
        let kind = "forward.refused";
        bridge.session.audit_refused(kind, &refusal).await;
    }
    // Dropped, it says no.
    drop(reply);
}

/// The port that the target has chosen, where the choice was left to it. An error without a
/// refusal is the target's no.
async fn begin(
    bridge: &Bridge,
    address: String,
    port: u32,
) -> Result<Option<u16>, Option<Refusal>> {
    let endpoint = Endpoint::to_listen(&address, port)
        .map_err(|_| unsupported("forwarding from", &format!("{address}:{port}")))?;
    let session = &bridge.session;
    session.permit().allows(Use::RemoteForward(&endpoint))?;
    session.recheck().await?;
    let openings = &bridge.openings;
    if openings.listeners() >= MOST {
        return Err(Some(unsupported("more forwards than", &MOST.to_string())));
    }
    let chooses = endpoint.port() == 0;
    openings.expect(Listener {
        endpoint: endpoint.clone(),
        address,
        port: (!chooses).then_some(endpoint.port()),
    });
    let listens = bridge.leg.listen(&endpoint).await;
    let (kind, place) = ("forward.listen", endpoint.to_string());
    let detail = |result: &str| serde_json::json!({ "place": place, "result": result });
    match listens {
        Ok(port) => {
            let message = match chooses {
                true => format!("target listens at {place}, at port {port}"),
                false => format!("target listens at {place}"),
            };
            if chooses {
                openings.chosen(port);
            }
            session
                .audit_done(kind, &message, detail("listening"))
                .await;
            Ok(chooses.then_some(port))
        }
        Err(error) => {
            openings.not_listening();
            let message = format!("target does not listen at {place}: {error}");
            session
                .audit_done(kind, &message, detail(&error.to_string()))
                .await;
            Err(None)
        }
    }
}

async fn end(bridge: &Bridge, address: &str, port: u32) -> bool {
    let Some(listener) = bridge.openings.named(address, port) else {
        return false;
    };
    // Whatever the target says: from here on nothing comes in there.
    bridge.openings.forget(&listener);
    let place = listener.endpoint.to_string();
    let ended = bridge.leg.unlisten(&listener.endpoint, port).await;
    let message = match &ended {
        Ok(()) => format!("target listens at {place} no more"),
        Err(error) => format!("target does not stop listening at {place}: {error}"),
    };
    let detail = serde_json::json!({ "place": place, "result": "ended" });
    let session = &bridge.session;
    session.audit_done("forward.listen", &message, detail).await;
    ended.is_ok()
}
