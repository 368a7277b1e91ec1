//! Why the client believes that it talks to its gateway.
//!
//! The system's authorities, one pinned authority, or one pinned certificate. A first look
//! at an unknown gateway only reads its certificates: nothing is sent, nothing is believed.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{
    client::Server,
    exit::{Exit, Failure},
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The authorities this machine trusts.
    System,
    /// Only what this authority has signed; PEM.
    Authority(String),
    /// Only this certificate.
    Certificate(Fingerprint),
}

/// SHA-256 over a certificate, as `openssl x509 -fingerprint -sha256` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub fn of(certificate: &[u8]) -> Self {
        let mut sum = [0; 32];
        sum.copy_from_slice(digest(&SHA256, certificate).as_ref());
        Self(sum)
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("this is not a SHA-256 fingerprint: 32 bytes in hexadecimal or SHA256:… are expected")]
pub struct NotAFingerprint;

impl std::str::FromStr for Fingerprint {
    type Err = NotAFingerprint;
    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        let bytes = match text.strip_prefix("SHA256:") {
            Some(base64) if base64.len() < 50 => data_encoding::BASE64_NOPAD
                .decode(base64.trim_end_matches('=').as_bytes())
                .map_err(|_| NotAFingerprint)?,
            prefixed => {
                let hex = prefixed.unwrap_or(text).replace(':', "");
                data_encoding::HEXUPPER_PERMISSIVE
                    .decode(hex.as_bytes())
                    .map_err(|_| NotAFingerprint)?
            }
        };
        bytes.try_into().map(Self).map_err(|_| NotAFingerprint)
    }
}

/// What an unknown gateway showed, and what trusting it would pin.
pub struct FirstLook {
    /// The authority's certificate if one was shown, else the gateway's own.
    pub subject: String,
    pub fingerprint: Fingerprint,
    /// The fingerprint of the gateway's own certificate.
    pub own: Fingerprint,
    pub trust: Trust,
}

pub fn apply(
    trust: &Trust,
    builder: reqwest::ClientBuilder,
) -> Result<reqwest::ClientBuilder, Failure> {
    Ok(match trust {
        Trust::System => builder,
        Trust::Authority(pem) => builder.tls_certs_only(authorities(pem)?),
        Trust::Certificate(pin) => {
            let pin = pin.clone();
            builder.tls_backend_preconfigured(config(Arc::new(Checker {
                provider: provider(),
                seen: Mutex::default(),
                pin: Some(pin),
            }))?)
        }
    })
}

fn authorities(pem: &str) -> Result<Vec<reqwest::Certificate>, Failure> {
    let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
        .map_err(|error| Failure::usage(format!("this is no certificate in PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(Failure::usage("there is no certificate in PEM in it"));
    }
    Ok(certificates)
}

/// Looks at the certificates of `server` without believing them.
pub async fn first_look(server: &Server) -> Result<FirstLook, Failure> {
    let checker = Arc::new(Checker {
        provider: provider(),
        seen: Mutex::default(),
        pin: None,
    });
    let http = reqwest::Client::builder()
        .tls_backend_preconfigured(config(checker.clone())?)
        .https_only(true)
        .connect_timeout(std::time::Duration::from_secs(10))
        .build()
        .map_err(|error| Failure::fault(format!("cannot set up TLS: {error}")))?;
    // The checker refuses every certificate, so this can only fail.
    let outcome = http.get(server.to_string()).send().await;
    let seen = checker
        .seen
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let Some(own) = seen.first() else {
        let why = outcome
            .err()
            .map_or_else(String::new, |error| error.to_string());
        return Err(
            Failure::new(Exit::Unreachable, format!("cannot reach {server} ({why})"))
                .next("check the address and that the gateway runs"),
        );
    };
    let authority = seen.iter().skip(1).rev().find(|shown| is_authority(shown));
    let pinned = authority.unwrap_or(own);
    let fingerprint = Fingerprint::of(pinned);
    Ok(FirstLook {
        subject: subject(pinned),
        trust: match authority {
            Some(authority) => Trust::Authority(pem(authority)),
            None => Trust::Certificate(fingerprint.clone()),
        },
        own: Fingerprint::of(own),
        fingerprint,
    })
}

fn is_authority(certificate: &CertificateDer<'_>) -> bool {
    x509_parser::parse_x509_certificate(certificate)
        .is_ok_and(|(_, parsed)| parsed.is_ca() && parsed.subject() == parsed.issuer())
}

fn subject(certificate: &CertificateDer<'_>) -> String {
    match x509_parser::parse_x509_certificate(certificate) {
        Ok((_, parsed)) => parsed.subject().to_string(),
        Err(_) => "an unreadable certificate".to_owned(),
    }
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let base64 = data_encoding::BASE64.encode(certificate);
    let lines: Vec<&str> = base64
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap_or_default())
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn config(checker: Arc<Checker>) -> Result<ClientConfig, Failure> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::fault(format!("cannot set up TLS: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(checker)
        .with_no_client_auth())
}

/// Takes exactly one certificate, or none at all.
#[derive(Debug)]
struct Checker {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Vec<CertificateDer<'static>>>,
    pin: Option<Fingerprint>,
}

impl ServerCertVerifier for Checker {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.pin.as_ref() == Some(&Fingerprint::of(own)) {
            return Ok(ServerCertVerified::assertion());
        }
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = std::iter::once(own)
            .chain(chain)
            .map(|certificate| certificate.clone().into_owned())
            .collect();
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    // INVARIANT: a pinned certificate is public; only the signature shows that its key is there.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_read_back_in_both_forms() {
        let pin = Fingerprint::of(b"certificate");
        assert_eq!(pin.to_string().parse::<Fingerprint>().unwrap(), pin);
        let base64 = format!("SHA256:{}", data_encoding::BASE64_NOPAD.encode(&pin.0));
        assert_eq!(base64.parse::<Fingerprint>().unwrap(), pin);
        let hex = format!("SHA256:{}", pin.to_string().to_lowercase());
        assert_eq!(hex.parse::<Fingerprint>().unwrap(), pin);
        for text in ["", "SHA256:", "AB:CD", "zz"] {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_certificate_reads_back_from_pem() {
        let key = rcgen::KeyPair::generate().unwrap();
        let made = rcgen::CertificateParams::new(vec!["gw".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        assert_eq!(authorities(&pem(made.der())).unwrap().len(), 1);
    }
}
