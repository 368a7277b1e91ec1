//! The gateway's event stream, read line by line.
//!
//! Only a hint that something changed: what it is, is asked for anew. A stream that ends or
//! cannot be opened is no fault, the caller looks by itself from time to time.

use futures::StreamExt;
use serde_json::Value;

use super::client::Client;

/// No event of ours is longer; more is not read.
const LONGEST: usize = 64 * 1024;

/// One event: `checkout`, and what it names.
#[derive(Debug, PartialEq)]
pub struct Event {
    pub noun: String,
    pub data: Value,
}

impl Event {
    /// Whether this check-out is to be looked at again.
    pub fn is_about(&self, checkout: Option<&Value>) -> bool {
        let about = checkout.map(|checkout| &checkout["id"]);
        self.noun == "missed" || self.noun == "checkout" && about == Some(&self.data["id"])
    }
}

/// A live stream, or none.
pub struct Events {
    response: Option<Body>,
    lines: Lines,
}

type Body = std::pin::Pin<Box<dyn futures::Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>;

impl Events {
    pub async fn open(client: &Client) -> Self {
        let response = client.stream(&["events"], &Vec::new()).await.ok();
        Self {
            response: response.map(|response| Box::pin(response.bytes_stream()) as Body),
            lines: Lines::default(),
        }
    }

    /// The next event; for ever pending once the stream has ended.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.lines.event() {
                return event;
            }
            let more = match &mut self.response {
                Some(body) => body.next().await,
                None => std::future::pending().await,
            };
            match more {
                Some(Ok(bytes)) if self.lines.waiting() + bytes.len() <= LONGEST => {
                    self.lines.push(&bytes);
                }
                _ => self.response = None,
            }
        }
    }
}

/// Server-sent events out of bytes that come in any pieces.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    noun: String,
    data: String,
}

impl Lines {
    fn waiting(&self) -> usize {
        self.bytes.len() + self.data.len()
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn event(&mut self) -> Option<Event> {
        while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                let noun = std::mem::take(&mut self.noun);
                let data = std::mem::take(&mut self.data);
                if !noun.is_empty() || !data.is_empty() {
                    return Some(Event {
                        noun,
                        data: serde_json::from_str(&data).unwrap_or_default(),
                    });
                }
                continue;
            }
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "event" => value.clone_into(&mut self.noun),
                "data" => self.data.push_str(value),
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_come_out_whole_however_the_bytes_come_in() {
        let stream =
            b": hello\n\nevent: checkout\r\ndata: {\"id\": \"x\"}\r\n\r\nid: 4\ndata: {}\n\n";
        let mut lines = Lines::default();
        let mut events = Vec::new();
        for byte in stream {
            lines.push(&[*byte]);
            events.extend(lines.event());
        }
        let expected = [("checkout", json!({"id": "x"})), ("", json!({}))];
        assert_eq!(
            events,
            expected.map(|(noun, data)| Event {
                noun: noun.to_owned(),
                data
            })
        );
    }
}
