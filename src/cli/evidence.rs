//! Checking an exported audit chain on any machine, and the key that this takes.
//!
//! Trusts no gateway and changes nothing. The witness is a checkpoint kept outside the
//! database; with it an older copy that was put back is found as well.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;

use super::{
    exit::{Done, Exit, Failure},
    operate::{self, Operate},
    screen::{Screen, one_line},
};
use crate::audit::{self, PublicKey, Verdict};

#[derive(Args)]
pub struct VerifyFile {
    /// The export; `-` is standard input
    file: PathBuf,
    /// The gateway's public key, or the file that holds it: `doorward audit key` prints it
    #[arg(long, value_name = "KEY")]
    key: String,
    /// A checkpoint kept outside the database, such as the gateway's audit.witness
    #[arg(long, value_name = "FILE")]
    witness: Option<PathBuf>,
}

/// The chain in an export.
pub fn verify_file(args: &VerifyFile, screen: &Screen) -> Done {
    let key = read_key(&args.key)?;
    let witness = match &args.witness {
        Some(path) => match audit::read_witness(path).map_err(unreadable(path))? {
            Some(witness) => Some(witness),
            None => {
                return Err(Failure::usage(format!(
                    "there is no file {}",
                    path.display()
                )));
            }
        },
        None => None,
    };
    let input: Box<dyn BufRead> = if args.file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(
            fs::File::open(&args.file).map_err(unreadable(&args.file))?,
        ))
    };
    let verdict = audit::verify_export(input, &key, witness.as_ref());
    say(&verdict.map_err(unreadable(&args.file))?, screen)
}

/// `audit key`: what `verify-file` checks signatures with. It is no secret.
pub async fn show_key(Operate { at }: &Operate, screen: &Screen) -> Done {
    let key = operate::public_key(at).await?;
    if screen.json() {
        return screen.raw(&json!({"key": key.to_string()}).to_string());
    }
    screen.say(key.to_string())
}

fn read_key(given: &str) -> Result<PublicKey, Failure> {
    let text = match given.parse::<PublicKey>() {
        Ok(key) => return Ok(key),
        Err(_) => fs::read_to_string(given).map_err(unreadable(Path::new(given)))?,
    };
    text.parse()
        .map_err(|error| Failure::usage(format!("{given}: {error}")))
}

/// What a verification came to; programs get the form that the gateway answers in.
pub fn say(verdict: &Verdict, screen: &Screen) -> Done {
    let message = verdict.to_string();
    if screen.json() {
        let answer = match verdict {
            Verdict::Whole(whole) => json!({
                "intact": true,
                "message": message,
                "events": whole.records,
                "checkpoints": whole.checkpoints,
                "signed_to": whole.signed_to,
            }),
            Verdict::Broken(first) => json!({
                "intact": false,
                "message": message,
                "seq": first.seq,
                "why": first.why,
            }),
        };
        screen.raw(&answer.to_string())?;
    }
    if !verdict.is_whole() {
        return Err(broken(&message));
    }
    if screen.json() {
        return Ok(());
    }
    screen.say(sentence(&message))
}

/// The failure of a chain that does not hold.
pub fn broken(message: &str) -> Failure {
    Failure::new(Exit::Broken, message.to_owned())
        .next("keep the database as it is and compare it with an earlier export")
}

/// A capital letter and a full stop, for a message that stands alone.
pub fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    one_line(&format!("{first}{}.", letters.as_str()))
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> Failure {
    let path = path.display().to_string();
    move |error| Failure::usage(format!("{path} cannot be read: {error}"))
}
