//! The way out to a mail server or a webhook: found, connected to, and over TLS believed.
//!
//! Goes through the one outbound connect of the gateway. Not to the gateway itself and not to
//! link-local addresses, unless an admin said of the channel that this is meant.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;

use super::Failure;
use crate::{
    kill::{KillSwitch, Leashed},
    model::target::Address,
    session::dial::{DialError, dial, dial_outside},
    tls::client,
};

/// How long a server may take to answer the first packet.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Wire<'a> {
    pub(super) own_ports: &'a [u16],
}

/// A connection, in the clear or over TLS.
pub(super) enum Stream {
    Plain(Leashed<tokio::net::TcpStream>),
    Tls(Box<tokio_rustls::client::TlsStream<Leashed<tokio::net::TcpStream>>>),
}

impl Wire<'_> {
    pub(super) async fn connect(
        &self,
        address: &Address,
        allow_local: bool,
    ) -> Result<Stream, Failure> {
        let switch = KillSwitch::new();
        let dialled = match allow_local {
            true => dial(address, &switch).await,
            false => dial_outside(address, self.own_ports, PATIENCE, &switch).await,
        };
        match dialled {
            Ok(dialled) => Ok(Stream::Plain(dialled.stream)),
            Err(error) => Err(Failure::Now(sentence(&error))),
        }
    }

    /// The same over TLS, with a server that `ca` or the machine vouches for.
    pub(super) async fn connect_tls(
        &self,
        address: &Address,
        allow_local: bool,
        ca: Option<&str>,
    ) -> Result<Stream, Failure> {
        let Stream::Plain(plain) = self.connect(address, allow_local).await? else {
            unreachable!("connect makes plain streams");
        };
        let config = client::believing(ca)
            .map_err(|error| Failure::Now(format!("TLS to {address}: {error}")))?;
        let name = ServerName::try_from(address.host().to_owned())
            .map_err(|_| Failure::ForGood(format!("{address} is no name that TLS knows")))?;
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, plain);
        match connecting.await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
            Err(error) => Err(Failure::Now(format!("TLS with {address} failed: {error}"))),
        }
    }
}

/// As an admin reads it: no target is meant here.
fn sentence(error: &DialError) -> String {
    match error {
        DialError::Unknown(address, source) => {
            format!("{address} cannot be found by name: {source}")
        }
        DialError::Unreachable(address, source) => {
            format!("{address} cannot be reached: {source}")
        }
        DialError::TimedOut(address, after) => {
            format!("{address} did not answer within {} s", after.as_secs())
        }
        DialError::Misled(address) => format!(
            "{address} is the gateway itself or a link-local address, which no channel is led to \
             unless it says allow_local"
        ),
        DialError::Killed(reason) => reason.to_string(),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

impl lettre::transport::smtp::client::AsyncTokioStream for Stream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        // Only ever logged by the library; the leash does not tell.
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}
