//! What an operator can set, and what holds when nothing is set.
//!
//! Values come from the defaults here, then `config/doorward.toml`, then the environment,
//! then flags. It holds no secret, only where one is kept, and opens nothing it names.

mod load;
mod problem;
mod secret;
#[cfg(test)]
mod tests;
mod values;

use std::{
    net::SocketAddr,
    num::{NonZeroU16, NonZeroU32},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use self::{
    load::{Effective, Load, Origin},
    problem::{ConfigError, Problem},
    secret::SecretSource,
    values::{DatabaseUrl, Domain, EnvPattern, HostName, LogFormat, LogLevel, Port, machine},
};
use crate::model::{
    factor::SecondFactorRule,
    target::Address,
    time::Span,
    ways_in::{WaysIn, WebWay},
};

/// Every section of `config/doorward.toml`, where each key is explained.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Config {
    pub data: DataConfig,
    pub database: DatabaseConfig,
    pub vault: VaultConfig,
    pub admin: AdminConfig,
    pub sign_in: SignInConfig,
    pub ssh: SshConfig,
    pub web: WebConfig,
    pub rdp: RdpConfig,
    pub recording: RecordingConfig,
    pub metrics: MetricsConfig,
    pub log: LogConfig,
    pub limits: LimitsConfig,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataConfig {
    pub dir: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatabaseConfig {
    pub url: DatabaseUrl,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSource>,
    pub fail_closed_after: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VaultConfig {
    pub key: SecretSource,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdminConfig {
    pub listen: Port,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<Address>,
    pub names: Vec<HostName>,
    pub certs: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SignInConfig {
    pub second_factor: SecondFactorRule,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SshConfig {
    pub listen: Port,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<Address>,
    pub host_keys: PathBuf,
    pub domain: Domain,
    pub bind_certificates: bool,
    pub max_handshakes: NonZeroU32,
    pub max_per_address: NonZeroU32,
    pub max_connections: NonZeroU32,
    pub max_channels: NonZeroU16,
    pub max_auth_attempts: NonZeroU16,
    pub handshake_timeout: Span,
    pub alive_interval: Span,
    pub alive_count: NonZeroU16,
    pub env_allow: Vec<EnvPattern>,
    pub wait_for_answer: Span,
    pub ask_at_sign_in: bool,
    pub warn_before: Vec<Span>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebConfig {
    pub listen: Port,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_port: Option<NonZeroU16>,
    pub domain: Domain,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Port>,
    pub max_handshakes: NonZeroU32,
    pub max_per_address: NonZeroU32,
    pub max_connections: NonZeroU32,
    pub handshake_timeout: Span,
}

/// Without `listen` nobody comes in by RDP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RdpConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<Port>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<Address>,
    pub max_handshakes: NonZeroU32,
    pub max_per_address: NonZeroU32,
    pub max_connections: NonZeroU32,
    pub handshake_timeout: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordingConfig {
    pub dir: PathBuf,
    pub reserve_mb: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricsConfig {
    pub listen: Port,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogConfig {
    pub level: LogLevel,
    pub format: LogFormat,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LimitsConfig {
    pub sign_ins_per_address: NonZeroU32,
    pub sign_ins_per_account: NonZeroU32,
    pub requests_per_user: NonZeroU32,
    pub body_kb: NonZeroU32,
    pub drain: Span,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { dir: "data".into() }
    }
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: DatabaseUrl::embedded("doorward.db"),
            password: None,
            fail_closed_after: Span::seconds(10),
        }
    }
}

impl Default for VaultConfig {
    fn default() -> Self {
        Self {
            key: SecretSource::File("vault.key".into()),
        }
    }
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: Port::local(8443),
            public: None,
            names: Vec::new(),
            certs: "certs".into(),
        }
    }
}

impl Default for SshConfig {
    fn default() -> Self {
        Self {
            listen: Port::everywhere(2222),
            public: None,
            host_keys: "ssh".into(),
            domain: Domain::known("door"),
            bind_certificates: true,
            max_handshakes: nonzero(100),
            max_per_address: nonzero(20),
            max_connections: nonzero(2_000),
            max_channels: NonZeroU16::new(32).expect("not zero"),
            max_auth_attempts: NonZeroU16::new(6).expect("not zero"),
            handshake_timeout: Span::seconds(20),
            alive_interval: Span::seconds(30),
            alive_count: NonZeroU16::new(3).expect("not zero"),
            env_allow: ["LANG", "LC_*", "COLORTERM"]
                .map(EnvPattern::known)
                .to_vec(),
            wait_for_answer: Span::hours(1),
            ask_at_sign_in: false,
            warn_before: [10, 5, 1].map(Span::minutes).to_vec(),
        }
    }
}

impl Default for WebConfig {
    fn default() -> Self {
        Self {
            listen: Port::everywhere(8444),
            public_port: None,
            redirect: None,
            domain: Domain::known("door.localhost"),
            max_handshakes: nonzero(500),
            max_per_address: nonzero(100),
            max_connections: nonzero(20_000),
            handshake_timeout: Span::seconds(20),
        }
    }
}

impl Default for RdpConfig {
    fn default() -> Self {
        Self {
            listen: None,
            public: None,
            max_handshakes: nonzero(100),
            max_per_address: nonzero(20),
            max_connections: nonzero(1_000),
            handshake_timeout: Span::seconds(20),
        }
    }
}

impl Default for RecordingConfig {
    fn default() -> Self {
        Self {
            dir: "recordings".into(),
            reserve_mb: 256,
        }
    }
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            listen: Port::local(9464),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            format: LogFormat::Auto,
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            sign_ins_per_address: nonzero(30),
            sign_ins_per_account: nonzero(10),
            requests_per_user: nonzero(600),
            body_kb: nonzero(256),
            drain: Span::seconds(30),
        }
    }
}

impl Config {
    /// The listeners, each with the key that sets it.
    pub fn listeners(&self) -> Vec<(&'static str, SocketAddr)> {
        let redirect = self.web.redirect.as_ref();
        let mut listeners = vec![
            ("admin.listen", self.admin.listen.address()),
            ("ssh.listen", self.ssh.listen.address()),
            ("web.listen", self.web.listen.address()),
            ("metrics.listen", self.metrics.listen.address()),
        ];
        listeners.extend(redirect.map(|port| ("web.redirect", port.address())));
        let rdp = self.rdp.listen.as_ref();
        listeners.extend(rdp.map(|port| ("rdp.listen", port.address())));
        listeners
    }

    /// What people are told, with the ports that are really listened on.
    pub fn ways_in(
        &self,
        admin: SocketAddr,
        ssh: SocketAddr,
        web: SocketAddr,
        rdp: Option<SocketAddr>,
    ) -> WaysIn {
        let said = |public: &Option<Address>, listening| match public {
            Some(address) => address.clone(),
            None => self.reached_at(listening),
        };
        let console = said(&self.admin.public, admin);
        let web = WebWay {
            domain: self.web.domain.as_str().to_owned(),
            port: self.web.public_port.map_or(web.port(), NonZeroU16::get),
        };
        let rdp = rdp.map(|listening| said(&self.rdp.public, listening));
        WaysIn::new(&console, said(&self.ssh.public, ssh), web, rdp)
    }

    /// The best guess: the first configured name, else what the listener itself tells.
    fn reached_at(&self, listening: SocketAddr) -> Address {
        let ip = listening.ip();
        let machine = || values::machine().map(String::from);
        let host = match self.admin.names.first() {
            Some(name) => Some(name.as_str().to_owned()),
            None if ip.is_loopback() => None,
            None if ip.is_unspecified() => machine(),
            None => Some(ip.to_string()),
        };
        let at = |host: &str| format!("{host}:{}", listening.port()).parse();
        host.and_then(|host| at(&host).or_else(|_| at(&format!("[{host}]"))).ok())
            .unwrap_or_else(|| at("localhost").expect("a name and a bound port"))
    }

    /// Puts every relative path of the gateway's own data below `data.dir`.
    ///
    /// `data.dir` itself and `admin.certs` are relative to the working directory.
    fn rooted(mut self) -> Self {
        let root = &self.data.dir;
        let below = |path: &mut PathBuf| *path = root.join(&*path);
        below(&mut self.ssh.host_keys);
        below(&mut self.recording.dir);
        for source in [Some(&mut self.vault.key), self.database.password.as_mut()] {
            if let Some(SecretSource::File(path)) = source {
                below(path);
            }
        }
        self.database.url = self.database.url.below(root);
        self
    }

    /// What no single value can be blamed for alone.
    fn contradictions(&self) -> Vec<Problem> {
        let listeners = self.listeners();
        let mut problems = Vec::new();
        for (index, (key, address)) in listeners.iter().enumerate() {
            for (other_key, other) in &listeners[..index] {
                if clash(*address, *other) {
                    let (key, other_key, port) = (*key, *other_key, address.port());
                    problems.push(Problem::PortTwice {
                        key,
                        other_key,
                        port,
                    });
                }
            }
        }
        let never_zero = [
            (
                "database.fail_closed_after",
                self.database.fail_closed_after,
            ),
            ("ssh.handshake_timeout", self.ssh.handshake_timeout),
            ("web.handshake_timeout", self.web.handshake_timeout),
            ("rdp.handshake_timeout", self.rdp.handshake_timeout),
        ];
        let zero = never_zero.into_iter().filter(|(_, span)| span.is_zero());
        problems.extend(zero.map(|(key, _)| Problem::NoTime { key }));
        problems
    }
}

/// Whether two listeners want the same port. Port 0 is a different free one each time.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let overlap =
        one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && overlap
}

fn nonzero(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("a default is not zero")
}

/// Where the configuration is looked for when no flag names it.
pub fn usual_file() -> &'static Path {
    Path::new("config/doorward.toml")
}
