//! What of one piece of a stream goes on, without copying it: runs of the piece as it came,
//! and what the gateway puts between.
//!
//! Pure. Neighbouring runs become one, so that what is only looked at costs no packet more.

use std::ops::Range;

use bytes::Bytes;

pub struct Passage {
    chunk: Bytes,
    run: Range<usize>,
    pieces: Vec<Bytes>,
}

impl Passage {
    pub fn new(chunk: Bytes) -> Self {
        Self {
            chunk,
            run: 0..0,
            pieces: Vec::new(),
        }
    }

    /// Lets this part of the chunk through.
    pub fn pass(&mut self, part: Range<usize>) {
        if part.start != self.run.end {
            self.close_run();
            self.run.start = part.start;
        }
        self.run.end = part.end;
    }

    /// Puts something of ours, or what was kept of an earlier chunk, at this place.
    pub fn insert(&mut self, bytes: Bytes) {
        self.close_run();
        self.pieces.push(bytes);
    }

    pub fn finish(mut self) -> Vec<Bytes> {
        self.close_run();
        self.pieces
    }

    fn close_run(&mut self) {
        if !self.run.is_empty() {
            self.pieces.push(self.chunk.slice(self.run.clone()));
        }
        self.run = self.run.end..self.run.end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_piece_and_what_is_left_out_parts_them() {
        let mut passage = Passage::new(Bytes::from_static(b"0123456789"));
        passage.pass(0..2);
        passage.pass(2..4);
        passage.pass(6..8);
        passage.insert(Bytes::from_static(b"ours"));
        passage.pass(8..10);
        let pieces = passage.finish();
        assert_eq!(pieces, [&b"0123"[..], b"67", b"ours", b"89"]);
    }
}
