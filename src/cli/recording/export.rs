//! `recordings export`: a recording as a file of its own, no longer sealed.
//!
//! Goes to a new file, readable by its owner alone, or to standard output. What broke off is
//! said, never passed for a whole recording.

use std::{fs, os::unix::fs::OpenOptionsExt as _, path::PathBuf};

use clap::Args;
use futures::StreamExt as _;

use crate::{
    cli::{
        client::{Client, Query},
        exit::{Done, Exit, Failure},
        screen::{self, Screen},
    },
    model::ids::RecordingId,
};

#[derive(Args)]
pub struct Export {
    id: RecordingId,
    /// Where to; without it, standard output
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub async fn run(args: Export, client: &Client, screen: &Screen) -> Done {
    let path = ["recordings", args.id.as_str(), "export"];
    let response = client.stream(&path, &Query::new()).await?;
    let Some(path) = &args.out else {
        copy(response, &mut std::io::stdout().lock()).await?;
        return Ok(());
    };
    let mut file = new_file(path)?;
    let count = copy(response, &mut file).await?;
    screen.note(format!(
        "{} written to {}. It is not sealed any more.",
        screen::bytes(count),
        path.display()
    ));
    Ok(())
}

/// A file that was not there before, for its owner alone.
pub fn new_file(path: &PathBuf) -> Result<fs::File, Failure> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| {
            let shown = path.display();
            match error.kind() {
                std::io::ErrorKind::AlreadyExists => {
                    Failure::new(Exit::Conflict, format!("{shown} is there already"))
                        .next("choose another name")
                }
                _ => Failure::usage(format!("{shown} cannot be written: {error}")),
            }
        })
}

/// Everything of a streamed answer; how many bytes that were.
pub async fn copy(
    response: reqwest::Response,
    into: &mut impl std::io::Write,
) -> Result<u64, Failure> {
    let mut body = response.bytes_stream();
    let mut count = 0;
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| {
            Failure::new(
                Exit::Unreachable,
                format!("the download broke off after {count} bytes ({error})"),
            )
            .next("try again")
        })?;
        match into.write_all(&piece) {
            Ok(()) => count += piece.len() as u64,
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                return Err(Failure::PipeClosed);
            }
            Err(error) => return Err(Failure::fault(format!("cannot write: {error}"))),
        }
    }
    into.flush()
        .map_err(|error| Failure::fault(format!("cannot write: {error}")))?;
    Ok(count)
}
