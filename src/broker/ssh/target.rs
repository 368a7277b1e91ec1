//! The target's leg: who it must prove to be, how we sign in, and what it sends.
//!
//! The pinned host key is checked before anything else; no credential is unsealed, much
//! less sent, before that. What it sends is put down for the channels and never waits for
//! the person's leg. It is never asked twice, and opens nothing towards us.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use russh::{
    Channel, ChannelId, ChannelOpenFailure, ChannelWriteHalf, MethodKind, Sig,
    client::{self, AuthResult, ChannelOpenHandle, Handle, Session as Wire},
    keys::{HashAlg, PublicKey, PublicKeyOrCertificate},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    algorithms,
    inbox::{Inbox, Stream, WINDOW},
    read_ahead::ReadAhead,
    sign_in,
    talk::Tell,
};
use crate::{
    model::target::Target,
    session::{CredentialError, DialError, Session},
};

/// How long a target may take for its key exchange, for each step of signing in, and to
/// open a channel.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why there is no target's leg. The person reads it.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("{0} has no pinned host key; an admin must pin one")]
    NothingPinned(String),
    #[error(
        "{target} shows another host key than the pinned one ({shown}); nothing was sent to it, \
         an admin must look into it"
    )]
    WrongKey { target: String, shown: String },
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("{0} cannot show the pinned host key, or shares no algorithm with the gateway")]
    NoCommonGround(String, #[source] russh::Error),
    #[error("{target} does not speak SSH as expected")]
    Protocol {
        target: String,
        source: russh::Error,
    },
    #[error("{target} did not answer within {limit:?} while {doing}")]
    Silent {
        target: String,
        doing: &'static str,
        limit: Duration,
    },
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error("{target} refused the credential of {account}")]
    Refused { target: String, account: String },
    #[error("{target} asks for something else than the one expected credential: {asked}")]
    UnexpectedQuestion { target: String, asked: String },
    #[error("the key of {0} cannot be read")]
    BadKey(String),
    #[error("{0} opens no further session")]
    NoChannel(String),
}

/// The keep-alive of a target's leg.
#[derive(Debug, Clone, Copy)]
pub struct Alive {
    pub interval: Duration,
    pub count: usize,
}

/// A signed-in connection to a target.
pub struct Leg {
    handle: Handle<FromTarget>,
    inboxes: Inboxes,
    name: String,
}

/// One channel of it.
pub struct LegChannel {
    pub write: ChannelWriteHalf<client::Msg>,
    pub tells: Arc<Inbox<Tell>>,
    inboxes: Inboxes,
}

impl Leg {
    /// Connects, checks the host key, and only then asks for the credential and signs in.
    pub async fn open(session: &Session, alive: Alive) -> Result<Self, TargetError> {
        let target = session.target();
        let name = target.name.to_string();
        let pinned = pinned(target)?;
        let stream = session.dial().await?;
        let config = client::Config {
            client_id: super::id(),
            window_size: WINDOW,
            manual_window_grants: true,
            // Only the confirmation of an open goes through it.
            channel_buffer_size: 1,
            preferred: algorithms::towards_target(&pinned),
            keepalive_interval: Some(alive.interval),
            keepalive_max: alive.count,
            ..client::Config::default()
        };
        let inboxes = Inboxes::default();
        let wrong = Arc::new(Mutex::new(None));
        let handler = FromTarget {
            pinned,
            wrong: wrong.clone(),
            inboxes: inboxes.clone(),
        };
        let stream = ReadAhead::new(stream);
        let connecting = client::connect_stream(Arc::new(config), stream, handler);
        let connected = within(&name, "exchanging keys", connecting).await?;
        let mut handle = connected.map_err(|source| {
            let shown = wrong.lock().unwrap_or_else(PoisonError::into_inner).take();
            match (shown, source) {
                (Some(shown), _) => TargetError::WrongKey {
                    target: name.clone(),
                    shown,
                },
                (None, source @ russh::Error::NoCommonAlgo { .. }) => {
                    TargetError::NoCommonGround(name.clone(), source)
                }
                (None, source) => TargetError::Protocol {
                    target: name.clone(),
                    source,
                },
            }
        })?;
        let credential = session.credential().await?;
        within(
            &name,
            "signing in",
            sign_in::sign_in(&mut handle, &credential, session),
        )
        .await??;
        Ok(Self {
            handle,
            inboxes,
            name,
        })
    }

    pub async fn channel(&self) -> Result<LegChannel, TargetError> {
        let opening = self.handle.channel_open_session();
        let opened = within(&self.name, "opening a channel", opening).await?;
        let channel = opened.map_err(|error| {
            debug!(target = self.name, %error, "Channel not opened");
            TargetError::NoChannel(self.name.clone())
        })?;
        let (_, write) = channel.split();
        Ok(LegChannel {
            tells: self.inboxes.of(write.id()),
            inboxes: self.inboxes.clone(),
            write,
        })
    }

    /// Waits until the whole leg is gone.
    pub async fn lost(&self) {
        let lost = self.inboxes.locked().lost.clone();
        lost.cancelled().await;
    }
}

impl Drop for LegChannel {
    fn drop(&mut self) {
        self.inboxes.locked().open.remove(&self.write.id());
    }
}

fn pinned(target: &Target) -> Result<Vec<PublicKey>, TargetError> {
    let keys: Vec<_> = target
        .host_keys
        .iter()
        .filter_map(|line| PublicKey::from_openssh(line).ok())
        .collect();
    if keys.is_empty() {
        return Err(TargetError::NothingPinned(target.name.to_string()));
    }
    Ok(keys)
}

async fn within<T>(
    target: &str,
    doing: &'static str,
    step: impl Future<Output = T>,
) -> Result<T, TargetError> {
    timeout(PATIENCE, step)
        .await
        .map_err(|_| TargetError::Silent {
            target: target.to_owned(),
            doing,
            limit: PATIENCE,
        })
}

/// Where the target's messages wait for their channels.
#[derive(Clone, Default)]
struct Inboxes(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    open: HashMap<ChannelId, Arc<Inbox<Tell>>>,
    lost: CancellationToken,
}

impl Inboxes {
    /// The inbox of a channel, made by whoever comes first: the opener, or a target that
    /// speaks before the opener has run.
    fn of(&self, id: ChannelId) -> Arc<Inbox<Tell>> {
        let mut table = self.locked();
        let lost = table.lost.is_cancelled();
        let inbox = table.open.entry(id).or_insert_with(|| {
            let inbox = Inbox::default();
            if lost {
                inbox.last(Tell::Lost);
            }
            Arc::new(inbox)
        });
        inbox.clone()
    }

    fn locked(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What russh calls when the target sends something. Nothing in here waits.
pub struct FromTarget {
    pinned: Vec<PublicKey>,
    wrong: Arc<Mutex<Option<String>>>,
    inboxes: Inboxes,
}

impl FromTarget {
    fn tell(&self, channel: ChannelId, tell: Tell) -> Result<(), russh::Error> {
        let told = self.inboxes.of(channel).control(tell);
        told.map_err(|_| russh::Error::Inconsistent)
    }
}

impl client::Handler for FromTarget {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        let shown = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => key,
            // None was asked for.
            PublicKeyOrCertificate::Certificate(_) => return Ok(false),
        };
        // A key's comment is not part of it.
        let known = self
            .pinned
            .iter()
            .any(|pinned| pinned.key_data() == shown.key_data());
        if !known {
            let shown = shown.fingerprint(HashAlg::Sha256).to_string();
            *self.wrong.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        }
        Ok(known)
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        self.inboxes.of(channel).bytes(Stream::Out, data);
        Ok(())
    }

    async fn extended_data(
        &mut self,
        channel: ChannelId,
        _kind: u32,
        data: &[u8],
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        // RFC 4254 s5.2 knows no other kind than standard error.
        self.inboxes.of(channel).bytes(Stream::Err, data);
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, _: &mut Wire) -> Result<(), russh::Error> {
        self.tell(channel, Tell::Eof)
    }

    async fn channel_close(
        &mut self,
        channel: ChannelId,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        self.tell(channel, Tell::Close)
    }

    async fn channel_success(
        &mut self,
        channel: ChannelId,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        self.tell(channel, Tell::Answer(true))
    }

    async fn channel_failure(
        &mut self,
        channel: ChannelId,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        self.tell(channel, Tell::Answer(false))
    }

    async fn exit_status(
        &mut self,
        channel: ChannelId,
        status: u32,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        self.tell(channel, Tell::ExitStatus(status))
    }

    async fn exit_signal(
        &mut self,
        channel: ChannelId,
        signal: Sig,
        core_dumped: bool,
        message: &str,
        language: &str,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        let tell = Tell::ExitSignal {
            signal,
            core_dumped,
            message: message.chars().take(1024).collect(),
            language: language.chars().take(32).collect(),
        };
        self.tell(channel, tell)
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<client::Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        asked: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        refuse("forwarded-tcpip", asked).await
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<client::Msg>,
        _: &str,
        asked: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        refuse("forwarded-streamlocal", asked).await
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<client::Msg>,
        asked: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        refuse("agent", asked).await
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<client::Msg>,
        _: &str,
        _: u32,
        asked: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        refuse("x11", asked).await
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<client::Msg>,
        asked: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        refuse("session", asked).await
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<client::Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        asked: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        refuse("direct-tcpip", asked).await
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<client::Msg>,
        _: &str,
        asked: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        refuse("direct-streamlocal", asked).await
    }

    async fn disconnected(
        &mut self,
        reason: client::DisconnectReason<russh::Error>,
    ) -> Result<(), russh::Error> {
        debug!(?reason, "Target's leg ended");
        let table = self.inboxes.locked();
        table.lost.cancel();
        for inbox in table.open.values() {
            inbox.last(Tell::Lost);
        }
        Ok(())
    }
}

/// A target is gone to, it does not come: russh would let it in, so each kind is refused.
async fn refuse(kind: &str, asked: ChannelOpenHandle) -> Result<(), russh::Error> {
    debug!(kind, "A target's own channel is refused");
    let why = ChannelOpenFailure::AdministrativelyProhibited;
    asked.reject(why).await;
    Ok(())
}

/// Which of the two ways of giving a password a target takes; it is given by one of them.
pub fn offers(result: &AuthResult, method: MethodKind) -> bool {
    match result {
        AuthResult::Success => false,
        AuthResult::Failure {
            remaining_methods, ..
        } => remaining_methods.contains(&method),
    }
}
