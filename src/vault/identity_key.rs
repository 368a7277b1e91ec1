//! The key with which the gateway tells web targets who is there: ES256 (RFC 7518 s3.4).
//!
//! Sealed like every secret, opened for one signature against a permit, and never leaves this
//! file. Its public half says everything that verifying takes.

use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::AsBigEndian,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::{Vault, VaultError, WrappedKey};
use crate::model::{permit::Permit, web::Jwk};

const PLACE: [&str; 1] = ["doorward web identity"];

/// An uncompressed point: a byte, and two numbers of 32.
const POINT: usize = 65;

/// The public half, base64url of its point, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityKey([u8; POINT]);

impl IdentityKey {
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        let point = BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        let point = point.and_then(|point| point.try_into().ok());
        point.map(Self).ok_or(VaultError::NotAuthentic)
    }

    pub fn to_text(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }

    /// With its thumbprint as its name (RFC 7638).
    pub fn jwk(&self) -> Jwk {
        let number = |at: usize| BASE64URL_NOPAD.encode(&self.0[at..at + 32]);
        let (x, y) = (number(1), number(33));
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = BASE64URL_NOPAD.encode(digest(&SHA256, canonical.as_bytes()).as_ref());
        Jwk {
            kty: "EC".to_owned(),
            crv: "P-256".to_owned(),
            x,
            y,
            kid,
            alg: "ES256".to_owned(),
            r#use: "sig".to_owned(),
        }
    }
}

impl Vault {
    /// A new key: what targets verify with, and its sealed half.
    pub fn make_identity_key(&self) -> Result<(IdentityKey, WrappedKey), VaultError> {
        let failed = |_| VaultError::Signature;
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
        let private = pair.private_key().as_be_bytes().map_err(failed)?;
        let private: Zeroizing<[u8; 32]> = Zeroizing::new(
            private
                .as_ref()
                .try_into()
                .map_err(|_| VaultError::Signature)?,
        );
        let public = pair.public_key().as_ref().try_into();
        let public = IdentityKey(public.map_err(|_| VaultError::Signature)?);
        Ok((public, self.wrap_key(&PLACE, &private)?))
    }

    /// The same key under the newest vault key.
    pub fn rewrap_identity_key(&self, wrapped: &WrappedKey) -> Result<WrappedKey, VaultError> {
        self.rewrap_key(&PLACE, wrapped)
    }

    /// Signs what is said about the one whom the permit is for.
    pub fn sign_identity(
        &self,
        _permit: &Permit,
        wrapped: &WrappedKey,
        public: &IdentityKey,
        message: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let private = self.open_key(&PLACE, wrapped)?;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &*private,
            &public.0,
        );
        let pair = pair.map_err(|_| VaultError::Signature)?;
        let signature = pair.sign(&SystemRandom::new(), message);
        let signature = signature.map_err(|_| VaultError::Signature)?;
        Ok(signature.as_ref().to_vec())
    }
}
