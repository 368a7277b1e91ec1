//! Reads a recording again, also one that the gateway died under.
//!
//! Gives the header and then event after event from any reader. A last line that is torn is
//! the end of the recording; anything else that is no asciicast is refused by its line number.

use std::io::{self, BufRead, Read as _};

use super::cast::Header;

/// No line of a recording is longer; ours stay far below.
const LONGEST_LINE: u64 = 8 * 1024 * 1024;

/// One line of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Seconds since the beginning; never less than those of the event before.
    pub at: f64,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Output(String),
    Input(String),
    Resize {
        width: u32,
        height: u32,
    },
    Marker(String),
    /// A request to a web target, as JSON.
    Request(String),
    /// What became of a request, as JSON.
    Answer(String),
    /// What is recorded of a body of either, as JSON.
    Body(String),
    /// A desktop, all of it (`film.rs`).
    Key(String),
    /// What of a desktop has changed.
    Tiles(String),
    /// What was typed at a desktop.
    Typed(String),
    /// Text that went over the clipboard of one.
    Clipboard(String),
    /// Where on a desktop somebody points.
    Pointer {
        x: u32,
        y: u32,
    },
}

impl Kind {
    /// Whether it may change what a desktop shows.
    pub fn is_of_a_film(&self) -> bool {
        matches!(self, Self::Resize { .. } | Self::Key(_) | Self::Tiles(_))
    }
}

/// A recording that is being read.
#[derive(Debug)]
pub struct Cast<R> {
    pub header: Header,
    lines: Lines<R>,
    last: f64,
    torn: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum CastError {
    #[error("this is no recording: its first line is no asciicast header")]
    NoHeader,
    #[error("this recording is asciicast version {0}; version 2 can be read")]
    OtherVersion(u32),
    #[error("line {0} of this recording is no event")]
    NoEvent(u64),
    #[error("line {0} of this recording is longer than {LONGEST_LINE} bytes")]
    TooLong(u64),
    #[error("this recording cannot be read")]
    Io(#[from] io::Error),
}

impl<R: BufRead> Cast<R> {
    pub fn read(reader: R) -> Result<Self, CastError> {
        let mut lines = Lines {
            reader,
            number: 0,
            line: Vec::new(),
        };
        if !lines.next()? {
            return Err(CastError::NoHeader);
        }
        // The version first: others have another shape, and deserve another answer.
        #[derive(serde::Deserialize)]
        struct Version {
            version: u32,
        }
        let version: Version =
            serde_json::from_slice(&lines.line).map_err(|_| CastError::NoHeader)?;
        if version.version != Header::VERSION {
            return Err(CastError::OtherVersion(version.version));
        }
        let header = serde_json::from_slice(&lines.line).map_err(|_| CastError::NoHeader)?;
        Ok(Self {
            header,
            lines,
            last: 0.0,
            torn: false,
        })
    }

    /// Whether the last line was torn: the recording ends where its gateway was stopped.
    pub fn is_torn(&self) -> bool {
        self.torn
    }

    /// Goes to the next line, whatever stands there; no at the end. A torn one is left out.
    pub fn next_line(&mut self) -> Result<bool, CastError> {
        Ok(!self.torn && self.lines.next()? && self.lines.is_whole())
    }

    /// The line that was read last, as it stands there.
    pub fn line(&self) -> &[u8] {
        &self.lines.line
    }

    fn next_event(&mut self) -> Result<Option<Event>, CastError> {
        while !self.torn && self.lines.next()? {
            if self.lines.line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match event(&self.lines.line) {
                Parsed::Event(mut event) => {
                    // Time does not go back in a recording, whoever wrote it.
                    event.at = event.at.max(self.last);
                    self.last = event.at;
                    return Ok(Some(event));
                }
                // Players pass over what they do not know.
                Parsed::Unknown => {}
                Parsed::Bad if !self.lines.is_whole() => self.torn = true,
                Parsed::Bad => return Err(CastError::NoEvent(self.lines.number)),
            }
        }
        Ok(None)
    }
}

impl<R: BufRead> Iterator for Cast<R> {
    type Item = Result<Event, CastError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_event().transpose()
    }
}

#[derive(Debug)]
struct Lines<R> {
    reader: R,
    number: u64,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<bool, CastError> {
        self.line.clear();
        self.number += 1;
        let mut limited = (&mut self.reader).take(LONGEST_LINE);
        let read = limited.read_until(b'\n', &mut self.line)? as u64;
        if read == LONGEST_LINE && !self.is_whole() {
            return Err(CastError::TooLong(self.number));
        }
        Ok(read > 0)
    }

    fn is_whole(&self) -> bool {
        self.line.ends_with(b"\n")
    }
}

enum Parsed {
    Event(Event),
    Unknown,
    Bad,
}

fn event(line: &[u8]) -> Parsed {
    let Ok((at, code, data)) = serde_json::from_slice::<(f64, String, String)>(line) else {
        return Parsed::Bad;
    };
    if !(at.is_finite() && at >= 0.0) {
        return Parsed::Bad;
    }
    let kind = match code.as_str() {
        "o" => Kind::Output(data),
        "i" => Kind::Input(data),
        "m" => Kind::Marker(data),
        "request" => Kind::Request(data),
        "answer" => Kind::Answer(data),
        "body" => Kind::Body(data),
        "key" => Kind::Key(data),
        "tiles" => Kind::Tiles(data),
        "typed" => Kind::Typed(data),
        "clipboard" => Kind::Clipboard(data),
        "pointer" => match size(&data) {
            Some((x, y)) => Kind::Pointer { x, y },
            None => return Parsed::Bad,
        },
        "r" => match size(&data) {
            Some((width, height)) => Kind::Resize { width, height },
            None => return Parsed::Bad,
        },
        _ => return Parsed::Unknown,
    };
    Parsed::Event(Event { at, kind })
}

fn size(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once('x')?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CAST: &str = "{\"version\":2,\"width\":80,\"height\":24}\n\
        [0.5,\"o\",\"one\"]\n[0.25,\"r\",\"100x30\"]\n[1.5,\"x\",\"later kinds\"]\n\
        [2,\"m\",\"exit status 0\"]\n";

    fn read(text: &[u8]) -> Result<Vec<Event>, CastError> {
        Cast::read(text)?.collect()
    }

    #[test]
    fn events_come_in_their_order_and_time_does_not_go_back() {
        let events = read(CAST.as_bytes()).unwrap();
        assert_eq!(
            events,
            [
                Event {
                    at: 0.5,
                    kind: Kind::Output("one".to_owned())
                },
                Event {
                    at: 0.5,
                    kind: Kind::Resize {
                        width: 100,
                        height: 30
                    }
                },
                Event {
                    at: 2.0,
                    kind: Kind::Marker("exit status 0".to_owned())
                },
            ]
        );
    }

    #[test]
    fn a_recording_torn_at_any_byte_reads_up_to_there() {
        let whole = read(CAST.as_bytes()).unwrap();
        let header = CAST.find('\n').unwrap();
        for end in header..CAST.len() {
            let mut cast = Cast::read(&CAST.as_bytes()[..end]).unwrap();
            let events: Vec<_> = cast.by_ref().map(Result::unwrap).collect();
            assert_eq!(events, whole[..events.len()], "{end}");
            // A line whose line feed alone is missing is not lost.
            let lines = CAST[..end].trim_end().lines().count();
            assert!(events.len() + 2 >= lines.min(4), "{end}");
        }
    }

    #[test]
    fn a_torn_recording_says_so() {
        let torn = &CAST.as_bytes()[..CAST.len() - 4];
        let mut cast = Cast::read(torn).unwrap();
        assert_eq!(cast.by_ref().map(Result::unwrap).count(), 2);
        assert!(cast.is_torn());
        let mut whole = Cast::read(CAST.as_bytes()).unwrap();
        assert_eq!(whole.by_ref().map(Result::unwrap).count(), 3);
        assert!(!whole.is_torn());
    }

    #[test]
    fn damage_in_the_middle_is_named_by_its_line() {
        let damaged = CAST.replace("[0.25,", "[0.25");
        assert!(matches!(
            read(damaged.as_bytes()),
            Err(CastError::NoEvent(3))
        ));
    }

    #[test]
    fn other_files_are_refused() {
        for (text, version) in [
            ("", None),
            ("hello\n", None),
            ("[]\n", None),
            ("{\"version\":3,\"term\":{}}\n", Some(3)),
            ("{\"version\":2}\n", None),
        ] {
            match read(text.as_bytes()) {
                Err(CastError::OtherVersion(found)) => assert_eq!(Some(found), version),
                Err(CastError::NoHeader) => assert_eq!(None, version, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_endless_line_ends_the_reading() {
        let endless = io::repeat(b'a');
        assert!(matches!(
            Cast::read(io::BufReader::new(endless)),
            Err(CastError::TooLong(1))
        ));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&[CAST.as_bytes(), &bytes].concat());
        }
    }
}
