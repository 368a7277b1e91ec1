//! Passkeys as browsers show them: WebAuthn, the part of it that a second factor needs.
//!
//! Pure. No attestation is asked for, so none is believed: a key is whoever's enrolled it. Of
//! CBOR there is the one map in which an authenticator writes its public key; every other form
//! is refused. <https://www.w3.org/TR/webauthn-3/>

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
    signature::{
        ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
        UnparsedPublicKey,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::cose::{self, PublicKey};

/// Whose passkeys they are: the console's host, and where its pages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    id: String,
    origin: String,
}

impl Site {
    /// Of the console's address, `https://door.example.org:8443`.
    pub fn of(console: &str) -> Self {
        let authority = console.trim_start_matches("https://");
        let id = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        };
        Self {
            id: id.to_owned(),
            origin: console.to_owned(),
        }
    }

    /// The host, which authenticators bind their keys to.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Browsers make passkeys for names and for no address.
    pub fn can(&self) -> bool {
        let bare = self.id.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<std::net::IpAddr>().is_err()
    }
}

/// A signature of a passkey.
pub struct Assertion {
    /// Which one, base64url.
    pub id: String,
    pub client_data: Vec<u8>,
    pub authenticator_data: Vec<u8>,
    pub signature: Vec<u8>,
}

/// A new passkey.
pub struct Registration {
    pub client_data: Vec<u8>,
    pub authenticator_data: Vec<u8>,
}

/// What was found out of one: to be kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Registered {
    /// base64url
    pub id: String,
    /// COSE
    pub public_key: Vec<u8>,
    pub counter: u32,
}

/// Not one of ours, not for this site, not signed, or not understood: one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this passkey does not fit")]
pub(super) struct Unfit;

/// The longest name that authenticators give a key (section 4, credential id).
const LONGEST_ID: usize = 1023;

const PRESENT: u8 = 1;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
}

/// The challenge that a browser says was signed, if it was for this, on a page of ours.
fn challenge(client_data: &[u8], kind: &str, site: &Site) -> Result<String, Unfit> {
    // More members than these may come, section 5.8.1.
    let said: ClientData = serde_json::from_slice(client_data).map_err(|_| Unfit)?;
    let ours = said.r#type == kind && said.origin == site.origin && !said.cross_origin;
    ours.then_some(said.challenge).ok_or(Unfit)
}

impl Registration {
    pub(super) fn challenge(&self, site: &Site) -> Result<String, Unfit> {
        challenge(&self.client_data, "webauthn.create", site)
    }

    pub(super) fn read(&self, site: &Site) -> Result<Registered, Unfit> {
        let data = AuthenticatorData::read(&self.authenticator_data, site)?;
        let (flags, rest) = (data.flags, data.rest);
        // After the make of the authenticator, which nobody vouches for: the key's name.
        let rest = rest.get(16..).ok_or(Unfit)?;
        let (length, rest) = rest.split_first_chunk::<2>().ok_or(Unfit)?;
        let length = usize::from(u16::from_be_bytes(*length));
        if flags & HAS_CREDENTIAL == 0 || !(1..=LONGEST_ID).contains(&length) {
            return Err(Unfit);
        }
        let (id, rest) = rest.split_at_checked(length).ok_or(Unfit)?;
        let (_, read) = cose::read(rest).ok_or(Unfit)?;
        let (public_key, after) = rest.split_at(read);
        if flags & HAS_EXTENSIONS == 0 && !after.is_empty() {
            return Err(Unfit);
        }
        Ok(Registered {
            id: URL_SAFE_NO_PAD.encode(id),
            public_key: public_key.to_vec(),
            counter: data.counter,
        })
    }
}

impl Assertion {
    pub(super) fn challenge(&self, site: &Site) -> Result<String, Unfit> {
        challenge(&self.client_data, "webauthn.get", site)
    }

    /// Whether the key has signed this; answers its new counter, which must have grown if it
    /// counts at all: otherwise there are two of it.
    pub(super) fn verify(&self, site: &Site, key: &[u8], counted: u32) -> Result<u32, Unfit> {
        let data = AuthenticatorData::read(&self.authenticator_data, site)?;
        let (key, _) = cose::read(key).ok_or(Unfit)?;
        let client_data = digest(&SHA256, &self.client_data);
        let message = [&self.authenticator_data, client_data.as_ref()].concat();
        let signature = &self.signature;
        let right = match key {
            PublicKey::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(&message, signature)
            }
            PublicKey::Ed25519(point) => {
                UnparsedPublicKey::new(&ED25519, point).verify(&message, signature)
            }
            PublicKey::Rsa { n, e } => RsaPublicKeyComponents { n: &n, e: &e }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                &message,
                signature,
            ),
        };
        let counts = data.counter > 0 || counted > 0;
        if right.is_err() || (counts && data.counter <= counted) {
            return Err(Unfit);
        }
        Ok(data.counter)
    }
}

/// Section 6.1.
struct AuthenticatorData<'a> {
    flags: u8,
    counter: u32,
    rest: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    fn read(bytes: &'a [u8], site: &Site) -> Result<Self, Unfit> {
        let (site_hash, rest) = bytes.split_first_chunk::<32>().ok_or(Unfit)?;
        let (flags, rest) = rest.split_first().ok_or(Unfit)?;
        let (counter, rest) = rest.split_first_chunk::<4>().ok_or(Unfit)?;
        let own = digest(&SHA256, site.id.as_bytes());
        verify_slices_are_equal(site_hash, own.as_ref()).map_err(|_| Unfit)?;
        // Somebody touched it.
        if flags & PRESENT == 0 {
            return Err(Unfit);
        }
        Ok(Self {
            flags: *flags,
            counter: u32::from_be_bytes(*counter),
            rest,
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
    };

    use super::*;

    struct Authenticator(EcdsaKeyPair);

    impl Authenticator {
        fn new() -> Self {
            let alg = &ECDSA_P256_SHA256_ASN1_SIGNING;
            Self(EcdsaKeyPair::generate(alg).unwrap())
        }

        fn cose(&self) -> Vec<u8> {
            let point = self.0.public_key().as_ref();
            let head = [0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20];
            [&head, &point[1..33], &[0x22, 0x58, 0x20], &point[33..]].concat()
        }

        fn data(&self, host: &str, flags: u8, counter: u32) -> Vec<u8> {
            let hash = digest(&SHA256, host.as_bytes());
            [hash.as_ref(), &[flags], &counter.to_be_bytes()].concat()
        }

        fn registration(&self, origin: &str) -> Registration {
            let mut data = self.data("door.example.org", 0x41, 0);
            data.extend([0; 16]);
            data.extend([0, 3, 1, 2, 3]);
            data.extend(self.cose());
            Registration {
                client_data: said("webauthn.create", origin),
                authenticator_data: data,
            }
        }

        fn assertion(&self, host: &str, flags: u8, counter: u32) -> Assertion {
            let client_data = said("webauthn.get", ORIGIN);
            let authenticator_data = self.data(host, flags, counter);
            let hash = digest(&SHA256, &client_data);
            let message = [&authenticator_data, hash.as_ref()].concat();
            let signature = self.0.sign(&SystemRandom::new(), &message).unwrap();
            Assertion {
                id: "AQID".to_owned(),
                client_data,
                authenticator_data,
                signature: signature.as_ref().to_vec(),
            }
        }
    }

    const ORIGIN: &str = "https://door.example.org:8443";

    fn said(kind: &str, origin: &str) -> Vec<u8> {
        let said = serde_json::json!({
            "type": kind, "challenge": "Y2hhbGxlbmdl", "origin": origin, "crossOrigin": false,
            "other_keys_can_be_added_here": "do not compare clientDataJSON against a template",
        });
        said.to_string().into_bytes()
    }

    #[test]
    fn a_key_is_registered_and_its_signature_is_known() {
        let site = Site::of(ORIGIN);
        let key = Authenticator::new();
        let made = key.registration(ORIGIN);
        assert_eq!(made.challenge(&site), Ok("Y2hhbGxlbmdl".to_owned()));
        let kept = made.read(&site).unwrap();
        assert_eq!((kept.id.as_str(), kept.counter), ("AQID", 0));
        let shown = key.assertion("door.example.org", 1, 7);
        assert_eq!(shown.challenge(&site), Ok("Y2hhbGxlbmdl".to_owned()));
        assert_eq!(shown.verify(&site, &kept.public_key, 6), Ok(7));
        // Twice the same count: there are two of it.
        assert_eq!(shown.verify(&site, &kept.public_key, 7), Err(Unfit));
        let uncounted = key.assertion("door.example.org", 5, 0);
        assert_eq!(uncounted.verify(&site, &kept.public_key, 0), Ok(0));
        assert_eq!(uncounted.verify(&site, &kept.public_key, 1), Err(Unfit));
    }

    #[test]
    fn what_was_signed_for_another_is_worth_nothing_here() {
        let site = Site::of(ORIGIN);
        let key = Authenticator::new();
        let kept = key.registration(ORIGIN).read(&site).unwrap().public_key;
        for (host, flags) in [("evil.example", 1), ("door.example.org", 0)] {
            let shown = key.assertion(host, flags, 1);
            assert_eq!(shown.verify(&site, &kept, 0), Err(Unfit), "{host} {flags}");
        }
        let other = Authenticator::new().cose();
        let shown = key.assertion("door.example.org", 1, 1);
        assert_eq!(shown.verify(&site, &other, 0), Err(Unfit));
        for origin in ["https://door.example.org", "https://evil.example", "null"] {
            let made = key.registration(origin);
            assert_eq!(made.challenge(&site), Err(Unfit), "{origin}");
        }
        // What was signed to sign in registers nothing.
        let mixed = Registration {
            client_data: said("webauthn.get", ORIGIN),
            authenticator_data: Vec::new(),
        };
        assert_eq!(mixed.challenge(&site), Err(Unfit));
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_refused() {
        let site = Site::of(ORIGIN);
        let mut made = Authenticator::new().registration(ORIGIN);
        let whole = made.authenticator_data.clone();
        for length in 0..whole.len() {
            made.authenticator_data = whole[..length].to_vec();
            assert_eq!(made.read(&site), Err(Unfit), "{length}");
        }
        made.authenticator_data = [whole, vec![0]].concat();
        assert_eq!(made.read(&site), Err(Unfit));
    }

    #[test]
    fn a_site_is_a_name() {
        for (console, id, can) in [
            ("https://door.example.org", "door.example.org", true),
            ("https://localhost:8443", "localhost", true),
            ("https://192.0.2.1:8443", "192.0.2.1", false),
            ("https://[::1]:8443", "[::1]", false),
        ] {
            let site = Site::of(console);
            assert_eq!((site.id(), site.can()), (id, can), "{console}");
        }
    }
}
