//! Whether what starts on a channel moves files, and what it may then do.
//!
//! Pure. scp's own command on the other side is known by its form; anything else that may
//! run is no business of this.

use super::{
    super::talk::Start,
    rights::Rights,
    scp::{ScpCommand, Side},
};
use crate::model::{capability::Use, permit::Permit, refusal::Refusal};

/// How a channel is followed.
#[derive(Debug)]
pub enum Plan {
    Sftp(Scope),
    Scp { command: ScpCommand, scope: Scope },
}

/// What the permit lets through.
#[derive(Debug)]
pub struct Scope {
    pub read: Result<(), Refusal>,
    pub write: Result<(), Refusal>,
    /// The command was allowed as a command: it may be anything.
    pub anything: bool,
}

impl Plan {
    /// None for what moves no files as far as can be told.
    ///
    /// # Errors
    /// It does, and may not at all.
    pub fn of(start: &Start, permit: &Permit) -> Result<Option<Self>, Refusal> {
        match start {
            Start::Shell => Ok(None),
            Start::Subsystem(name) if name == "sftp" => {
                let scope = Scope {
                    read: permit.allows(Use::SftpRead),
                    write: permit.allows(Use::SftpWrite),
                    anything: false,
                };
                // One way is enough to begin.
                if scope.write.is_err() {
                    scope.read.clone()?;
                }
                Ok(Some(Self::Sftp(scope)))
            }
            Start::Subsystem(_) => Ok(None),
            Start::Exec(command) => {
                let Some(scp) = ScpCommand::parse(command) else {
                    return Ok(None);
                };
                let way = match scp.side {
                    Side::Sink => Use::ScpUp,
                    Side::Source => Use::ScpDown,
                };
                let anything = permit.allows(Use::Exec(command)).is_ok();
                if !anything {
                    permit.allows(way)?;
                }
                let scope = Scope {
                    read: permit.allows(Use::ScpDown),
                    write: permit.allows(Use::ScpUp),
                    anything,
                };
                Ok(Some(Self::Scp {
                    command: scp,
                    scope,
                }))
            }
        }
    }

    /// Whether it was allowed as a command, which may be anything.
    pub fn is_any_command(&self) -> bool {
        match self {
            Self::Sftp(scope) | Self::Scp { scope, .. } => scope.anything,
        }
    }

    /// What is run in place of what was asked for: a command that may only be scp is
    /// written so that no shell finds anything else in it.
    pub fn command(&self) -> Option<Vec<u8>> {
        match self {
            Self::Scp { command, scope } if !scope.anything => Some(command.canonical()),
            Self::Scp { .. } | Self::Sftp(_) => None,
        }
    }
}

impl Scope {
    pub fn rights(&self) -> Rights {
        let sentence = |way: &Result<(), Refusal>| way.clone().map_err(|why| why.to_string());
        Rights {
            read: sentence(&self.read),
            write: sentence(&self.write),
        }
    }
}
