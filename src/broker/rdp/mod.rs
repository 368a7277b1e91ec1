//! RDP: any client to the gateway's port, as `alice+win1`, with a check-out's one-time secret.
//!
//! The client is known, admitted and registered, and its recording begun, before the target
//! hears of it; the target is proven before it gets the account's credential. Never a credential
//! of the target towards the person, nor a channel that the check-out does not allow, nor a
//! session unrecorded where the policy requires a recording.

pub mod browser;
mod bytes;
mod capabilities;
mod certificate;
mod channels;
mod cleanpath;
mod client_info;
mod clipboard;
mod downward;
mod dynamic;
mod filming;
mod frame;
mod goodbye;
mod knock;
mod mcs;
mod names;
#[doc(hidden)]
pub mod parts;
mod pdus;
mod preconnection;
mod protocol;
mod relay;
mod screen;
mod settings;
mod status;
mod target;
mod ts_request;
mod typing;
mod upward;

use std::{fmt::Display, io, net::SocketAddr, time::Duration};

use sspi::credssp::NStatusCode;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::{debug, info};

use self::{
    knock::{Known, NotLetIn},
    protocol::{Failure, Protocols},
};
use super::{Broker, Connection};
use crate::{
    kill::{KillSwitch, Leashed},
    model::{
        capability::Use, ids::CheckoutId, name::TargetName, principal::Principal, refusal::Refusal,
        session::Outcome, target::Protocol,
    },
    recording::{Content, Track},
    session::{Claim, Gate, Session},
    tls::Tls,
};

/// How long a client may take for each step before it says who it is.
const STEP: Duration = Duration::from_secs(10);

type Client = TlsStream<Leashed<TcpStream>>;

/// Serves people who come with RDP.
pub struct RdpBroker {
    gate: Gate,
    tls: Tls,
}

impl RdpBroker {
    pub fn new(gate: Gate, tls: Tls) -> Self {
        Self { gate, tls }
    }
}

impl Broker for RdpBroker {
    async fn serve(&self, connection: Connection) {
        let peer = connection.peer;
        // In a box: what it takes to get in is not kept for as long as they stay.
        if let Err(error) = Box::pin(self.receive(connection)).await {
            debug!(%peer, %error, "Connection ended");
        }
    }
}

impl RdpBroker {
    async fn receive(&self, connection: Connection) -> io::Result<()> {
        let Connection {
            mut stream,
            peer,
            switch,
            mut arrival,
        } = connection;
        let requested = within(preconnection::read(&mut stream)).await?;
        // INVARIANT: without NLA the target would have to be reached before anybody is known.
        let Some(chosen) = choose(requested) else {
            let why = "the client offers no network level authentication";
            info!(%peer, why, "RDP client not let in");
            self.gate.identity().note_unsuited(why, peer.ip()).await;
            stream
                .write_all(&protocol::failure(Failure::NlaRequired))
                .await?;
            return stream.shutdown().await;
        };
        stream.write_all(&protocol::confirm(chosen)).await?;
        let (config, shown) = self.tls.one_connection().map_err(io::Error::other)?;
        let public_key = shown.cert.first().and_then(certificate::public_key);
        let public_key = public_key.ok_or_else(|| io::Error::other("a certificate without key"))?;
        let mut client = within(TlsAcceptor::from(config).accept(stream)).await?;

        let known = knock::ask(&mut client, &self.gate, peer.ip(), public_key).await;
        let known = match known {
            Ok(known) => known,
            Err(error) => {
                info!(%peer, %error, "RDP client not let in");
                if let NotLetIn::Unsupported = error {
                    let why = error.to_string();
                    self.gate.identity().note_unsuited(&why, peer.ip()).await;
                }
                if let Some(status) = error.status() {
                    knock::turn_away(&mut client, status).await;
                }
                return Ok(());
            }
        };
        arrival.signed_in();
        let whither = Whither {
            principal: known.principal.clone(),
            checkout: known.checkout.clone(),
            target: known.target.clone(),
            peer,
            client: known.workstation.clone(),
        };
        let door = Native {
            client,
            known,
            chosen,
        };
        self.lead(door, whither, requested, switch).await
    }

    /// Somebody who is known, to where they want to go.
    async fn lead<D: Door>(
        &self,
        door: D,
        whither: Whither,
        requested: Protocols,
        switch: KillSwitch,
    ) -> io::Result<()> {
        let session = match self.admit(whither, switch).await {
            Ok(session) => session,
            Err(refusal) => {
                door.turn_away(status::of(&refusal)).await;
                return Ok(());
            }
        };
        // INVARIANT (P1): the recording stands before anything goes to the target.
        let track = match self.record(&session).await {
            Ok(track) => track,
            Err(refusal) => {
                session.audit_refused("session.use", &refusal).await;
                door.turn_away(status::of(&refusal)).await;
                return Ok(());
            }
        };
        let leg = match target::open(&session).await {
            Ok(leg) => leg,
            Err(error) => {
                let status = match session.switch().reason() {
                    Some(_) => status::OVER,
                    None => error.status(),
                };
                {
                    let cause: &dyn std::error::Error = &error;
                    info!(session = %session.id(), target = %session.target().name, error = cause, "Target not reached");
                }
                nothing_shown(&session, track, &error).await;
                session.close(Outcome::TargetFailed(error.to_string()));
                door.turn_away(status).await;
                return Ok(());
            }
        };
        // INVARIANT (P6): looked at once more, now that the streams are about to be joined.
        if let Err(refusal) = session.recheck().await {
            nothing_shown(&session, track, &refusal).await;
            door.turn_away(status::of(&refusal)).await;
            return Ok(());
        }
        let client = match door.let_in().await {
            Ok(client) => client,
            Err(error) => {
                nothing_shown(&session, track, &"the client went away").await;
                return Err(error);
            }
        };
        relay::run(&session, client, requested, leg, track).await
    }

    async fn record(&self, session: &Session) -> Result<Track, Refusal> {
        let track = session.record(Content::Desktop).await?;
        if let Some(why) = track.failure() {
            session
                .audit_done("recording.missing", &why, serde_json::Value::Null)
                .await;
        }
        Ok(track)
    }

    async fn admit(&self, whither: Whither, switch: KillSwitch) -> Result<Session, Refusal> {
        let claim = Claim {
            protocol: Protocol::Rdp,
            target: whither.target.to_string(),
            account: None,
            checkout: Some(whither.checkout),
            peer: whither.peer,
            client: whither.client,
        };
        let session = self.gate.admit(&whither.principal, claim, switch).await?;
        if let Err(refusal) = session.permit().allows(Use::Desktop) {
            session.audit_refused("session.use", &refusal).await;
            return Err(refusal);
        }
        Ok(session)
    }
}

/// Ends a recording that has nothing to show, and says why: it was begun before the target was
/// reached, and each session that must have one has one.
async fn nothing_shown(session: &Session, track: Track, why: &(impl Display + Sync)) {
    let why = format!("nothing was shown: {why}");
    session.recorded(track, &why).await;
}

/// None where a client offers nothing that would do.
fn choose(offered: Protocols) -> Option<Protocols> {
    [Protocols::NLA_WITH_A_WORD, Protocols::NLA]
        .into_iter()
        .find(|known| offered.offers(*known))
}

/// Who goes where, once they are known.
struct Whither {
    principal: Principal,
    checkout: CheckoutId,
    target: TargetName,
    peer: SocketAddr,
    /// What their machine is called, cleaned.
    client: String,
}

/// Where somebody waits for a yes or a no.
trait Door {
    type Client: AsyncRead + AsyncWrite + Send;

    fn let_in(self) -> impl Future<Output = io::Result<Self::Client>> + Send;

    fn turn_away(self, status: NStatusCode) -> impl Future<Output = ()> + Send;
}

/// A native client, inside CredSSP.
struct Native {
    client: Client,
    known: Known,
    chosen: Protocols,
}

impl Door for Native {
    type Client = Client;

    async fn let_in(mut self) -> io::Result<Client> {
        self.known.let_in(&mut self.client, self.chosen).await?;
        Ok(self.client)
    }

    async fn turn_away(mut self, status: NStatusCode) {
        knock::turn_away(&mut self.client, status).await;
    }
}

async fn within<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let done = timeout(STEP, step).await;
    done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
