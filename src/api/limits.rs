//! How often somebody may call: requests by user, and tokens that open nothing by address.
//! How many event streams a user has at once: each costs reads at every change.
//!
//! Signing in is slowed where passwords are looked at, in `identity`. Bounded in memory.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
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
    streams: Arc<Mutex<HashMap<UserId, usize>>>,
}

/// Event streams of one user at once.
pub const MOST_STREAMS: usize = 10;

/// One of a user's event streams, until it is dropped.
pub struct Watching {
    streams: Arc<Mutex<HashMap<UserId, usize>>>,
    user: UserId,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = streams.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                streams.remove(&self.user);
            }
        }
    }
}

impl Limits {
    pub fn new(limits: &LimitsConfig) -> Self {
        Self {
            users: Buckets::per_minute(limits.requests_per_user),
            addresses: Buckets::per_minute(limits.sign_ins_per_address),
            streams: Arc::default(),
        }
    }

    pub fn request(&self, user: &UserId) -> Result<(), Wait> {
        self.users.take(user)
    }

    /// One more event stream, unless they have as many as one may.
    pub fn watch(&self, user: &UserId) -> Option<Watching> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let count = streams.entry(user.clone()).or_default();
        if *count >= MOST_STREAMS {
            return None;
        }
        *count += 1;
        Some(Watching {
            streams: Arc::clone(&self.streams),
            user: user.clone(),
        })
    }

    /// After a token that opens nothing.
    pub fn unproven(&self, peer: SocketAddr) -> Result<(), Wait> {
        self.addresses.take(&neighbourhood(peer))
    }
}

/// Where a peer lives: an IPv4 address, or an IPv6 /64, which one customer owns as a whole.
pub(super) fn neighbourhood(peer: SocketAddr) -> IpAddr {
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
