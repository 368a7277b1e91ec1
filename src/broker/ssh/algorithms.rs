//! The algorithms of both SSH legs: modern ones, the fastest first.
//!
//! Never SHA-1, CBC, DSA or a Diffie-Hellman group; strict key exchange on both legs
//! (CVE-2023-48795). No compression towards a target: what the gateway decrypts it would
//! have to inflate as well.

use std::borrow::Cow;

use russh::{
    Preferred, cipher, compression, kex,
    keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey},
    mac,
};

const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];

const CIPHERS: &[cipher::Name] = &[
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// Only for the counter modes: the other two bring their own.
const MACS: &[mac::Name] = &[
    mac::HMAC_SHA256_ETM,
    mac::HMAC_SHA512_ETM,
    mac::HMAC_SHA256,
    mac::HMAC_SHA512,
];

const KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP384,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP521,
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha512),
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha256),
    },
];

/// Offered to the people who connect; `KEYS` also tells them what they may sign with.
pub fn towards_people() -> Preferred {
    Preferred {
        kex: Cow::Borrowed(KEX),
        key: Cow::Borrowed(KEYS),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: Cow::Borrowed(CIPHERS),
        mac: Cow::Borrowed(MACS),
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}

/// Offered to a target. It is asked to prove one of the pinned keys and no other, so that
/// a target with several keys shows the one that was pinned.
pub fn towards_target(pinned: &[PublicKey]) -> Preferred {
    let fits = |algorithm: &&Algorithm| {
        pinned.iter().any(|key| match (key.algorithm(), algorithm) {
            (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
            (pinned, offered) => pinned == **offered,
        })
    };
    Preferred {
        key: Cow::Owned(KEYS.iter().filter(fits).cloned().collect()),
        ..towards_people()
    }
}

/// Whether a signature of this kind is taken: an RSA key only with SHA-2.
pub fn is_sound(algorithm: &Algorithm) -> bool {
    match algorithm {
        Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256 => true,
        other => KEYS.contains(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    #[test]
    fn a_target_is_asked_for_the_pinned_kind_of_key_only() {
        let pinned = PublicKey::from_openssh(ED25519).unwrap();
        assert_eq!(*towards_target(&[pinned]).key, [Algorithm::Ed25519]);
        assert!(towards_target(&[]).key.is_empty());
    }

    #[test]
    fn sha1_is_never_sound() {
        assert!(!is_sound(&Algorithm::Rsa { hash: None }));
        assert!(!is_sound(&Algorithm::Dsa));
        assert!(is_sound(&Algorithm::Rsa {
            hash: Some(HashAlg::Sha256)
        }));
    }
}
