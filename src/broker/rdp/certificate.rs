//! The key of a certificate as CredSSP binds it: the bits alone, not what kind they are.

use rustls_pki_types::CertificateDer;

pub fn public_key(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(parsed.public_key().subject_public_key.data.to_vec())
}
