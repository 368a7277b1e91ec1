//! The local authority, for installations without a certificate of their own.
//!
//! Its key is a private file; the certificates it issues live in memory only, are short and
//! are issued anew. It issues nothing but the gateway's own.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SerialNumber,
};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::parse_x509_certificate;
use zeroize::Zeroizing;

use super::{TlsError, certificates, failed, provider};
use crate::{
    model::time::Timestamp,
    vault::{entropy, keyfile},
};

pub(super) const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";

const DAY: Duration = Duration::from_secs(86_400);
const AUTHORITY_LASTS: Duration = Duration::from_secs(3_650 * 86_400);
const LASTS: Duration = Duration::from_secs(90 * 86_400);
/// Long enough before the end that a gateway which is off for weeks is not caught out.
const RENEW_AFTER: Duration = Duration::from_secs(60 * 86_400);

/// A fresh certificate for these names, and when it is to be renewed.
pub(super) fn issue(
    folder: &Path,
    names: &[String],
    now: Timestamp,
) -> Result<(CertifiedKey, Timestamp), TlsError> {
    let (authority, authority_key) = load_or_create(folder, now)?;
    let path = || folder.join(CERTIFICATE);
    let authority_ends =
        end(&authority).ok_or_else(|| TlsError::NotCertificates { path: path() })?;
    if authority_ends <= now {
        return Err(TlsError::Ended {
            path: path(),
            ended: authority_ends,
        });
    }
    let issuer = Issuer::from_ca_cert_der(&authority, authority_key)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "Doorward");
    let ends = (now + LASTS).min(authority_ends);
    (params.not_before, params.not_after) = (begin(now).into(), system_time(ends).into());
    params.serial_number = Some(serial());
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let leaf = params.signed_by(&key, &issuer)?;
    let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let signing = provider().key_provider.load_private_key(private)?;
    let certified = CertifiedKey::new(vec![leaf.der().clone(), authority], signing);
    Ok((certified, (now + RENEW_AFTER).min(authority_ends)))
}

/// When a certificate ends, if it can be read.
pub(super) fn end(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    let seconds = certificate.validity().not_after.timestamp();
    Some(Timestamp::from_millis(seconds.saturating_mul(1_000)))
}

/// The key first, then its certificate: a start that is cut off between the two goes on
/// with the same key.
fn load_or_create(
    folder: &Path,
    now: Timestamp,
) -> Result<(CertificateDer<'static>, KeyPair), TlsError> {
    let (certificate_path, key_path) = (folder.join(CERTIFICATE), folder.join(KEY));
    // Others may enter it: `ca.pem` is for them.
    fs::create_dir_all(folder).map_err(failed("make", folder))?;
    let pem = keyfile::load_or_create(&key_path, || {
        let key = KeyPair::generate().expect("the machine gives randomness");
        Zeroizing::new(key.serialize_pem().into_bytes())
    })?;
    let not_a_key = || TlsError::NotAKey {
        path: key_path.clone(),
    };
    let text = std::str::from_utf8(&pem).map_err(|_| not_a_key())?;
    let key = KeyPair::from_pem(text).map_err(|_| not_a_key())?;
    if !certificate_path.exists() {
        write_public(&certificate_path, &certify(&key, now)?)?;
    }
    let certificate = certificates(&certificate_path)?.swap_remove(0);
    let is_its_own = parse_x509_certificate(&certificate)
        .is_ok_and(|(_, parsed)| parsed.public_key().raw == key.subject_public_key_info());
    if !is_its_own {
        return Err(TlsError::Mismatch {
            chain: certificate_path,
            key: key_path,
        });
    }
    Ok((certificate, key))
}

fn certify(key: &KeyPair, now: Timestamp) -> Result<String, TlsError> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "Doorward local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let ends = system_time(now + AUTHORITY_LASTS);
    (params.not_before, params.not_after) = (begin(now).into(), ends.into());
    params.serial_number = Some(serial());
    Ok(params.self_signed(key)?.pem())
}

/// Readable by everybody: clients need it. Whole or not at all.
fn write_public(path: &Path, pem: &str) -> Result<(), TlsError> {
    let temporary = path.with_extension("pem.new");
    fs::write(&temporary, pem).map_err(failed("write", &temporary))?;
    fs::rename(&temporary, path).map_err(failed("write", path))
}

/// A day early, for clients whose clock is behind.
fn begin(now: Timestamp) -> SystemTime {
    system_time(now) - DAY
}

fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.millis()).unwrap_or(0))
}

fn serial() -> SerialNumber {
    let mut serial: [u8; 16] = entropy();
    // A serial number is positive.
    serial[0] &= 0x7f;
    SerialNumber::from_slice(&serial)
}
