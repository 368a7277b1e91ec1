//! What a web target proves over TLS before anything is sent to it.
//!
//! A pinned key is enough by itself, as a host key is. An authority must vouch for the name,
//! and for today. Without a pin nobody gets through.

use std::sync::Arc;

use ::aws_lc_rs::digest::{SHA256, digest};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::model::web::TlsPin;

#[derive(Debug, thiserror::Error)]
pub enum PinError {
    #[error(
        "nothing is pinned for this target, so nobody gets through: an admin must pin its key or its authority"
    )]
    Unpinned,
    #[error("what is pinned for this target cannot be read")]
    Unreadable,
    #[error("TLS cannot be set up")]
    Rustls(#[from] Error),
}

/// For connections to a target that proves one of `lines`.
/// `identity` is shown to one that asks for it.
pub fn client_config(
    lines: &[String],
    protocols: &[&[u8]],
    identity: Option<Arc<CertifiedKey>>,
) -> Result<ClientConfig, PinError> {
    if lines.is_empty() {
        return Err(PinError::Unpinned);
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut keys = Vec::new();
    let mut roots = RootCertStore::empty();
    for line in lines {
        match line.parse().map_err(|_| PinError::Unreadable)? {
            TlsPin::Key(key) => keys.push(key),
            TlsPin::Authority(der) => roots.add(CertificateDer::from(der))?,
        }
    }
    let authorities = match roots.is_empty() {
        true => None,
        false => {
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
            Some(verifier.build().map_err(|_| PinError::Unreadable)?)
        }
    };
    let verifier = Pinned {
        provider: provider.clone(),
        keys,
        authorities,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
        }
    };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

#[derive(Debug)]
struct Pinned {
    provider: Arc<CryptoProvider>,
    keys: Vec<[u8; 32]>,
    authorities: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = key_of(own).ok_or(CertificateError::BadEncoding)?;
        if self.keys.contains(&key) {
            return Ok(ServerCertVerified::assertion());
        }
        match &self.authorities {
            Some(authorities) => authorities.verify_server_cert(own, chain, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    // INVARIANT: a pinned key is public; only the signature shows that its other half is there.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn key_of(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let hash = digest(&SHA256, parsed.public_key().raw);
    hash.as_ref().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(name: &str) -> (CertificateDer<'static>, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        let pin = TlsPin::Key(key_of(&der).unwrap()).to_string();
        (der, pin)
    }

    fn verified(lines: &[String], shown: &CertificateDer<'_>, name: &str) -> bool {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let keys = lines.iter().map(|line| match line.parse() {
            Ok(TlsPin::Key(key)) => key,
            other => panic!("{other:?}"),
        });
        let pinned = Pinned {
            provider,
            keys: keys.collect(),
            authorities: None,
        };
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(2_000_000_000));
        pinned
            .verify_server_cert(shown, &[], &name, &[], now)
            .is_ok()
    }

    #[test]
    fn a_pinned_key_proves_the_target_and_no_other_does() {
        let (wiki, pin) = certificate("wiki");
        let (other, _) = certificate("wiki");
        assert!(verified(std::slice::from_ref(&pin), &wiki, "wiki"));
        assert!(verified(std::slice::from_ref(&pin), &wiki, "10.0.0.7"));
        assert!(!verified(&[pin], &other, "wiki"));
    }

    #[test]
    fn without_a_pin_there_is_no_way() {
        assert!(matches!(
            client_config(&[], &[], None),
            Err(PinError::Unpinned)
        ));
        let wrong = ["ssh-ed25519 AAAA".to_owned()];
        assert!(matches!(
            client_config(&wrong, &[], None),
            Err(PinError::Unreadable)
        ));
    }
}
