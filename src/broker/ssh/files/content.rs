//! The content of one file as it passes: how much, and its SHA-256 as long as it comes in
//! order from the first byte.
//!
//! Holds no more of it than its hash is behind. Out of order it only counts; it never guesses a
//! hash.

use bytes::Bytes;
use data_encoding::HEXLOWER;

use crate::broker::hashing::Hashing;

#[derive(Default)]
pub struct Content {
    /// How many bytes passed, however often and in whichever order.
    bytes: u64,
    order: Order,
}

#[derive(Default)]
enum Order {
    #[default]
    Untouched,
    /// Each byte once from the first on.
    Whole {
        hashing: Hashing,
        next: u64,
    },
    Broken,
}

impl Content {
    /// What follows belongs at `offset`.
    pub fn at(&mut self, offset: u64) {
        let here = match &self.order {
            Order::Untouched => {
                self.order = Order::Whole {
                    hashing: Hashing::default(),
                    next: 0,
                };
                0
            }
            Order::Whole { next, .. } => *next,
            Order::Broken => return,
        };
        if here != offset {
            self.order = Order::Broken;
        }
    }

    pub fn add(&mut self, bytes: &Bytes) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if let Order::Whole { hashing, next } = &mut self.order {
            hashing.add(bytes);
            *next = next.saturating_add(bytes.len() as u64);
        }
    }

    /// What passed is not what stands in the file: there is no hash of it any more.
    pub fn spoil(&mut self) {
        self.order = Order::Broken;
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn is_untouched(&self) -> bool {
        matches!(self.order, Order::Untouched)
    }

    /// Where it ends, if all before that was seen in order.
    pub fn end(&self) -> Option<u64> {
        match &self.order {
            Order::Untouched => Some(0),
            Order::Whole { next, .. } => Some(*next),
            Order::Broken => None,
        }
    }

    /// Of all that passed. None once it was out of order.
    pub fn sha256(self) -> Option<String> {
        let hashing = match self.order {
            Order::Untouched => Hashing::default(),
            Order::Whole { hashing, .. } => hashing,
            Order::Broken => return None,
        };
        Some(HEXLOWER.encode(hashing.finish().as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `abc`, as FIPS 180-2 gives it.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn in_order_it_has_a_hash() {
        let mut content = Content::default();
        content.at(0);
        content.add(&Bytes::from_static(b"a"));
        content.at(1);
        content.add(&Bytes::from_static(b"b"));
        content.add(&Bytes::from_static(b"c"));
        assert_eq!((content.bytes(), content.end()), (3, Some(3)));
        assert_eq!(content.sha256().as_deref(), Some(ABC));
    }

    #[test]
    fn an_empty_file_has_one_too() {
        let hash = Content::default().sha256().unwrap();
        assert!(hash.starts_with("e3b0c44298fc1c149afbf4c8996fb924"));
    }

    #[test]
    fn resumed_sparse_or_twice_it_only_counts() {
        for offsets in [[1, 2], [0, 2], [0, 0]] {
            let mut content = Content::default();
            for offset in offsets {
                content.at(offset);
                content.add(&Bytes::from_static(b"a"));
            }
            assert_eq!((content.bytes(), content.end()), (2, None), "{offsets:?}");
            assert_eq!(content.sha256(), None);
        }
    }
}
