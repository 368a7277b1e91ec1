//! How a command ends: its exit code, and the sentence that says what went wrong and what to do.
//!
//! The one table of exit codes. A failure never carries a secret or a backtrace.

use std::{fmt, process::ExitCode};

use serde_json::{Value, json};

use super::screen::{indented, one_line};

/// The exit codes, for ever. `docs/cli.md` explains each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Something broke, here or in the gateway.
    Fault = 1,
    /// The command was written wrong.
    Usage = 2,
    NotSignedIn = 3,
    NotFound = 4,
    /// The rules said no.
    Refused = 5,
    /// It exists already, or somebody changed it meanwhile.
    Conflict = 6,
    /// No connection, or none that can be trusted.
    Unreachable = 7,
    /// Too many requests, or the gateway is being stopped.
    Later = 8,
    /// What was verified does not hold: the audit chain, a recording.
    Broken = 9,
    /// Nobody has answered yet.
    Waiting = 75,
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    Said(Said),
    /// Whoever read our output has gone: nothing to say and nobody to say it to.
    PipeClosed,
}

#[derive(Debug)]
pub struct Said {
    pub exit: Exit,
    sentence: String,
    next: Option<String>,
    /// What the gateway answered, for programs.
    problem: Option<Value>,
}

pub type Done = Result<(), Failure>;

impl Failure {
    /// A gateway that restarts is worth another look; a no is not.
    pub fn may_pass(&self) -> bool {
        matches!(
            self.exit(),
            Some(Exit::Unreachable | Exit::Later | Exit::Fault)
        )
    }

    pub fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self::Said(Said {
            exit,
            sentence: sentence.into(),
            next: None,
            problem: None,
        })
    }

    pub fn fault(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Fault, sentence)
    }

    pub fn usage(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Usage, sentence)
    }

    /// What to do about it.
    pub fn next(self, next: impl Into<String>) -> Self {
        match self {
            Self::Said(said) => Self::Said(Said {
                next: Some(next.into()),
                ..said
            }),
            Self::PipeClosed => Self::PipeClosed,
        }
    }

    /// The same failure, with the place it was found in before it.
    pub fn within(self, place: &str) -> Self {
        match self {
            Self::Said(said) => Self::Said(Said {
                sentence: format!("{place}: {}", said.sentence),
                ..said
            }),
            Self::PipeClosed => Self::PipeClosed,
        }
    }

    pub fn with_problem(self, problem: Value) -> Self {
        match self {
            Self::Said(said) => Self::Said(Said {
                problem: Some(problem),
                ..said
            }),
            Self::PipeClosed => Self::PipeClosed,
        }
    }

    /// The gateway's own name for it.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Said(said) => said.problem.as_ref()?["code"].as_str(),
            Self::PipeClosed => None,
        }
    }

    pub fn exit(&self) -> Option<Exit> {
        match self {
            Self::Said(said) => Some(said.exit),
            Self::PipeClosed => None,
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&indented(&self.sentence, 2))?;
        match &self.next {
            // Several things that are wrong at once stand on lines of their own.
            Some(next) if self.sentence.contains('\n') => write!(f, "\n  {}", one_line(next)),
            Some(next) => write!(f, ": {}", one_line(next)),
            None => Ok(()),
        }
    }
}

impl Said {
    /// The same for programs: the gateway's problem, or one of the same form.
    pub fn json(&self) -> Value {
        let mut problem = self.problem.clone().unwrap_or_else(|| {
            json!({
                "type": "about:blank",
                "title": self.exit.name(),
                "code": self.exit.name(),
                "detail": one_line(&self.sentence),
            })
        });
        if let Value::Object(fields) = &mut problem {
            if let Some(next) = &self.next {
                fields
                    .entry("hint")
                    .or_insert_with(|| json!(one_line(next)));
            }
            fields.insert("exit".to_owned(), json!(self.exit as u8));
        }
        problem
    }
}

impl Exit {
    pub fn name(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Usage => "usage",
            Self::NotSignedIn => "not-signed-in",
            Self::NotFound => "not-found",
            Self::Refused => "refused",
            Self::Conflict => "conflict",
            Self::Unreachable => "unreachable",
            Self::Later => "later",
            Self::Broken => "broken",
            Self::Waiting => "waiting",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(failure: Failure) -> Said {
        match failure {
            Failure::Said(said) => said,
            Failure::PipeClosed => panic!("it says something"),
        }
    }

    #[test]
    fn an_error_is_one_sentence_and_the_next_step() {
        let failure = Failure::new(Exit::NotSignedIn, "not signed in")
            .next("run `doorward login --server https://…`");
        assert_eq!(
            said(failure).to_string(),
            "not signed in: run `doorward login --server https://…`"
        );
    }

    #[test]
    fn an_error_from_elsewhere_cannot_move_the_cursor() {
        let failure = Failure::fault("bad\u{1b}[2J name\u{202e}");
        assert_eq!(said(failure).to_string(), "bad[2J name");
    }

    #[test]
    fn several_errors_stand_on_lines_of_their_own() {
        let failure = Failure::usage("one\ntwo").next("mend them");
        assert_eq!(said(failure).to_string(), "one\n  two\n  mend them");
    }

    #[test]
    fn programs_get_the_gateways_problem_and_the_exit_code() {
        let problem = json!({"code": "self-approval", "detail": "no", "hint": "ask another"});
        let json = said(
            Failure::new(Exit::Refused, "no")
                .next("x")
                .with_problem(problem),
        )
        .json();
        assert_eq!(json["code"], "self-approval");
        assert_eq!(json["hint"], "ask another");
        assert_eq!(json["exit"], 5);
    }
}
