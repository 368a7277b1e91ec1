//! What the configuration says, as the listeners want to hear it.

use std::num::NonZeroU32;

use russh::keys::PublicKey;

use super::StartError;
use crate::{
    api,
    broker::{self, ssh},
    config::{Config, RdpConfig, SshConfig, WebConfig},
    tls::Tls,
};

/// A number of the configuration, as it is counted with.
fn size(number: NonZeroU32) -> usize {
    number.get() as usize
}

pub fn ssh_limits(config: &SshConfig) -> broker::Limits {
    broker::Limits {
        handshakes: size(config.max_handshakes),
        handshakes_per_address: size(config.max_per_address),
        connections: size(config.max_connections),
        handshake_timeout: config.handshake_timeout,
    }
}

pub fn web_limits(config: &WebConfig) -> broker::Limits {
    broker::Limits {
        handshakes: size(config.max_handshakes),
        handshakes_per_address: size(config.max_per_address),
        connections: size(config.max_connections),
        handshake_timeout: config.handshake_timeout,
    }
}

pub fn rdp_limits(config: &RdpConfig) -> broker::Limits {
    broker::Limits {
        handshakes: size(config.max_handshakes),
        handshakes_per_address: size(config.max_per_address),
        connections: size(config.max_connections),
        handshake_timeout: config.handshake_timeout,
    }
}

/// A public key as OpenSSH writes it.
fn line(key: &PublicKey) -> String {
    key.to_openssh()
        .expect("a key that was read can be written")
}

/// What people and targets have to know of the gateway's keys.
pub fn facts(ssh: &ssh::SshSettings, user_authority: String) -> api::ssh::SshFacts {
    api::ssh::SshFacts {
        names: ssh.names.clone(),
        domain: ssh.domain.clone(),
        host_authority: line(ssh.host_authority.public_key()),
        user_authority,
        host_keys: ssh
            .host_keys
            .iter()
            .map(|key| line(key.public_key()))
            .collect(),
    }
}

/// What people call the gateway, for its host certificate.
pub fn names(config: &Config, tls: &Tls) -> Vec<String> {
    let mut names = tls.names().to_vec();
    let public = config
        .ssh
        .public
        .iter()
        .map(|place| place.host().to_owned());
    names.extend(public.filter(|name| !tls.names().contains(name)));
    names
}

pub fn ssh(config: &SshConfig, names: Vec<String>) -> Result<ssh::SshSettings, StartError> {
    Ok(ssh::SshSettings {
        host_keys: ssh::load_or_create(&config.host_keys)?,
        host_authority: ssh::HostAuthority::load_or_create(&config.host_keys)?,
        names,
        domain: config.domain.as_str().to_owned(),
        max_channels: config.max_channels.get().into(),
        max_auth_attempts: config.max_auth_attempts.get().into(),
        alive: ssh::Alive {
            interval: config.alive_interval.duration(),
            count: config.alive_count.get().into(),
        },
        ask: ssh::AskSettings {
            wait: config.wait_for_answer,
            keys_at_sign_in: config.ask_at_sign_in,
        },
        environment: ssh::Environment::new(config.env_allow.iter().cloned().map(String::from)),
    })
}
