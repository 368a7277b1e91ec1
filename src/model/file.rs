//! What moved by sftp, scp or HTTP: one entry a file or change, as the file log keeps it.
//!
//! Pure. A path is kept as text that says every byte and does nothing to a terminal; never
//! a byte of a file's content.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    ids::{FileId, RecordingId, SessionId},
    text::forbidden,
    time::Timestamp,
};

/// What happened to one file, as its reader saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub op: FileOp,
    pub path: FilePath,
    /// The other path of a rename, link or copy; the name that came with a file over HTTP.
    pub to: Option<FilePath>,
    /// Of the content, as far as it passed and, on the way up, was acknowledged.
    pub bytes: u64,
    /// Of exactly those bytes; only where each was seen once and in order from the first.
    pub sha256: Option<String>,
    pub result: FileResult,
    /// Why it is not complete, in a few words of ours.
    pub detail: String,
}

/// A row of the file log. Its JSON, line by line in the order of the ids, is what the root
/// hash of a channel covers: no field is left out of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FileRecord {
    pub id: FileId,
    pub session: SessionId,
    /// Counts the file channels of the session from 1.
    pub channel: u32,
    pub recording: Option<RecordingId>,
    /// When it was over.
    pub at: Timestamp,
    pub op: FileOp,
    pub path: FilePath,
    pub to: Option<FilePath>,
    pub direction: Option<Direction>,
    pub bytes: u64,
    pub sha256: Option<String>,
    pub result: FileResult,
    pub detail: String,
}

/// Gives an enum the words of its JSON in SQL and elsewhere.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$why:meta])* $variant:ident $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        pub enum $name {
            $($(#[$why])* #[serde(rename = $word)] #[schema(rename = $word)] $variant,)*
        }

        impl $name {
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(UnknownWord),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no word of the file log")]
pub struct UnknownWord;

words! {
    FileOp {
        Read "read",
        Write "write",
        Rename "rename",
        Remove "remove",
        MakeDirectory "mkdir",
        RemoveDirectory "rmdir",
        /// Size, owner, mode or times.
        SetAttributes "setstat",
        /// `path` is the link, `to` what it points to.
        Symlink "symlink",
        /// `path` is what was there, `to` its new name.
        Hardlink "hardlink",
        /// On the target, from file to file.
        Copy "copy",
    }
    Direction {
        /// From the person to the target.
        Up "up",
        Down "down",
    }
    FileResult {
        /// All of the file, or the whole change.
        Complete "complete",
        /// Closed in order, but not the whole file as far as could be seen.
        Partial "partial",
        /// The target said no.
        Failed "failed",
        /// The gateway said no; the target was not asked.
        Refused "refused",
        /// The channel ended in the middle.
        Cut "cut",
    }
}

impl FileOp {
    /// Which way content goes, for what moves content through the gateway.
    pub fn direction(self) -> Option<Direction> {
        match self {
            Self::Read => Some(Direction::Down),
            Self::Write => Some(Direction::Up),
            Self::Rename
            | Self::Remove
            | Self::MakeDirectory
            | Self::RemoveDirectory
            | Self::SetAttributes
            | Self::Symlink
            | Self::Hardlink
            | Self::Copy => None,
        }
    }
}

/// A path as text: what is no plain letter is written `\xNN` or `\u{N}`, and a backslash `\\`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(from = "String", into = "String")]
pub struct FilePath(String);

impl FilePath {
    /// In characters. Linux takes no path of more than 4,096 bytes.
    pub const LONGEST: usize = 4_096;

    pub fn from_bytes(path: &[u8]) -> Self {
        let mut text = String::with_capacity(path.len());
        for chunk in path.utf8_chunks() {
            for letter in chunk.valid().chars() {
                match letter {
                    '\\' => text.push_str("\\\\"),
                    '\n' => text.push_str("\\x0a"),
                    letter if forbidden(letter) && u32::from(letter) < 0x80 => {
                        text.push_str(&format!("\\x{:02x}", u32::from(letter)));
                    }
                    letter if forbidden(letter) => {
                        text.push_str(&format!("\\u{{{:x}}}", u32::from(letter)));
                    }
                    letter => text.push(letter),
                }
            }
            for byte in chunk.invalid() {
                text.push_str(&format!("\\x{byte:02x}"));
            }
        }
        Self::bounded(text)
    }

    /// This and a name in it.
    pub fn join(folder: &[u8], name: &[u8]) -> Self {
        let mut path = folder.to_vec();
        if !path.is_empty() && !path.ends_with(b"/") {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Self::from_bytes(&path)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn bounded(mut text: String) -> Self {
        if let Some((end, _)) = text.char_indices().nth(Self::LONGEST) {
            text.truncate(end);
            text.push('…');
        }
        Self(text)
    }
}

/// Text that was written so before.
impl From<String> for FilePath {
    fn from(text: String) -> Self {
        let inert = text.chars().filter(|c| *c != '\n' && !forbidden(*c));
        Self(inert.take(Self::LONGEST + 1).collect())
    }
}

impl From<FilePath> for String {
    fn from(path: FilePath) -> String {
        path.0
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_every_byte_and_moves_no_cursor() {
        for (path, text) in [
            (&b"/srv/a b"[..], "/srv/a b"),
            ("/größe/日本".as_bytes(), "/größe/日本"),
            (b"-rf", "-rf"),
            (b"a\\b", "a\\\\b"),
            (b"a\nb\x1b[2J\x7f", "a\\x0ab\\x1b[2J\\x7f"),
            (b"\xff\xc3", "\\xff\\xc3"),
            ("a\u{202e}b".as_bytes(), "a\\u{202e}b"),
            (b"", ""),
        ] {
            let shown = FilePath::from_bytes(path);
            assert_eq!(shown.as_str(), text);
            assert_eq!(FilePath::from(text.to_owned()), shown, "kept and read back");
        }
    }

    #[test]
    fn different_paths_have_different_texts() {
        let as_typed = FilePath::from_bytes(b"a\\x0a");
        assert_ne!(as_typed, FilePath::from_bytes(b"a\n"));
    }

    #[test]
    fn a_path_is_bounded() {
        let long = FilePath::from_bytes(&vec![0xff; 100_000]);
        assert_eq!(long.as_str().chars().count(), FilePath::LONGEST + 1);
        assert_eq!(FilePath::from(long.to_string()), long);
    }

    #[test]
    fn a_folder_and_a_name_make_a_path() {
        assert_eq!(FilePath::join(b"/srv/", b"x").as_str(), "/srv/x");
        assert_eq!(FilePath::join(b"/srv", b"x").as_str(), "/srv/x");
        assert_eq!(FilePath::join(b"", b"x").as_str(), "x");
    }
}
