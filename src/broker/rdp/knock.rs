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
    AuthIdentity, Username,
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
    names::{Names, is_ntlm},
    ts_request,
};
use crate::{
    identity::SignInError,
    model::{ids::CheckoutId, name::TargetName, principal::Principal, text::Text},
    session::{Gate, one_time::Expected},
};

/// How long a client may take for each of its messages.
const STEP: Duration = Duration::from_secs(10);

/// How long a client that was told no may take to go.
const FAREWELL: Duration = Duration::from_secs(2);

/// Before this one the binding to the certificate could be turned against its holder
/// (CVE-2018-0886).
const OLDEST: u32 = 5;

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
    let mut server = server(public_key, &secrets)?;
    let first = read(stream).await?;
    if first.version < OLDEST || !first.nego_tokens.as_deref().is_some_and(is_ntlm) {
        return Err(NotLetIn::Unsupported);
    }
    let challenge = process(&mut server, first).map_err(|()| NotLetIn::Unsupported)?;
    ts_request::write(stream, &challenge).await?;

    let second = read(stream).await?;
    let token = second.nego_tokens.as_deref().unwrap_or_default();
    let names = Names::read(token).map_err(invalid)?;
    let sought = names.sought();
    let expected = match &sought {
        Some(sought) => gate.expected(sought, peer).await?,
        None => {
            gate.identity().try_one_time("", peer)?;
            None
        }
    };
    let expected = secrets.expect(expected);
    let answered = process(&mut server, second);
    let claimed = sought.map_or_else(|| names.user.clone(), |sought| sought.to_string());
    let (Ok(last_word), Some(expected)) = (answered, expected) else {
        return Err(gate.identity().refuse_one_time(&claimed, peer).await.into());
    };
    // INVARIANT: an answer to the key is given only where the client's was verified.
    if last_word.pub_key_auth.is_none() {
        return Err(gate.identity().refuse_one_time(&claimed, peer).await.into());
    }
    let Expected {
        user,
        checkout,
        target,
        ..
    } = expected;
    let principal = gate.identity().one_time(&user, &checkout).await?;
    Ok(Known {
        principal,
        checkout,
        target,
        workstation: Text::ours(&names.workstation).one_line(),
        server,
        last_word,
    })
}

impl Known {
    /// The last word: from here on the client believes that it is where it wanted to go. What
    /// it then sends as its credential is thrown away.
    pub async fn let_in<S>(mut self, stream: &mut S) -> io::Result<()>
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
        match finished {
            Ok(ServerState::Finished(_)) => Ok(()),
            _ => Err(invalid(ts_request::NotATsRequest)),
        }
    }
}

fn server(public_key: Vec<u8>, secrets: &Secrets) -> io::Result<CredSspServer<Secrets>> {
    let mode = ServerMode::Ntlm(NtlmConfig::default());
    CredSspServer::new(public_key, secrets.clone(), mode).map_err(invalid)
}

/// Whether these messages prove `secret`, to a key that nobody has: for whoever tries to get
/// in without it.
pub(super) fn is_let_in(messages: Vec<TsRequest>, secret: &str) -> bool {
    let secrets = Secrets::default();
    let copy = Zeroizing::new(secret.to_owned());
    secrets
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(copy);
    let Ok(mut server) = server(vec![7; 270], &secrets) else {
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

/// What `sspi` compares with, found between its two questions.
#[derive(Clone, Default)]
struct Secrets(Arc<Mutex<Vec<Zeroizing<String>>>>);

impl Secrets {
    /// Of nobody where nothing is expected: a wrong name takes as long as a wrong secret.
    fn expect(&self, expected: Option<Expected>) -> Option<Expected> {
        let copy = |secret: &str| Zeroizing::new(secret.to_owned());
        let secrets = match &expected {
            Some(expected) => expected
                .secrets
                .iter()
                .map(|one| one.expose(copy))
                .collect(),
            None => vec![Gate::one_time_of_nobody().expose(copy)],
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = secrets;
        expected
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
        let secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The name as the client wrote it: it is part of what is compared.
        let identity = |secret: &Zeroizing<String>| AuthIdentity {
            username: user.clone(),
            password: String::clone(secret).into(),
        };
        Ok(secrets.iter().map(identity).collect())
    }

    fn auth_data(&mut self) -> io::Result<Vec<AuthIdentity>> {
        // SPNEGO asks before there is a name.
        Err(io::ErrorKind::Unsupported.into())
    }
}
