//! What a session may do, as a policy lists it, and what somebody is about to do.
//!
//! A `Capability` is written as one string: `shell`, `exec:systemctl status *`,
//! `forward:db.internal:5432`. A set of them opens what its members list and nothing else.

mod command;
mod endpoint;
#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use self::{
    command::{CommandPattern, NotACommandPattern},
    endpoint::{Endpoint, EndpointPattern, NotAnEndpoint, NotAnEndpointPattern},
};
use super::{
    text::Text,
    web::{CanonicalPath, HttpPattern, Most, NotAnHttpPattern},
};

/// One thing a session may do. A channel that needs one it has not is refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Capability {
    Shell,
    /// Every command, and so also scp and rsync.
    Exec,
    /// The commands that fit.
    ExecListed(CommandPattern),
    SftpRead,
    SftpWrite,
    ScpUp,
    ScpDown,
    /// Connections that the target makes for the client: `ssh -L`, `-D` and `-W`.
    Forward(EndpointPattern),
    /// Places where the target listens for the client: `ssh -R`.
    RemoteForward(EndpointPattern),
    /// The client's SSH agent, used from the target.
    Agent,
    /// The client's display, used from the target.
    X11,
    /// Every request to a web target.
    Http,
    /// The requests that fit.
    HttpListed(HttpPattern),
    /// WebSockets, at the paths where a GET is allowed.
    WebSocket,
    /// The screen, the keyboard and the sound of an RDP target.
    Desktop,
    /// The clipboard, in both directions.
    Clipboard,
    /// Folders and printers of the client's machine, used from the target.
    Drives,
}

/// One thing that somebody is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use<'a> {
    Shell,
    /// Bytes as they came: a command need not be UTF-8.
    Exec(&'a [u8]),
    SftpRead,
    SftpWrite,
    ScpUp,
    ScpDown,
    Forward(&'a Endpoint),
    RemoteForward(&'a Endpoint),
    Agent,
    X11,
    Http {
        method: &'a str,
        path: &'a CanonicalPath,
    },
    WebSocket,
    Desktop,
    Clipboard,
    Drives,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotACapability {
    #[error(
        "{0:?} is not a capability: shell, exec, exec:COMMAND, sftp-read, sftp-write, scp-up, \
         scp-down, forward:HOST:PORT, remote-forward:ADDRESS:PORT, agent, x11, http, \
         http:METHODS PATH, websocket, desktop, clipboard or drives is expected"
    )]
    Unknown(String),
    #[error("{text:?}: {why}")]
    Command {
        text: String,
        why: NotACommandPattern,
    },
    #[error("{text:?}: {why}")]
    Endpoint {
        text: String,
        why: NotAnEndpointPattern,
    },
    #[error("{text:?}: {why}")]
    Http { text: String, why: NotAnHttpPattern },
}

impl Capability {
    /// What a policy that names none gives: working on the target and with its files. What
    /// reaches further, the network around it or the client's machine, must be named.
    pub const ORDINARY: [Self; 7] = [
        Self::Shell,
        Self::Exec,
        Self::SftpRead,
        Self::SftpWrite,
        Self::Http,
        Self::WebSocket,
        Self::Desktop,
    ];

    /// Whether this capability alone is enough.
    pub fn admits(&self, wanted: Use<'_>) -> bool {
        match (self, wanted) {
            (Self::Shell, Use::Shell)
            | (Self::SftpRead, Use::SftpRead)
            | (Self::SftpWrite, Use::SftpWrite)
            | (Self::ScpUp, Use::ScpUp)
            | (Self::ScpDown, Use::ScpDown)
            | (Self::Agent, Use::Agent)
            | (Self::X11, Use::X11)
            | (Self::Http, Use::Http { .. })
            | (Self::WebSocket, Use::WebSocket)
            | (Self::Desktop, Use::Desktop)
            | (Self::Clipboard, Use::Clipboard)
            | (Self::Drives, Use::Drives) => true,
            // To the target scp is a command like any other.
            (Self::Exec, Use::Exec(_) | Use::ScpUp | Use::ScpDown) => true,
            (Self::ExecListed(pattern), Use::Exec(command)) => pattern.fits(command),
            (Self::HttpListed(pattern), Use::Http { method, path }) => pattern.fits(method, path),
            (Self::Forward(pattern), Use::Forward(endpoint))
            | (Self::RemoteForward(pattern), Use::RemoteForward(endpoint)) => {
                pattern.fits(endpoint)
            }
            _ => false,
        }
    }

    /// How much a request may move that this capability admits.
    pub fn most(&self) -> Most {
        match self {
            Self::HttpListed(pattern) => pattern.most(),
            _ => Most::default(),
        }
    }
}

impl FromStr for Capability {
    type Err = NotACapability;

    fn from_str(text: &str) -> Result<Self, NotACapability> {
        let plain = match text {
            "shell" => Some(Self::Shell),
            "exec" => Some(Self::Exec),
            "sftp-read" => Some(Self::SftpRead),
            "sftp-write" => Some(Self::SftpWrite),
            "scp-up" => Some(Self::ScpUp),
            "scp-down" => Some(Self::ScpDown),
            "agent" => Some(Self::Agent),
            "x11" => Some(Self::X11),
            "http" => Some(Self::Http),
            "websocket" => Some(Self::WebSocket),
            "desktop" => Some(Self::Desktop),
            "clipboard" => Some(Self::Clipboard),
            "drives" => Some(Self::Drives),
            _ => None,
        };
        if let Some(plain) = plain {
            return Ok(plain);
        }
        let endpoint = |pattern: &str| {
            pattern
                .parse::<EndpointPattern>()
                .map_err(|why| NotACapability::Endpoint {
                    text: shown(text),
                    why,
                })
        };
        match text.split_once(':') {
            Some(("exec", pattern)) => {
                pattern
                    .parse()
                    .map(Self::ExecListed)
                    .map_err(|why| NotACapability::Command {
                        text: shown(text),
                        why,
                    })
            }
            Some(("forward", pattern)) => {
                let pattern = endpoint(pattern)?;
                match pattern.is_for_port_zero() {
                    false => Ok(Self::Forward(pattern)),
                    true => Err(NotACapability::Endpoint {
                        text: shown(text),
                        why: NotAnEndpointPattern::Port,
                    }),
                }
            }
            Some(("http", pattern)) => {
                pattern
                    .parse()
                    .map(Self::HttpListed)
                    .map_err(|why| NotACapability::Http {
                        text: shown(text),
                        why,
                    })
            }
            Some(("remote-forward", pattern)) => Ok(Self::RemoteForward(endpoint(pattern)?)),
            _ => Err(NotACapability::Unknown(shown(text))),
        }
    }
}

/// What was written, for an error: short and without anything that moves a cursor.
fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let short: String = text.chars().take(LONGEST).collect();
    Text::ours(&short).one_line()
}

impl TryFrom<String> for Capability {
    type Error = NotACapability;
    fn try_from(text: String) -> Result<Self, NotACapability> {
        text.parse()
    }
}

impl From<Capability> for String {
    fn from(capability: Capability) -> Self {
        capability.to_string()
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell => f.write_str("shell"),
            Self::Exec => f.write_str("exec"),
            Self::ExecListed(pattern) => write!(f, "exec:{pattern}"),
            Self::SftpRead => f.write_str("sftp-read"),
            Self::SftpWrite => f.write_str("sftp-write"),
            Self::ScpUp => f.write_str("scp-up"),
            Self::ScpDown => f.write_str("scp-down"),
            Self::Forward(pattern) => write!(f, "forward:{pattern}"),
            Self::RemoteForward(pattern) => write!(f, "remote-forward:{pattern}"),
            Self::Agent => f.write_str("agent"),
            Self::X11 => f.write_str("x11"),
            Self::Http => f.write_str("http"),
            Self::HttpListed(pattern) => write!(f, "http:{pattern}"),
            Self::WebSocket => f.write_str("websocket"),
            Self::Desktop => f.write_str("desktop"),
            Self::Clipboard => f.write_str("clipboard"),
            Self::Drives => f.write_str("drives"),
        }
    }
}

/// As it stands in a sentence: "check-out 7K3F does not allow `rm -rf /`".
impl fmt::Display for Use<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell => f.write_str("shell"),
            Self::Exec(command) => {
                write!(
                    f,
                    "the command {}",
                    shown(&String::from_utf8_lossy(command))
                )
            }
            Self::SftpRead => f.write_str("sftp-read"),
            Self::SftpWrite => f.write_str("sftp-write"),
            Self::ScpUp => f.write_str("scp-up"),
            Self::ScpDown => f.write_str("scp-down"),
            Self::Forward(endpoint) => write!(f, "forwarding to {endpoint}"),
            Self::RemoteForward(endpoint) => write!(f, "forwarding from {endpoint}"),
            Self::Agent => f.write_str("agent forwarding"),
            Self::X11 => f.write_str("X11 forwarding"),
            Self::Http { method, path } => {
                write!(f, "{} {}", shown(method), shown(path.as_str()))
            }
            Self::WebSocket => f.write_str("WebSockets"),
            Self::Desktop => f.write_str("a desktop"),
            Self::Clipboard => f.write_str("the clipboard"),
            Self::Drives => f.write_str("folders of the client's machine"),
        }
    }
}
