//! The person's leg: how they prove who they are, and what their client may ask for.
//!
//! What russh calls when the client sends something. Nothing in here waits for the target:
//! it puts down what came for the channel's own task. Identity comes from the key whose
//! signature was verified or the password that was right, never from what was offered (P8).

mod besides;
mod proof;
mod second;

use std::net::SocketAddr;

use russh::{
    ChannelId, Disconnect, Pty, Sig,
    keys::Certificate,
    server::{
        Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session as Wire,
        VerifiedPublicKey,
    },
};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info};

pub use self::proof::methods;
use self::{besides::audit_refused, proof::Means, second::HalfWay};
use super::{
    SshBroker,
    asking::SigningIn,
    channel::Channel,
    channels::Channels,
    entrance::{self, Visitor, Way},
    inbox::Stream,
    jump::Guest,
    login::Login,
    person::{PersonChannel, Told},
    talk::{Ask, Display, Size, Start, Terminal},
    ways::{self, Forward, Listen, Listeners, Originator},
};
use crate::{
    broker::Arrival,
    kill::KillSwitch,
    model::{principal::Principal, text::Text},
    session::Filed,
};

pub struct FromPerson {
    broker: SshBroker,
    peer: SocketAddr,
    switch: KillSwitch,
    arrival: Arrival,
    /// Who comes through an outer connection, where this is one inside it.
    guest: Option<Guest>,
    proven: Option<(Principal, Login)>,
    /// Why somebody who has proven who they are gets no further.
    unwelcome: Option<Told>,
    /// Who stands in the hall, from where one may jump.
    in_hall: Option<Principal>,
    /// Their password was right, and their second factor is to come.
    half: Option<HalfWay>,
    /// They are asked what they need before they are let in.
    signing_in: Option<SigningIn>,
    /// They are not asked for ever.
    hurry: Option<AbortOnDropHandle<()>>,
    /// What they asked for so.
    filed: Option<Box<Filed>>,
    /// The name whose keys were offered and not known, until somebody proves who they are.
    strange: Option<String>,
    way: watch::Sender<Option<Way>>,
    channels: Channels,
    /// Made with the first forward that the client wants the target to listen for.
    listeners: Option<Listeners>,
    /// Everything that was started for this connection; it ends with it.
    tasks: JoinSet<()>,
}

impl FromPerson {
    pub fn new(broker: SshBroker, peer: SocketAddr, switch: KillSwitch, arrival: Arrival) -> Self {
        let channels = Channels::new(broker.max_channels());
        Self {
            broker,
            peer,
            switch,
            arrival,
            guest: None,
            proven: None,
            unwelcome: None,
            in_hall: None,
            half: None,
            signing_in: None,
            hurry: None,
            filed: None,
            strange: None,
            way: watch::Sender::default(),
            channels,
            listeners: None,
            tasks: JoinSet::new(),
        }
    }

    /// The same for a connection inside a channel of another one.
    pub fn through(
        broker: SshBroker,
        peer: SocketAddr,
        switch: KillSwitch,
        arrival: Arrival,
        guest: Guest,
    ) -> Self {
        let mut person = Self::new(broker, peer, switch, arrival);
        person.guest = Some(guest);
        person
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

impl Handler for FromPerson {
    type Error = russh::Error;

    /// Only a guest needs no proof: they gave it on the connection that this one is inside of.
    async fn auth_none(&mut self, user: &str) -> Result<Auth, russh::Error> {
        match self.guest.clone() {
            Some(guest) => self.welcome(user, guest).await,
            None => Ok(Auth::reject()),
        }
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        Ok(self.offered(user, offer).await)
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        self.signed(user, key).await
    }

    async fn auth_openssh_certificate(
        &mut self,
        user: &str,
        _: &Certificate,
    ) -> Result<Auth, russh::Error> {
        Ok(self.vouched_for(user))
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        self.password(user, password, Means::Password).await
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        self.typed(user, response).await
    }

    /// For a client that can show it and cannot be asked.
    async fn partial_success_banner(&mut self) -> Option<String> {
        self.signing_in.as_ref().map(SigningIn::banner)
    }

    async fn auth_succeeded(&mut self, session: &mut Wire) -> Result<(), russh::Error> {
        let Some((principal, login)) = self.proven.take() else {
            return Err(russh::Error::NotAuthenticated);
        };
        self.strange = None;
        self.hurry = None;
        self.arrival.signed_in();
        let client = String::from_utf8_lossy(session.remote_sshid()).into_owned();
        let visitor = Visitor {
            principal,
            login,
            peer: self.peer,
            client: Text::ours(&client).one_line(),
            switch: self.switch.clone(),
            filed: self.filed.take(),
        };
        if self.guest.is_none() {
            // So that a client knows the next host key before it is the only one.
            session.announce_host_keys();
        }
        if self.guest.is_none() && visitor.login.place.is_none() {
            self.in_hall = Some(visitor.principal.clone());
        }
        // At once, not with the first channel: the way to the target opens while the
        // client takes its own next step.
        let (way, handle) = (self.way.clone(), session.handle());
        let channels = self.channels.clone();
        match self.unwelcome.take() {
            Some(told) => {
                let switch = self.switch.clone();
                self.spawn(entrance::turn_away(told, way, handle.clone(), switch));
            }
            None => {
                let entrance = self.broker.entrance();
                self.spawn(entrance.open(visitor, way, handle.clone(), channels));
            }
        }
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
        let seated = match self.channels.seat() {
            Some(seat) if !self.switch.is_pulled() => seat.take(channel.id()),
            _ => {
                reply.reject(ways::no_seat(&self.switch)).await;
                return Ok(());
            }
        };
        let (_, write) = channel.split();
        reply.accept().await;
        let served = Channel {
            person: PersonChannel::new(write, session.handle()),
            asks: seated.asks().clone(),
            way: self.way.subscribe(),
            environment: self.broker.environment(),
            commands: self.broker.commands(),
            switch: self.switch.clone(),
        };
        self.spawn(async move { seated.leave(served.serve().await) });
        Ok(())
    }

    async fn channel_open_confirmation(
        &mut self,
        channel: ChannelId,
        _: u32,
        _: u32,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        self.channels.confirmed(channel);
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
        let refusal = ways::unsupported("a channel of kind", "x11");
        self.refuse_channel(refusal, reply).await;
        Ok(())
    }

    async fn channel_open_forwarded_tcpip(
        &mut self,
        _: russh::Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        let refusal = ways::unsupported("a channel of kind", "forwarded-tcpip");
        self.refuse_channel(refusal, reply).await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: russh::Channel<Msg>,
        host: &str,
        port: u32,
        from: &str,
        from_port: u32,
        reply: ChannelOpenHandle,
        session: &mut Wire,
    ) -> Result<(), russh::Error> {
        if let Some(principal) = self.in_hall.clone()
            && let Some(target) = self.broker.faces().target(host)
        {
            let guest = Guest { principal, target };
            self.jump(guest, channel, reply, session.handle()).await;
            return Ok(());
        }
        let Some(seat) = self.channels.seat() else {
            reply.reject(ways::no_seat(&self.switch)).await;
            return Ok(());
        };
        let (_, write) = channel.split();
        let forward = Forward {
            host: host.to_owned(),
            port,
            originator: Originator::new(from, from_port),
            write,
            reply,
            seat,
        };
        self.spawn(forward.serve(self.way.subscribe()));
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        _: russh::Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        let refusal = ways::unsupported("forwarding to the socket", path);
        self.refuse_channel(refusal, reply).await;
        Ok(())
    }

    /// Refused in any case; here is who tells the auditor, as far as a seat is free.
    async fn channel_open_unsupported(
        &mut self,
        kind: &str,
        _: &mut Wire,
    ) -> Result<(), russh::Error> {
        if let Some(seat) = self.channels.seat() {
            let refusal = ways::unsupported("a channel of kind", kind);
            let audited = audit_refused(self.way.subscribe(), refusal);
            self.spawn(async move {
                audited.await;
                drop(seat);
            });
        }
        Ok(())
    }

    async fn tcpip_forward(
        &mut self,
        address: &str,
        port: &mut u32,
        session: &mut Wire,
    ) -> Result<bool, russh::Error> {
        self.listen(Listen::Begin {
            address: address.to_owned(),
            port: *port,
            reply: session.put_off_global_reply(),
        });
        Ok(true)
    }

    async fn cancel_tcpip_forward(
        &mut self,
        address: &str,
        port: u32,
        session: &mut Wire,
    ) -> Result<bool, russh::Error> {
        self.listen(Listen::End {
            address: address.to_owned(),
            port,
            reply: session.put_off_global_reply(),
        });
        Ok(true)
    }

    async fn streamlocal_forward(
        &mut self,
        path: &str,
        session: &mut Wire,
    ) -> Result<bool, russh::Error> {
        self.listen(Listen::Socket {
            path: path.to_owned(),
            reply: session.put_off_global_reply(),
        });
        Ok(true)
    }

    async fn agent_request(
        &mut self,
        channel: ChannelId,
        session: &mut Wire,
    ) -> Result<bool, russh::Error> {
        let wants = session.take_wants_reply(channel);
        self.ask(channel, Ask::Agent(wants))?;
        Ok(true)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        single_connection: bool,
        protocol: &str,
        cookie: &str,
        screen: u32,
        session: &mut Wire,
    ) -> Result<(), russh::Error> {
        let wants = session.take_wants_reply(channel);
        let display = Display {
            single_connection,
            protocol: protocol.to_owned(),
            cookie: cookie.to_owned(),
            screen,
        };
        self.ask(channel, Ask::Display(wants, display))
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

    /// Declined in its turn: answers carry no name, so they are told apart by their order.
    async fn channel_request_unsupported(
        &mut self,
        channel: ChannelId,
        request: &str,
        session: &mut Wire,
    ) -> Result<(), russh::Error> {
        debug!(peer = %self.peer, request, "Client asks for something unknown");
        match session.take_wants_reply(channel) {
            true => self.ask(channel, Ask::Unknown(true)),
            false => Ok(()),
        }
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

    async fn end_of_write(&mut self, channel: ChannelId, _: &mut Wire) -> Result<(), russh::Error> {
        self.ask(channel, Ask::EndOfWrite)
    }

    async fn channel_eof(&mut self, channel: ChannelId, _: &mut Wire) -> Result<(), russh::Error> {
        self.ask(channel, Ask::Eof)
    }

    /// Whoever serves the channel answers, once it is known how what ran on it has ended.
    fn answer_close(&mut self, channel: ChannelId) -> bool {
        self.channels.of(channel).is_none()
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
