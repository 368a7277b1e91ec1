//! The target's leg: reached, proven, signed in to with the account's credential.
//!
//! INVARIANT: nothing of the credential is sent before the target's certificate was found to
//! be the pinned one, and never by a weaker way than the target is entered for.

use std::{io, time::Duration};

use rustls_pki_types::ServerName;
use sspi::{
    AuthIdentity, Username,
    credssp::{ClientMode, ClientState, CredSspClient, CredSspMode, NStatusCode, TsRequest},
    ntlm::NtlmConfig,
};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use zeroize::Zeroizing;

use super::{
    certificate,
    client_info::Injected,
    protocol::{self, Protocols},
    status, ts_request,
};
use crate::{
    broker::web::pins::{self, PinError},
    kill::Leashed,
    model::rdp::Security,
    session::{CredentialError, DialError, Session, credential::AccountSecret},
};

/// How long a target may take for all of it, once it is reached.
const PATIENCE: Duration = Duration::from_secs(15);

/// So many messages NTLM takes, with room.
const ROUNDS: usize = 6;

pub struct Leg {
    pub stream: TlsStream<Leashed<TcpStream>>,
    pub protocol: Protocols,
    /// Whether it takes the newer blocks of a client's settings.
    pub extended: bool,
    pub injected: Injected,
}

#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the target did not answer within {PATIENCE:?}")]
    TimedOut,
    #[error("the target does not speak RDP")]
    NotRdp(#[source] io::Error),
    #[error("the target does not offer {}, and nothing weaker is taken", name(.0))]
    Downgrade(Security),
    #[error("what the target must prove cannot be checked")]
    Pin(#[from] PinError),
    #[error("the target did not prove what is pinned for it")]
    Unproven(#[source] io::Error),
    #[error("the target refused the account's credential (NTSTATUS {0:#010x})")]
    Refused(u32),
    #[error("the target broke off while the gateway signed in")]
    BrokeOff(#[source] io::Error),
    #[error("the account's password cannot be used here")]
    Password,
    #[error(transparent)]
    Credential(#[from] CredentialError),
}

fn name(security: &Security) -> &'static str {
    match security {
        Security::Nla => "network level authentication",
        Security::Tls => "TLS",
    }
}

impl TargetError {
    /// What the client is told.
    pub fn status(&self) -> NStatusCode {
        match self {
            Self::Dial(_) | Self::TimedOut | Self::NotRdp(_) => NStatusCode::NO_LOGON_SERVERS,
            Self::Downgrade(_) | Self::Pin(_) | Self::Unproven(_) => status::UNTRUSTED,
            Self::Refused(_) | Self::BrokeOff(_) | Self::Password | Self::Credential(_) => {
                NStatusCode::LOGON_TYPE_NOT_GRANTED
            }
        }
    }
}

/// Dials, and signs in as far as that goes before there is a session.
pub async fn open(session: &Session) -> Result<Leg, TargetError> {
    let stream = session.dial().await?;
    let opening = timeout(PATIENCE, secure(session, stream));
    opening.await.unwrap_or(Err(TargetError::TimedOut))
}

async fn secure(session: &Session, mut stream: Leashed<TcpStream>) -> Result<Leg, TargetError> {
    let target = session.target();
    let rdp = target.rdp.clone().unwrap_or_default();
    let (wanted, offered) = match rdp.security {
        // NLA is spoken in TLS, and is asked for beside it.
        Security::Nla => (Protocols::NLA, Protocols::NLA.and(Protocols::TLS)),
        Security::Tls => (Protocols::TLS, Protocols::TLS),
    };
    let config = pins::client_config(&target.host_keys, &[], None)?;
    let greeting = protocol::request(offered);
    stream
        .write_all(&greeting)
        .await
        .map_err(TargetError::NotRdp)?;
    let chosen = protocol::read_confirm(&mut stream).await;
    let chosen = chosen.map_err(TargetError::NotRdp)?;
    // INVARIANT: also an NLA target that would be content with TLS gets nothing.
    if chosen.protocol != wanted {
        return Err(TargetError::Downgrade(rdp.security));
    }
    let host = ServerName::try_from(target.address.host().to_owned());
    let host = host.map_err(|_| PinError::Unreadable)?;
    let connector = TlsConnector::from(std::sync::Arc::new(config));
    let connected = connector.connect(host, stream).await;
    let mut stream = connected.map_err(TargetError::Unproven)?;

    let credential = session.credential().await?;
    let AccountSecret::Password(secret) = &credential.secret else {
        return Err(TargetError::Password);
    };
    let text = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).ok()?;
        Some(Zeroizing::new(text.to_owned()))
    };
    let password = secret.expose(session.permit(), text);
    let password = password.ok().flatten().ok_or(TargetError::Password)?;
    let injected = Injected::new(&credential.login, password);
    if rdp.security == Security::Nla {
        sign_in(&mut stream, session, &credential.login, &injected.password).await?;
    }
    Ok(Leg {
        stream,
        protocol: chosen.protocol,
        extended: chosen.extended,
        injected,
    })
}

/// CredSSP, this time as its client (MS-CSSP 3.1.5).
async fn sign_in(
    stream: &mut TlsStream<Leashed<TcpStream>>,
    session: &Session,
    login: &str,
    password: &str,
) -> Result<(), TargetError> {
    let broken = |_| TargetError::Password;
    let shown = stream.get_ref().1.peer_certificates();
    let public_key = shown
        .and_then(|chain| certificate::public_key(chain.first()?))
        .ok_or_else(|| TargetError::Unproven(io::ErrorKind::InvalidData.into()))?;
    let identity = AuthIdentity {
        username: Username::parse(login).map_err(|_| TargetError::Password)?,
        password: password.to_owned().into(),
    };
    let service = format!("TERMSRV/{}", session.target().address.host());
    let mode = ClientMode::Ntlm(NtlmConfig::default());
    let client = CredSspClient::new(
        public_key,
        identity.into(),
        CredSspMode::WithCredentials,
        mode,
        service,
    );
    let mut client = client.map_err(broken)?;
    let mut answer = TsRequest::default();
    for _ in 0..ROUNDS {
        let state = client.process(answer).resolve_to_result();
        // It looks at what the target proves, too.
        let state = state.map_err(|error| TargetError::BrokeOff(super::frame::invalid(error)))?;
        match state {
            ClientState::ReplyNeeded(request) => {
                let written = ts_request::write(stream, &request).await;
                written.map_err(TargetError::BrokeOff)?;
            }
            ClientState::FinalMessage(request) => {
                let written = ts_request::write(stream, &request).await;
                return written.map_err(TargetError::BrokeOff);
            }
        }
        answer = ts_request::read(stream)
            .await
            .map_err(TargetError::BrokeOff)?;
        if let Some(status) = answer.error_code.filter(|it| *it != NStatusCode::SUCCESS) {
            return Err(TargetError::Refused(status.0));
        }
    }
    Err(TargetError::BrokeOff(io::ErrorKind::InvalidData.into()))
}
