//! The person's leg: how they prove who they are, and what their client may ask for.
//!
//! What russh calls when the client sends something. Nothing in here waits for the target:
//! it puts down what came for the channel's own task. Identity comes from the key whose
//! signature was verified or the password that was right, never from what was offered (P8).

use std::{
    borrow::Cow,
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use russh::{
    ChannelId, ChannelOpenFailure, Disconnect, MethodKind, MethodSet, Pty, Sig,
    keys::HashAlg,
    server::{
        Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session as Wire,
        VerifiedPublicKey,
    },
};
use tokio::{sync::watch, task::JoinSet};
use tracing::{debug, info, warn};

use super::{
    SshBroker, algorithms,
    channel::{Channel, Left},
    entrance::{self, Visitor, Way},
    inbox::{Inbox, Stream},
    login::Login,
    person::PersonChannel,
    talk::{Ask, Size, Start, Terminal},
};
use crate::{
    broker::Arrival,
    identity::{Door, SignInError},
    kill::KillSwitch,
    model::{principal::Principal, refusal::Refusal, text::Text},
};

/// How long the last words on all channels may take. What is left of the grace of the leg is
/// for the disconnect.
const TELLING: Duration = Duration::from_millis(100);

pub struct FromPerson {
    broker: SshBroker,
    peer: SocketAddr,
    switch: KillSwitch,
    arrival: Arrival,
    proven: Option<(Principal, Login)>,
    /// The name whose keys were offered and not known, until somebody proves who they are.
    strange: Option<String>,
    way: watch::Sender<Option<Way>>,
    channels: Channels,
    /// Everything that was started for this connection; it ends with it.
    tasks: JoinSet<()>,
}

impl FromPerson {
    pub fn new(broker: SshBroker, peer: SocketAddr, switch: KillSwitch, arrival: Arrival) -> Self {
        Self {
            broker,
            peer,
            switch,
            arrival,
            proven: None,
            strange: None,
            way: watch::Sender::default(),
            channels: Channels::default(),
            tasks: JoinSet::new(),
        }
    }

    /// One answer for everybody who is not let in; russh gives it after the same time.
    fn prove(
        &mut self,
        user: &str,
        proven: Result<Principal, SignInError>,
    ) -> Result<Auth, russh::Error> {
        match proven {
            // What proved the identity and what is asked for are of the same request.
            Ok(principal) => match user.parse() {
                Ok(login) => {
                    self.proven = Some((principal, login));
                    return Ok(Auth::Accept);
                }
                Err(_) => debug!(peer = %self.peer, "Signed in under no log-in name"),
            },
            Err(SignInError::Refused) => {}
            Err(error) => warn!(peer = %self.peer, %error, "Sign-in not decided"),
        }
        Ok(rejected())
    }

    async fn password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        let name = name_of(user);
        let identity = self.broker.gate().identity();
        let proven = identity
            .password(&name, password, self.peer.ip(), Door::Ssh)
            .await;
        self.prove(user, proven)
    }

    fn ask(&self, channel: ChannelId, ask: Ask) -> Result<(), russh::Error> {
        let Some(asks) = self.channels.of(channel) else {
            return Ok(());
        };
        asks.control(ask).map_err(|_| {
            info!(peer = %self.peer, "Client floods a channel with requests");
            russh::Error::Inconsistent
        })
    }

    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        // Those that have ended make room.
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(task);
    }

    /// Has the auditor told of something that was refused.
    fn audit_refused(&mut self, what: String) {
        let audited = audit_refused(self.way.subscribe(), what);
        self.spawn(audited);
    }

    /// Audited first, then refused: a client that wanted nothing else leaves at once.
    fn refuse_channel(&mut self, what: String, reply: ChannelOpenHandle) {
        let audited = audit_refused(self.way.subscribe(), what);
        self.spawn(async move {
            audited.await;
            reply
                .reject(ChannelOpenFailure::AdministrativelyProhibited)
                .await;
        });
    }
}

impl Drop for FromPerson {
    /// An agent offers every key it has, so one refusal is written for all of them, at the end.
    fn drop(&mut self) {
        let Some(name) = self.strange.take() else {
            return;
        };
        let (identity, peer) = (self.broker.gate().identity().clone(), self.peer.ip());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { identity.note_strange_keys(&name, peer).await });
        }
    }
}

/// Waits until there is a session to which the refusal belongs.
async fn audit_refused(mut way: watch::Receiver<Option<Way>>, what: String) {
    let way = match way.wait_for(Option::is_some).await {
        Ok(way) => way.clone(),
        Err(_) => return,
    };
    if let Some(Way::Open(bridge)) = way {
        let refusal = Refusal::Unsupported(what);
        bridge
            .session
            .audit_refused("channel.refused", &refusal)
            .await;
    }
}

impl Handler for FromPerson {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        if !algorithms::is_sound(offer.algorithm) {
            return Ok(rejected());
        }
        let fingerprint = offer.public_key.fingerprint(HashAlg::Sha256).to_string();
        let identity = self.broker.gate().identity();
        match identity.knows_key(&name_of(user), &fingerprint).await {
            Ok(true) => Ok(Auth::Accept),
            Ok(false) => {
                self.strange = Some(name_of(user));
                Ok(rejected())
            }
            Err(error) => {
                warn!(peer = %self.peer, %error, "Sign-in not decided");
                Ok(rejected())
            }
        }
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        if !algorithms::is_sound(key.algorithm) {
            return Ok(rejected());
        }
        let fingerprint = key.public_key.fingerprint(HashAlg::Sha256).to_string();
        let identity = self.broker.gate().identity();
        let proven = identity
            .ssh_key(&name_of(user), &fingerprint, self.peer.ip())
            .await;
        self.prove(user, proven)
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        self.password(user, password).await
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        let Some(mut response) = response else {
            return Ok(Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: Cow::Borrowed(""),
                prompts: Cow::Borrowed(&[(Cow::Borrowed("Password: "), false)]),
            });
        };
        let password = match (response.next(), response.next()) {
            (Some(password), None) => String::from_utf8(password.to_vec()).ok(),
            _ => None,
        };
        match password {
            Some(password) => self.password(user, &password).await,
            None => Ok(rejected()),
        }
    }

    async fn auth_succeeded(&mut self, session: &mut Wire) -> Result<(), russh::Error> {
        let Some((principal, login)) = self.proven.take() else {
            return Err(russh::Error::NotAuthenticated);
        };
        self.strange = None;
        self.arrival.signed_in();
        let client = String::from_utf8_lossy(session.remote_sshid()).into_owned();
        let visitor = Visitor {
            principal,
            login,
            peer: self.peer,
            client: Text::ours(&client).one_line(),
            switch: self.switch.clone(),
        };
        // At once, not with the first channel: the way to the target opens while the
        // client takes its own next step.
        let (gate, alive) = (self.broker.gate().clone(), self.broker.alive());
        let (way, handle) = (self.way.clone(), session.handle());
        self.spawn(entrance::open(gate, visitor, alive, way, handle.clone()));
        let (switch, channels) = (self.switch.clone(), self.channels.clone());
        self.spawn(async move {
            let reason = switch.killed().await;
            channels.told_or_untold().await;
            let parting =
                handle.disconnect(Disconnect::ByApplication, reason.to_string(), String::new());
            if parting.await.is_err() {
                debug!("Client gone before the disconnect");
            }
        });
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: russh::Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Wire,
    ) -> Result<(), russh::Error> {
        let id = channel.id();
        let asks = match self.channels.enter(id, self.broker.max_channels()) {
            Some(asks) if !self.switch.is_pulled() => asks,
            _ => {
                reply.reject(ChannelOpenFailure::ResourceShortage).await;
                return Ok(());
            }
        };
        let (_, write) = channel.split();
        reply.accept().await;
        let served = Channel {
            person: PersonChannel::new(write, session.handle()),
            asks,
            way: self.way.subscribe(),
            environment: self.broker.environment(),
            switch: self.switch.clone(),
        };
        let channels = self.channels.clone();
        self.spawn(async move {
            let left = served.serve().await;
            channels.leave(id, left);
        });
        Ok(())
    }

    async fn channel_open_x11(
        &mut self,
        _: russh::Channel<Msg>,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        self.refuse_channel("an X11 channel".to_owned(), reply);
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        _: russh::Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        let host: String = host.chars().take(253).collect();
        let host = Text::ours(&host).one_line();
        self.refuse_channel(format!("forwarding to {host}:{port}"), reply);
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        _: russh::Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        let path: String = path.chars().take(256).collect();
        let path = Text::ours(&path).one_line();
        self.refuse_channel(format!("forwarding to {path}"), reply);
        Ok(())
    }

    async fn tcpip_forward(
        &mut self,
        _: &str,
        port: &mut u32,
        _: &mut Wire,
    ) -> Result<bool, russh::Error> {
        self.audit_refused(format!("forwarding from port {port}"));
        Ok(false)
    }

    async fn streamlocal_forward(&mut self, _: &str, _: &mut Wire) -> Result<bool, russh::Error> {
        self.audit_refused("forwarding from a socket".to_owned());
        Ok(false)
    }

    async fn agent_request(&mut self, _: ChannelId, _: &mut Wire) -> Result<bool, russh::Error> {
        self.audit_refused("agent forwarding".to_owned());
        Ok(false)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _: bool,
        _: &str,
        _: &str,
        _: u32,
        session: &mut Wire,
    ) -> Result<(), russh::Error> {
        let wants = session.take_wants_reply(channel);
        self.ask(channel, Ask::Other(wants, "X11 forwarding"))
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        pixels_wide: u32,
        pixels_high: u32,
        modes: &[(Pty, u32)],
        session: &mut Wire,
    ) -> Result<(), russh::Error> {
        let wants = session.take_wants_reply(channel);
        let terminal = Terminal {
            term: term.chars().take(256).collect(),
            size: Size {
                columns,
                rows,
                pixels_wide,
                pixels_high,
            },
            modes: modes.to_vec(),
        };
        self.ask(channel, Ask::Terminal(wants, terminal))
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut Wire,
    ) -> Result<(), russh::Error> {
        let wants = session.take_wants_reply(channel);
        let ask = Ask::Variable(wants, name.to_owned(), value.to_owned());
        self.ask(channel, ask)
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Wire,
    ) -> Result<(), russh::Error> {
        let wants = session.take_wants_reply(channel);
        self.ask(channel, Ask::Start(wants, Start::Shell))
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Wire,
    ) -> Result<(), russh::Error> {
        let wants = session.take_wants_reply(channel);
        let start = Start::Exec(command.to_vec());
        self.ask(channel, Ask::Start(wants, start))
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Wire,
    ) -> Result<(), russh::Error> {
        let wants = session.take_wants_reply(channel);
        let start = Start::Subsystem(name.to_owned());
        self.ask(channel, Ask::Start(wants, start))
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        columns: u32,
        rows: u32,
        pixels_wide: u32,
        pixels_high: u32,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        let size = Size {
            columns,
            rows,
            pixels_wide,
            pixels_high,
        };
        self.ask(channel, Ask::Resize(size))
    }

    async fn signal(
        &mut self,
        channel: ChannelId,
        signal: Sig,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        self.ask(channel, Ask::Signal(signal))
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        if let Some(asks) = self.channels.of(channel) {
            asks.bytes(Stream::Out, data);
        }
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, _: &mut Wire) -> Result<(), russh::Error> {
        self.ask(channel, Ask::Eof)
    }

    async fn channel_close(
        &mut self,
        channel: ChannelId,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        if let Some(asks) = self.channels.of(channel) {
            asks.last(Ask::Close);
        }
        Ok(())
    }
}

/// Every way of signing in stays open after a failure, and the answer does not say which
/// would have been right.
fn rejected() -> Auth {
    Auth::Reject {
        proceed_with_methods: Some(methods()),
        partial_success: false,
    }
}

pub fn methods() -> MethodSet {
    MethodSet::from(
        &[
            MethodKind::PublicKey,
            MethodKind::KeyboardInteractive,
            MethodKind::Password,
        ][..],
    )
}

/// The user's name in what was typed. What does not parse is looked for all the same, so
/// that it takes as long, and found nowhere.
fn name_of(typed: &str) -> String {
    match typed.parse::<Login>() {
        Ok(login) => login.user.to_string(),
        Err(_) => format!("?{}", typed.chars().take(64).collect::<String>()),
    }
}

/// The open channels of a connection.
#[derive(Clone, Default)]
struct Channels(Arc<Inner>);

#[derive(Default)]
struct Inner {
    open: Mutex<HashMap<ChannelId, Arc<Inbox<Ask>>>>,
    /// How long a client may take to leave that was told, and so may go by itself.
    leave: Mutex<Option<Duration>>,
    untold: AtomicBool,
    left: tokio::sync::Notify,
}

impl Channels {
    fn enter(&self, id: ChannelId, most: usize) -> Option<Arc<Inbox<Ask>>> {
        let mut open = self.open();
        if open.len() >= most {
            return None;
        }
        let asks = Arc::new(Inbox::default());
        open.insert(id, asks.clone());
        Some(asks)
    }

    fn of(&self, id: ChannelId) -> Option<Arc<Inbox<Ask>>> {
        self.open().get(&id).cloned()
    }

    fn leave(&self, id: ChannelId, left: Left) {
        // First how it was left: whoever sees no channel open any more looks at that.
        match left {
            Left::Orderly => {}
            Left::Told(leave) => {
                let mut longest = self.0.leave.lock().unwrap_or_else(PoisonError::into_inner);
                *longest = (*longest).max(Some(leave));
            }
            Left::Untold => self.0.untold.store(true, Ordering::Release),
        }
        self.open().remove(&id);
        self.0.left.notify_one();
    }

    /// After a cut: waits until the client had its chance to read why and to leave by
    /// itself. One that was told on no channel, or not on each, has none to wait for.
    async fn told_or_untold(&self) {
        let told = async {
            while !self.open().is_empty() {
                self.0.left.notified().await;
            }
            *self.0.leave.lock().unwrap_or_else(PoisonError::into_inner)
        };
        let leave = tokio::time::timeout(TELLING, told).await.ok().flatten();
        if let Some(leave) = leave.filter(|_| !self.0.untold.load(Ordering::Acquire)) {
            tokio::time::sleep(leave).await;
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<ChannelId, Arc<Inbox<Ask>>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
