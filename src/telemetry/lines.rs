//! Writes lines from a thread of its own.
//!
//! Whoever logs never waits: a terminal that is held, or a log collector that has stopped
//! reading, must not stop the tasks that end sessions. Lines that find no room are counted,
//! and the count is written.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait to be written, at most.
const WAITING: usize = 8_192;

/// The end of the process waits for the last lines: for room, and then for the writing, each
/// two seconds at most.
const TRIES: u32 = 200;
const TRY_AGAIN: Duration = Duration::from_millis(10);

#[derive(Clone)]
pub(super) struct Lines {
    sender: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

impl Lines {
    pub(super) fn to(output: impl Write + Send + 'static) -> Self {
        let (sender, receiver) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = lost.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write(output, &receiver, &counted))
            .expect("a thread can be started at the start");
        Self { sender, lost }
    }

    /// Waits, but not for ever, until everything logged so far is written.
    pub(super) fn flush(&self) {
        let (done, is_done) = sync_channel(1);
        for _ in 0..TRIES {
            match self.sender.try_send(Message::Flush(done.clone())) {
                // Too late is as good as lost: the process ends.
                Ok(()) => {
                    let _ = is_done.recv_timeout(TRIES * TRY_AGAIN);
                    return;
                }
                Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(_)) => thread::sleep(TRY_AGAIN),
            }
        }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Takes a whole event with each write, as the formatter gives it.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.sender.try_send(Message::Line(line.to_vec())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(mut output: impl Write, receiver: &Receiver<Message>, lost: &AtomicU64) {
    for message in receiver {
        let mut asked = None;
        // Failing to log cannot be logged.
        let _ = match message {
            Message::Line(line) => output.write_all(&line),
            Message::Flush(done) => {
                asked = Some(done);
                output.flush()
            }
        };
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let said =
                format!("{{\"level\":\"WARN\",\"message\":\"Log lines lost\",\"count\":{lost}}}\n");
            let _ = output.write_all(said.as_bytes());
        }
        if let Some(done) = asked {
            // Whoever asked may have stopped waiting.
            let _ = done.try_send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;

    /// An output that is held until it is let go.
    #[derive(Clone, Default)]
    struct Held(Arc<(Mutex<Output>, Condvar)>);

    #[derive(Default)]
    struct Output {
        is_free: bool,
        written: Vec<u8>,
    }

    impl Held {
        fn let_go(&self) {
            self.0.0.lock().unwrap().is_free = true;
            self.0.1.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.0.lock().unwrap().written.clone()).unwrap()
        }
    }

    impl Write for Held {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let state = self.0.0.lock().unwrap();
            let mut state = self
                .0
                .1
                .wait_while(state, |output| !output.is_free)
                .unwrap();
            state.written.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_logs_never_waits_and_what_was_lost_is_said() {
        let output = Held::default();
        let mut lines = Lines::to(output.clone());
        for _ in 0..WAITING + 100 {
            lines.write_all(b"line\n").unwrap();
        }
        output.let_go();
        lines.flush();
        let text = output.text();
        let written = text.lines().filter(|line| *line == "line").count();
        let lost = WAITING + 100 - written;
        assert!(lost > 0);
        assert!(
            text.contains(&format!("\"message\":\"Log lines lost\",\"count\":{lost}")),
            "{text}"
        );
    }

    #[test]
    fn a_flush_leaves_nothing_unwritten() {
        let output = Held::default();
        output.let_go();
        let mut lines = Lines::to(output.clone());
        for number in 0..100 {
            writeln!(lines, "{number}").unwrap();
        }
        lines.flush();
        assert!(output.text().ends_with("99\n"));
    }
}
