//! SSH: `ssh alice+db1@gateway`, with what the target needs put in on the way.
//!
//! Two connections, each driven by russh, and between them one relay for each channel.
//! Never a key or password of the target towards the person, nor a byte either way that
//! the session was not admitted for and that is not recorded.

mod algorithms;
mod channel;
mod entrance;
mod host_key;
mod inbox;
mod login;
mod person;
mod read_ahead;
mod relay;
mod server;
mod sign_in;
mod talk;
mod target;

use std::{borrow::Cow, sync::Arc, time::Duration};

use russh::{SshId, keys::PrivateKey};
use tracing::debug;

pub use self::{
    host_key::{HostKeyError, load_or_create},
    talk::Environment,
    target::Alive,
};
use self::{inbox::WINDOW, read_ahead::ReadAhead, server::FromPerson};
use super::{Broker, Connection};
use crate::session::Gate;

/// A rejected sign-in takes this long, whatever was wrong. Longer than a password check.
const REJECTION: Duration = Duration::from_millis(500);

/// What an operator may set.
pub struct SshSettings {
    pub host_keys: Vec<PrivateKey>,
    /// Of one connection.
    pub max_channels: usize,
    pub max_auth_attempts: usize,
    pub alive: Alive,
    pub environment: Environment,
}

/// Serves people who come with SSH.
#[derive(Clone)]
pub struct SshBroker(Arc<Parts>);

struct Parts {
    gate: Gate,
    config: Arc<russh::server::Config>,
    max_channels: usize,
    alive: Alive,
    environment: Arc<Environment>,
}

impl SshBroker {
    pub fn new(gate: Gate, settings: SshSettings) -> Self {
        let config = russh::server::Config {
            server_id: id(),
            methods: server::methods(),
            auth_rejection_time: REJECTION,
            // Asking which ways there are is no attempt.
            auth_rejection_time_initial: Some(Duration::ZERO),
            keys: settings.host_keys,
            window_size: WINDOW,
            manual_window_grants: true,
            // Only the confirmation of an open goes through it.
            channel_buffer_size: 1,
            preferred: algorithms::towards_people(),
            // The question which ways there are counts as one.
            max_auth_attempts: settings.max_auth_attempts + 1,
            // The check-out has its own limits.
            inactivity_timeout: None,
            keepalive_interval: Some(settings.alive.interval),
            keepalive_max: settings.alive.count,
            ..russh::server::Config::default()
        };
        Self(Arc::new(Parts {
            gate,
            config: Arc::new(config),
            max_channels: settings.max_channels,
            alive: settings.alive,
            environment: Arc::new(settings.environment),
        }))
    }

    fn gate(&self) -> &Gate {
        &self.0.gate
    }

    fn alive(&self) -> Alive {
        self.0.alive
    }

    fn max_channels(&self) -> usize {
        self.0.max_channels
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
        let running =
            russh::server::run_stream(self.0.config.clone(), ReadAhead::new(stream), handler);
        // It runs in a task of its own, which ends with its stream. The handler owns all
        // other tasks of the connection and ends with that task.
        let ended = match running.await {
            Ok(session) => session.await,
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            debug!(%peer, %error, "Connection ended");
        }
    }
}

/// What both legs call themselves. The version is nobody's business before signing in.
fn id() -> SshId {
    SshId::Standard(Cow::Borrowed("SSH-2.0-Doorward"))
}
