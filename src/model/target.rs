//! Targets, the accounts on them, and the identity each target must prove.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    ids::{AccountId, TargetId},
    name::{AccountName, PolicyName, TargetName},
    rdp::Rdp,
    text::Text,
    time::Timestamp,
    web::Web,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    Ssh,
    /// HTTP, spoken by browsers and programs.
    Web,
    Rdp,
}

impl Protocol {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Web => "web",
            Self::Rdp => "rdp",
        }
    }

    pub fn default_port(self) -> u16 {
        match self {
            Self::Ssh => 22,
            Self::Web => 443,
            Self::Rdp => 3389,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a protocol: ssh, web or rdp is expected")]
pub struct NotAProtocol;

impl FromStr for Protocol {
    type Err = NotAProtocol;
    fn from_str(text: &str) -> Result<Self, NotAProtocol> {
        match text {
            "ssh" => Ok(Self::Ssh),
            "web" => Ok(Self::Web),
            "rdp" => Ok(Self::Rdp),
            _ => Err(NotAProtocol),
        }
    }
}

/// Where a target listens: `db1.example.org:22`, `10.0.0.7:22`, `[::1]:22`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host as it stands in a URL.
    pub fn bracketed(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not an address: host:port is expected, for example db1.example.org:22 or [::1]:22"
)]
pub struct NotAnAddress;

impl FromStr for Address {
    type Err = NotAnAddress;
    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let (host, port) = text.rsplit_once(':').ok_or(NotAnAddress)?;
        let port = port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or(NotAnAddress)?;
        let host = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(v6) => v6
                .parse::<std::net::Ipv6Addr>()
                .map_err(|_| NotAnAddress)?
                .to_string(),
            None if is_host_name(host) => host.to_ascii_lowercase(),
            None => return Err(NotAnAddress),
        };
        Ok(Self { host, port })
    }
}

fn is_host_name(host: &str) -> bool {
    (1..=253).contains(&host.len())
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

impl TryFrom<String> for Address {
    type Error = NotAnAddress;
    fn try_from(text: String) -> Result<Self, NotAnAddress> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bracketed(), self.port)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Target {
    pub id: TargetId,
    pub name: TargetName,
    pub protocol: Protocol,
    pub address: Address,
    /// What it must prove: of SSH each line a `Pin`, of the web, over TLS, and of RDP a `TlsPin`. None
    /// pinned means nobody gets through.
    pub host_keys: Vec<String>,
    /// What only a web target has, and every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<Web>,
    /// What only an RDP target has, and every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rdp: Option<Rdp>,
    pub policy: Option<PolicyName>,
    pub description: Text,
    pub labels: Vec<String>,
    pub disabled: bool,
    pub created_at: Timestamp,
}

/// One line of what a target must prove: a host key in OpenSSH's one-line form, or an
/// authority whose certificate it may show, marked as in `known_hosts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin<'a> {
    Key(&'a str),
    Authority(&'a str),
}

impl<'a> Pin<'a> {
    const MARK: &'static str = "@cert-authority ";

    pub fn of(line: &'a str) -> Self {
        match line.strip_prefix(Self::MARK) {
            Some(key) => Self::Authority(key),
            None => Self::Key(line),
        }
    }
}

impl fmt::Display for Pin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Authority(key) => write!(f, "{}{key}", Self::MARK),
        }
    }
}

/// A host key that a server shows. Nobody has said yet that it is the right one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Shown {
    /// As it is pinned.
    pub key: String,
    pub fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vouched: Option<Vouched>,
}

/// Who vouches for a host key, as its certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Vouched {
    /// As it is pinned.
    pub authority: String,
    pub fingerprint: String,
    /// The hosts that the certificate is for.
    pub names: Vec<String>,
}

/// What kind of secret an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SecretKind {
    Password,
    /// An SSH private key in OpenSSH's or PKCS#8 PEM form, with its passphrase if it has one.
    SshKey,
    /// A certificate with its private key, in PEM, for web targets that ask for one.
    ClientCertificate,
    /// Nothing is stored: each session has a certificate of the gateway's user authority.
    SshCa,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Account {
    pub id: AccountId,
    pub name: AccountName,
    /// The user name at the target; usually the same as `name`.
    pub login: String,
    pub targets: Vec<TargetName>,
    /// Overrides the target's policy.
    pub policy: Option<PolicyName>,
    /// None until a secret was set.
    pub secret: Option<SecretKind>,
    pub description: Text,
    pub disabled: bool,
    pub created_at: Timestamp,
}

/// A log-in name at a target: bounded, printable, without blanks, not an option.
pub fn is_login(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && !text.starts_with('-')
        && !text
            .chars()
            .any(|c| c.is_whitespace() || super::text::forbidden(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_form() {
        for (text, shown) in [
            ("DB1.example.org:22", "db1.example.org:22"),
            ("[::1]:2222", "[::1]:2222"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
        for text in [
            "db1", "db1:0", "db1:x", ":22", "-x:22", "a b:22", "::1:22x", "a..b:22", "a/b:22",
        ] {
            assert_eq!(text.parse::<Address>(), Err(NotAnAddress), "{text}");
        }
    }
}
