//! What a client still sends when it has its answer already.
//!
//! Where the rest is not read, a client finds a closed connection or a reset stream in the
//! place of the answer. So it is read, into nothing, bounded in bytes and in time.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

/// How long a client may go on sending after it was answered. Who sends for longer has had the
/// time to look.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// The same in bytes.
const MOST: u64 = 16 * 1024 * 1024;

/// The body of a request, until somebody takes it.
pub struct Unread(Option<Incoming>);

impl Unread {
    pub fn new(body: Incoming) -> Self {
        Self(Some(body))
    }

    pub fn take(&mut self) -> Option<Incoming> {
        self.0.take().filter(|body| !body.is_end_stream())
    }

    /// To read it here. What is left of it is still somebody's to let finish.
    pub fn read(&mut self) -> Option<&mut Incoming> {
        self.0.as_mut()
    }

    /// How long it is at least, as far as the request says.
    pub fn announced(&self) -> u64 {
        let body = self.0.as_ref();
        body.map_or(0, |body| body.size_hint().lower())
    }

    /// Whether there is something in it that nobody has taken.
    pub fn is_left(&self) -> bool {
        self.0.as_ref().is_some_and(|body| !body.is_end_stream())
    }
}

/// Reads the rest of a body into nothing. What is left beyond the bounds is given up: over
/// HTTP/2 the stream is then reset with NO_ERROR behind the answer (RFC 9113 s8.1), over HTTP/1
/// the connection is closed.
pub async fn let_finish(mut rest: Incoming) {
    let reading = async {
        let mut read = 0;
        while let Some(Ok(frame)) = rest.frame().await {
            read += frame.data_ref().map_or(0, |data| data.len() as u64);
            if read > MOST {
                return;
            }
        }
    };
    // Either way it is over.
    timeout(LAST_WORDS, reading).await.ok();
}
