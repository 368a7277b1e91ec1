//! Slows guessing: by address, by name from one address, and by name from all of them.
//!
//! Never locks a name out for good: somebody who waits is heard again.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

use governor::{DefaultKeyedRateLimiter, Quota, clock::Clock as _, clock::DefaultClock};

/// Many addresses that guess one name are slowed together, but loosely: its owner is among them.
const ADDRESSES_OF_A_NAME: u32 = 10;

/// When so many keys are remembered, those that have recovered are forgotten.
const KEYS: usize = 10_000;

pub struct Throttle {
    by_address: DefaultKeyedRateLimiter<IpAddr>,
    by_both: DefaultKeyedRateLimiter<(String, IpAddr)>,
    by_name: DefaultKeyedRateLimiter<String>,
    clock: DefaultClock,
}

impl Throttle {
    /// Attempts in a minute, with the same number at once.
    pub fn new(per_address: NonZeroU32, per_name: NonZeroU32) -> Self {
        let from_all =
            per_name.saturating_mul(NonZeroU32::new(ADDRESSES_OF_A_NAME).unwrap_or(per_name));
        Self {
            by_address: DefaultKeyedRateLimiter::keyed(Quota::per_minute(per_address)),
            by_both: DefaultKeyedRateLimiter::keyed(Quota::per_minute(per_name)),
            by_name: DefaultKeyedRateLimiter::keyed(Quota::per_minute(from_all)),
            clock: DefaultClock::default(),
        }
    }

    /// Counts an attempt, or says how long to wait before the next.
    pub fn admit(&self, name: &str, peer: IpAddr) -> Result<(), Duration> {
        self.forget();
        let address = network(peer);
        let name: String = name.chars().take(64).collect();
        let wait = |not_until: governor::NotUntil<_>| not_until.wait_time_from(self.clock.now());
        self.by_address.check_key(&address).map_err(wait)?;
        self.by_both
            .check_key(&(name.clone(), address))
            .map_err(wait)?;
        self.by_name.check_key(&name).map_err(wait)
    }

    fn forget(&self) {
        if self.by_address.len() + self.by_both.len() + self.by_name.len() > KEYS {
            self.by_address.retain_recent();
            self.by_both.retain_recent();
            self.by_name.retain_recent();
        }
    }
}

/// One customer of an IPv6 network owns a whole /64 of addresses.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(throttle: &Throttle, name: &str, peer: &str) -> usize {
        (0..1_000)
            .take_while(|_| throttle.admit(name, peer.parse().unwrap()).is_ok())
            .count()
    }

    #[test]
    fn guessing_is_slowed_and_others_are_still_heard() {
        let throttle = Throttle::new(NonZeroU32::new(60).unwrap(), NonZeroU32::new(10).unwrap());
        assert!(attempts(&throttle, "alice", "192.0.2.1") <= 11);
        assert!(
            throttle
                .admit("alice", "192.0.2.2".parse().unwrap())
                .is_ok(),
            "alice from elsewhere"
        );
        assert!(
            throttle.admit("bob", "192.0.2.1".parse().unwrap()).is_ok(),
            "bob from there"
        );
    }

    #[test]
    fn one_ipv6_network_is_one_address() {
        let throttle = Throttle::new(NonZeroU32::new(60).unwrap(), NonZeroU32::new(10).unwrap());
        attempts(&throttle, "alice", "2001:db8::1");
        assert!(
            throttle
                .admit("alice", "2001:db8::2".parse().unwrap())
                .is_err()
        );
    }
}
