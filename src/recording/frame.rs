//! The form of a recording at rest: one line that says whose it is, then sealed frames.
//!
//! Pure: makes frames and knows their bounds. Never reads or writes a file.
//!
//! ```text
//! "doorward recording 1 " ID "\n"
//! frame*     kind: u8 · length: u32, big endian · ciphertext · tag (16 bytes)
//! ```
//!
//! A frame holds zstd-compressed asciicast text and is sealed with AES-256-GCM by the
//! recording's own key. Its nonce is its number, counted from 0. The associated data are the
//! recording's id, the number and the kind, so a frame opens at its own place in its own
//! recording and nowhere else. The last frame has a kind of its own: a file without one was
//! cut, or its gateway was.

use std::io;

use zstd::bulk::{Compressor, Decompressor};

use crate::{model::ids::RecordingId, vault::RecordingKey};

/// No frame holds more text than this.
pub const LONGEST_TEXT: usize = 512 * 1024;
/// Text that zstd cannot make smaller grows by less than this.
const SLACK: usize = 4 * 1024;
pub(super) const LONGEST_SEALED: usize = LONGEST_TEXT + SLACK;
pub(super) const HEAD: usize = 5;

const MAGIC: &str = "doorward recording ";
const VERSION: &str = "1";
/// Longer than any first line of ours.
pub(super) const LONGEST_FIRST_LINE: usize = 64;

/// What a person reads is small and pressed well; what comes in bulk keeps a session waiting,
/// so the processor is spared there. Levels below -1 are no faster with text: they find less.
const LEVEL: i32 = 3;
const BULK_LEVEL: i32 = -1;
const BULK: usize = 32 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text = 1,
    End = 2,
}

impl Kind {
    pub fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Text),
            2 => Some(Self::End),
            _ => None,
        }
    }
}

pub(super) fn first_line(id: &RecordingId) -> Vec<u8> {
    format!("{MAGIC}{VERSION} {id}\n").into_bytes()
}

/// What a first line says: the form's version and the recording's id.
pub(super) fn read_first_line(line: &[u8]) -> Option<(&str, RecordingId)> {
    let line = str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (version, id) = line.strip_prefix(MAGIC)?.split_once(' ')?;
    Some((version, id.parse().ok()?))
}

/// Whether a file that begins so is a sealed recording, of whatever version.
pub fn is_sealed(beginning: &[u8]) -> bool {
    beginning.starts_with(MAGIC.as_bytes())
}

pub(super) fn is_current(version: &str) -> bool {
    version == VERSION
}

/// What a frame is bound to.
pub(super) fn bound_to(id: &RecordingId, number: u64, kind: Kind) -> Vec<u8> {
    let mut aad = b"doorward recording frame 1".to_vec();
    aad.extend_from_slice(id.as_str().as_bytes());
    aad.extend_from_slice(&number.to_be_bytes());
    aad.push(kind as u8);
    aad
}

/// Makes the frames of one recording, in their order.
pub struct Sealing {
    id: RecordingId,
    key: RecordingKey,
    number: u64,
    /// Of text, so far.
    length: u64,
}

impl Sealing {
    pub fn new(id: RecordingId, key: RecordingKey) -> Self {
        Self {
            id,
            key,
            number: 0,
            length: 0,
        }
    }

    /// What the file begins with.
    pub fn first_line(&self) -> Vec<u8> {
        first_line(&self.id)
    }

    /// Appends the frames that hold `text`.
    pub fn text(&mut self, text: &[u8], press: &mut Press, into: &mut Vec<u8>) -> io::Result<()> {
        for text in text.chunks(LONGEST_TEXT) {
            self.frame(Kind::Text, into, |into| press.press(text, into))?;
            self.length += text.len() as u64;
        }
        Ok(())
    }

    /// Appends the last frame: how much text there is in all.
    pub fn end(&mut self, into: &mut Vec<u8>) {
        let length = self.length.to_be_bytes();
        let written = self.frame(Kind::End, into, |into| {
            into.extend_from_slice(&length);
            Ok(())
        });
        written.expect("a vector takes every byte");
    }

    fn frame(
        &mut self,
        kind: Kind,
        into: &mut Vec<u8>,
        fill: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        let head = into.len();
        into.extend_from_slice(&[0; HEAD]);
        let from = into.len();
        fill(into)?;
        // INVARIANT: counted before anything can fail behind it, so that no number is used
        // twice.
        let number = self.number;
        self.number += 1;
        self.key
            .seal(number, &bound_to(&self.id, number, kind), into, from);
        let length = u32::try_from(into.len() - from).expect("a frame is bounded");
        into[head] = kind as u8;
        into[head + 1..from].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}

/// Compresses. One for each thread that writes: its tables are far larger than a recording
/// that is silent should be.
pub struct Press(Option<Compressor<'static>>);

impl Press {
    /// Takes its memory when it is used first.
    pub fn new() -> Self {
        Self(None)
    }

    fn press(&mut self, text: &[u8], into: &mut Vec<u8>) -> io::Result<()> {
        let compressor = match &mut self.0 {
            Some(compressor) => compressor,
            empty => empty.insert(Compressor::new(LEVEL)?),
        };
        let bulk = text.len() >= BULK;
        compressor.set_compression_level(if bulk { BULK_LEVEL } else { LEVEL })?;
        into.reserve(zstd::zstd_safe::compress_bound(text.len()));
        let from = into.len() as u64;
        let mut behind = io::Cursor::new(into);
        behind.set_position(from);
        compressor.compress_to_buffer(text, &mut behind)?;
        Ok(())
    }
}

impl Default for Press {
    fn default() -> Self {
        Self::new()
    }
}

pub(super) struct Unpress(Decompressor<'static>);

impl Unpress {
    pub fn new() -> io::Result<Self> {
        Ok(Self(Decompressor::new()?))
    }

    /// The text of a frame; an error where it would be longer than a frame may hold.
    pub fn unpress(&mut self, pressed: &[u8], text: &mut Vec<u8>) -> io::Result<()> {
        let size = match Decompressor::upper_bound(pressed) {
            Some(size) if size <= LONGEST_TEXT => size,
            _ => return Err(io::Error::other("a frame of unknown or forbidden length")),
        };
        text.clear();
        text.reserve(size);
        self.0.decompress_to_buffer(pressed, text).map(drop)
    }
}
