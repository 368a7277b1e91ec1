//! A program that is run: what it said, how it ended, and that it did not hang.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    process::{Child, Command},
    task::JoinHandle,
};

use crate::support::PATIENCE;

/// What a program said, and how it ended; no status when a signal ended it.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub stdout: String,
    pub stderr: String,
    pub status: Option<i32>,
}

impl Seen {
    /// It ended as programs do that had nothing to complain about.
    #[track_caller]
    pub fn well(self) -> Self {
        assert_eq!(self.status, Some(0), "{self:?}");
        self
    }
}

pub async fn within<T>(what: &str, task: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(PATIENCE, task).await;
    ended.unwrap_or_else(|_| panic!("{what} hung"))
}

/// Runs it to its end, with nothing on standard input.
pub async fn seen(mut command: Command) -> Seen {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    ended(child.unwrap()).await
}

/// The same with something on standard input.
pub async fn fed(mut command: Command, input: &[u8]) -> Seen {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may end without reading it.
    let feed = async move { stdin.write_all(input).await.ok() };
    let (seen, _) = tokio::join!(ended(child), feed);
    seen
}

/// Waits for the end of one that runs; what was not read of it so far is in the answer.
pub async fn ended(child: Child) -> Seen {
    let output = within("a program", child.wait_with_output()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Seen {
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        status: output.status.code(),
    }
}

/// Waits until it has shown so many bytes on standard output, and reads no more.
pub async fn shown(child: &mut Child, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let stdout = child.stdout.as_mut().expect("its output is piped");
    let read = within("what is shown", stdout.read_exact(&mut bytes)).await;
    if read.is_err() {
        let mut told = String::new();
        if let Some(stderr) = &mut child.stderr {
            let reading = stderr.read_to_string(&mut told);
            within("what is told", reading).await.unwrap();
        }
        panic!("it ended without showing {count} bytes; it told:\n{told}");
    }
    bytes
}

/// Reads what it says on standard output to the end and forgets it, beside whatever follows.
pub fn drained(child: &mut Child) -> JoinHandle<()> {
    let mut stdout = child.stdout.take().expect("its output is piped");
    tokio::spawn(async move {
        let read = tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await;
        read.unwrap();
    })
}

/// Sends `length` bytes that are all alike in nothing, reads them back whole, and tells how
/// many came. Whoever reads pauses at first, so that every buffer on the way fills up.
pub async fn echoed(
    mut write: impl AsyncWrite + Unpin,
    mut read: impl AsyncRead + Unpin,
    length: usize,
    pause: Duration,
) -> usize {
    let byte = |at: usize| (at.wrapping_mul(2_654_435_761) >> 16) as u8;
    let writing = async move {
        let data: Vec<u8> = (0..length).map(byte).collect();
        write.write_all(&data).await.unwrap();
    };
    let reading = async {
        let (mut at, mut piece) = (0, vec![0; 64 * 1024]);
        for turn in 0.. {
            if turn < 40 {
                tokio::time::sleep(pause).await;
            }
            let count = read.read(&mut piece).await.unwrap();
            if count == 0 {
                break;
            }
            let whole = (0..count).all(|index| piece[index] == byte(at + index));
            assert!(whole, "damaged after {at} bytes");
            at += count;
        }
        at
    };
    let both = async { tokio::join!(reading, writing).0 };
    within("the way back", both).await
}
