//! What can be wrong with a configuration. Every problem names its key, its value and
//! what was expected, and all of them are told at once.

use std::{fmt, io, path::PathBuf};

use super::Origin;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("could not read the configuration {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("the configuration {path} is not TOML: line {line}: {message}")]
    Syntax {
        path: PathBuf,
        line: usize,
        message: String,
    },
    #[error("{}", one_per_line(.0))]
    Problems(Vec<Problem>),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("unknown key `{key}` ({origin}){}", did_you_mean(.nearest))]
    UnknownKey {
        key: String,
        origin: Origin,
        nearest: Option<String>,
    },
    #[error("`{key}` is {value} ({origin}): {why}")]
    BadValue {
        key: String,
        value: String,
        origin: Origin,
        why: String,
    },
    #[error(
        "`{key}` does not say where the secret is ({origin}): a secret is never written here, \
         write `{key} = {{ file = \"…\" }}` or `{key} = {{ env = \"…\" }}`"
    )]
    NotAReference { key: String, origin: Origin },
    #[error("`{key}` is 0s, which leaves no time at all: give at least 1s")]
    NoTime { key: &'static str },
    #[error("`{key}` and `{other_key}` both want port {port}: give one of them another")]
    PortTwice {
        key: &'static str,
        other_key: &'static str,
        port: u16,
    },
}

fn one_per_line(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn did_you_mean(nearest: &Option<String>) -> String {
    match nearest {
        Some(key) => format!(": did you mean `{key}`?"),
        None => String::new(),
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{} line {line}", path.display()),
            Self::Env(variable) => write!(f, "environment variable {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}
