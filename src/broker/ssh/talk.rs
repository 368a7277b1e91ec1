//! What the two legs of a channel say to each other besides bytes, and how much of it is
//! passed on.
//!
//! Pure: bounds and allow-lists. What is not on a list here never reaches a target.

use russh::{Pty, Sig};

/// From the person's client.
#[derive(Debug)]
pub enum Ask {
    Terminal(WantsReply, Terminal),
    Variable(WantsReply, String, String),
    Start(WantsReply, Start),
    /// The person's SSH agent is to be reached from the target.
    Agent(WantsReply),
    /// The person's display is to be reached from the target.
    Display(WantsReply, Display),
    Resize(Size),
    Signal(Sig),
    /// Something that the gateway does not know; only what the client wants an answer to.
    Unknown(WantsReply),
    /// Nobody reads what the target sends any more: `| head -1`.
    EndOfWrite,
    Eof,
    Close,
}

impl Ask {
    /// Whether the client waits for an answer to it.
    pub fn wants_reply(&self) -> WantsReply {
        match self {
            Self::Terminal(wants, _)
            | Self::Variable(wants, ..)
            | Self::Start(wants, _)
            | Self::Agent(wants)
            | Self::Display(wants, _)
            | Self::Unknown(wants) => *wants,
            Self::Resize(_) | Self::Signal(_) | Self::EndOfWrite | Self::Eof | Self::Close => false,
        }
    }

    /// Takes out the wish to be answered, so that who is told now is not answered again.
    pub fn take_wish(&mut self) -> WantsReply {
        match self {
            Self::Terminal(wants, _)
            | Self::Variable(wants, ..)
            | Self::Start(wants, _)
            | Self::Agent(wants)
            | Self::Display(wants, _)
            | Self::Unknown(wants) => std::mem::take(wants),
            Self::Resize(_) | Self::Signal(_) | Self::EndOfWrite | Self::Eof | Self::Close => false,
        }
    }
}

/// From the target.
#[derive(Debug)]
pub enum Tell {
    /// To the oldest request that has none.
    Answer(bool),
    ExitStatus(u32),
    ExitSignal {
        signal: Sig,
        core_dumped: bool,
        message: String,
        language: String,
    },
    /// Nobody reads what the person sends any more.
    EndOfWrite,
    Eof,
    Close,
    /// The whole leg is gone.
    Lost,
}

pub type WantsReply = bool;

/// What turns a channel into something that runs. One for each channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    Shell,
    /// Bytes as they came: a command need not be UTF-8.
    Exec(Vec<u8>),
    Subsystem(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub columns: u32,
    pub rows: u32,
    pub pixels_wide: u32,
    pub pixels_high: u32,
}

#[derive(Debug, Clone)]
pub struct Terminal {
    pub term: String,
    pub size: Size,
    pub modes: Vec<(Pty, u32)>,
}

/// Of an X11 request (RFC 4254 s6.3.1). The cookie is the client's, for its own display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Display {
    pub single_connection: bool,
    pub protocol: String,
    pub cookie: String,
    pub screen: u32,
}

impl Display {
    /// Whether it may be passed on: `xauth` reads it on the target.
    pub fn is_sound(&self) -> bool {
        let plain = |text: &str| {
            (1..=512).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".:/-_".contains(&byte))
        };
        plain(&self.protocol) && plain(&self.cookie) && !self.protocol.starts_with('-')
    }
}

/// A `TERM` names a terminal and is no escape sequence, path or option.
pub fn term(text: &str) -> String {
    let plain = (1..=64).contains(&text.len())
        && !text.starts_with(['-', '.'])
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte));
    if plain { text } else { "dumb" }.to_owned()
}

const VARIABLES: usize = 64;
const LONGEST_NAME: usize = 128;
const LONGEST_VALUE: usize = 4096;

/// Which environment variables go to a target, by name or by `PREFIX*`.
#[derive(Debug, Clone)]
pub struct Environment {
    allowed: Vec<String>,
}

impl Environment {
    pub fn new(allowed: impl IntoIterator<Item = String>) -> Self {
        Self {
            allowed: allowed.into_iter().collect(),
        }
    }

    /// Whether one more variable may be set, `already` being set.
    pub fn allows(&self, name: &str, value: &str, already: usize) -> bool {
        let well_formed = (1..=LONGEST_NAME).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && value.len() <= LONGEST_VALUE
            && !value.chars().any(char::is_control);
        let listed = self
            .allowed
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => name == pattern,
            });
        well_formed && listed && already < VARIABLES
    }
}

impl Default for Environment {
    /// What changes how a program speaks, never what it runs. `GIT_PROTOCOL` is how git asks
    /// for its newer protocol.
    fn default() -> Self {
        Self::new(
            [
                "LANG",
                "LANGUAGE",
                "LC_*",
                "COLORTERM",
                "NO_COLOR",
                "TZ",
                "GIT_PROTOCOL",
            ]
            .map(String::from),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_variables_pass() {
        let environment = Environment::default();
        for (name, value) in [("LANG", "C.UTF-8"), ("LC_ALL", "de_AT"), ("COLORTERM", "")] {
            assert!(environment.allows(name, value, 0), "{name}");
        }
        for (name, value) in [
            ("LD_PRELOAD", "/tmp/x.so"),
            ("PATH", "/tmp"),
            ("LANGX", "C"),
            ("LC_A\nLD_PRELOAD", "x"),
            ("LC_A=B", "x"),
            ("", "x"),
            ("LANG", "C\x1b]0;x\x07"),
            ("LANG", &"x".repeat(LONGEST_VALUE + 1)),
        ] {
            assert!(!environment.allows(name, value, 0), "{name}");
        }
        assert!(!environment.allows("LANG", "C", VARIABLES));
    }

    #[test]
    fn a_term_is_a_name() {
        assert_eq!(term("xterm-256color"), "xterm-256color");
        assert_eq!(term("screen.xterm-256color"), "screen.xterm-256color");
        for text in [
            "",
            "\x1b]0;x\x07",
            "../x",
            "-x",
            "a b",
            "xterm\n",
            &"x".repeat(65),
        ] {
            assert_eq!(term(text), "dumb", "{text:?}");
        }
    }
}
