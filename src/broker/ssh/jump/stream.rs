//! A channel as a stream of bytes: what arrives on it is written, what is read is sent.
//!
//! Each way is a loop of its own with the window of its own: given back only for what was
//! written, waited for before anything is sent.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, split};

use super::super::{
    inbox::{GRANT, Inbox, Item, Stream},
    person::PersonChannel,
    talk::{Ask, Tell},
};

/// As much as a packet carries.
const PIECE: usize = 32 * 1024;

/// Until the stream ends, or the client closes the channel.
pub async fn join(person: &PersonChannel, asks: &Inbox<Ask>, stream: DuplexStream) {
    let (read, write) = split(stream);
    // None goes first: whoever floods one way has used up the turn before the other's.
    tokio::select! {
        () = down(person, read) => {}
        () = up(person, asks, write) => {}
    }
}

/// Returns once the client has closed the channel; an end of its input ends only that.
async fn up(person: &PersonChannel, asks: &Inbox<Ask>, mut write: WriteHalf<DuplexStream>) {
    let mut passed = 0;
    while let Some(item) = asks.next().await {
        let done = match item {
            Item::Bytes(_, bytes) => {
                passed += bytes.len() as u32;
                let written = write.write_all(&bytes).await;
                if passed >= GRANT {
                    // A client that is gone is noticed by the server of its connection.
                    person.grant(std::mem::take(&mut passed)).await.ok();
                }
                written
            }
            Item::Control(Ask::Eof) => write.shutdown().await,
            Item::Control(Ask::Close) => return,
            Item::Control(ask) => {
                // Nothing but bytes belongs on such a channel.
                if ask.wants_reply() {
                    person.answer(false).await.ok();
                }
                Ok(())
            }
        };
        if done.is_err() {
            // Our server is done with it; what it said last is still on its way down.
            return std::future::pending().await;
        }
    }
}

async fn down(person: &PersonChannel, mut read: ReadHalf<DuplexStream>) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(PIECE);
        match read.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let piece = buffer.split().freeze();
        if person.bytes(Stream::Out, piece).await.is_err() {
            return;
        }
    }
    // Closed by the caller.
    person.pass_on(Tell::Eof).await.ok();
}
