//! What one leg has received for a channel and the other leg has not yet been given.
//!
//! It takes everything at once and never makes the taker wait: the loop that reads a leg
//! must not stop for the other leg, or it misses the window adjustments that would free
//! both. It is bounded all the same, because the sender's window is given back only for
//! what has left it.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::sync::Notify;

/// How much a peer may send on one channel before some of it was passed on, as OpenSSH.
pub const WINDOW: u32 = 2 * 1024 * 1024;

/// How much is passed on before window is given back: seldom enough to cost nothing,
/// often enough that the sender never waits for it.
pub const GRANT: u32 = 128 * 1024;

/// Requests and ends are not under the window. No honest peer has so many on their way.
const CONTROLS: usize = 256;

/// Small pieces share one allocation up to this.
const PACK: usize = 64 * 1024;

/// Before each run of bytes in a pack: its stream and its length.
const HEADER: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stream {
    Out = 0,
    Err = 1,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Item<C> {
    Bytes(Stream, Bytes),
    Control(C),
}

/// One channel, one direction, in the order of its arrival.
#[derive(Debug)]
pub struct Inbox<C> {
    queue: Mutex<Queue<C>>,
    arrived: Notify,
}

#[derive(Debug)]
struct Queue<C> {
    entries: VecDeque<Entry<C>>,
    controls: usize,
    closed: bool,
}

#[derive(Debug)]
enum Entry<C> {
    /// Runs of bytes, each behind its header; `last` is where the last header begins.
    /// A peer that sends single bytes on alternating streams so costs six bytes for one,
    /// not an allocation.
    Pack {
        runs: BytesMut,
        last: usize,
    },
    Control(C),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer sends more requests than anybody answers")]
pub struct Flooded;

impl<C> Default for Inbox<C> {
    fn default() -> Self {
        Self {
            queue: Mutex::new(Queue {
                entries: VecDeque::new(),
                controls: 0,
                closed: false,
            }),
            arrived: Notify::new(),
        }
    }
}

impl<C> Inbox<C> {
    pub fn bytes(&self, stream: Stream, data: &[u8]) {
        let mut queue = self.locked();
        if queue.closed || data.is_empty() {
            return;
        }
        match queue.entries.back_mut() {
            Some(Entry::Pack { runs, last }) if runs.len() + HEADER + data.len() <= PACK => {
                append(runs, last, stream, data);
            }
            _ => {
                let mut runs = BytesMut::with_capacity(HEADER + data.len());
                open_run(&mut runs, stream, data);
                queue.entries.push_back(Entry::Pack { runs, last: 0 });
            }
        }
        drop(queue);
        self.arrived.notify_one();
    }

    pub fn control(&self, control: C) -> Result<(), Flooded> {
        let mut queue = self.locked();
        if queue.closed {
            return Ok(());
        }
        if queue.controls == CONTROLS {
            return Err(Flooded);
        }
        queue.controls += 1;
        queue.entries.push_back(Entry::Control(control));
        drop(queue);
        self.arrived.notify_one();
        Ok(())
    }

    /// Takes this and nothing more. What is in it still comes out.
    pub fn last(&self, control: C) {
        let mut queue = self.locked();
        if !queue.closed {
            queue.closed = true;
            queue.controls += 1;
            queue.entries.push_back(Entry::Control(control));
        }
        drop(queue);
        self.arrived.notify_one();
    }

    /// What was taken out comes out again, before everything else.
    pub fn put_back(&self, items: impl DoubleEndedIterator<Item = C>) {
        let mut queue = self.locked();
        for control in items.rev() {
            queue.controls += 1;
            queue.entries.push_front(Entry::Control(control));
        }
        drop(queue);
        self.arrived.notify_one();
    }

    /// The next item; none once it is closed and empty. For one reader; safe to drop.
    pub async fn next(&self) -> Option<Item<C>> {
        loop {
            {
                let mut queue = self.locked();
                match queue.pop() {
                    Some(item) => return Some(item),
                    None if queue.closed => return None,
                    None => {}
                }
            }
            // A notice given since the look above is kept until it is waited for.
            self.arrived.notified().await;
        }
    }

    fn locked(&self) -> MutexGuard<'_, Queue<C>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Queue<C> {
    fn pop(&mut self) -> Option<Item<C>> {
        match self.entries.pop_front()? {
            Entry::Control(control) => {
                self.controls -= 1;
                Some(Item::Control(control))
            }
            Entry::Pack { mut runs, last } => {
                let stream = match runs.get_u8() {
                    0 => Stream::Out,
                    _ => Stream::Err,
                };
                let length = runs.get_u32() as usize;
                if runs.len() > length {
                    let rest = runs.split_off(length);
                    let last = last - HEADER - length;
                    self.entries.push_front(Entry::Pack { runs: rest, last });
                }
                Some(Item::Bytes(stream, runs.freeze()))
            }
        }
    }
}

/// Adds to the last run if it is of the same stream, or opens another.
fn append(runs: &mut BytesMut, last: &mut usize, stream: Stream, data: &[u8]) {
    if runs[*last] == stream as u8 {
        let length = &mut runs[*last + 1..*last + HEADER];
        let longer = (&*length).get_u32() + data.len() as u32;
        length.copy_from_slice(&longer.to_be_bytes());
        runs.extend_from_slice(data);
    } else {
        *last = runs.len();
        open_run(runs, stream, data);
    }
}

fn open_run(runs: &mut BytesMut, stream: Stream, data: &[u8]) {
    runs.put_u8(stream as u8);
    runs.put_u32(data.len() as u32);
    runs.extend_from_slice(data);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain(inbox: &Inbox<u32>) -> Vec<Item<u32>> {
        std::iter::from_fn(|| inbox.locked().pop()).collect()
    }

    #[test]
    fn small_pieces_of_one_stream_become_one() {
        let inbox = Inbox::<u32>::default();
        for _ in 0..10 {
            inbox.bytes(Stream::Out, b"x");
        }
        let expected = Bytes::from_static(b"xxxxxxxxxx");
        assert_eq!(drain(&inbox), [Item::Bytes(Stream::Out, expected)]);
    }

    #[test]
    fn a_flood_of_requests_is_an_error_and_bytes_are_not() {
        let inbox = Inbox::default();
        for count in 0..CONTROLS {
            assert_eq!(inbox.control(count as u32), Ok(()));
        }
        assert_eq!(inbox.control(0), Err(Flooded));
        inbox.bytes(Stream::Out, &[0; 100_000]);
        assert_eq!(drain(&inbox).len(), CONTROLS + 1);
        assert_eq!(inbox.control(0), Ok(()));
    }

    #[test]
    fn what_is_put_back_comes_first_and_in_its_order() {
        let inbox = Inbox::default();
        inbox.control(3).unwrap();
        inbox.put_back([1, 2].into_iter());
        let expected = [1, 2, 3].map(Item::Control);
        assert_eq!(drain(&inbox), expected);
    }

    #[tokio::test]
    async fn a_closed_inbox_gives_what_it_has_and_then_ends() {
        let inbox = Inbox::default();
        inbox.bytes(Stream::Out, b"last words");
        inbox.last(1);
        inbox.bytes(Stream::Out, b"too late");
        inbox.control(2).unwrap();
        inbox.last(3);
        let words = Bytes::from_static(b"last words");
        assert_eq!(inbox.next().await, Some(Item::Bytes(Stream::Out, words)));
        assert_eq!(inbox.next().await, Some(Item::Control(1)));
        assert_eq!(inbox.next().await, None);
    }

    proptest! {
        #[test]
        fn everything_comes_out_in_the_order_it_went_in(
            pieces in proptest::collection::vec((0..3u8, 1..4_000usize), 0..60),
            looked_after in 0..60usize,
        ) {
            let inbox = Inbox::<u32>::default();
            let (mut sent, mut seen) = (Vec::new(), Vec::new());
            for (index, (kind, length)) in pieces.into_iter().enumerate() {
                let mark = index as u8;
                match kind {
                    0 => inbox.bytes(Stream::Out, &vec![mark; length]),
                    1 => inbox.bytes(Stream::Err, &vec![mark; length]),
                    _ => inbox.control(index as u32).unwrap(),
                }
                sent.push((kind, mark, if kind == 2 { 1 } else { length }));
                if index == looked_after {
                    seen.extend(drain(&inbox));
                }
            }
            seen.extend(drain(&inbox));
            prop_assert_eq!(runs(seen), sent);
        }
    }

    /// Each piece again: its kind, the byte it is made of, its length.
    fn runs(items: Vec<Item<u32>>) -> Vec<(u8, u8, usize)> {
        let mut runs: Vec<(u8, u8, usize)> = Vec::new();
        for item in items {
            match item {
                Item::Control(index) => runs.push((2, index as u8, 1)),
                Item::Bytes(stream, bytes) => {
                    for byte in bytes {
                        match runs.last_mut() {
                            Some((kind, mark, length))
                                if (*kind, *mark) == (stream as u8, byte) =>
                            {
                                *length += 1;
                            }
                            _ => runs.push((stream as u8, byte, 1)),
                        }
                    }
                }
            }
        }
        runs
    }
}
