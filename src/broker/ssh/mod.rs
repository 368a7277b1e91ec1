//! SSH: `ssh alice+db1@gateway`, with what the target needs put in on the way.
//!
//! Two connections, each driven by russh, and between them one relay for each channel.
//! Never a key or password of the target towards the person, nor a byte either way that
//! the session was not admitted for and that is not recorded.

mod algorithms;
mod answers;
mod asking;
mod authority;
mod channel;
mod channels;
mod console;
mod desk;
mod entrance;
mod face;
pub mod files;
mod host_key;
mod inbox;
mod jump;
pub mod login;
mod notice;
mod opening;
mod person;
mod pins;
mod read_ahead;
mod relay;
mod scan;
mod server;
mod sign_in;
mod start;
mod talk;
mod target;
mod ways;

use std::{
    borrow::Cow,
    sync::{Arc, Mutex},
};

use russh::{SshId, keys::PrivateKey};
use tracing::debug;

pub use self::{
    asking::AskSettings,
    authority::HostAuthority,
    desk::{Commands, Desk, Errand, Paper},
    host_key::{HostKeyError, load_or_create},
    scan::scan,
    talk::Environment,
    target::Alive,
};
use self::{
    asking::WaitingRoom, entrance::Entrance, face::Faces, read_ahead::ReadAhead, server::FromPerson,
};
use super::{Broker, Connection};
use crate::session::Gate;

/// What an operator may set.
pub struct SshSettings {
    pub host_keys: Vec<PrivateKey>,
    pub host_authority: HostAuthority,
    /// What people call the gateway.
    pub names: Vec<String>,
    /// What stands behind a target's name where it is a host name: `door`.
    pub domain: String,
    /// Of one connection.
    pub max_channels: usize,
    pub max_auth_attempts: usize,
    pub alive: Alive,
    pub ask: AskSettings,
    pub environment: Environment,
}

/// Serves people who come with SSH.
#[derive(Clone)]
pub struct SshBroker(Arc<Parts>);

struct Parts {
    gate: Gate,
    faces: Faces,
    max_channels: usize,
    alive: Alive,
    ask: AskSettings,
    waiting: WaitingRoom,
    environment: Arc<Environment>,
    commands: Arc<dyn Commands>,
}

impl SshBroker {
    /// `commands` are those of the desk.
    pub fn new(gate: Gate, settings: SshSettings, commands: Arc<dyn Commands>) -> Self {
        let faces = Faces {
            keys: settings.host_keys,
            authority: settings.host_authority,
            names: settings.names,
            domain: settings.domain,
            max_auth_attempts: settings.max_auth_attempts,
            alive: settings.alive,
            drawn: Mutex::default(),
        };
        Self(Arc::new(Parts {
            gate,
            faces,
            max_channels: settings.max_channels,
            alive: settings.alive,
            ask: settings.ask,
            waiting: WaitingRoom::default(),
            environment: Arc::new(settings.environment),
            commands,
        }))
    }

    fn gate(&self) -> &Gate {
        &self.0.gate
    }

    fn faces(&self) -> &Faces {
        &self.0.faces
    }

    fn ask_settings(&self) -> &AskSettings {
        &self.0.ask
    }

    fn entrance(&self) -> Entrance {
        Entrance {
            gate: self.0.gate.clone(),
            alive: self.0.alive,
            ask: self.0.ask,
            waiting: self.0.waiting.clone(),
        }
    }

    fn max_channels(&self) -> usize {
        self.0.max_channels
    }

    fn commands(&self) -> Arc<dyn Commands> {
        self.0.commands.clone()
    }

    fn environment(&self) -> Arc<Environment> {
        self.0.environment.clone()
    }
}

impl Broker for SshBroker {
    async fn serve(&self, connection: Connection) {
        let Connection {
            stream,
            peer,
            switch,
            arrival,
        } = connection;
        let handler = FromPerson::new(self.clone(), peer, switch, arrival);
        let config = self.faces().own(self.gate().now());
        let running = russh::server::run_stream(config, ReadAhead::new(stream), handler);
        // It runs in a task of its own, which ends with its stream. The handler owns all
        // other tasks of the connection and ends with that task.
        let ended = match Box::pin(running).await {
            Ok(session) => session.await,
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            debug!(%peer, %error, "Connection ended");
        }
    }
}

/// What both legs call themselves. The version is nobody's business before signing in.
///
/// OpenSSH tells only what calls itself OpenSSH that nobody reads any more
/// (`eow@openssh.com`); without that `ssh db1 yes | head -1` would never end.
fn id() -> SshId {
    SshId::Standard(Cow::Borrowed("SSH-2.0-OpenSSH_Doorward"))
}
