//! The bytes of one way between a channel of the person and one of the target.
//!
//! Each direction is a loop of its own: take what has arrived, wait until the other side has
//! room, pass it on, and only then give window back. A side that has sent its last byte may
//! still read (half-close); a side that closes ends both.

use russh::{ChannelId, ChannelMsg, ChannelWriteHalf, server};

use super::log::Log;
use crate::broker::ssh::{
    channels::Seated,
    inbox::{GRANT, Inbox, Item},
    talk::{Ask, Tell},
    target::LegChannel,
};

/// The person's end of a way.
pub struct PersonEnd {
    pub write: ChannelWriteHalf<server::Msg>,
    pub seated: Seated,
}

/// What a message that is no data means for a way.
enum Word {
    Eof,
    Close(&'static str),
    /// Nothing but bytes belongs on a way.
    Decline,
    Nothing,
}

/// Passes both directions on until one side closes. Returns how it ended.
pub async fn pipe(person: &PersonEnd, target: &LegChannel, log: &Log) -> &'static str {
    let up = pass(
        person.seated.asks(),
        &person.write,
        &target.write,
        |ask| match ask {
            Ask::Eof => Word::Eof,
            Ask::Close => Word::Close("closed by the person"),
            ask if ask.wants_reply() => Word::Decline,
            _ => Word::Nothing,
        },
        |bytes| log.passed_up(bytes),
    );
    let down = pass(
        &target.tells,
        &target.write,
        &person.write,
        |tell| match tell {
            Tell::Eof => Word::Eof,
            Tell::Close => Word::Close("closed by the target"),
            Tell::Lost => Word::Close("the connection to the target was lost"),
            _ => Word::Nothing,
        },
        |bytes| log.passed_down(bytes),
    );
    // None goes first: whoever floods one way has used up the turn before the other's.
    let result = tokio::select! {
        result = down => result,
        result = up => result,
    };
    // Either may be closed or gone already.
    person.write.close().await.ok();
    target.write.close().await.ok();
    result
}

/// One direction.
async fn pass<C, F, T>(
    inbox: &Inbox<C>,
    from: &ChannelWriteHalf<F>,
    to: &ChannelWriteHalf<T>,
    word: impl Fn(C) -> Word,
    passed_on: impl Fn(u32),
) -> &'static str
where
    F: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static,
    T: From<(ChannelId, ChannelMsg)> + Send + Sync + 'static,
{
    let mut passed = 0;
    while let Some(item) = inbox.next().await {
        match item {
            Item::Bytes(_, bytes) => {
                let length = bytes.len() as u32;
                if to.data_bytes(bytes).await.is_err() {
                    break;
                }
                passed_on(length);
                passed += length;
                if passed >= GRANT {
                    // A side that is gone is noticed where it is read.
                    from.grant_window(passed).await.ok();
                    passed = 0;
                }
            }
            Item::Control(control) => match word(control) {
                Word::Eof if to.eof().await.is_err() => break,
                Word::Eof | Word::Nothing => {}
                // A side that is gone waits for no answer.
                Word::Decline => {
                    from.decline().await.ok();
                }
                Word::Close(result) => return result,
            },
        }
    }
    // The other leg is gone. What it said before that is still on its way in the other
    // direction, which ends the way.
    std::future::pending().await
}
