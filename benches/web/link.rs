//! Connections of the bench's own to the gateway, for what no usual client holds by the
//! thousand: HTTP/1.1 over TLS, one request each, read as it comes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use doorward::clock::Stopwatch;
use futures::future::try_join_all;
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{Result, gateway::Gateway};

/// Nothing here takes so long unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// So many are opened at once.
const AT_ONCE: usize = 64;

pub struct Links {
    address: SocketAddr,
    connector: TlsConnector,
    host: String,
    token: String,
}

/// One of them, after the head of its answer.
pub struct Link(TlsStream<TcpStream>);

impl Links {
    pub fn new(gateway: &Gateway, host: String, token: &str) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&gateway.authority)? {
            roots.add(certificate?)?;
        }
        let tls = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            address: gateway.web,
            connector: TlsConnector::from(Arc::new(tls)),
            host,
            token: token.to_owned(),
        })
    }

    /// So many WebSockets.
    pub async fn sockets(&self, count: usize) -> Result<Vec<Link>> {
        let more = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: bm90IG9mIGFueWJvZHkhIQ==\r\n";
        self.several(count, "/own/socket", more, "101").await
    }

    /// So many answers that go on.
    pub async fn streams(&self, count: usize) -> Result<Vec<Link>> {
        self.several(count, "/own/stream", "", "200").await
    }

    async fn several(
        &self,
        count: usize,
        path: &str,
        more: &str,
        status: &str,
    ) -> Result<Vec<Link>> {
        let mut links = Vec::with_capacity(count);
        while links.len() < count {
            let next = AT_ONCE.min(count - links.len());
            let opening = (0..next).map(|_| self.open(path, more, status));
            links.append(&mut timeout(PATIENCE, try_join_all(opening)).await??);
        }
        Ok(links)
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "the client's side, which is not gated"
    )]
    async fn open(&self, path: &str, more: &str, status: &str) -> Result<Link> {
        let name = self.host.split(':').next().unwrap_or_default().to_owned();
        let failed = |doing: &'static str| {
            move |error: std::io::Error| format!("{path} failed while {doing}: {error}")
        };
        let stream = TcpStream::connect(self.address)
            .await
            .map_err(failed("connecting"))?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(name)?;
        let stream = self.connector.connect(name, stream).await;
        let mut stream = stream.map_err(failed("agreeing on TLS"))?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nDoorward-Token: {}\r\n{more}\r\n",
            self.host, self.token
        );
        let asked = stream.write_all(request.as_bytes()).await;
        asked.map_err(failed("asking"))?;
        // Among many in one task the record may still stand in the client's own buffer.
        stream.flush().await.map_err(failed("asking"))?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = stream.read_u8().await;
            head.push(byte.map_err(failed("reading the answer"))?);
        }
        let head = String::from_utf8_lossy(&head);
        if head.split(' ').nth(1) != Some(status) {
            return Err(format!("{path} was answered with {head}").into());
        }
        Ok(Link(stream))
    }
}

impl Link {
    /// Reads until it ends, however it does; answers when its last byte came, if one came.
    pub async fn drained(mut self, watch: &Stopwatch) -> Option<Duration> {
        let mut buffer = [0; 4096];
        let mut last = None;
        while self.0.read(&mut buffer).await.is_ok_and(|count| count > 0) {
            last = Some(watch.elapsed());
        }
        last
    }
}
