//! The gateway's host authority: it signs for the names under which the gateway shows itself.
//!
//! Clients that trust its one public key know every `NAME.door` without having met it. It
//! signs nothing but the gateway's own host keys, and never for long.

use std::path::Path;

use russh::keys::{
    Certificate, PrivateKey, PublicKey,
    ssh_key::{
        self,
        certificate::{Builder, CertType},
    },
};

use super::host_key::{self, HostKeyError};
use crate::model::time::Timestamp;

/// Beside the host keys, made at the first start.
const FILE: &str = "ssh_host_ca";

/// Clocks differ, so a certificate begins before it was signed.
const BEFORE_S: u64 = 3600;

/// How long one is good for. A connection keeps the one it began with.
const AFTER_S: u64 = 24 * 3600;

pub struct HostAuthority(PrivateKey);

impl HostAuthority {
    /// Reads the key in `folder`, or makes it.
    pub fn load_or_create(folder: &Path) -> Result<Self, HostKeyError> {
        host_key::load_or_make(&folder.join(FILE), "doorward host authority").map(Self)
    }

    /// What clients are told to trust.
    pub fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    /// Says that `key` belongs to the host of these names.
    pub fn certify(
        &self,
        key: &PublicKey,
        names: &[String],
        now: Timestamp,
    ) -> Result<Certificate, ssh_key::Error> {
        let now = u64::try_from(now.millis() / 1000).unwrap_or_default();
        let mut nonce = [0; Builder::RECOMMENDED_NONCE_SIZE];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| ssh_key::Error::Crypto)?;
        let (from, until) = (now.saturating_sub(BEFORE_S), now + AFTER_S);
        let mut builder = Builder::new(nonce, key.key_data().clone(), from, until)?;
        builder.cert_type(CertType::Host)?;
        builder.key_id(format!("doorward as {}", names.join(",")))?;
        for name in names {
            builder.valid_principal(name)?;
        }
        builder.sign(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_signs_holds_for_the_names_and_the_time_alone() {
        let folder = tempfile::tempdir().unwrap();
        let authority = HostAuthority::load_or_create(folder.path()).unwrap();
        let again = HostAuthority::load_or_create(folder.path()).unwrap();
        assert_eq!(authority.public_key(), again.public_key());

        let host = host_key::load_or_create(folder.path()).unwrap().remove(0);
        let names = ["db1".to_owned(), "db1.door".to_owned()];
        let now = Timestamp::from_millis(1_700_000_000_000);
        let signed = authority.certify(host.public_key(), &names, now).unwrap();
        let trusted = authority.public_key().fingerprint(Default::default());
        assert_eq!(signed.cert_type(), CertType::Host);
        assert_eq!(signed.valid_principals(), names);
        let at = |seconds: u64| signed.validate_at(seconds, [&trusted]);
        assert!(at(1_700_000_000).is_ok());
        assert!(at(1_700_000_000 + AFTER_S + 1).is_err());
        assert!(at(1_700_000_000 - BEFORE_S - 1).is_err());
        let other = host.public_key().fingerprint(Default::default());
        assert!(signed.validate_at(1_700_000_000, [&other]).is_err());
    }
}
