//! Questions to the person: secrets without an echo, and whether something is really meant.
//!
//! A secret comes from the terminal, from standard input or from a file; never from an argument.

use std::{
    fs,
    io::{self, BufRead as _, IsTerminal, Read as _, Write as _},
    path::Path,
};

use zeroize::Zeroizing;

use super::exit::Failure;

/// No secret of ours is longer; a private key is a few kilobytes.
const LONGEST: u64 = 64 * 1024;

/// Where a password comes from.
#[derive(clap::Args)]
pub struct PasswordFrom {
    /// Read the password from the first line of standard input instead of the terminal
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordFrom {
    pub fn existing(&self, what: &str) -> Result<Zeroizing<String>, Failure> {
        if self.password_stdin {
            line_of_stdin()
        } else {
            secret(what)
        }
    }

    /// The second line, after the password.
    pub fn second(&self, what: &str) -> Result<Zeroizing<String>, Failure> {
        self.existing(what)
    }

    /// One that did not exist before: typed twice.
    pub fn fresh(&self, what: &str) -> Result<Zeroizing<String>, Failure> {
        if self.password_stdin {
            line_of_stdin()
        } else {
            secret_twice(what)
        }
    }
}

/// For what cannot be undone.
#[derive(clap::Args)]
pub struct Sure {
    /// Do not ask whether it is meant
    #[arg(long, short)]
    yes: bool,
}

impl Sure {
    /// A question that only a person can answer; no terminal means no.
    pub fn confirm(&self, question: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !on_a_terminal() {
            return Err(
                Failure::usage("this needs a yes, and there is no terminal to ask on")
                    .next("add --yes if it is meant"),
            );
        }
        confirm(question)
    }
}

/// A secret that may have several lines: a file, or standard input for `-`.
pub fn secret_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut secret = Zeroizing::new(String::new());
    let read = if path.as_os_str() == "-" {
        io::stdin().lock().take(LONGEST).read_to_string(&mut secret)
    } else {
        fs::File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut secret))
    };
    read.map_err(|error| {
        Failure::usage(format!(
            "the secret cannot be read from {}: {error}",
            path.display()
        ))
    })?;
    if secret.trim().is_empty() {
        return Err(Failure::usage(format!(
            "there is no secret in {}",
            path.display()
        )));
    }
    Ok(secret)
}

/// A yes typed on the terminal, or nothing happens.
pub fn confirm(question: &str) -> Result<(), Failure> {
    if answer(&format!("{question} [y/N] "))?.eq_ignore_ascii_case("y") {
        Ok(())
    } else {
        Err(Failure::usage("nothing was changed").next("answer y if it is meant"))
    }
}

pub fn on_a_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// One line, typed with its echo.
pub fn line(what: &str) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "{what} is missing, and there is no terminal to ask on"
        )));
    }
    answer(&format!("{what}: "))
}

fn answer(question: &str) -> Result<String, Failure> {
    let wrong = |error| Failure::fault(format!("cannot ask on the terminal: {error}"));
    let mut screen = io::stderr().lock();
    write!(screen, "{question}")
        .and_then(|()| screen.flush())
        .map_err(wrong)?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(wrong)?;
    Ok(line.trim().to_owned())
}

/// Typed without an echo.
pub fn secret(what: &str) -> Result<Zeroizing<String>, Failure> {
    let secret = rpassword::prompt_password(format!("{what}: ")).map_err(|_| {
        Failure::usage(format!(
            "{what} is needed, and there is no terminal to ask on"
        ))
        .next("give it on standard input or in a file; --help names the option")
    })?;
    Ok(Zeroizing::new(secret))
}

pub fn secret_twice(what: &str) -> Result<Zeroizing<String>, Failure> {
    let first = secret(what)?;
    let again = secret(&format!("{what}, again"))?;
    if *first == *again {
        Ok(first)
    } else {
        Err(Failure::usage("the two passwords are not the same").next("try again"))
    }
}

pub fn two_lines_of_stdin() -> Result<(Zeroizing<String>, Zeroizing<String>), Failure> {
    Ok((line_of_stdin()?, line_of_stdin()?))
}

fn line_of_stdin() -> Result<Zeroizing<String>, Failure> {
    let mut line = Zeroizing::new(String::new());
    io::stdin()
        .lock()
        .take(LONGEST)
        .read_line(&mut line)
        .map_err(|error| Failure::usage(format!("standard input cannot be read: {error}")))?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    if line.is_empty() {
        return Err(Failure::usage("there is no password on standard input"));
    }
    Ok(line)
}
