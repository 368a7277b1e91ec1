//! A desktop in a browser: the same session behind another door.
//!
//! Whoever comes is signed in at the console, and comes with a code that they asked for a
//! moment ago. Proves neither itself; admits, records, dials and relays exactly as for a
//! native client, and speaks no TLS: what it comes in is HTTPS.

use std::{io, net::SocketAddr};

use sspi::credssp::NStatusCode;
use tokio::time::timeout;
use tracing::{debug, info};

use super::{Door, RdpBroker, STEP, Whither, cleanpath, status, within};
use crate::{
    broker::GRACE,
    identity::SignInError,
    kill::{KillSwitch, Leashed, Stream},
    model::{
        ids::{CheckoutId, TokenId},
        name::TargetName,
        principal::Principal,
    },
};

/// Somebody whose browser has just become a stream.
pub struct Visitor {
    pub principal: Principal,
    /// The sign-in that their browser has shown.
    pub sign_in: TokenId,
    pub checkout: CheckoutId,
    pub target: TargetName,
    pub peer: SocketAddr,
    /// What their browser calls itself, cleaned.
    pub client: String,
}

impl RdpBroker {
    /// Serves one browser until it is over.
    pub async fn serve_browser<S: Stream>(&self, stream: S, visitor: Visitor) {
        let peer = visitor.peer;
        let switch = KillSwitch::new();
        let stream = Leashed::with_grace(stream, switch.clone(), GRACE);
        // In a box: what it takes to get in is not kept for as long as they stay.
        if let Err(error) = Box::pin(self.receive_browser(stream, switch, visitor)).await {
            debug!(%peer, %error, "Connection ended");
        }
    }

    async fn receive_browser<S: Stream>(
        &self,
        mut stream: Leashed<S>,
        switch: KillSwitch,
        visitor: Visitor,
    ) -> io::Result<()> {
        let Visitor {
            principal,
            sign_in,
            checkout,
            target,
            peer,
            client,
        } = visitor;
        let opening = within(cleanpath::read(&mut stream)).await?;
        let identity = self.gate.identity();
        let taken = identity.take_desktop_code(&opening.code, &sign_in, &checkout, peer.ip());
        if let Err(error) = taken.await {
            info!(%peer, %error, "Browser not let in");
            let status = match error {
                SignInError::Refused | SignInError::Factor(_) => 401,
                SignInError::Throttled(_) => 429,
                SignInError::Store(_) | SignInError::Vault(_) => 503,
            };
            return within(cleanpath::refuse(&mut stream, status)).await;
        }
        let (_, shown) = self.tls.one_connection().map_err(io::Error::other)?;
        let certificate = shown.cert.first().map(|it| it.to_vec());
        let door = Browser {
            stream,
            name: target.to_string(),
            certificate: certificate.unwrap_or_default(),
        };
        let whither = Whither {
            principal,
            checkout,
            target,
            peer,
            client,
        };
        self.lead(door, whither, opening.requested, switch).await
    }
}

/// A browser that waits for its answer.
struct Browser<S: Stream> {
    stream: Leashed<S>,
    name: String,
    certificate: Vec<u8>,
}

impl<S: Stream> Door for Browser<S> {
    type Client = Leashed<S>;

    async fn let_in(mut self) -> io::Result<Leashed<S>> {
        let welcome = cleanpath::welcome(&mut self.stream, &self.name, &self.certificate);
        within(welcome).await?;
        Ok(self.stream)
    }

    async fn turn_away(mut self, status: NStatusCode) {
        let telling = cleanpath::refuse(&mut self.stream, number(status));
        if !matches!(timeout(STEP, telling).await, Ok(Ok(()))) {
            debug!("Browser gone before it was told");
        }
    }
}

/// The same no in the words of HTTP. The page asks the API for the sentence.
fn number(status: NStatusCode) -> u16 {
    match status {
        status::OVER => 410,
        status::UNTRUSTED | NStatusCode::LOGON_TYPE_NOT_GRANTED => 502,
        NStatusCode::NO_LOGON_SERVERS => 503,
        _ => 403,
    }
}
