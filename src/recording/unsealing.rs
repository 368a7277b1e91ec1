//! Reads a sealed recording: frame after frame, each opened at its own place.
//!
//! Gives the text up to the last frame that is whole. A file that ends in the middle of a
//! frame ends there; anything else that is not as it was written is refused by its frame's
//! number. Never gives out a byte that its key did not seal.

use std::io::{self, BufRead, Read};

use super::frame::{
    HEAD, Kind, LONGEST_FIRST_LINE, LONGEST_SEALED, Unpress, bound_to, is_current, read_first_line,
};
use crate::{model::ids::RecordingId, vault::RecordingKey};

/// How a recording's frames ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With the last frame.
    Whole,
    /// Without: it is still being written, its gateway died under it, or it was cut.
    Open,
}

#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("this file is no recording of Doorward's")]
    NotOurs,
    #[error("this recording is sealed in form {0}; this version of Doorward reads form 1")]
    OtherVersion(String),
    #[error("this file is recording {0}, not the one that belongs here")]
    OtherRecording(RecordingId),
    #[error("frame {0} of this recording was changed, moved or taken from another recording")]
    Changed(u64),
    #[error("something was added behind the end of this recording")]
    Longer,
    #[error("this recording cannot be read")]
    Io(#[from] io::Error),
}

/// A sealed recording that is being read, from any reader.
pub struct Unsealing<R> {
    reader: R,
    id: RecordingId,
    key: RecordingKey,
    number: u64,
    length: u64,
    ending: Option<Ending>,
    sealed: Vec<u8>,
    unpress: Unpress,
    /// The text of the last frame, and how much of it was read as a stream.
    text: Vec<u8>,
    read: usize,
}

impl<R: Read> Unsealing<R> {
    /// Takes the first line: whether this is a recording, and the right one.
    pub fn new(mut reader: R, id: RecordingId, key: RecordingKey) -> Result<Self, FrameError> {
        let line = first_line(&mut reader)?;
        let (version, found) = read_first_line(&line).ok_or(FrameError::NotOurs)?;
        if !is_current(version) {
            return Err(FrameError::OtherVersion(version.to_owned()));
        }
        if found != id {
            return Err(FrameError::OtherRecording(found));
        }
        Ok(Self {
            reader,
            id,
            key,
            number: 0,
            length: 0,
            ending: None,
            sealed: Vec::new(),
            unpress: Unpress::new()?,
            text: Vec::new(),
            read: 0,
        })
    }

    /// How it ended; none before the end.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// The text of the next frame; none at the end.
    pub fn next_text(&mut self) -> Result<Option<&[u8]>, FrameError> {
        if self.ending.is_some() {
            return Ok(None);
        }
        let Some(kind) = self.frame()? else {
            self.ending = Some(Ending::Open);
            return Ok(None);
        };
        let changed = FrameError::Changed(self.number);
        let aad = bound_to(&self.id, self.number, kind);
        let Some(opened) = self.key.open(self.number, &aad, &mut self.sealed) else {
            return Err(changed);
        };
        match kind {
            Kind::Text => {
                self.read = 0;
                if self.unpress.unpress(opened, &mut self.text).is_err() {
                    return Err(changed);
                }
                self.number += 1;
                self.length += self.text.len() as u64;
                Ok(Some(&self.text))
            }
            Kind::End => {
                if *opened != self.length.to_be_bytes() {
                    return Err(changed);
                }
                if self.reader.read(&mut [0])? > 0 {
                    return Err(FrameError::Longer);
                }
                self.ending = Some(Ending::Whole);
                Ok(None)
            }
        }
    }

    /// Reads one frame, sealed; none where the file ends before the frame does.
    fn frame(&mut self) -> Result<Option<Kind>, FrameError> {
        let mut head = [0; HEAD];
        if !fill(&mut self.reader, &mut head)? {
            return Ok(None);
        }
        // What a crash of the machine leaves where a file grew and nothing was written yet.
        if head == [0; HEAD] {
            return Ok(None);
        }
        let [kind, length @ ..] = head;
        let kind = Kind::of(kind).ok_or(FrameError::Changed(self.number))?;
        let length = u32::from_be_bytes(length) as usize;
        if !(RecordingKey::TAG..=LONGEST_SEALED).contains(&length) {
            return Err(FrameError::Changed(self.number));
        }
        self.sealed.clear();
        let wanted = &mut (&mut self.reader).take(length as u64);
        let found = wanted.read_to_end(&mut self.sealed)?;
        Ok((found == length).then_some(kind))
    }
}

/// As one stream of text, for who reads lines.
impl<R: Read> Read for Unsealing<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let text = self.fill_buf()?;
        let count = text.len().min(into.len());
        into[..count].copy_from_slice(&text[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Unsealing<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.read == self.text.len() && self.ending.is_none() {
            self.next_text().map_err(|error| match error {
                FrameError::Io(error) => error,
                error => io::Error::new(io::ErrorKind::InvalidData, error),
            })?;
        }
        Ok(&self.text[self.read..])
    }

    fn consume(&mut self, count: usize) {
        self.read += count;
    }
}

fn first_line(reader: &mut impl Read) -> Result<Vec<u8>, FrameError> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < LONGEST_FIRST_LINE && !line.ends_with(b"\n") && fill(reader, &mut byte)? {
        line.push(byte[0]);
    }
    Ok(line)
}

/// Whether the reader had as much.
fn fill(reader: &mut impl Read, into: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(into) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        config::{SecretSource, VaultConfig},
        model::time::Timestamp,
        recording::frame::{Press, Sealing},
        vault::{RecordingKeys, Vault, WrappedKey},
    };

    const TEXTS: [&str; 4] = ["{\"version\":2}\n", "one\n", "two two two two\n", "three\n"];

    /// A sealed recording of `TEXTS`, a frame each, and where each frame ends.
    struct Sealed {
        id: RecordingId,
        keys: RecordingKeys,
        wrapped: WrappedKey,
        bytes: Vec<u8>,
        ends: Vec<usize>,
        _folder: tempfile::TempDir,
    }

    static SEALED: LazyLock<Sealed> = LazyLock::new(|| Sealed::new(1));

    impl Sealed {
        fn new(number: u8) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let key = SecretSource::File(folder.path().join("vault.key"));
            let keys = Vault::open(&VaultConfig { key }).unwrap().recording_keys();
            let id = RecordingId::new(Timestamp::from_millis(1), [number; 10]);
            let (key, wrapped) = keys.make(&id).unwrap();
            let mut sealing = Sealing::new(id.clone(), key);
            let mut bytes = sealing.first_line();
            let mut ends = vec![bytes.len()];
            let mut press = Press::new();
            for text in TEXTS {
                sealing
                    .text(text.as_bytes(), &mut press, &mut bytes)
                    .unwrap();
                ends.push(bytes.len());
            }
            sealing.end(&mut bytes);
            ends.push(bytes.len());
            Self {
                id,
                keys,
                wrapped,
                bytes,
                ends,
                _folder: folder,
            }
        }

        fn read(&self, bytes: &[u8]) -> (String, Result<Option<Ending>, FrameError>) {
            let key = self.keys.open(&self.id, &self.wrapped).unwrap();
            let mut frames = match Unsealing::new(bytes, self.id.clone(), key) {
                Ok(frames) => frames,
                Err(error) => return (String::new(), Err(error)),
            };
            let mut text = String::new();
            loop {
                match frames.next_text() {
                    Ok(Some(more)) => text.push_str(str::from_utf8(more).unwrap()),
                    Ok(None) => return (text, Ok(frames.ending())),
                    Err(error) => return (text, Err(error)),
                }
            }
        }

        fn frame(&self, number: usize) -> &[u8] {
            &self.bytes[self.ends[number]..self.ends[number + 1]]
        }
    }

    #[test]
    fn what_was_sealed_is_read_and_its_end_is_known() {
        let (text, ending) = SEALED.read(&SEALED.bytes);
        assert_eq!(text, TEXTS.concat());
        assert_eq!(ending.unwrap(), Some(Ending::Whole));
    }

    #[test]
    fn a_file_that_was_cut_at_any_byte_gives_its_whole_frames_and_no_end() {
        for cut in SEALED.ends[0]..SEALED.bytes.len() {
            let (text, ending) = SEALED.read(&SEALED.bytes[..cut]);
            let whole = SEALED.ends[1..].iter().filter(|end| **end <= cut).count();
            assert_eq!(text, TEXTS[..whole].concat(), "{cut}");
            assert_eq!(ending.unwrap(), Some(Ending::Open), "{cut}");
        }
    }

    #[test]
    fn frames_that_were_swapped_dropped_doubled_or_added_are_found() {
        let sealed = &*SEALED;
        let first = &sealed.bytes[..sealed.ends[0]];
        let put_together = |order: &[usize]| {
            let frames: Vec<&[u8]> = order.iter().map(|number| sealed.frame(*number)).collect();
            [first, &frames.concat()].concat()
        };
        for (order, wrong) in [
            (&[0, 2, 1, 3, 4][..], 1),
            (&[0, 1, 3, 4], 2),
            (&[1, 2, 3, 4], 0),
            (&[0, 1, 1, 2, 3, 4], 2),
            (&[0, 1, 4], 2),
        ] {
            match sealed.read(&put_together(order)) {
                (text, Err(FrameError::Changed(number))) => {
                    assert_eq!(number, wrong, "{order:?}");
                    assert_eq!(text, TEXTS[..wrong as usize].concat());
                }
                other => panic!("{order:?}: {other:?}"),
            }
        }
        let more = [&sealed.bytes, sealed.frame(1)].concat();
        assert!(matches!(sealed.read(&more), (_, Err(FrameError::Longer))));
    }

    #[test]
    fn a_frame_of_another_recording_opens_nowhere_else() {
        let other = Sealed::new(2);
        assert!(matches!(
            SEALED.read(&other.bytes),
            (_, Err(FrameError::OtherRecording(id))) if id == other.id
        ));
        let mixed = [&SEALED.bytes[..SEALED.ends[1]], other.frame(1)].concat();
        let (text, error) = SEALED.read(&mixed);
        assert_eq!(text, TEXTS[0]);
        assert!(matches!(error, Err(FrameError::Changed(1))));
        // Nor does the key open for another recording's name.
        assert!(SEALED.keys.open(&other.id, &SEALED.wrapped).is_err());
    }

    #[test]
    fn other_files_are_refused_with_a_sentence() {
        for (file, sentence) in [
            ("", "this file is no recording of Doorward's"),
            (
                "{\"version\":2}\n",
                "this file is no recording of Doorward's",
            ),
            (
                "doorward recording 2 01ARZ3NDEKTSV4RRFFQ69G5FAV\n",
                "this recording is sealed in form 2; this version of Doorward reads form 1",
            ),
        ] {
            let error = SEALED.read(file.as_bytes()).1.unwrap_err();
            assert_eq!(error.to_string(), sentence);
        }
    }

    #[test]
    fn what_a_file_grew_by_and_nobody_wrote_is_no_damage() {
        let zeros = [&SEALED.bytes[..SEALED.ends[2]], &[0; 4_096]].concat();
        let (text, ending) = SEALED.read(&zeros);
        assert_eq!(text, TEXTS[..2].concat());
        assert_eq!(ending.unwrap(), Some(Ending::Open));
    }

    proptest! {
        #[test]
        fn a_flipped_bit_is_found_or_ends_a_clean_beginning(
            at in 0..SEALED.bytes.len() * 8,
        ) {
            let mut bytes = SEALED.bytes.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            let (text, ending) = SEALED.read(&bytes);
            prop_assert!(TEXTS.concat().starts_with(&text));
            prop_assert!(!matches!(ending, Ok(Some(Ending::Whole))), "bit {at}");
        }

        #[test]
        fn no_bytes_make_the_reader_panic_or_show_anything(
            keep in 0..SEALED.bytes.len(),
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let (text, _) = SEALED.read(&[&SEALED.bytes[..keep], &bytes].concat());
            prop_assert!(TEXTS.concat().starts_with(&text));
        }
    }
}
