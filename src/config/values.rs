//! The kinds of value a key can have, each with an error that says what is expected.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    str::FromStr,
};

use rustls_pki_types::ServerName;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// An address and port to listen on; port 0 means any free one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Port(SocketAddr);

impl Port {
    pub fn address(self) -> SocketAddr {
        self.0
    }

    pub(super) fn local(port: u16) -> Self {
        Self((Ipv4Addr::LOCALHOST, port).into())
    }

    pub(super) fn everywhere(port: u16) -> Self {
        Self((Ipv4Addr::UNSPECIFIED, port).into())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an IP address and a port, for example 127.0.0.1:8443 or [::]:2222")]
pub struct NotAPort;

impl TryFrom<String> for Port {
    type Error = NotAPort;
    fn try_from(text: String) -> Result<Self, NotAPort> {
        text.parse().map(Self).map_err(|_| NotAPort)
    }
}

impl From<Port> for String {
    fn from(port: Port) -> Self {
        port.0.to_string()
    }
}

/// `sqlite:FILE` or `postgres://USER@HOST:PORT/NAME`, without a password inside.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The embedded database in one file.
    pub fn embedded(file: impl AsRef<Path>) -> Self {
        Self(format!("sqlite:{}", file.as_ref().display()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same address with the password in it, for the driver and nobody else.
    pub fn with_password(&self, password: &str) -> Zeroizing<String> {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return Zeroizing::new(self.0.clone());
        };
        let (user, place) = match rest.split_once('@') {
            Some((user, place)) => (user, place),
            None => ("", rest),
        };
        let mut url = Zeroizing::new(format!("{scheme}://{user}:"));
        for byte in password.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    url.push(char::from(byte));
                }
                _ => url.push_str(&format!("%{byte:02X}")),
            }
        }
        url.push('@');
        url.push_str(place);
        url
    }

    /// The file of the embedded database; `None` for PostgreSQL.
    pub fn file(&self) -> Option<&Path> {
        let file = self.0.strip_prefix("sqlite:")?;
        Some(Path::new(file.strip_prefix("//").unwrap_or(file)))
    }

    pub(super) fn below(&self, root: &Path) -> Self {
        match self.file() {
            Some(file) => Self::embedded(root.join(file)),
            None => self.clone(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotADatabaseUrl {
    #[error("expected sqlite:FILE or postgres://USER@HOST:PORT/NAME")]
    Form,
    #[error(
        "expected an address without a password in it: put the password in a file and name that: \
         database.password = {{ file = \"…\" }}"
    )]
    PasswordInside,
}

impl FromStr for DatabaseUrl {
    type Err = NotADatabaseUrl;
    fn from_str(text: &str) -> Result<Self, NotADatabaseUrl> {
        // A file and nothing else: what is in memory is gone after a restart, and the
        // parameters that keep a revoke from being lost are not for choosing.
        let is_sqlite = text
            .strip_prefix("sqlite:")
            .is_some_and(|file| !["", "//", ":memory:"].contains(&file) && !file.contains('?'));
        let server = ["postgres://", "postgresql://"]
            .iter()
            .find_map(|it| text.strip_prefix(it));
        match server {
            None if is_sqlite => Ok(Self(text.to_owned())),
            None | Some("") => Err(NotADatabaseUrl::Form),
            Some(rest) => {
                let authority = rest.split('/').next().unwrap_or(rest);
                let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
                if user.contains(':') || rest.contains("password=") {
                    return Err(NotADatabaseUrl::PasswordInside);
                }
                Ok(Self(text.to_owned()))
            }
        }
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = NotADatabaseUrl;
    fn try_from(text: String) -> Result<Self, NotADatabaseUrl> {
        text.parse()
    }
}

impl From<DatabaseUrl> for String {
    fn from(url: DatabaseUrl) -> Self {
        url.0
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name or IP address that people reach the gateway by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

impl HostName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected host names or IP addresses, for example door.example.org")]
pub struct NotAHostName;

impl TryFrom<String> for HostName {
    type Error = NotAHostName;
    fn try_from(text: String) -> Result<Self, NotAHostName> {
        match ServerName::try_from(text.as_str()) {
            Ok(_) => Ok(Self(text)),
            Err(_) => Err(NotAHostName),
        }
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0
    }
}

/// What this machine calls itself. It may be called anything: none if that is no host name.
pub fn machine() -> Option<HostName> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    HostName::try_from(name.trim().to_owned()).ok()
}

/// What stands behind a target's name where it is a host name; always in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

impl Domain {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn known(name: &str) -> Self {
        Self(name.to_owned())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a domain in lower case, for example door or door.example.org")]
pub struct NotADomain;

impl TryFrom<String> for Domain {
    type Error = NotADomain;
    fn try_from(text: String) -> Result<Self, NotADomain> {
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let named = text.starts_with(|first: char| !first.is_ascii_digit());
        match named && text.len() <= 180 && text.split('.').all(is_label) {
            true => Ok(Self(text)),
            false => Err(NotADomain),
        }
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.0
    }
}

/// The name of an environment variable, or with a `*` at its end all that begin like it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvPattern(String);

impl EnvPattern {
    pub fn matches(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == self.0,
        }
    }

    pub(super) fn known(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected names of environment variables, for example LANG or LC_*")]
pub struct NotAnEnvPattern;

impl TryFrom<String> for EnvPattern {
    type Error = NotAnEnvPattern;
    fn try_from(text: String) -> Result<Self, NotAnEnvPattern> {
        let name = text.strip_suffix('*').unwrap_or(&text);
        let fits = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        // A lone `*` would pass on LD_PRELOAD and whatever is invented next.
        if fits && !name.is_empty() {
            Ok(Self(text))
        } else {
            Err(NotAnEnvPattern)
        }
    }
}

impl From<EnvPattern> for String {
    fn from(pattern: EnvPattern) -> Self {
        pattern.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    Auto,
    Human,
    Json,
}
