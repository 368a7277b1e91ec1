//! The gateway's user authority: it vouches to targets for the keys that the gateway enters
//! with.
//!
//! Its key is sealed like every secret, opened for one signature against a permit, and never
//! leaves this file. What it signs names one account and ends with the check-out.

use std::net::IpAddr;

use super::{Vault, VaultError, WrappedKey, entropy};
use crate::model::{permit::Permit, target::Account, time::Timestamp};
use russh::keys::{
    Certificate, PrivateKey, PublicKey,
    ssh_key::{
        self,
        certificate::{Builder, CertType},
        private::{Ed25519Keypair, KeypairData},
    },
};

/// What a certificate says besides whose it is.
pub struct Claims {
    pub serial: u64,
    /// What stands in the target's log at each sign-in.
    pub key_id: String,
    /// From where alone it may be used; anywhere if that is not known.
    pub source: Option<IpAddr>,
    pub from: Timestamp,
    /// INVARIANT: no later than the permit.
    pub until: Timestamp,
    /// What the target's server may give: `permit-pty`.
    pub extensions: Vec<&'static str>,
}

const PLACE: [&str; 1] = ["doorward user authority"];

const COMMENT: &str = "doorward user authority";

impl Vault {
    /// A new authority: what targets are to trust, and its sealed key.
    pub fn make_authority(&self) -> Result<(PublicKey, WrappedKey), VaultError> {
        let (seed, wrapped) = self.make_key(&PLACE)?;
        Ok((private(&seed)?.public_key().clone(), wrapped))
    }

    /// The same authority under the newest vault key.
    pub fn rewrap_authority(&self, wrapped: &WrappedKey) -> Result<WrappedKey, VaultError> {
        self.rewrap_key(&PLACE, wrapped)
    }

    /// Vouches for `key` as the account that the permit is for.
    pub fn certify(
        &self,
        permit: &Permit,
        account: &Account,
        wrapped: &WrappedKey,
        key: &PublicKey,
        claims: Claims,
    ) -> Result<Certificate, VaultError> {
        if *permit.account() != account.id {
            return Err(VaultError::OtherAccount);
        }
        let seed = self.open_key(&PLACE, wrapped)?;
        let until = claims.until.min(permit.until());
        let certificate = certificate(account, key, &claims, until, &private(&seed)?);
        certificate.map_err(VaultError::Certificate)
    }
}

fn certificate(
    account: &Account,
    key: &PublicKey,
    claims: &Claims,
    until: Timestamp,
    authority: &PrivateKey,
) -> ssh_key::Result<Certificate> {
    let seconds = |time: Timestamp| u64::try_from(time.millis() / 1000).unwrap_or_default();
    let nonce: [u8; Builder::RECOMMENDED_NONCE_SIZE] = entropy();
    let (from, until) = (seconds(claims.from), seconds(until));
    let mut builder = Builder::new(nonce, key.key_data().clone(), from, until)?;
    builder.cert_type(CertType::User)?;
    builder.serial(claims.serial)?;
    builder.key_id(&claims.key_id)?;
    builder.valid_principal(&account.login)?;
    if let Some(source) = claims.source {
        let length = if source.is_ipv4() { 32 } else { 128 };
        builder.critical_option("source-address", format!("{source}/{length}"))?;
    }
    for extension in &claims.extensions {
        builder.extension(*extension, "")?;
    }
    builder.sign(authority)
}

fn private(seed: &[u8; 32]) -> Result<PrivateKey, VaultError> {
    let pair = KeypairData::from(Ed25519Keypair::from_seed(seed));
    PrivateKey::new(pair, COMMENT).map_err(VaultError::Certificate)
}
