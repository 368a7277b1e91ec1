//! `play`: shows a recording in the terminal, as it was seen and when.
//!
//! From a file, a pipe or the gateway. Never lets a recording do more to the terminal than
//! draw, and leaves the terminal as it was, also when it is interrupted.

mod inert;
mod pace;
pub mod requests;

use std::{
    fs::File,
    future::{pending, ready},
    io::{self, BufRead, BufReader, IsTerminal as _, Read, Write as _},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use clap::Args;
use futures::StreamExt as _;
use tokio::{
    sync::{mpsc as channel, oneshot},
    time::timeout,
};

use self::{inert::Inert, pace::Pace, requests::Requests};
use super::{
    client::{Client, Query},
    exit::{Done, Exit, Failure},
    screen::{Screen, one_line},
};
use crate::{
    clock::Stopwatch,
    model::{ids::RecordingId, time::Span},
    recording::{Cast, CastError, Kind, is_sealed},
};

/// How long an interrupted replay may take to put the terminal back.
const LAST_WORDS: Duration = Duration::from_millis(500);

#[derive(Args)]
pub struct Play {
    /// Which recording: its id, a file, or `-` for standard input
    #[arg(value_name = "ID|FILE")]
    recording: String,
    /// How many times as fast
    #[arg(long, short, default_value = "1", value_parser = speed)]
    speed: f64,
    /// Shorten pauses to this
    #[arg(long, short, value_name = "LENGTH")]
    idle_limit: Option<Span>,
    /// Begin here: `1m30s`
    #[arg(long, value_name = "TIME")]
    from: Option<Span>,
    /// Show everything at once
    #[arg(long, conflicts_with_all = ["speed", "idle_limit", "from"])]
    at_once: bool,
}

impl Play {
    /// Whether no gateway is needed for it.
    pub fn is_local(&self) -> bool {
        self.id().is_none()
    }

    /// The recording at the gateway that is asked for; none if it is a file.
    fn id(&self) -> Option<RecordingId> {
        self.recording.parse().ok()
    }

    fn pace(&self) -> Option<Pace> {
        // A pipe or file has no eyes to wait for.
        let waits = !self.at_once && io::stdout().is_terminal();
        waits.then(|| {
            Pace::new(
                self.speed,
                self.idle_limit.map(Span::duration),
                self.from.unwrap_or_default().duration(),
            )
        })
    }
}

/// Plays a recording that the gateway keeps.
pub async fn from_gateway(args: Play, client: &Client, screen: &Screen) -> Done {
    let Some(id) = args.id() else {
        return from_file(args, screen).await;
    };
    let path = ["recordings", id.as_str(), "content"];
    let (reader, feed) = download(client.stream(&path, &Query::new()).await?);
    show(reader, feed, args.pace(), screen).await
}

/// What a thread that may block reads while the future brings it.
pub fn download(
    response: reqwest::Response,
) -> (BufReader<Download>, impl Future<Output = ()> + Send) {
    let mut body = response.bytes_stream();
    let (pieces, download) = channel::channel(4);
    let feed = async move {
        while let Some(piece) = body.next().await {
            if pieces.send(piece.map_err(io::Error::other)).await.is_err() {
                break;
            }
        }
    };
    let download = Download {
        pieces: download,
        piece: bytes::Bytes::new(),
    };
    (BufReader::new(download), feed)
}

/// Plays a file, or what comes through a pipe.
pub async fn from_file(args: Play, screen: &Screen) -> Done {
    if args.recording == "-" {
        let stdin = BufReader::new(io::stdin());
        return show(stdin, ready(()), args.pace(), screen).await;
    }
    let file = File::open(&args.recording).map_err(|error| {
        let asked = one_line(&args.recording);
        match error.kind() {
            io::ErrorKind::NotFound => {
                Failure::new(Exit::NotFound, format!("there is no file {asked}"))
                    .next("`doorward recordings list` shows the recordings of the gateway")
            }
            _ => Failure::usage(format!("{asked} cannot be read: {error}")),
        }
    })?;
    show(BufReader::new(file), ready(()), args.pace(), screen).await
}

/// Shows on a thread of its own, as terminals, pipes and files block, while `feed` brings
/// what is read. Ctrl-C ends it in order.
async fn show(
    reader: impl BufRead + Send + 'static,
    feed: impl Future<Output = ()>,
    pace: Option<Pace>,
    screen: &Screen,
) -> Done {
    let (interrupt, interrupted) = mpsc::channel();
    let (ended, mut end) = oneshot::channel();
    let screen = screen.clone();
    thread::spawn(move || ended.send(play(reader, pace, &interrupted, &screen)));
    let fed = async {
        feed.await;
        pending::<()>().await;
    };
    let played = tokio::select! {
        played = &mut end => Some(played),
        () = fed => None,
        _ = tokio::signal::ctrl_c() => None,
    };
    let played = match played {
        Some(played) => played,
        None => {
            drop(interrupt);
            // A thread that waits for a pipe is left behind; it has nothing to put back.
            match timeout(LAST_WORDS, end).await {
                Ok(played) => played,
                Err(_) => return Ok(()),
            }
        }
    };
    played.unwrap_or_else(|_| Err(Failure::fault("playing broke off")))
}

fn play(
    reader: impl BufRead,
    mut pace: Option<Pace>,
    interrupted: &mpsc::Receiver<()>,
    screen: &Screen,
) -> Done {
    let mut reader = reader;
    if reader.fill_buf().is_ok_and(is_sealed) {
        let sentence = "this is a sealed recording, which only its gateway can open";
        return Err(Failure::new(Exit::Broken, sentence)
            .next("`doorward play ID` plays it, `doorward recordings export ID` takes it away"));
    }
    let mut cast = Cast::read(reader).map_err(not_read)?;
    if let Some(title) = &cast.header.title {
        screen.note(format!("Playing {}", one_line(title)));
    }
    let mut out = io::stdout().lock();
    let mut write = |text: &str| {
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(|error| match error.kind() {
                io::ErrorKind::BrokenPipe => Failure::PipeClosed,
                _ => Failure::fault(format!("cannot write the output: {error}")),
            })
    };
    let mut inert = Inert::default();
    let mut requests = Requests::default();
    let began = Stopwatch::start();
    let mut played = Ok(());
    for event in cast.by_ref() {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                played = Err(not_read(error));
                break;
            }
        };
        let rest = pace.as_mut().map_or(Duration::ZERO, |pace| {
            pace.due(event.at).saturating_sub(began.elapsed())
        });
        // The other end only ever hangs up, and that is the interruption.
        if interrupted.recv_timeout(rest) == Err(RecvTimeoutError::Disconnected) {
            break;
        }
        let text = match event.kind {
            Kind::Output(text) => inert.pass(&text),
            Kind::Marker(text) if !inert.is_alternate() => {
                format!("\r\n-- {} --\r\n", one_line(&text))
            }
            Kind::Request(json) => requests.asked(event.at, &json),
            Kind::Answer(json) => requests.answered(&json),
            Kind::Body(json) => requests.body(&json),
            Kind::Typed(text) | Kind::Clipboard(text) => {
                format!("{:>8.1}s  {}\r\n", event.at, one_line(&text))
            }
            Kind::Marker(_)
            | Kind::Input(_)
            | Kind::Resize { .. }
            | Kind::Key(_)
            | Kind::Tiles(_)
            | Kind::Pointer { .. } => continue,
        };
        if let Err(failure) = write(&text) {
            played = Err(failure);
            break;
        }
    }
    write(&requests.end())?;
    if io::stdout().is_terminal() {
        write(&inert.end())?;
    }
    if cast.is_torn() {
        screen.note("This recording ends here: its gateway was stopped while it was written.");
    }
    played
}

fn not_read(error: CastError) -> Failure {
    Failure::new(Exit::Broken, error.to_string())
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if (0.01..=1_000.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 0.01 to 1000 is expected".to_owned()),
    }
}

/// A download, read by a thread that may block.
pub struct Download {
    pieces: channel::Receiver<io::Result<bytes::Bytes>>,
    piece: bytes::Bytes,
}

impl Read for Download {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let count = self.piece.len().min(into.len());
        into[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}
