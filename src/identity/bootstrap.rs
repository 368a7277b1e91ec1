//! The one-time token of the first start, which makes the first admin.
//!
//! It lives in memory only: a restart without an admin prints a new one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::token::{Token, TokenKind};

#[derive(Default)]
pub struct Bootstrap(Mutex<Option<Token>>);

impl Bootstrap {
    /// The token to show; the same one until it is spent.
    pub fn offer(&self) -> Zeroizing<String> {
        let mut slot = self.slot();
        let token = slot.get_or_insert_with(|| Token::generate(TokenKind::Bootstrap));
        Zeroizing::new(token.reveal().to_owned())
    }

    pub fn matches(&self, presented: &str) -> bool {
        let Ok(presented) = Token::parse(presented.trim()) else {
            return false;
        };
        self.slot()
            .as_ref()
            .is_some_and(|token| token.hash() == presented.hash())
    }

    pub fn spend(&self) {
        *self.slot() = None;
    }

    /// What is guarded is whole at every step, so a panic elsewhere spoils nothing.
    fn slot(&self) -> MutexGuard<'_, Option<Token>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_once() {
        let bootstrap = Bootstrap::default();
        assert!(!bootstrap.matches(""), "nothing offered, nothing matches");
        let secret = bootstrap.offer();
        assert!(bootstrap.matches(&secret));
        assert!(!bootstrap.matches(&secret[1..]));
        bootstrap.spend();
        assert!(!bootstrap.matches(&secret));
    }
}
