//! What is to be run on a channel: what it takes, and how it is recorded.
//!
//! Pure. Runs nothing.

use super::talk::{Start, Terminal};
use crate::{
    model::{capability::Use, refusal::Refusal, text::Text},
    recording::{Content, Terminal as RecordedTerminal},
};

/// What a start needs. What is not listed is not supported (P5).
pub fn needed(start: &Start) -> Result<Use<'_>, Refusal> {
    match start {
        Start::Shell => Ok(Use::Shell),
        Start::Exec(command) => Ok(Use::Exec(command)),
        Start::Subsystem(name) => {
            let name: String = name.chars().take(64).collect();
            let name = Text::ours(&name);
            Err(Refusal::Unsupported(format!(
                "subsystem {}",
                name.one_line()
            )))
        }
    }
}

/// How it is recorded.
pub fn content(start: &Start, terminal: Option<&Terminal>) -> Content {
    let command = match start {
        Start::Shell => None,
        Start::Exec(command) => Some(String::from_utf8_lossy(command).into_owned()),
        Start::Subsystem(name) => return Content::Subsystem(name.clone()),
    };
    match (terminal, command) {
        (Some(terminal), command) => Content::Terminal(RecordedTerminal {
            term: terminal.term.clone(),
            width: terminal.size.columns,
            height: terminal.size.rows,
            command,
        }),
        (None, Some(command)) => Content::Command(command),
        // A shell that reads its commands from a pipe.
        (None, None) => Content::Command(String::new()),
    }
}
