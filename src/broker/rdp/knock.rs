//! Finding out who knocks: CredSSP with the one-time secret of a check-out (MS-CSSP 3.1.5).
//!
//! The last word of it is held back until the target's leg stands, so that every no is one
//! that the client has a sentence for. INVARIANT: nobody is anybody before `sspi` has verified
//! what was encrypted with the session key; NTLM's own messages prove nothing to it.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sspi::{
    AuthIdentity, NegotiateConfig, Username,
    credssp::{CredSspServer, CredentialsProxy, NStatusCode, ServerMode, ServerState, TsRequest},
    ntlm::NtlmConfig,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use tracing::debug;
use zeroize::Zeroizing;

use super::{
    frame::invalid,
    names::{Names, is_ntlm, last_message},
    protocol::Protocols,
    ts_request,
};
use crate::{
    identity::SignInError,
    model::{ids::CheckoutId, name::TargetName, principal::Principal, text::Text},
    session::{
        Gate,
        one_time::{Expected, Sought},
    },
};

/// How long a client may take for each of its messages.
const STEP: Duration = Duration::from_secs(10);

/// How long a client that was told no may take to go.
const FAREWELL: Duration = Duration::from_secs(2);

/// Before this one the binding to the certificate could be turned against its holder
/// (CVE-2018-0886).
const OLDEST: u32 = 5;

/// So many messages come before the last word, with room.
const ROUNDS: usize = 6;

/// The word behind (MS-RDPBCGR 2.2.10.2).
const MAY_COME_IN: [u8; 4] = [0; 4];

/// With this SPNEGO begins (RFC 2743 s3.1).
const GSS_API: u8 = 0x60;

#[derive(Debug, thiserror::Error)]
pub enum NotLetIn {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the client speaks no NTLM, or an older CredSSP")]
    Unsupported,
    #[error(transparent)]
    SignIn(#[from] SignInError),
}

impl NotLetIn {
    /// What the client is told; none where there is nobody to tell.
    pub fn status(&self) -> Option<NStatusCode> {
        match self {
            Self::Io(_) => None,
            Self::Unsupported => Some(NStatusCode::LOGON_TYPE_NOT_GRANTED),
            Self::SignIn(SignInError::Refused | SignInError::Factor(_)) => {
                Some(NStatusCode::LOGON_FAILURE)
            }
            Self::SignIn(SignInError::Throttled(_)) => Some(NStatusCode::ACCOUNT_LOCKED_OUT),
            Self::SignIn(SignInError::Store(_) | SignInError::Vault(_)) => {
                Some(NStatusCode::NO_LOGON_SERVERS)
            }
        }
    }
}

/// Somebody who has shown the secret of a check-out, and waits for the last word.
pub struct Known {
    pub principal: Principal,
    pub checkout: CheckoutId,
    pub target: TargetName,
    /// What their machine is called, cleaned.
    pub workstation: String,
    server: CredSspServer<Secrets>,
    last_word: TsRequest,
}

/// Asks who is there, on a connection whose certificate has this public key.
pub async fn ask<S>(
    stream: &mut S,
    gate: &Gate,
    peer: IpAddr,
    public_key: Vec<u8>,
) -> Result<Known, NotLetIn>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let secrets = Secrets::default();
    let mut message = read(stream).await?;
    let form = Form::of(&message).ok_or(NotLetIn::Unsupported)?;
    let mut server = server(form, public_key, &secrets)?;
    let mut claim: Option<Claim> = None;
    for _ in 0..ROUNDS {
        let last = message.nego_tokens.as_deref().and_then(last_message);
        // Once: nobody is somebody else a message later.
        if let (Some(last), None) = (last, &claim) {
            let names = Names::read(last).map_err(|_| NotLetIn::Unsupported)?;
            claim = Some(Claim::look_up(names, gate, peer, &secrets).await?);
        }
        match process(&mut server, message) {
            // INVARIANT: an answer to the key is given only where the client's was verified.
            Ok(last_word) if last_word.pub_key_auth.is_some() => {
                let claim = claim.ok_or(NotLetIn::Unsupported)?;
                return claim.proven(gate, peer, server, last_word).await;
            }
            Ok(answer) if answer.nego_tokens.is_some() => {
                ts_request::write(stream, &answer).await?;
            }
            _ => break,
        }
        message = read(stream).await?;
    }
    Err(match claim {
        Some(claim) => claim.refused(gate, peer).await,
        None => NotLetIn::Unsupported,
    })
}

/// Who somebody says they are, and what they must know if that is so.
struct Claim {
    names: Names,
    sought: Option<Sought>,
    expected: Option<Expected>,
}

impl Claim {
    async fn look_up(
        names: Names,
        gate: &Gate,
        peer: IpAddr,
        secrets: &Secrets,
    ) -> Result<Self, NotLetIn> {
        let sought = names.sought();
        let expected = match &sought {
            Some(sought) => gate.expected(sought, peer).await?,
            None => {
                gate.identity().try_one_time("", peer)?;
                None
            }
        };
        let domain = Some(names.domain.as_str()).filter(|domain| !domain.is_empty());
        let user = Username::new(&names.user, domain).ok();
        let expected = secrets.expect(expected, user);
        Ok(Self {
            names,
            sought,
            expected,
        })
    }

    async fn proven(
        self,
        gate: &Gate,
        peer: IpAddr,
        server: CredSspServer<Secrets>,
        last_word: TsRequest,
    ) -> Result<Known, NotLetIn> {
        let Some(expected) = &self.expected else {
            return Err(self.refused(gate, peer).await);
        };
        let identity = gate.identity();
        let principal = match identity.one_time(&expected.user, &expected.checkout).await {
            // They have been disabled since.
            Err(SignInError::Refused) => return Err(self.refused(gate, peer).await),
            principal => principal?,
        };
        Ok(Known {
            principal,
            checkout: expected.checkout.clone(),
            target: expected.target.clone(),
            workstation: Text::ours(&self.names.workstation).one_line(),
            server,
            last_word,
        })
    }

    async fn refused(&self, gate: &Gate, peer: IpAddr) -> NotLetIn {
        let claimed = match &self.sought {
            Some(sought) => sought.to_string(),
            None => self.names.user.clone(),
        };
        gate.identity().refuse_one_time(&claimed, peer).await.into()
    }
}

impl Known {
    /// The last word: from here on the client believes that it is where it wanted to go. What
    /// it then sends as its credential is thrown away.
    pub async fn let_in<S>(mut self, stream: &mut S, chosen: Protocols) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        ts_request::write(stream, &self.last_word).await?;
        let credential = read(stream).await?;
        if credential.auth_info.is_none() {
            return Err(invalid(ts_request::NotATsRequest));
        }
        // Only whether it was encrypted for this session.
        let finished = self.server.process(credential).resolve_to_result();
        let Ok(ServerState::Finished(_)) = finished else {
            return Err(invalid(ts_request::NotATsRequest));
        };
        if chosen == Protocols::NLA_WITH_A_WORD {
            stream.write_all(&MAY_COME_IN).await?;
            stream.flush().await?;
        }
        Ok(())
    }
}

/// How a client wraps NTLM: xfreerdp 2 does not, others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Ntlm,
    Spnego,
}

impl Form {
    /// None for what is not understood here.
    fn of(first: &TsRequest) -> Option<Self> {
        let token = first.nego_tokens.as_deref().unwrap_or_default();
        match token.first() {
            _ if first.version < OLDEST => None,
            _ if is_ntlm(token) => Some(Self::Ntlm),
            Some(&GSS_API) => Some(Self::Spnego),
            _ => None,
        }
    }
}

fn server(
    form: Form,
    public_key: Vec<u8>,
    secrets: &Secrets,
) -> io::Result<CredSspServer<Secrets>> {
    let ntlm = NtlmConfig::default();
    let mode = match form {
        Form::Ntlm => ServerMode::Ntlm(ntlm),
        Form::Spnego => {
            let alone = Some("!kerberos,!pku2u".to_owned());
            let config = NegotiateConfig::new(Box::new(ntlm), alone, "doorward".to_owned());
            ServerMode::Negotiate(config)
        }
    };
    CredSspServer::new(public_key, secrets.clone(), mode).map_err(invalid)
}

/// Whether these messages prove `secret`, to a key that nobody has: for whoever tries to get
/// in without it.
pub(super) fn is_let_in(messages: Vec<TsRequest>, secret: &str) -> bool {
    let secrets = Secrets::default();
    let user = Username::parse("alice+win1").ok();
    secrets.set(vec![Zeroizing::new(secret.to_owned())], user);
    let Some(form) = messages.first().and_then(Form::of) else {
        return false;
    };
    let Ok(mut server) = server(form, vec![7; 270], &secrets) else {
        return false;
    };
    for message in messages {
        match process(&mut server, message) {
            Ok(answer) if answer.pub_key_auth.is_some() => return true,
            Ok(_) => {}
            Err(()) => return false,
        }
    }
    false
}

/// Tells a client no, and waits a moment for it to go: what is closed at once may not be read.
pub async fn turn_away<S>(stream: &mut S, status: NStatusCode)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let telling = async {
        ts_request::write(stream, &ts_request::refusal(status)).await?;
        stream.shutdown().await?;
        let mut rest = [0; 256];
        while stream.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    if !matches!(timeout(FAREWELL, telling).await, Ok(Ok(()))) {
        debug!("Client gone before it was told");
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<TsRequest> {
    let read = timeout(STEP, ts_request::read(stream)).await;
    read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// What it does not answer it has refused; why is nobody's business, least of all in words
/// that tell a wrong name from a wrong secret.
fn process(server: &mut CredSspServer<Secrets>, request: TsRequest) -> Result<TsRequest, ()> {
    match server.process(request).resolve_to_result() {
        Ok(ServerState::ReplyNeeded(answer)) => Ok(answer),
        Ok(ServerState::Finished(_)) => Err(()),
        Err(error) => {
            debug!(error = %error.error, "CredSSP refused");
            Err(())
        }
    }
}

/// What `sspi` compares with, found between its questions.
#[derive(Clone, Default)]
struct Secrets(Arc<Mutex<Compared>>);

#[derive(Default)]
struct Compared {
    secrets: Vec<Zeroizing<String>>,
    /// As the client wrote it; none before that.
    user: Option<Username>,
}

impl Secrets {
    /// Of nobody where nothing is expected: a wrong name takes as long as a wrong secret.
    fn expect(&self, expected: Option<Expected>, user: Option<Username>) -> Option<Expected> {
        let copy = |secret: &str| Zeroizing::new(secret.to_owned());
        let secrets = match &expected {
            Some(expected) => expected
                .secrets
                .iter()
                .map(|one| one.expose(copy))
                .collect(),
            None => vec![Gate::one_time_of_nobody().expose(copy)],
        };
        self.set(secrets, user);
        expected
    }

    fn set(&self, secrets: Vec<Zeroizing<String>>, user: Option<Username>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Compared { secrets, user };
    }

    /// The name as the client wrote it: it is part of what is compared.
    fn identities(&self, user: Option<&Username>) -> Vec<AuthIdentity> {
        let compared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(user) = user.or(compared.user.as_ref()) else {
            return Vec::new();
        };
        let identity = |secret: &Zeroizing<String>| AuthIdentity {
            username: user.clone(),
            password: String::clone(secret).into(),
        };
        compared.secrets.iter().map(identity).collect()
    }
}

impl CredentialsProxy for Secrets {
    type AuthenticationData = AuthIdentity;

    fn auth_data_by_user(&mut self, user: &Username) -> io::Result<AuthIdentity> {
        let all = self.auth_data_candidates_by_user(user)?;
        all.into_iter()
            .next()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn auth_data_candidates_by_user(&mut self, user: &Username) -> io::Result<Vec<AuthIdentity>> {
        Ok(self.identities(Some(user)))
    }

    /// SPNEGO's question, asked before each message (`vendor/README.md`).
    fn auth_data(&mut self) -> io::Result<Vec<AuthIdentity>> {
        Ok(self.identities(None))
    }
}
