//! Who a target must prove to be: one of its pinned keys, or a host that a pinned authority
//! vouches for.
//!
//! Pure: it is told the time and what was shown. Nothing unknown in a certificate is let pass.

use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey, ssh_key::certificate::CertType};

use super::algorithms;
use crate::model::{
    target::{Pin, Target},
    time::Timestamp,
};

#[derive(Debug, Clone, Default)]
pub struct Pins {
    pub keys: Vec<PublicKey>,
    pub authorities: Vec<PublicKey>,
    /// What a certificate may call the target.
    names: Vec<String>,
}

impl Pins {
    pub fn of(target: &Target) -> Self {
        let mut pins = Self {
            names: vec![target.address.host().to_owned(), target.name.to_string()],
            ..Self::default()
        };
        for line in &target.host_keys {
            let (pinned, key) = match Pin::of(line) {
                Pin::Key(key) => (&mut pins.keys, key),
                Pin::Authority(key) => (&mut pins.authorities, key),
            };
            // What was pinned was parsed then; what is damaged since opens for nobody.
            pinned.extend(PublicKey::from_openssh(key));
        }
        pins
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.authorities.is_empty()
    }

    /// Whether this key is one of the pinned. A key's comment is not part of it.
    pub fn knows(&self, shown: &PublicKey) -> bool {
        self.keys
            .iter()
            .any(|pinned| pinned.key_data() == shown.key_data())
    }

    /// Whether an authority vouches for this target with it; otherwise why it does not hold.
    pub fn check(&self, shown: &Certificate, now: Timestamp) -> Result<(), String> {
        if self.knows(&PublicKey::new(shown.public_key().clone(), "")) {
            return Ok(());
        }
        let signer = shown.signature_key();
        if !self
            .authorities
            .iter()
            .any(|authority| authority.key_data() == signer)
        {
            let signer = signer.fingerprint(HashAlg::Sha256);
            return Err(format!("it is signed by {signer}, which is not pinned"));
        }
        if !algorithms::is_sound(&shown.signature().algorithm()) {
            return Err("it is signed with an algorithm that is broken".to_owned());
        }
        if shown.cert_type() != CertType::Host {
            return Err("it is not one of a host".to_owned());
        }
        if let Some((option, _)) = shown.critical_options().iter().next() {
            let option: String = option.chars().take(64).collect();
            return Err(format!("it has an unknown critical option {option:?}"));
        }
        let now = u64::try_from(now.millis() / 1000).unwrap_or_default();
        if now < shown.valid_after() {
            return Err("it is not valid yet".to_owned());
        }
        if now >= shown.valid_before() {
            return Err("it has expired".to_owned());
        }
        let named = |principal: &String| {
            let principal = principal.to_ascii_lowercase();
            self.names.contains(&principal)
        };
        if !shown.valid_principals().iter().any(named) {
            return Err(format!("it is not for {}", self.names.join(" or ")));
        }
        let signer = signer.fingerprint(HashAlg::Sha256);
        let signed = shown.validate_at(now, [&signer]);
        signed.map_err(|_| "its signature is wrong".to_owned())
    }

    /// The algorithms by which a pinned key can be shown.
    pub fn shows(&self, algorithm: &Algorithm) -> bool {
        self.keys
            .iter()
            .any(|key| match (key.algorithm(), algorithm) {
                (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
                (pinned, offered) => pinned == *offered,
            })
    }
}

#[cfg(test)]
mod tests {
    use russh::keys::{
        PrivateKey,
        ssh_key::{
            certificate::Builder,
            private::{Ed25519Keypair, KeypairData},
        },
    };

    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn key(seed: u8) -> PrivateKey {
        let pair = KeypairData::from(Ed25519Keypair::from_seed(&[seed; 32]));
        PrivateKey::new(pair, "").unwrap()
    }

    fn pins(lines: &[String]) -> Pins {
        let mut pins = Pins {
            names: vec!["db1.example.org".to_owned(), "db1".to_owned()],
            ..Pins::default()
        };
        for line in lines {
            match Pin::of(line) {
                Pin::Key(key) => pins.keys.push(PublicKey::from_openssh(key).unwrap()),
                Pin::Authority(key) => {
                    pins.authorities.push(PublicKey::from_openssh(key).unwrap());
                }
            }
        }
        pins
    }

    fn authority(key: &PrivateKey) -> String {
        format!("@cert-authority {}", key.public_key().to_openssh().unwrap())
    }

    fn certificate(by: &PrivateKey, change: impl FnOnce(&mut Builder)) -> Certificate {
        let host = key(1).public_key().key_data().clone();
        let mut builder = Builder::new([7; 16], host, NOW - 60, NOW + 60).unwrap();
        change(&mut builder);
        builder.sign(by).unwrap()
    }

    fn host(builder: &mut Builder) {
        builder.cert_type(CertType::Host).unwrap();
        builder.valid_principal("db1.example.org").unwrap();
    }

    #[test]
    fn a_certificate_holds_for_its_host_its_time_and_its_authority() {
        let (ca, other) = (key(2), key(3));
        let pins = pins(&[authority(&ca)]);
        let at = |seconds: u64| Timestamp::from_millis(seconds as i64 * 1000);
        let good = certificate(&ca, host);
        assert_eq!(pins.check(&good, at(NOW)), Ok(()));
        assert!(pins.check(&good, at(NOW + 60)).is_err(), "expired");
        assert!(pins.check(&good, at(NOW - 61)).is_err(), "not yet valid");
        let bad: [(&str, Certificate); 6] = [
            ("another authority", certificate(&other, host)),
            (
                "a user's",
                certificate(&ca, |builder| {
                    builder.valid_principal("db1").unwrap();
                }),
            ),
            (
                "another host's",
                certificate(&ca, |builder| {
                    builder.cert_type(CertType::Host).unwrap();
                    builder.valid_principal("db2").unwrap();
                }),
            ),
            (
                "everybody's",
                certificate(&ca, |builder| {
                    builder.cert_type(CertType::Host).unwrap();
                    builder.all_principals_valid().unwrap();
                }),
            ),
            (
                "a pattern",
                certificate(&ca, |builder| {
                    builder.cert_type(CertType::Host).unwrap();
                    builder.valid_principal("*").unwrap();
                }),
            ),
            (
                "with a condition",
                certificate(&ca, |builder| {
                    host(builder);
                    builder.critical_option("verify-required", "").unwrap();
                }),
            ),
        ];
        for (what, certificate) in bad {
            assert!(pins.check(&certificate, at(NOW)).is_err(), "{what}");
        }
        let named = certificate(&ca, |builder| {
            builder.cert_type(CertType::Host).unwrap();
            builder.valid_principal("DB1").unwrap();
        });
        assert_eq!(pins.check(&named, at(NOW)), Ok(()), "the target's own name");
    }

    #[test]
    fn a_pinned_key_needs_nobody_to_vouch_for_it_and_an_authority_is_no_key() {
        let (ca, now) = (key(2), Timestamp::from_millis(NOW as i64 * 1000));
        let line = key(1).public_key().to_openssh().unwrap();
        let shown = certificate(&key(3), host);
        assert_eq!(pins(&[line]).check(&shown, now), Ok(()));
        assert!(!pins(&[authority(&ca)]).knows(ca.public_key()));
    }
}
