//! Which of a target's addresses is tried first: in the order that an admin wrote them down,
//! and those that failed a short while ago last.
//!
//! Learns from what sessions meet and asks nobody of its own accord. Never leaves one out.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{clock::Stopwatch, model::target::Address};

/// How long an address that failed is tried last.
const LAST_FOR: Duration = Duration::from_secs(30);
/// Of so many is it remembered.
const MOST: usize = 10_000;

#[derive(Default)]
pub struct Upstreams(Mutex<HashMap<Address, Stopwatch>>);

impl Upstreams {
    /// All of them, in the order in which they are tried.
    pub fn in_order<'a>(&self, addresses: impl Iterator<Item = &'a Address>) -> Vec<&'a Address> {
        let failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_last = |address: &Address| {
            failed
                .get(address)
                .is_some_and(|it| it.elapsed() < LAST_FOR)
        };
        let (last, mut order): (Vec<_>, Vec<_>) = addresses.partition(|it| is_last(it));
        order.extend(last);
        order
    }

    /// It refused, was silent, proved nothing or broke off.
    pub fn failed(&self, address: &Address) {
        let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= MOST {
            failed.retain(|_, since| since.elapsed() < LAST_FOR);
        }
        if failed.len() < MOST {
            failed.insert(address.clone(), Stopwatch::start());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_failed_is_tried_last_and_nobody_is_left_out() {
        let all: Vec<Address> = ["a:1", "b:1", "c:1"].map(|it| it.parse().unwrap()).into();
        let upstreams = Upstreams::default();
        let order = || {
            let order = upstreams.in_order(all.iter());
            order.iter().map(|it| it.host()).collect::<String>()
        };
        assert_eq!(order(), "abc");
        upstreams.failed(&all[0]);
        assert_eq!(order(), "bca");
        upstreams.failed(&all[1]);
        assert_eq!(order(), "cab");
        upstreams.failed(&all[2]);
        assert_eq!(order(), "abc");
    }
}
