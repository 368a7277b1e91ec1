//! The algorithms of both SSH legs: modern ones, the fastest first.
//!
//! Never SHA-1, CBC, DSA or a Diffie-Hellman group; strict key exchange on both legs
//! (CVE-2023-48795). Compression for people on thin lines, never before they have signed in,
//! and none towards a target: what the gateway decrypts it would have to inflate as well.

use std::{borrow::Cow, time::Duration};

use russh::{
    Preferred, cipher, compression, kex,
    keys::{Algorithm, EcdsaCurve, HashAlg},
    mac,
};

use super::pins::Pins;

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
        compression: Cow::Borrowed(&[compression::NONE, compression::ZLIB_LEGACY]),
    }
}

/// OpenSSH before 10 prefers a cipher that is half as fast here, and in SSH the client's order
/// decides. It lists its algorithms without waiting for ours, so ours can be chosen for it.
pub fn patience(client: &[u8]) -> Option<Duration> {
    // One that says it is OpenSSH and waits for us all the same loses this much, no more.
    const LIMIT: Duration = Duration::from_secs(1);
    let version = client.strip_prefix(b"SSH-2.0-OpenSSH_")?;
    let version = version.strip_prefix(b"for_Windows_").unwrap_or(version);
    let slow = matches!(version, [b'6'..=b'9', b'.', ..]);
    (slow && aes_is_fast()).then_some(LIMIT)
}

/// Nothing but the fast cipher for a client that knows it, whatever it would rather have.
pub fn towards(preferred: &Preferred, ciphers: &[String]) -> Option<Preferred> {
    let known = |name: cipher::Name| ciphers.iter().any(|known| known == name.as_ref());
    known(cipher::AES_256_GCM).then(|| Preferred {
        cipher: Cow::Borrowed(&[cipher::AES_256_GCM]),
        ..preferred.clone()
    })
}

/// Whether this machine has instructions for AES; without them ChaCha20 is the faster one.
fn aes_is_fast() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

/// Offered to a target. It is asked to prove what is pinned and nothing else, so that a
/// target with several keys shows the one that was pinned.
pub fn towards_target(pins: &Pins) -> Preferred {
    let shown = KEYS.iter().filter(|kind| pins.shows(kind));
    Preferred {
        key: shown.cloned().collect(),
        host_key_certificates: match pins.authorities.is_empty() {
            true => Cow::Borrowed(&[]),
            false => Cow::Borrowed(KEYS),
        },
        compression: Cow::Borrowed(&[compression::NONE]),
        ..towards_people()
    }
}

/// The kinds of host key that are looked for.
pub fn host_keys() -> &'static [Algorithm] {
    KEYS
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
    use russh::keys::PublicKey;

    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    #[test]
    fn a_target_is_asked_for_the_pinned_kind_of_key_only() {
        let mut pins = Pins::default();
        assert!(towards_target(&pins).key.is_empty());
        pins.keys.push(PublicKey::from_openssh(ED25519).unwrap());
        assert_eq!(*towards_target(&pins).key, [Algorithm::Ed25519]);
        assert!(towards_target(&pins).host_key_certificates.is_empty());
    }

    #[test]
    fn only_who_would_choose_the_slow_cipher_is_waited_for() {
        for (client, waited) in [
            ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", aes_is_fast()),
            ("SSH-2.0-OpenSSH_for_Windows_9.5", aes_is_fast()),
            ("SSH-2.0-OpenSSH_6.6.1", aes_is_fast()),
            ("SSH-2.0-OpenSSH_10.0", false),
            ("SSH-2.0-OpenSSH_5.3", false),
            ("SSH-2.0-OpenSSH_", false),
            ("SSH-2.0-PuTTY_Release_0.78", false),
            ("SSH-2.0-paramiko_3.4.0", false),
        ] {
            assert_eq!(patience(client.as_bytes()).is_some(), waited, "{client}");
        }
    }

    #[test]
    fn no_client_is_left_without_a_cipher() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let offer = towards_people();
        let usual: Vec<String> =
            names(&["chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com"]);
        let chosen = towards(&offer, &usual).unwrap();
        assert_eq!(*chosen.cipher, [cipher::AES_256_GCM]);
        let only: Vec<String> = names(&["chacha20-poly1305@openssh.com", "aes128-ctr"]);
        assert!(towards(&offer, &only).is_none());
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
