//! The ways to the same target, and what the client is told to negotiate.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use crate::Result;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Direct,
    /// `ssh -J` through a second sshd.
    Jump,
    /// Through the gateway, recording on.
    Gateway,
}

impl Route {
    pub const ALL: [Self; 3] = [Self::Direct, Self::Jump, Self::Gateway];

    pub fn title(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Jump => "`ssh -J`",
            Self::Gateway => "gateway",
        }
    }

    /// Its name in the client's configuration.
    pub fn host(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Jump => "jump",
            Self::Gateway => "gateway",
        }
    }

    /// The same way to the sshd whose shells read this user's own start-up files.
    pub fn host_with_own_shell(self) -> &'static str {
        match self {
            Self::Direct => "direct-own-shell",
            Self::Jump => "jump-own-shell",
            Self::Gateway => "gateway-own-shell",
        }
    }
}

/// What the client offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// What this OpenSSH offers by itself.
    Defaults,
    Curve25519,
    /// And AES-256-GCM as the only cipher.
    Curve25519Aes,
}

impl Offer {
    const ALL: [Self; 3] = [Self::Defaults, Self::Curve25519, Self::Curve25519Aes];

    fn file(self) -> &'static str {
        match self {
            Self::Defaults => "defaults.conf",
            Self::Curve25519 => "curve25519.conf",
            Self::Curve25519Aes => "curve25519-aes.conf",
        }
    }

    fn lines(self) -> &'static str {
        match self {
            Self::Defaults => "",
            Self::Curve25519 => "KexAlgorithms curve25519-sha256\n",
            Self::Curve25519Aes => {
                "KexAlgorithms curve25519-sha256\nCiphers aes256-gcm@openssh.com\n"
            }
        }
    }
}

/// The client's configurations, one an offer, each with every route as a host.
pub struct Roads {
    folder: PathBuf,
}

/// A host of the client's configuration.
pub struct Host<'a> {
    pub name: &'a str,
    pub port: u16,
    pub user: &'a str,
    pub key: &'a Path,
    pub through: Option<&'a str>,
}

impl Roads {
    pub fn write(folder: &Path, hosts: &[Host<'_>]) -> Result<Self> {
        for offer in Offer::ALL {
            let mut text = String::new();
            for host in hosts {
                writeln!(
                    text,
                    "Host {}\nHostName 127.0.0.1\nPort {}\nUser {}\nIdentityFile {}",
                    host.name,
                    host.port,
                    host.user,
                    host.key.display()
                )?;
                if let Some(through) = host.through {
                    writeln!(text, "ProxyJump {through}")?;
                }
            }
            // A file and not options: the ssh that `ProxyJump` starts reads the same file.
            writeln!(
                text,
                "Host *\n\
                 IdentitiesOnly yes\n\
                 IdentityAgent none\n\
                 BatchMode yes\n\
                 StrictHostKeyChecking accept-new\n\
                 UserKnownHostsFile {}\n\
                 GlobalKnownHostsFile none\n\
                 UpdateHostKeys no\n\
                 ControlPath none\n\
                 ConnectTimeout 30\n\
                 LogLevel ERROR\n\
                 IgnoreUnknown ObscureKeystrokeTiming\n\
                 ObscureKeystrokeTiming no\n\
                 {}",
                folder.join("known_hosts").display(),
                offer.lines()
            )?;
            fs::write(folder.join(offer.file()), text)?;
        }
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    pub fn config(&self, offer: Offer) -> PathBuf {
        self.folder.join(offer.file())
    }
}
