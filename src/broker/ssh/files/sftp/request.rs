//! What a client may ask: SFTP version 3 (draft-ietf-secsh-filexfer-02) and the extensions
//! that OpenSSH's PROTOCOL file lists.
//!
//! Pure. Knows every request by name; what is not here is `Unknown` and stays so.

use super::{super::rights::Need, broken::Broken, fields::Fields, frames::packet_length};
use crate::model::file::{FileOp, FilePath};

mod kind {
    pub const INIT: u8 = 1;
    pub const OPEN: u8 = 3;
    pub const CLOSE: u8 = 4;
    pub const READ: u8 = 5;
    pub const WRITE: u8 = 6;
    pub const LSTAT: u8 = 7;
    pub const FSTAT: u8 = 8;
    pub const SETSTAT: u8 = 9;
    pub const FSETSTAT: u8 = 10;
    pub const OPENDIR: u8 = 11;
    pub const READDIR: u8 = 12;
    pub const REMOVE: u8 = 13;
    pub const MKDIR: u8 = 14;
    pub const RMDIR: u8 = 15;
    pub const REALPATH: u8 = 16;
    pub const STAT: u8 = 17;
    pub const RENAME: u8 = 18;
    pub const READLINK: u8 = 19;
    pub const SYMLINK: u8 = 20;
    pub const EXTENDED: u8 = 200;
}

/// A handle is at most this long (draft s6.2).
pub const LONGEST_HANDLE: usize = 256;
const LONGEST_EXTENSION: usize = 256;

/// The beginning of every request but the first: length, type, id.
const TO_ID: usize = 9;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    pub id: u32,
    pub asks: Asks<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asks<'a> {
    /// Carries a version in place of an id.
    Version(u32),
    Open {
        path: &'a [u8],
        flags: Flags,
    },
    Close(&'a [u8]),
    Read {
        handle: &'a [u8],
        offset: u64,
        length: u32,
    },
    /// The content follows.
    Write {
        handle: &'a [u8],
        offset: u64,
        length: u32,
    },
    /// `stat` and `lstat`.
    Stat(&'a [u8]),
    StatHandle(&'a [u8]),
    SetStat(&'a [u8]),
    SetStatHandle {
        handle: &'a [u8],
        size: Option<u64>,
    },
    OpenDirectory(&'a [u8]),
    Remove(&'a [u8]),
    MakeDirectory(&'a [u8]),
    RemoveDirectory(&'a [u8]),
    Rename {
        from: &'a [u8],
        to: &'a [u8],
    },
    /// In OpenSSH's order, which is not the draft's: what it points to, then the link.
    Symlink {
        to: &'a [u8],
        link: &'a [u8],
    },
    Hardlink {
        from: &'a [u8],
        to: &'a [u8],
    },
    Flush(&'a [u8]),
    /// Copies on the target from one open file to another.
    Copy {
        from: &'a [u8],
        to: &'a [u8],
    },
    /// Neither reads nor changes a file's content: names, limits, free space.
    Look,
    /// Of this name or number.
    Unknown(&'a [u8]),
}

/// How a file is opened (draft s6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    const READ: u32 = 0x01;
    const WRITE: u32 = 0x02;
    const APPEND: u32 = 0x04;
    const CREATE: u32 = 0x08;
    const TRUNCATE: u32 = 0x10;
    const EXCLUSIVE: u32 = 0x20;
    const KNOWN: u32 = 0x3f;

    /// Servers open for reading what asks for neither.
    pub fn reads(self) -> bool {
        self.has(Self::READ) || !self.has(Self::WRITE)
    }

    pub fn writes(self) -> bool {
        self.has(Self::WRITE)
    }

    /// Anything that could leave the file, or its folder, other than before.
    pub fn changes(self) -> bool {
        self.has(Self::WRITE | Self::APPEND | Self::CREATE | Self::TRUNCATE | Self::EXCLUSIVE)
    }

    /// Whether the file holds nothing once it is open.
    pub fn empties(self) -> bool {
        self.has(Self::TRUNCATE) || (self.has(Self::CREATE) && self.has(Self::EXCLUSIVE))
    }

    pub fn are_known(self) -> bool {
        self.0 & !Self::KNOWN == 0
    }

    fn has(self, any_of: u32) -> bool {
        self.0 & any_of != 0
    }
}

/// How much of a request must be seen at once: all but a file's content, and but what an
/// extension carries that needs no look.
pub fn needed(seen: &[u8]) -> Result<usize, Broken> {
    match seen[4] {
        kind::WRITE => {
            let Some(handle) = string_length(seen, TO_ID, LONGEST_HANDLE)? else {
                return Ok(TO_ID + 4);
            };
            // Handle, offset, and the length of the content.
            Ok(TO_ID + 4 + handle + 8 + 4)
        }
        kind::EXTENDED => {
            let Some(length) = string_length(seen, TO_ID, LONGEST_EXTENSION)? else {
                return Ok(TO_ID + 4);
            };
            let name = TO_ID + 4..TO_ID + 4 + length;
            match seen.get(name.clone()) {
                Some(name) if is_read_whole(name) => Ok(packet_length(seen)),
                _ => Ok(name.end),
            }
        }
        _ => Ok(packet_length(seen)),
    }
}

fn string_length(seen: &[u8], at: usize, longest: usize) -> Result<Option<usize>, Broken> {
    let Some(field) = seen.get(at..at + 4) else {
        return Ok(None);
    };
    let length = Fields::new(field).number()? as usize;
    if length > longest {
        return Err(Broken::Malformed("a handle or a name that is too long"));
    }
    Ok(Some(length))
}

/// Extensions whose fields matter here.
fn is_read_whole(name: &[u8]) -> bool {
    matches!(
        name,
        b"posix-rename@openssh.com"
            | b"hardlink@openssh.com"
            | b"lsetstat@openssh.com"
            | b"fsync@openssh.com"
            | b"copy-data"
    )
}

impl<'a> Request<'a> {
    /// Reads a head that is as long as `needed` says.
    pub fn read(head: &'a [u8]) -> Result<Self, Broken> {
        let kind = &head[4..5];
        let mut fields = Fields::new(&head[5..]);
        let id = fields.number()?;
        let asks = match kind[0] {
            kind::INIT => Asks::Version(id),
            kind::OPEN => Asks::Open {
                path: fields.string()?,
                flags: Flags(fields.number()?),
            },
            kind::CLOSE => Asks::Close(fields.string()?),
            kind::READ => Asks::Read {
                handle: fields.string()?,
                offset: fields.long()?,
                length: fields.number()?,
            },
            kind::WRITE => Self::write(head, fields)?,
            kind::LSTAT | kind::STAT => Asks::Stat(fields.string()?),
            kind::FSTAT => Asks::StatHandle(fields.string()?),
            kind::SETSTAT => Asks::SetStat(fields.string()?),
            kind::FSETSTAT => Asks::SetStatHandle {
                handle: fields.string()?,
                size: size_of(&mut fields)?,
            },
            kind::OPENDIR => Asks::OpenDirectory(fields.string()?),
            kind::REMOVE => Asks::Remove(fields.string()?),
            kind::MKDIR => Asks::MakeDirectory(fields.string()?),
            kind::RMDIR => Asks::RemoveDirectory(fields.string()?),
            kind::READDIR | kind::REALPATH | kind::READLINK => Asks::Look,
            kind::RENAME => Asks::Rename {
                from: fields.string()?,
                to: fields.string()?,
            },
            kind::SYMLINK => Asks::Symlink {
                to: fields.string()?,
                link: fields.string()?,
            },
            kind::EXTENDED => Self::extension(fields)?,
            _ => Asks::Unknown(kind),
        };
        Ok(Self { id, asks })
    }

    fn write(head: &[u8], mut fields: Fields<'a>) -> Result<Asks<'a>, Broken> {
        let (handle, offset) = (fields.string()?, fields.long()?);
        let length = fields.number()?;
        if length as usize != packet_length(head) - head.len() {
            return Err(Broken::Malformed(
                "content of another length than its packet",
            ));
        }
        Ok(Asks::Write {
            handle,
            offset,
            length,
        })
    }

    fn extension(mut fields: Fields<'a>) -> Result<Asks<'a>, Broken> {
        let name = fields.string()?;
        Ok(match name {
            b"posix-rename@openssh.com" => Asks::Rename {
                from: fields.string()?,
                to: fields.string()?,
            },
            b"hardlink@openssh.com" => Asks::Hardlink {
                from: fields.string()?,
                to: fields.string()?,
            },
            b"lsetstat@openssh.com" => Asks::SetStat(fields.string()?),
            b"fsync@openssh.com" => Asks::Flush(fields.string()?),
            b"copy-data" => Self::copy(fields)?,
            b"statvfs@openssh.com"
            | b"fstatvfs@openssh.com"
            | b"limits@openssh.com"
            | b"expand-path@openssh.com"
            | b"home-directory"
            | b"users-groups-by-id@openssh.com" => Asks::Look,
            unknown => Asks::Unknown(unknown),
        })
    }

    fn copy(mut fields: Fields<'a>) -> Result<Asks<'a>, Broken> {
        let from = fields.string()?;
        let (_offset, _length) = (fields.long()?, fields.long()?);
        let to = fields.string()?;
        Ok(Asks::Copy { from, to })
    }
}

/// The size in a set of attributes, if it has one (draft s5).
fn size_of(fields: &mut Fields<'_>) -> Result<Option<u64>, Broken> {
    const SIZE: u32 = 0x01;
    match fields.number()? & SIZE {
        0 => Ok(None),
        _ => fields.long().map(Some),
    }
}

impl Asks<'_> {
    /// What it may do to a file or its folder.
    pub fn need(&self) -> Need {
        match self {
            Self::Open { flags, .. } => match (flags.reads(), flags.changes()) {
                (true, true) => Need::Both,
                (true, false) => Need::Read,
                (false, _) => Need::Write,
            },
            Self::Read { .. } => Need::Read,
            Self::Copy { .. } => Need::Both,
            Self::Write { .. }
            | Self::SetStat(_)
            | Self::SetStatHandle { .. }
            | Self::Remove(_)
            | Self::MakeDirectory(_)
            | Self::RemoveDirectory(_)
            | Self::Rename { .. }
            | Self::Symlink { .. }
            | Self::Hardlink { .. }
            | Self::Flush(_) => Need::Write,
            // Names and sizes: no client finds its way without them.
            Self::Stat(_)
            | Self::StatHandle(_)
            | Self::OpenDirectory(_)
            | Self::Close(_)
            | Self::Look => Need::Nothing,
            // Never passed, whatever is allowed.
            Self::Version(_) | Self::Unknown(_) => Need::Nothing,
        }
    }

    /// For the auditor: what was asked, without its path.
    pub fn name(&self) -> String {
        let name = match self {
            Self::Version(_) => "version",
            Self::Open { flags, .. } if !flags.are_known() => "open in an unknown way",
            Self::Open { flags, .. } if flags.changes() => "open for writing",
            Self::Open { .. } => "open for reading",
            Self::Close(_) => "close",
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::Stat(_) | Self::StatHandle(_) => "stat",
            Self::SetStat(_) | Self::SetStatHandle { .. } => "setstat",
            Self::OpenDirectory(_) => "opendir",
            Self::Remove(_) => "remove",
            Self::MakeDirectory(_) => "mkdir",
            Self::RemoveDirectory(_) => "rmdir",
            Self::Rename { .. } => "rename",
            Self::Symlink { .. } => "symlink",
            Self::Hardlink { .. } => "hardlink",
            Self::Flush(_) => "fsync",
            Self::Copy { .. } => "copy-data",
            Self::Look => "look",
            Self::Unknown([number]) => return format!("SFTP request {number}"),
            Self::Unknown(name) => {
                let name = FilePath::from_bytes(name);
                return format!("SFTP extension {name}");
            }
        };
        name.to_owned()
    }

    /// What it changes by path.
    pub fn change(&self) -> Option<Change<'_>> {
        let (op, path, to) = match *self {
            Self::SetStat(path) => (FileOp::SetAttributes, path, None),
            Self::Remove(path) => (FileOp::Remove, path, None),
            Self::MakeDirectory(path) => (FileOp::MakeDirectory, path, None),
            Self::RemoveDirectory(path) => (FileOp::RemoveDirectory, path, None),
            Self::Rename { from, to } => (FileOp::Rename, from, Some(to)),
            Self::Symlink { to, link } => (FileOp::Symlink, link, Some(to)),
            Self::Hardlink { from, to } => (FileOp::Hardlink, from, Some(to)),
            _ => return None,
        };
        Some(Change { op, path, to })
    }
}

/// A change by path.
pub struct Change<'a> {
    pub op: FileOp,
    pub path: &'a [u8],
    pub to: Option<&'a [u8]>,
}
