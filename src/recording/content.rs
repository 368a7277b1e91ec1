//! What of a channel's output stands in its recording, and what is only counted.
//!
//! A terminal and all text are recorded whole. Binary data beyond a first piece is left out
//! of the file and the file says so: how many bytes, and their BLAKE3. Never silent.

use super::{
    cast::{self, Utf8},
    typed::Typed,
};

/// What a channel carries, as the request that started it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A shell or command on a pty: recorded whole.
    Terminal(Terminal),
    /// A shell or command without a pty. Text is recorded whole, and so is the first
    /// `BINARY_KEPT` of anything else; further chunks with a NUL in them are left out.
    Command(String),
    /// A subsystem: a protocol between programs, counted and hashed only.
    Subsystem(String),
    /// What goes to a web target: a line for each request and its answer, no bodies.
    Requests,
    /// A desktop: what it shows, and where the policy asks for it what is typed.
    Desktop,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// The `TERM` of the person's terminal.
    pub term: String,
    pub width: u32,
    pub height: u32,
    /// None for a shell.
    pub command: Option<String>,
}

impl Content {
    /// As `Recording::kind` names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Terminal(_) => "terminal",
            Self::Command(_) => "command",
            Self::Subsystem(_) => "subsystem",
            Self::Requests => "requests",
            Self::Desktop => "desktop",
        }
    }
}

/// Enough for what people read that holds a NUL: `find -print0`, `/proc/1/environ`.
pub const BINARY_KEPT: usize = 256 * 1024;
/// While data is being left out, the file says so far how much at least this often.
pub const COUNTED_EVERY_MS: u64 = 5_000;

/// Turns output into events. Both streams of a channel go into one recording, in the order
/// in which they came; each keeps its own half characters.
#[derive(Debug)]
pub struct Events {
    rule: Rule,
    output: Utf8,
    error: Utf8,
    left_out: Option<Box<LeftOut>>,
    input: Input,
}

/// What becomes of what the person sends.
#[derive(Debug)]
enum Input {
    Off,
    Typed(Box<Typed>),
    /// Without a terminal nothing comes back that it could be held against.
    Counted(u64),
}

#[derive(Debug, Clone, Copy)]
pub enum Stream {
    Output,
    Error,
}

#[derive(Debug, Clone, Copy)]
enum Rule {
    Whole,
    Text { binary_kept: usize },
    Counted,
}

struct LeftOut {
    bytes: u64,
    digest: blake3::Hasher,
    said_at: u64,
}

impl Events {
    pub fn new(content: &Content) -> Self {
        let rule = match content {
            Content::Terminal(_) => Rule::Whole,
            Content::Command(_) => Rule::Text {
                binary_kept: BINARY_KEPT,
            },
            Content::Subsystem(_) | Content::Requests | Content::Desktop => Rule::Counted,
        };
        Self {
            rule,
            output: Utf8::default(),
            error: Utf8::default(),
            left_out: None,
            input: Input::Off,
        }
    }

    /// Records what is typed too, as far as the target shows it.
    pub fn with_input(self, content: &Content) -> Self {
        let input = match content {
            Content::Terminal(_) => Input::Typed(Box::default()),
            Content::Command(_) | Content::Subsystem(_) | Content::Requests => Input::Counted(0),
            // Told line by line, beside what is shown.
            Content::Desktop => Input::Off,
        };
        Self { input, ..self }
    }

    /// What the person sends.
    pub fn input(&mut self, millis: u64, bytes: &[u8], into: &mut Vec<u8>) {
        match &mut self.input {
            Input::Off => {}
            Input::Typed(typed) => typed.typed(millis, bytes, into),
            Input::Counted(count) => *count += bytes.len() as u64,
        }
    }

    pub fn add(&mut self, stream: Stream, millis: u64, bytes: &[u8], into: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        if self.leaves_out(bytes) {
            return self.count(millis, bytes, into);
        }
        self.say_what_was_left_out(millis, into);
        if let Input::Typed(typed) = &mut self.input {
            typed.shown(millis, bytes, into);
        }
        match stream {
            Stream::Output => self.output.output(millis, bytes, into),
            Stream::Error => self.error.output(millis, bytes, into),
        }
    }

    pub fn marker(&mut self, millis: u64, text: &str, into: &mut Vec<u8>) {
        self.say_what_was_left_out(millis, into);
        cast::marker(millis, text, into);
    }

    pub fn end(&mut self, millis: u64, into: &mut Vec<u8>) {
        self.say_what_was_left_out(millis, into);
        self.output.end(millis, into);
        self.error.end(millis, into);
        match std::mem::replace(&mut self.input, Input::Off) {
            Input::Typed(mut typed) => typed.end(millis, into),
            Input::Counted(count) if count > 0 => {
                let text = format!("input: {count} bytes, not recorded");
                cast::marker(millis, &text, into);
            }
            Input::Counted(_) | Input::Off => {}
        }
    }

    fn leaves_out(&mut self, bytes: &[u8]) -> bool {
        match &mut self.rule {
            Rule::Whole => false,
            Rule::Counted => true,
            Rule::Text { binary_kept } => {
                if memchr::memchr(0, bytes).is_none() {
                    return false;
                }
                let kept = bytes.len() <= *binary_kept;
                *binary_kept = binary_kept.saturating_sub(bytes.len());
                !kept
            }
        }
    }

    fn count(&mut self, millis: u64, bytes: &[u8], into: &mut Vec<u8>) {
        if self.left_out.is_none() {
            // Said before the first byte is left out, so that a torn recording says it too.
            self.output.end(millis, into);
            self.error.end(millis, into);
            cast::marker(
                millis,
                "binary output follows: counted and hashed, not recorded",
                into,
            );
        }
        let left_out = self.left_out.get_or_insert_with(|| {
            Box::new(LeftOut {
                bytes: 0,
                digest: blake3::Hasher::new(),
                said_at: millis,
            })
        });
        left_out.bytes += bytes.len() as u64;
        left_out.digest.update(bytes);
        if millis.saturating_sub(left_out.said_at) >= COUNTED_EVERY_MS {
            left_out.said_at = millis;
            cast::marker(millis, &left_out.sentence("left out so far"), into);
        }
    }

    fn say_what_was_left_out(&mut self, millis: u64, into: &mut Vec<u8>) {
        if let Some(left_out) = self.left_out.take() {
            cast::marker(millis, &left_out.sentence("left out"), into);
        }
    }
}

impl LeftOut {
    fn sentence(&self, what: &str) -> String {
        let hash = self.digest.finalize().to_hex();
        format!("{what}: {} bytes, BLAKE3 {hash}", self.bytes)
    }
}

impl std::fmt::Debug for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sentence("left out so far"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(content: &Content, chunks: &[&[u8]]) -> Vec<(String, String)> {
        let mut events = Events::new(content);
        let mut cast = Vec::new();
        for (chunk, second) in chunks.iter().zip(0..) {
            events.add(Stream::Output, second * 1_000, chunk, &mut cast);
        }
        events.end(60_000, &mut cast);
        let lines = std::str::from_utf8(&cast).unwrap().lines();
        lines
            .map(|line| serde_json::from_str::<(f64, String, String)>(line).unwrap())
            .map(|(_, code, text)| (code, text))
            .collect()
    }

    fn command() -> Content {
        Content::Command("cat".to_owned())
    }

    fn hash(bytes: &[u8]) -> String {
        blake3::hash(bytes).to_hex().to_string()
    }

    #[test]
    fn text_is_recorded_whole_however_much() {
        let line = "all of it\n".repeat(1_000);
        let chunks = vec![line.as_bytes(); 100];
        let events = recorded(&command(), &chunks);
        assert!(events.iter().all(|(code, _)| code == "o"));
        let length: usize = events.iter().map(|(_, text)| text.len()).sum();
        assert_eq!(length, 1_000_000);
    }

    #[test]
    fn a_little_binary_is_recorded() {
        assert_eq!(
            recorded(&command(), &[b"HOME=/root\0SHELL=/bin/sh\0"]),
            [("o".to_owned(), "HOME=/root\0SHELL=/bin/sh\0".to_owned())]
        );
    }

    #[test]
    fn much_binary_is_counted_and_hashed_and_text_after_it_is_recorded() {
        let blob = vec![0; BINARY_KEPT + 1];
        let events = recorded(&command(), &[b"before", &blob, &blob, b"after"]);
        assert_eq!(events[0], ("o".to_owned(), "before".to_owned()));
        assert_eq!(
            events[1].1,
            "binary output follows: counted and hashed, not recorded"
        );
        let both = [blob.clone(), blob].concat();
        assert_eq!(
            events[2],
            (
                "m".to_owned(),
                format!("left out: {} bytes, BLAKE3 {}", both.len(), hash(&both))
            )
        );
        assert_eq!(events[3], ("o".to_owned(), "after".to_owned()));
        assert_eq!(events.len(), 4);
    }

    #[test]
    fn a_long_transfer_is_counted_while_it_runs() {
        let chunks: Vec<&[u8]> = vec![b"\0data"; 12];
        let events = recorded(&Content::Subsystem("sftp".to_owned()), &chunks);
        let said: Vec<_> = events.iter().map(|(_, text)| text.as_str()).collect();
        assert!(said[1].starts_with("left out so far: 30 bytes"), "{said:?}");
        assert!(said[2].starts_with("left out so far: 55 bytes"), "{said:?}");
        assert!(said[3].starts_with("left out: 60 bytes"), "{said:?}");
        assert_eq!(events.len(), 4);
    }

    #[test]
    fn a_terminal_hides_nothing_behind_a_nul() {
        let terminal = Content::Terminal(Terminal {
            term: "xterm".to_owned(),
            width: 80,
            height: 24,
            command: None,
        });
        let blob = vec![0; BINARY_KEPT + 1];
        let events = recorded(&terminal, &[&blob, &blob]);
        assert!(events.iter().all(|(code, _)| code == "o"));
    }

    #[test]
    fn half_characters_of_two_streams_do_not_mix() {
        let mut events = Events::new(&command());
        let mut cast = Vec::new();
        events.add(Stream::Output, 0, b"\xc3", &mut cast);
        events.add(Stream::Error, 0, b"!", &mut cast);
        events.add(Stream::Output, 0, b"\xa4", &mut cast);
        assert_eq!(
            std::str::from_utf8(&cast).unwrap(),
            "[0.000,\"o\",\"!\"]\n[0.000,\"o\",\"ä\"]\n"
        );
    }
}
