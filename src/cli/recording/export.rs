//! `recordings export`: a recording as a file of its own, no longer sealed.
//!
//! Goes to a new file, readable by its owner alone, or to standard output. What broke off is
//! said, never passed for a whole recording.

use std::{
    fs,
    io::{BufReader, BufWriter},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use clap::Args;
use futures::StreamExt as _;

use super::{
    har::{self, About},
    pictures,
};
use crate::{
    cli::{
        client::{Client, Query},
        exit::{Done, Exit, Failure},
        json, play,
        screen::{self, Screen},
    },
    model::{ids::RecordingId, time::Span, ways_in::WaysIn},
};

#[derive(Args)]
pub struct Export {
    id: RecordingId,
    /// Where to; without it, standard output
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Requests to a web target as HAR 1.2: no bodies, values that may be secrets masked
    #[arg(long)]
    har: bool,
    /// Pictures of a desktop as PNG files in this folder: the first, the last, and what was new
    /// between them
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["har", "out"])]
    stills: Option<PathBuf>,
    /// How far apart stills are at least
    #[arg(
        long,
        value_name = "LENGTH",
        default_value = "10s",
        requires = "stills"
    )]
    every: Span,
    /// A desktop as a video, .webm or .mp4; needs ffmpeg
    #[arg(long, value_name = "FILE", conflicts_with_all = ["har", "out", "stills"])]
    video: Option<PathBuf>,
}

pub async fn run(args: Export, client: &Client, screen: &Screen) -> Done {
    if args.har {
        return as_har(args, client, screen).await;
    }
    if let Some(folder) = args.stills {
        return as_stills(&args.id, folder, args.every, client, screen).await;
    }
    if let Some(path) = args.video {
        return as_video(&args.id, path, client, screen).await;
    }
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

async fn as_har(args: Export, client: &Client, screen: &Screen) -> Done {
    let path = ["recordings", args.id.as_str()];
    let recording = client.get(&path, &Query::new()).await?.value;
    let me = client.get(&["me"], &Query::new()).await?.value;
    let ways_in: WaysIn = serde_json::from_value(me["gateway"].clone()).map_err(|error| {
        Failure::fault(format!("the gateway does not say where it is: {error}"))
    })?;
    let about = About::of(&recording, &ways_in.web)?;
    let path = ["recordings", args.id.as_str(), "export"];
    let (reader, feed) = play::download(client.stream(&path, &Query::new()).await?);
    // Reading and writing block, so they have a thread.
    let write = |out: Option<PathBuf>| {
        tokio::task::spawn_blocking(move || match &out {
            Some(path) => har::write(reader, &about, &mut BufWriter::new(new_file(path)?)),
            None => har::write(
                reader,
                &about,
                &mut BufWriter::new(std::io::stdout().lock()),
            ),
        })
    };
    let (written, ()) = tokio::join!(write(args.out.clone()), feed);
    let count = written.map_err(|_| Failure::fault("the export broke off"))??;
    if let Some(path) = &args.out {
        let path = path.display();
        screen.note(format!(
            "{count} requests written to {path}. They are not sealed any more."
        ));
    }
    Ok(())
}

async fn as_stills(
    id: &RecordingId,
    folder: PathBuf,
    every: Span,
    client: &Client,
    screen: &Screen,
) -> Done {
    let shown = folder.display().to_string();
    let write = move |reader| pictures::stills(reader, &folder, every.duration());
    let count = of_desktop(id, client, write).await?;
    screen.note(match count {
        1 => format!("1 picture written to {shown}. It is not sealed any more."),
        _ => format!("{count} pictures written to {shown}. They are not sealed any more."),
    });
    Ok(())
}

async fn as_video(id: &RecordingId, path: PathBuf, client: &Client, screen: &Screen) -> Done {
    // Before anybody is written down as having taken something away.
    pictures::Video::to(&path)?;
    let shown = path.display().to_string();
    let write = move |reader| pictures::Video::to(&path)?.write(reader);
    let length = Span::seconds(of_desktop(id, client, write).await? as u64);
    screen.note(format!(
        "A video of {length} written to {shown}. It is not sealed any more."
    ));
    Ok(())
}

/// Has `write` read a desktop's recording while it comes.
async fn of_desktop<T: Send + 'static>(
    id: &RecordingId,
    client: &Client,
    write: impl FnOnce(BufReader<play::Download>) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let path = ["recordings", id.as_str()];
    let recording = client.get(&path, &Query::new()).await?.value;
    if json::text(&recording, "kind") != "desktop" {
        return Err(Failure::usage("only a recording of a desktop has pictures")
            .next("without --stills and --video it is exported as asciicast"));
    }
    let path = ["recordings", id.as_str(), "export"];
    let (reader, feed) = play::download(client.stream(&path, &Query::new()).await?);
    // Reading and writing block, so they have a thread.
    let writing = tokio::task::spawn_blocking(move || write(reader));
    let (written, ()) = tokio::join!(writing, feed);
    written.map_err(|_| Failure::fault("the export broke off"))?
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
