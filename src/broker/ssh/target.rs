//! The target's leg: who it must prove to be, how we sign in, and what it sends.
//!
//! The pinned host key is checked before anything else; no credential is unsealed, much
//! less sent, before that. What it sends is put down for the channels and never waits for
//! the person's leg. It is never asked twice. What it opens towards us is put down for
//! `ways`, which knows what this session has asked for; all other kinds are refused here.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use russh::{
    Channel, ChannelId, ChannelOpenFailure, ChannelWriteHalf, MethodKind, Sig,
    client::{self, AuthResult, ChannelOpenHandle, Handle, Session as Wire},
    keys::{HashAlg, PublicKeyOrCertificate},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    algorithms,
    inbox::{Inbox, Stream, WINDOW},
    pins::Pins,
    read_ahead::ReadAhead,
    sign_in,
    talk::Tell,
    ways::{Arrival, Door, Opened, Originator},
};
use crate::{
    model::{capability::Endpoint, time::Timestamp},
    session::{CredentialError, DialError, Session},
};

/// How long a target may take for its key exchange, for each step of signing in, and to
/// open a channel.
const PATIENCE: Duration = Duration::from_secs(15);

/// So many channels that a target opens may wait to be looked at.
const ARRIVALS: usize = 64;

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
    #[error(
        "{target} shows a host certificate that does not hold: {why}; nothing was sent to it, \
         an admin must look into it"
    )]
    WrongCertificate { target: String, why: String },
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
    #[error("{0} refuses it")]
    NoListener(String),
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
    /// Returned with it: what the target opens by itself.
    pub async fn open(
        session: &Session,
        alive: Alive,
    ) -> Result<(Self, mpsc::Receiver<Arrival>), TargetError> {
        let target = session.target();
        let name = target.name.to_string();
        let pins = Pins::of(target);
        if pins.is_empty() {
            return Err(TargetError::NothingPinned(name));
        }
        let stream = session.dial().await?;
        let config = client::Config {
            client_id: super::id(),
            window_size: WINDOW,
            manual_window_grants: true,
            // Only the confirmation of an open goes through it.
            channel_buffer_size: 1,
            preferred: algorithms::towards_target(&pins),
            keepalive_interval: Some(alive.interval),
            keepalive_max: alive.count,
            ..client::Config::default()
        };
        let inboxes = Inboxes::default();
        let wrong = Arc::new(Mutex::new(None));
        let (arrivals, arrived) = mpsc::channel(ARRIVALS);
        let handler = FromTarget {
            pins,
            name: name.clone(),
            now: session.now(),
            wrong: wrong.clone(),
            inboxes: inboxes.clone(),
            arrivals,
        };
        let stream = ReadAhead::new(stream);
        let connecting = client::connect_stream(Arc::new(config), stream, handler);
        let connected = within(&name, "exchanging keys", connecting).await?;
        let mut handle = connected.map_err(|source| {
            let shown = wrong.lock().unwrap_or_else(PoisonError::into_inner).take();
            match (shown, source) {
                (Some(wrong), _) => wrong,
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
        let leg = Self {
            handle,
            inboxes,
            name,
        };
        Ok((leg, arrived))
    }

    pub async fn channel(&self) -> Result<LegChannel, TargetError> {
        let opening = self.handle.channel_open_session();
        let opened = within(&self.name, "opening a channel", opening).await?;
        let channel = opened.map_err(|error| {
            debug!(target = self.name, %error, "Channel not opened");
            TargetError::NoChannel(self.name.clone())
        })?;
        let (_, write) = channel.split();
        Ok(self.inboxes.channel(write))
    }

    /// Has the target connect somewhere. It waits as long as the target tries: how long that
    /// takes is known there alone, and the keep-alive notices a target that is gone.
    pub async fn forward(
        &self,
        endpoint: &Endpoint,
        from: &Originator,
    ) -> Result<LegChannel, ChannelOpenFailure> {
        let (host, port) = (endpoint.host(), endpoint.port().into());
        let opening =
            self.handle
                .channel_open_direct_tcpip(host, port, from.address.as_str(), from.port);
        match opening.await {
            Ok(channel) => {
                let (_, write) = channel.split();
                Ok(self.inboxes.channel(write))
            }
            Err(russh::Error::ChannelOpenFailure(failure)) => Err(failure),
            Err(error) => {
                debug!(target = self.name, %error, "Forward not opened");
                Err(ChannelOpenFailure::ConnectFailed)
            }
        }
    }

    /// Has the target listen somewhere; returns the port.
    pub async fn listen(&self, endpoint: &Endpoint) -> Result<u16, TargetError> {
        let asking = self
            .handle
            .tcpip_forward(endpoint.host(), endpoint.port().into());
        let port = within(&self.name, "beginning to listen", asking).await?;
        match (endpoint.port(), port.map(u16::try_from)) {
            (0, Ok(Ok(port))) if port > 0 => Ok(port),
            (asked, Ok(_)) if asked > 0 => Ok(asked),
            _ => Err(TargetError::NoListener(self.name.clone())),
        }
    }

    /// Has the target listen there no more, `port` being the one that it listens at.
    pub async fn unlisten(&self, endpoint: &Endpoint, port: u32) -> Result<(), TargetError> {
        let asking = self.handle.cancel_tcpip_forward(endpoint.host(), port);
        let ended = within(&self.name, "ending to listen", asking).await?;
        ended.map_err(|_| TargetError::NoListener(self.name.clone()))
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
    fn channel(&self, write: ChannelWriteHalf<client::Msg>) -> LegChannel {
        LegChannel {
            tells: self.of(write.id()),
            inboxes: self.clone(),
            write,
        }
    }

    /// The inbox of a channel, made by whoever comes first: the opener, or a target that
    /// confirms and speaks before the opener has run.
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

    /// None where a channel is none any more, and what still comes for it is nobody's.
    fn find(&self, id: ChannelId) -> Option<Arc<Inbox<Tell>>> {
        self.locked().open.get(&id).cloned()
    }

    fn locked(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What russh calls when the target sends something. Nothing in here waits.
pub struct FromTarget {
    pins: Pins,
    name: String,
    /// A certificate must hold when the leg opens.
    now: Timestamp,
    wrong: Arc<Mutex<Option<TargetError>>>,
    inboxes: Inboxes,
    arrivals: mpsc::Sender<Arrival>,
}

impl FromTarget {
    fn tell(&self, channel: ChannelId, tell: Tell) -> Result<(), russh::Error> {
        let Some(inbox) = self.inboxes.find(channel) else {
            return Ok(());
        };
        inbox.control(tell).map_err(|_| russh::Error::Inconsistent)
    }

    fn bytes(&self, channel: ChannelId, stream: Stream, data: &[u8]) {
        if let Some(inbox) = self.inboxes.find(channel) {
            inbox.bytes(stream, data);
        }
    }

    /// Puts a channel down for `ways`. Where too many wait already, dropping it refuses it.
    fn arrive(&self, door: Door, channel: Channel<client::Msg>, reply: ChannelOpenHandle) {
        let (_, write) = channel.split();
        let opened = Opened {
            door,
            channel: self.inboxes.channel(write),
            reply,
        };
        let arrival = Arrival::Opened(Box::new(opened));
        if self.arrivals.try_send(arrival).is_err() {
            debug!("A target opens more channels than anybody looks at");
        }
    }

    /// A target is gone to, it does not come: russh would let it in, so each kind is refused.
    async fn refuse(&self, kind: &str, asked: ChannelOpenHandle) {
        let why = ChannelOpenFailure::AdministrativelyProhibited;
        asked.reject(why).await;
        self.note_refused(kind);
    }

    fn note_refused(&self, kind: &str) {
        let arrival = Arrival::Refused(kind.to_owned());
        if self.arrivals.try_send(arrival).is_err() {
            debug!(kind, "A target's own channel is refused");
        }
    }
}

impl client::Handler for FromTarget {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        let target = || self.name.clone();
        let checked = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => match self.pins.knows(key) {
                true => Ok(()),
                false => Err(TargetError::WrongKey {
                    target: target(),
                    shown: key.fingerprint(HashAlg::Sha256).to_string(),
                }),
            },
            PublicKeyOrCertificate::Certificate(shown) => {
                self.pins
                    .check(shown, self.now)
                    .map_err(|why| TargetError::WrongCertificate {
                        target: target(),
                        why,
                    })
            }
        };
        let known = checked.is_ok();
        *self.wrong.lock().unwrap_or_else(PoisonError::into_inner) = checked.err();
        Ok(known)
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        self.bytes(channel, Stream::Out, data);
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
        self.bytes(channel, Stream::Err, data);
        Ok(())
    }

    async fn end_of_write(&mut self, channel: ChannelId, _: &mut Wire) -> Result<(), russh::Error> {
        self.tell(channel, Tell::EndOfWrite)
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

    async fn channel_open_confirmation(
        &mut self,
        channel: ChannelId,
        _: u32,
        _: u32,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        self.inboxes.of(channel);
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        channel: Channel<client::Msg>,
        address: &str,
        port: u32,
        from: &str,
        from_port: u32,
        asked: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        let door = Door::Listener {
            address: address.chars().take(253).collect(),
            port,
            originator: Originator::new(from, from_port),
        };
        self.arrive(door, channel, asked);
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<client::Msg>,
        _: &str,
        asked: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        self.refuse("forwarded-streamlocal@openssh.com", asked)
            .await;
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        channel: Channel<client::Msg>,
        asked: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        self.arrive(Door::Agent, channel, asked);
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        channel: Channel<client::Msg>,
        from: &str,
        from_port: u32,
        asked: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        let door = Door::Display(Originator::new(from, from_port));
        self.arrive(door, channel, asked);
        Ok(())
    }

    async fn should_accept_unknown_server_channel(&mut self, _: ChannelId, kind: &str) -> bool {
        self.note_refused(kind);
        false
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<client::Msg>,
        asked: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        self.refuse("session", asked).await;
        Ok(())
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
        self.refuse("direct-tcpip", asked).await;
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<client::Msg>,
        _: &str,
        asked: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        self.refuse("direct-streamlocal", asked).await;
        Ok(())
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

/// Which of the two ways of giving a password a target takes; it is given by one of them.
pub fn offers(result: &AuthResult, method: MethodKind) -> bool {
    match result {
        AuthResult::Success => false,
        AuthResult::Failure {
            remaining_methods, ..
        } => remaining_methods.contains(&method),
    }
}
