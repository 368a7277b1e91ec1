//! What operators see: the log and the metrics.
//!
//! Serves operators, as the audit serves auditors; neither replaces the other. Nothing is
//! decided by what is logged or counted, and nothing waits for it.

mod lines;
mod metrics;

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

use self::lines::Lines;
pub use self::metrics::{METRICS_TYPE, Metrics, OpenSession};
use crate::config::{LogConfig, LogFormat, LogLevel};

/// The running log: its level can be changed, and what is under way written out.
#[must_use = "dropped with the process, so that the last lines are written"]
pub struct Log {
    level: reload::Handle<Targets, Registry>,
    lines: Lines,
}

#[derive(Debug, thiserror::Error)]
#[error("a log is running already")]
pub struct LogRunning;

impl Log {
    /// Begins to log to standard error. Once in a process.
    pub fn start(config: &LogConfig) -> Result<Self, LogRunning> {
        let is_human = match config.format {
            LogFormat::Auto => io::stderr().is_terminal(),
            LogFormat::Human => true,
            LogFormat::Json => false,
        };
        let lines = Lines::to(io::stderr());
        let (filter, level) = reload::Layer::new(filter(config.level));
        let layer = if is_human {
            human(lines.clone()).boxed()
        } else {
            json(lines.clone()).boxed()
        };
        let started = tracing_subscriber::registry()
            .with(layer.with_filter(filter))
            .try_init();
        started
            .map(|()| Self { level, lines })
            .map_err(|_| LogRunning)
    }

    /// Logs at another level from now on.
    pub fn set_level(&self, level: LogLevel) {
        // Fails only when the subscriber is gone, and the log with it.
        let _ = self.level.reload(filter(level));
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.lines.flush();
    }
}

/// INVARIANT: the level is ours alone. What libraries log in detail (packets of SSH, headers
/// of HTTP) may hold secrets, so of theirs only warnings are written, whatever the level.
fn filter(level: LogLevel) -> Targets {
    let ours = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new()
        .with_default(LevelFilter::WARN.min(ours))
        .with_target(env!("CARGO_CRATE_NAME"), ours)
}

fn human<S, W>(to: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    fmt::layer().with_target(false).with_writer(to)
}

fn json<S, W>(to: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    fmt::layer().json().flatten_event(true).with_writer(to)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{debug, info, subscriber::with_default, warn};

    use super::*;

    /// Keeps what is written to it.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn logged(level: LogLevel, work: impl FnOnce(&reload::Handle<Targets, Registry>)) -> String {
        let kept = Kept::default();
        let to = kept.clone();
        let (filter, handle) = reload::Layer::new(filter(level));
        let layer = json(move || to.clone()).with_filter(filter);
        with_default(tracing_subscriber::registry().with(layer), || work(&handle));
        kept.text()
    }

    #[test]
    fn a_line_of_json_has_its_fields_apart() {
        let text = logged(
            LogLevel::Info,
            |_| info!(checkout = "7K3F", peer = %"::1", "Session opened"),
        );
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(line["message"], "Session opened");
        assert_eq!(line["checkout"], "7K3F");
        assert_eq!(line["level"], "INFO");
        assert!(line["timestamp"].is_string());
    }

    #[test]
    fn what_strangers_write_stays_one_line() {
        let text = logged(LogLevel::Info, |_| {
            info!(
                client = "SSH-2.0-x\r\n{\"level\":\"INFO\",\"message\":\"forged\"}\u{1b}[2J",
                "Hello"
            );
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn the_level_can_be_changed_while_it_runs() {
        let text = logged(LogLevel::Info, |level| {
            debug!("one");
            level.reload(filter(LogLevel::Debug)).unwrap();
            debug!("two");
            level.reload(filter(LogLevel::Error)).unwrap();
            warn!("three");
        });
        assert!(
            !text.contains("one") && text.contains("two") && !text.contains("three"),
            "{text}"
        );
    }

    #[test]
    fn what_libraries_say_in_detail_is_never_written() {
        let text = logged(LogLevel::Trace, |_| {
            debug!(target: "russh::server", "password packet");
            tracing::trace!(target: "hyper", "authorization header");
            warn!(target: "russh::server", "a warning");
        });
        assert!(
            !text.contains("packet") && !text.contains("header"),
            "{text}"
        );
        assert!(text.contains("a warning"));
    }
}
