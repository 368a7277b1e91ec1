//! A request of the gateway's own: for a token, for a form, to sign out.
//!
//! One connection for each, bounded in time and length, and not followed when it is led
//! elsewhere. What it carries is in no log and no recording.

use std::{sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Bytes,
    client::conn::http1,
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, sign::CertifiedKey};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;
use zeroize::Zeroizing;

use super::pins::{self, PinError};
use crate::{kill::Leashed, model::name::TargetName, session::DialError};

/// For everything, from connecting to the last byte of the answer.
pub const WITHIN: Duration = Duration::from_secs(10);
/// A page with a form, or an answer with a token.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// A server, and what it must prove.
pub struct Server {
    tls: Option<(TlsConnector, ServerName<'static>)>,
    authority: String,
}

/// What goes there.
pub struct Errand<'a> {
    pub method: Method,
    pub path_and_query: &'a str,
    pub headers: HeaderMap,
    pub body: Zeroizing<String>,
}

/// What came back.
pub struct Told {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Zeroizing<Vec<u8>>,
}

/// Why nothing did. Each is one clause, and holds nothing that was sent or answered.
#[derive(Debug, thiserror::Error)]
pub enum ErrandError {
    #[error("it cannot be reached")]
    Dial(#[from] DialError),
    #[error("it did not prove that it is the one that is pinned")]
    Tls(#[source] std::io::Error),
    #[error("its address cannot be asked for")]
    Address,
    #[error("it does not speak HTTP as expected")]
    Http(#[from] hyper::Error),
    #[error("its answer is too long, or broke off")]
    Answer,
    #[error("it did not answer within {0:?}")]
    TooSlow(Duration),
}

impl Server {
    pub fn plain(authority: String) -> Self {
        Self {
            tls: None,
            authority,
        }
    }

    /// One that proves one of `lines`, and to which `identity` may be shown.
    pub fn with_tls(
        lines: &[String],
        identity: Option<Arc<CertifiedKey>>,
        name: &str,
        authority: String,
    ) -> Result<Self, PinError> {
        let config: ClientConfig = pins::client_config(lines, &[b"http/1.1"], identity)?;
        let name = ServerName::try_from(name.to_owned()).map_err(|_| PinError::Unreadable)?;
        Ok(Self {
            tls: Some((TlsConnector::from(Arc::new(config)), name)),
            authority,
        })
    }

    /// Asks over `dialling`, which the session leashes.
    pub async fn ask(
        &self,
        dialling: impl Future<Output = Result<Leashed<TcpStream>, DialError>>,
        errand: Errand<'_>,
    ) -> Result<Told, ErrandError> {
        let asked = async {
            let stream = dialling.await?;
            match &self.tls {
                None => self.speak(stream, errand).await,
                Some((connector, name)) => {
                    let stream = connector.connect(name.clone(), stream);
                    self.speak(stream.await.map_err(ErrandError::Tls)?, errand)
                        .await
                }
            }
        };
        let answered = timeout(WITHIN, asked).await;
        answered.map_err(|_| ErrandError::TooSlow(WITHIN))?
    }

    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        errand: Errand<'_>,
    ) -> Result<Told, ErrandError> {
        let (mut way, driver) = http1::handshake(TokioIo::new(stream)).await?;
        let _driver = AbortOnDropHandle::new(tokio::spawn(async move {
            // What goes wrong is heard by the one who asked.
            driver.await.ok();
        }));
        let answer = way.send_request(self.request(errand)?).await?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await;
        let body = body.map_err(|_| ErrandError::Answer)?.to_bytes();
        Ok(Told {
            status: parts.status,
            headers: parts.headers,
            body: Zeroizing::new(body.to_vec()),
        })
    }

    fn request(&self, errand: Errand<'_>) -> Result<Request<Full<Bytes>>, ErrandError> {
        let address = |_| ErrandError::Address;
        let own = HeaderValue::from_static;
        let mut headers = errand.headers;
        let host = HeaderValue::from_str(&self.authority).map_err(|_| ErrandError::Address)?;
        headers.insert(header::HOST, host);
        headers.insert(header::USER_AGENT, own("doorward"));
        headers.insert(header::CONNECTION, own("close"));
        let uri = errand.path_and_query.parse().map_err(address)?;
        let mut request = Request::new(Full::from(errand.body.as_bytes().to_vec()));
        *request.method_mut() = errand.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// Why the gateway could not sign in, as one clause behind "the gateway could not sign in to X:".
pub fn failed(who: &str, target: &TargetName, error: &ErrandError) -> String {
    tracing::warn!(%target, %error, cause = ?std::error::Error::source(error), "Sign-in at a web target failed");
    format!("{who}: {error}")
}

/// As `application/x-www-form-urlencoded` and queries write it.
pub fn encoded(bytes: &[u8]) -> Zeroizing<String> {
    // Never moved while it grows: a copy would stay behind.
    let mut text = Zeroizing::new(String::with_capacity(3 * bytes.len()));
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(*byte));
            }
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                text.push('%');
                text.push(char::from(DIGITS[usize::from(byte >> 4)]));
                text.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
        }
    }
    text
}

/// `a=b&c=d`.
pub fn form<'a>(fields: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Zeroizing<String> {
    let pairs: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| (encoded(name.as_bytes()), encoded(value)))
        .collect();
    let length = pairs
        .iter()
        .map(|(name, value)| name.len() + value.len() + 2)
        .sum();
    let mut text = Zeroizing::new(String::with_capacity(length));
    for (name, value) in &pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
    text
}

/// The type of what `form` writes.
pub const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
