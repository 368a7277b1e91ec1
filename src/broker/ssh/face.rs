//! What the gateway shows to a client that connects: its host keys, certified for the name
//! under which it was called, and how it wants to be spoken to.
//!
//! One for the front door and one for each target that somebody jumps to. It decides
//! nothing about who comes in.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use russh::{keys::PrivateKey, server::Config};
use tracing::warn;

use super::{Alive, algorithms, authority::HostAuthority, inbox::WINDOW, server};
use crate::model::{name::TargetName, time::Timestamp};

/// A rejected sign-in takes this long, whatever was wrong. Longer than a password check.
const REJECTION: Duration = Duration::from_millis(500);

/// A face is drawn anew after this long, well before its certificates end.
const FRESH_MS: i64 = 6 * 3600 * 1000;

/// Faces that are kept; there are more names than targets, and nobody may fill the memory.
const KEPT: usize = 256;

/// How the gateway looks under each of its names.
pub struct Faces {
    pub keys: Vec<PrivateKey>,
    pub authority: HostAuthority,
    /// What people call the gateway itself.
    pub names: Vec<String>,
    /// What stands behind a target's name where it is a host name: `door`.
    pub domain: String,
    pub max_auth_attempts: usize,
    pub alive: Alive,
    pub drawn: Mutex<HashMap<String, Drawn>>,
}

pub struct Drawn {
    at: Timestamp,
    config: Arc<Config>,
}

impl Faces {
    /// At the front door.
    pub fn own(&self, now: Timestamp) -> Arc<Config> {
        self.drawn("", &self.names, now)
    }

    /// In the place of a target.
    pub fn of_target(&self, target: &TargetName, now: Timestamp) -> Arc<Config> {
        let names = [target.to_string(), format!("{target}.{}", self.domain)];
        self.drawn(target.as_str(), &names, now)
    }

    /// The target that a host name means: `db1` or `db1.door`, however it is written.
    pub fn target(&self, host: &str) -> Option<TargetName> {
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let name = match host.split_once('.') {
            Some((name, domain)) if domain == self.domain => name,
            Some(_) => return None,
            None => host,
        };
        name.parse().ok()
    }

    fn drawn(&self, under: &str, names: &[String], now: Timestamp) -> Arc<Config> {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = drawn.get(under)
            && now.millis() - found.at.millis() < FRESH_MS
        {
            return found.config.clone();
        }
        let config = Arc::new(self.draw(names, now));
        if drawn.len() >= KEPT {
            drawn.clear();
        }
        let kept = Drawn {
            at: now,
            config: config.clone(),
        };
        drawn.insert(under.to_owned(), kept);
        config
    }

    fn draw(&self, names: &[String], now: Timestamp) -> Config {
        let certify = |key: &PrivateKey| {
            let signed = self.authority.certify(key.public_key(), names, now);
            // Without it there is still the key that clients may have pinned.
            let signed = signed.inspect_err(|error| warn!(%error, "Host key not certified"));
            signed.ok()
        };
        Config {
            server_id: super::id(),
            methods: server::methods(),
            auth_rejection_time: REJECTION,
            // Asking which ways there are is no attempt.
            auth_rejection_time_initial: Some(Duration::ZERO),
            certificates: self.keys.iter().filter_map(certify).collect(),
            keys: self.keys.clone(),
            window_size: WINDOW,
            manual_window_grants: true,
            // Only the confirmation of an open goes through it.
            channel_buffer_size: 1,
            preferred: algorithms::towards_people(),
            await_kexinit: algorithms::patience,
            preferred_for: Some(algorithms::towards),
            // The question which ways there are counts as one.
            max_auth_attempts: self.max_auth_attempts + 1,
            // The check-out has its own limits.
            inactivity_timeout: None,
            keepalive_interval: Some(self.alive.interval),
            keepalive_max: self.alive.count,
            ..Config::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faces() -> Faces {
        let folder = tempfile::tempdir().unwrap();
        Faces {
            keys: super::super::load_or_create(folder.path()).unwrap(),
            authority: HostAuthority::load_or_create(folder.path()).unwrap(),
            names: vec!["gateway.example.org".to_owned()],
            domain: "door".to_owned(),
            max_auth_attempts: 6,
            alive: Alive {
                interval: Duration::from_secs(30),
                count: 3,
            },
            drawn: Mutex::default(),
        }
    }

    #[test]
    fn a_host_name_means_one_target_or_none() {
        let faces = faces();
        for host in ["db1", "db1.door", "DB1.Door", "db1.door."] {
            let target = faces.target(host).unwrap();
            assert_eq!(target.as_str(), "db1", "{host}");
        }
        for host in [
            "",
            ".",
            ".door",
            "db1.example.org",
            "db1.door.example.org",
            "a.db1.door",
            "127.0.0.1",
            "169.254.169.254",
            "::1",
            "[::1]",
            "-oProxyCommand=x",
            "db1\0",
            "db1 ",
            "db１",
            "../db1",
        ] {
            assert_eq!(faces.target(host), None, "{host:?}");
        }
    }

    #[test]
    fn each_name_has_its_own_certificate_and_keeps_it_for_a_while() {
        let faces = faces();
        let now = Timestamp::from_millis(1_700_000_000_000);
        let principals = |config: &Config| config.certificates[0].valid_principals().to_vec();
        let db1 = faces.of_target(&"db1".parse().unwrap(), now);
        assert_eq!(principals(&db1), ["db1", "db1.door"]);
        assert_eq!(principals(&faces.own(now)), ["gateway.example.org"]);
        let later = Timestamp::from_millis(now.millis() + FRESH_MS - 1);
        let again = faces.of_target(&"db1".parse().unwrap(), later);
        assert!(Arc::ptr_eq(&db1, &again));
        let much_later = Timestamp::from_millis(now.millis() + FRESH_MS);
        let fresh = faces.of_target(&"db1".parse().unwrap(), much_later);
        assert!(!Arc::ptr_eq(&db1, &fresh));
    }

    #[test]
    fn made_up_names_do_not_fill_the_memory() {
        let faces = faces();
        let now = Timestamp::from_millis(1_700_000_000_000);
        for number in 0..=KEPT {
            faces.of_target(&format!("t{number}").parse().unwrap(), now);
        }
        assert!(faces.drawn.lock().unwrap().len() <= KEPT);
    }
}
