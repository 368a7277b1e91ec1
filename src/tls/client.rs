//! What the gateway shows and asks for where it is the client: a certificate and its key towards
//! targets, and whom it believes where it tells people of things.
//!
//! Reads what an admin gives and says what is wrong with it. Keeps nothing.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::model::time::Timestamp;

#[derive(Debug, thiserror::Error)]
pub enum NotAnAuthority {
    #[error("the certificate of an authority is expected, in PEM")]
    Unreadable,
    #[error("TLS cannot be set up")]
    Rustls(#[from] rustls::Error),
}

/// For servers that `authority` (PEM) vouches for; without one, those that this machine trusts.
pub fn believing(authority: Option<&str>) -> Result<ClientConfig, NotAnAuthority> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match authority {
        None => builder.with_platform_verifier()?,
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|_| NotAnAuthority::Unreadable)?;
                roots
                    .add(certificate)
                    .map_err(|_| NotAnAuthority::Unreadable)?;
            }
            if roots.is_empty() {
                return Err(NotAnAuthority::Unreadable);
            }
            builder.with_root_certificates(roots)
        }
    };
    Ok(builder.with_no_client_auth())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAClientCertificate {
    #[error("the certificate is expected in PEM, and those that vouch for it behind it")]
    Certificate,
    #[error("the private key is expected in PEM, not encrypted, beside the certificate")]
    Key,
    #[error("the private key does not belong to the first certificate")]
    Mismatch,
    #[error("the certificate ended on {0}")]
    Ended(Timestamp),
}

/// What stands in `pem`: the certificate with its chain, and its key, in either order.
pub fn identity(pem: &[u8]) -> Result<Arc<CertifiedKey>, NotAClientCertificate> {
    use NotAClientCertificate as Not;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|_| Not::Certificate)?;
    if chain.is_empty() {
        return Err(Not::Certificate);
    }
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| Not::Key)?;
    let key = aws_lc_rs::default_provider()
        .key_provider
        .load_private_key(key)
        .map_err(|_| Not::Key)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(Arc::new(certified)),
        Err(_) => Err(Not::Mismatch),
    }
}

/// The same, of a certificate that is still good at `now`.
pub fn check(pem: &[u8], now: Timestamp) -> Result<(), NotAClientCertificate> {
    use NotAClientCertificate as Not;
    let certified = identity(pem)?;
    let own = certified.cert.first().ok_or(Not::Certificate)?;
    let (_, parsed) = x509_parser::parse_x509_certificate(own).map_err(|_| Not::Certificate)?;
    let ends = parsed
        .validity()
        .not_after
        .timestamp()
        .saturating_mul(1_000);
    let ends = Timestamp::from_millis(ends);
    match ends < now {
        true => Err(Not::Ended(ends)),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_900_000_000_000);

    fn made(ends: i32) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["ops".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(ends, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn a_certificate_and_its_key_are_taken_and_nothing_else_is() {
        use NotAClientCertificate as Not;
        let (certificate, key) = made(2040);
        let (other, _) = made(2040);
        let (old, its_key) = made(2020);
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        for (texts, expected) in [
            ([&certificate, &key], Ok(())),
            ([&key, &certificate], Ok(())),
            ([&certificate, &other], Err(Not::Key)),
            ([&other, &key], Err(Not::Mismatch)),
            ([&key, &key], Err(Not::Certificate)),
            ([&certificate, &encrypted], Err(Not::Key)),
        ] {
            let pem = texts.map(String::as_str).concat();
            assert_eq!(check(pem.as_bytes(), NOW), expected, "{pem}");
        }
        assert_eq!(check(b"", NOW), Err(Not::Certificate));
        let ended = check([old, its_key].concat().as_bytes(), NOW);
        assert!(matches!(ended, Err(Not::Ended(_))), "{ended:?}");
    }
}
