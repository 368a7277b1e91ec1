//! An authenticator app, as a phone runs it: RFC 6238 from its secret and the time.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use reqwest::Method;
use serde_json::json;

use crate::support::{Gateway, text};

/// Shows each code once: whoever signs in three times in a minute takes codes of the steps
/// before, now and after.
pub struct Authenticator {
    seed: Vec<u8>,
    shown: u64,
}

impl Authenticator {
    pub fn new(secret: &str) -> Self {
        let seed = data_encoding::BASE32_NOPAD.decode(secret.as_bytes());
        Self {
            seed: seed.unwrap(),
            shown: 0,
        }
    }

    pub fn code(&mut self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = now.as_secs() / 30;
        let step = (self.shown + 1).max(now - 1);
        assert!(step <= now + 1, "a phone shows no more codes than these");
        self.shown = step;
        let key = Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.seed);
        let tag = sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag[19] & 0xf);
        let word: [u8; 4] = tag[offset..offset + 4].try_into().unwrap();
        format!(
            "{:06}",
            (u32::from_be_bytes(word) & 0x7fff_ffff) % 1_000_000
        )
    }
}

impl Gateway {
    /// Sets an app up for whoever has this token.
    pub async fn app_of(&self, token: &str) -> Authenticator {
        let offer = self.post(token, "/me/factors/app", json!({})).await;
        let mut app = Authenticator::new(&text(&offer["secret"]));
        let body = json!({ "code": app.code() });
        self.must(token, Method::PUT, "/me/factors/app", body).await;
        app
    }
}
