//! What the person sees: standard output, notes beside it, and times as people read them.
//!
//! Everything that others wrote is made inert here before it reaches a terminal.
//! Programs (`--json`) get the gateway's JSON and nothing else on standard output.

use std::io::{self, IsTerminal, Write};

use chrono::Local;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::exit::{Done, Failure};
use crate::{
    broker::ssh::Paper,
    clock::Clock,
    model::{
        text::forbidden,
        time::{Span, Timestamp},
    },
};

/// Without a terminal a table is as wide as its contents, up to this.
const WIDEST: u16 = 400;

#[derive(Clone)]
pub struct Screen {
    json: bool,
    /// How many columns a table may take.
    width: u16,
    clock: Clock,
    /// Somebody's desk instead of this process's terminal.
    desk: Option<Desk>,
}

/// A desk at the gateway: what is said goes to the person who sits there.
#[derive(Clone)]
pub struct Desk {
    pub paper: mpsc::Sender<Paper>,
    /// None where there is no terminal.
    pub columns: Option<u16>,
    /// Ctrl-C.
    pub interrupted: CancellationToken,
    /// `ssh -p 2222 alice+{}@gateway`.
    pub connect: String,
}

impl Screen {
    pub fn people() -> Self {
        let width = match terminal_size::terminal_size() {
            Some((terminal_size::Width(columns), _)) if io::stdout().is_terminal() => {
                columns.max(40)
            }
            _ => WIDEST,
        };
        Self {
            json: false,
            width,
            clock: Clock::system(),
            desk: None,
        }
    }

    /// For somebody at a desk of the gateway.
    pub fn at(desk: Desk, json: bool) -> Self {
        Self {
            json,
            width: desk.columns.unwrap_or(WIDEST),
            clock: Clock::system(),
            desk: Some(desk),
        }
    }

    pub fn programs() -> Self {
        Self {
            json: true,
            ..Self::people()
        }
    }

    pub fn json(&self) -> bool {
        self.json
    }

    pub fn width(&self) -> u16 {
        self.width
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether a line may be drawn over and over: only for people, only on a terminal.
    pub fn is_live(&self) -> bool {
        let terminal = match &self.desk {
            Some(desk) => desk.columns.is_some(),
            None => io::stderr().is_terminal() && io::stdout().is_terminal(),
        };
        !self.json && terminal
    }

    /// A line that the next one is drawn over; an empty one wipes it.
    pub fn draw(&self, text: &str) {
        match &self.desk {
            // One that finds no room is drawn anew in a second.
            Some(desk) => drop(desk.paper.try_send(Paper::Drawn(text.to_owned()))),
            None => draw(text),
        }
    }

    /// Returns when the person wants the command to end.
    pub async fn interrupted(&self) {
        match &self.desk {
            Some(desk) => desk.interrupted.cancelled().await,
            // Without a handler there is no Ctrl-C to wait for.
            None => drop(tokio::signal::ctrl_c().await),
        }
    }

    /// A command of ours, as it is typed where this is read.
    pub fn command(&self, words: &str) -> String {
        match &self.desk {
            Some(_) => words.to_owned(),
            None => format!("doorward {words}"),
        }
    }

    /// How to connect to a target from where this is read.
    pub fn connect(&self, target: &str) -> String {
        match &self.desk {
            Some(desk) => desk.connect.replace("{}", target),
            None => format!("doorward ssh {target}"),
        }
    }

    /// One line or more on standard output.
    pub fn say(&self, text: impl AsRef<str>) -> Done {
        match &self.desk {
            Some(desk) => desk.put(Paper::Said(text.as_ref().to_owned())),
            None => write_out(text.as_ref()),
        }
    }

    /// What a program gets: the gateway's JSON as it came.
    pub fn raw(&self, json: &str) -> Done {
        self.say(escape_json(json.trim_end()))
    }

    /// Either the JSON as it came, or what `people` makes of it.
    pub fn show(
        &self,
        answer: &super::client::Answer,
        people: impl FnOnce(&Value) -> String,
    ) -> Done {
        if self.json {
            self.raw(&answer.text)
        } else {
            self.say(people(&answer.value))
        }
    }

    /// Something beside the result: progress, advice. Never for programs.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.json {
            self.warn(text.as_ref());
        }
    }

    /// One line beside the result, for programs too.
    pub fn warn(&self, text: &str) {
        match &self.desk {
            // Nobody is left to be told.
            Some(desk) => drop(desk.put(Paper::Noted(text.to_owned()))),
            None => warn(text),
        }
    }

    /// `in 40m (15:20)`, `5m ago (Tue 14:35)`.
    pub fn when(&self, at: Timestamp) -> String {
        when(at, self.now())
    }
}

impl Desk {
    fn put(&self, paper: Paper) -> Done {
        // A command says a handful of things; who lets so many lie does not read.
        self.paper.try_send(paper).map_err(|_| Failure::PipeClosed)
    }
}

fn draw(text: &str) {
    let mut screen = io::stderr().lock();
    // A line that cannot be drawn is no reason to stop waiting.
    let _ = write!(screen, "\r\u{1b}[2K{text}").and_then(|()| screen.flush());
}

/// One line on standard error.
pub fn warn(text: &str) {
    // Nobody is left to be told when standard error is closed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn write_out(text: &str) -> Done {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::PipeClosed),
        Err(error) => Err(Failure::fault(format!("cannot write the output: {error}"))),
    }
}

/// Text of others, inert, on one line.
pub fn one_line(text: &str) -> String {
    text.chars()
        .map(|letter| if letter == '\n' { ' ' } else { letter })
        .filter(|letter| !forbidden(*letter))
        .collect()
}

/// Text of others, inert, its line feeds kept and the later lines indented by `indent`.
pub fn indented(text: &str, indent: usize) -> String {
    let inert: String = text.chars().filter(|letter| !forbidden(*letter)).collect();
    inert.replace('\n', &format!("\n{}", " ".repeat(indent)))
}

/// JSON whose strings cannot move a cursor: what could is written `\u…`, which means the same.
fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for letter in json.chars() {
        if forbidden(letter) && letter != '\t' && letter != '\r' {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(letter);
        }
    }
    escaped
}

/// A point in time as people read it: how far away, and the local time.
pub fn when(at: Timestamp, now: Timestamp) -> String {
    let (Some(there), Some(here)) = (at.utc(), now.utc()) else {
        return at.to_string();
    };
    let there = there.with_timezone(&Local);
    let here = here.with_timezone(&Local);
    let local = if there.date_naive() == here.date_naive() {
        there.format("%H:%M")
    } else if at.since(now).max(now.since(at)).as_secs() < 6 * 86_400 {
        there.format("%a %H:%M")
    } else {
        there.format("%Y-%m-%d %H:%M")
    };
    format!("{} ({local})", distance(at, now))
}

/// `in 40m`, `5m ago`, `now`: two units at most.
pub fn distance(at: Timestamp, now: Timestamp) -> String {
    if at > now {
        match rough(at.since(now)) {
            Some(span) => format!("in {span}"),
            None => "now".to_owned(),
        }
    } else {
        match rough(now.since(at)) {
            Some(span) => format!("{span} ago"),
            None => "now".to_owned(),
        }
    }
}

/// A length without the parts that no longer matter: `2d3h`, `1h20m`, `40m`, `25s`.
fn rough(length: std::time::Duration) -> Option<Span> {
    let seconds = length.as_secs();
    let unit = match seconds {
        0 => return None,
        1..300 => 1,
        300..86_400 => 60,
        86_400..604_800 => 3_600,
        _ => 86_400,
    };
    Some(Span::seconds(seconds / unit * unit))
}

/// `1.2 MiB`.
pub fn bytes(count: u64) -> String {
    let mut size = count as f64;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = larger;
    }
    if unit == "B" {
        format!("{count} B")
    } else {
        format!("{size:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn distances_keep_what_matters() {
        let now = at("2030-01-07T12:00:00Z");
        for (then, said) in [
            ("2030-01-07T12:00:00Z", "now"),
            ("2030-01-07T12:00:25Z", "in 25s"),
            ("2030-01-07T13:20:59Z", "in 1h20m"),
            ("2030-01-07T11:57:55Z", "2m5s ago"),
            ("2030-01-05T09:30:00Z", "2d2h ago"),
            ("2029-11-08T12:00:01Z", "59d ago"),
        ] {
            assert_eq!(distance(at(then), now), said, "{then}");
        }
    }

    #[test]
    fn text_of_others_is_inert() {
        assert_eq!(
            one_line("a\u{1b}]0;x\u{7}b\nc\u{202e}d\u{9b}2J"),
            "a]0;xb cd2J"
        );
        assert_eq!(indented("a\nb\u{1b}[A", 2), "a\n  b[A");
    }

    #[test]
    fn json_means_the_same_and_is_inert() {
        let json = "{\"a\": \"\u{9b}2J\u{202e}x\u{7f}\"}";
        let escaped = escape_json(json);
        assert_eq!(escaped, r#"{"a": "\u009b2J\u202ex\u007f"}"#);
        let read: Value = serde_json::from_str(&escaped).unwrap();
        assert_eq!(read, serde_json::from_str::<Value>(json).unwrap());
    }

    #[test]
    fn sizes_read_well() {
        for (count, said) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (5 << 30, "5.0 GiB"),
        ] {
            assert_eq!(bytes(count), said);
        }
    }
}
