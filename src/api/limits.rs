//! How often somebody may call: requests by user, and tokens that open nothing by address.
//!
//! Signing in is slowed where passwords are looked at, in `identity`. Bounded in memory.

use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _, clock::DefaultClock,
};

use crate::{config::LimitsConfig, model::ids::UserId};

/// Refused, and how long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(pub Duration);

pub struct Limits {
    users: Buckets<UserId>,
    addresses: Buckets<IpAddr>,
}

impl Limits {
    pub fn new(limits: &LimitsConfig) -> Self {
        Self {
            users: Buckets::per_minute(limits.requests_per_user),
            addresses: Buckets::per_minute(limits.sign_ins_per_address),
        }
    }

    pub fn request(&self, user: &UserId) -> Result<(), Wait> {
        self.users.take(user)
    }

    /// After a token that opens nothing.
    pub fn unproven(&self, peer: SocketAddr) -> Result<(), Wait> {
        self.addresses.take(&neighbourhood(peer))
    }
}

/// Where a peer lives: an IPv4 address, or an IPv6 /64, which one customer owns as a whole.
fn neighbourhood(peer: SocketAddr) -> IpAddr {
    match peer.ip().to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

struct Buckets<K: Hash + Eq + Clone>(DefaultKeyedRateLimiter<K>);

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// Above this many keys, those whose bucket is full again are forgotten.
    const SWEEP: usize = 10_000;

    fn per_minute(times: NonZeroU32) -> Self {
        Self(RateLimiter::keyed(Quota::per_minute(times)))
    }

    fn take(&self, key: &K) -> Result<(), Wait> {
        if self.0.len() > Self::SWEEP {
            self.0.retain_recent();
        }
        self.0
            .check_key(key)
            .map_err(|until| Wait(until.wait_time_from(DefaultClock::default().now())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    fn limits() -> Limits {
        // One a minute: a test does not last long enough to be given another.
        Limits::new(&LimitsConfig {
            sign_ins_per_address: NonZeroU32::MIN,
            requests_per_user: NonZeroU32::MIN,
            ..LimitsConfig::default()
        })
    }

    #[test]
    fn a_user_is_slowed_and_another_is_not() {
        let limits = limits();
        let user = |byte| UserId::new(Timestamp::from_millis(1), [byte; 10]);
        assert!(limits.request(&user(1)).is_ok());
        assert!(limits.request(&user(1)).unwrap_err().0 > Duration::ZERO);
        assert!(limits.request(&user(2)).is_ok());
    }

    #[test]
    fn a_place_that_guesses_at_tokens_is_slowed_as_a_whole() {
        let limits = limits();
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert!(limits.unproven(at("[2001:db8::1]:1")).is_ok());
        assert!(limits.unproven(at("[2001:db8::2]:1")).is_err());
        assert!(limits.unproven(at("[2001:db8:0:1::1]:1")).is_ok());
        assert!(limits.unproven(at("192.0.2.1:1")).is_ok());
        assert!(limits.unproven(at("[::ffff:192.0.2.1]:1")).is_err());
    }
}
