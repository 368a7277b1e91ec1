//! The gateway's certificate towards people and programs, and the pin of its own clients.
//!
//! Takes the operator's certificate, or one of a local authority made at the first start,
//! and exchanges it while connections live. The pinned identity of targets is not here.

mod authority;
pub mod client;
#[cfg(test)]
mod tests;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tracing::{info, warn};

use crate::{
    clock::Clock,
    config::{AdminConfig, machine},
    model::time::Timestamp,
    vault::keyfile::{self, KeyFileError},
};

/// The operator's own certificate, with its chain, and its key.
#[derive(Debug, Clone, Copy)]
struct Files {
    chain: &'static str,
    key: &'static str,
}

const ADMIN: Files = Files {
    chain: "server.pem",
    key: "server.key",
};

/// Of web targets: one for every name below their domain.
const WEB: Files = Files {
    chain: "web.pem",
    key: "web.key",
};

const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// After a renewal that failed, the next try.
const RETRY: Duration = Duration::from_secs(3_600);

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("could not {doing} {path}")]
    File {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("a private key's file failed")]
    KeyFile(#[from] KeyFileError),
    #[error("{path} holds no certificates in PEM form")]
    NotCertificates { path: PathBuf },
    #[error("{path} holds no private key in PEM form that can be used")]
    NotAKey { path: PathBuf },
    #[error("the key {key} does not belong to the first certificate in {chain}")]
    Mismatch { chain: PathBuf, key: PathBuf },
    #[error("{there} is there, but {missing} is not: the two belong together")]
    Half { there: PathBuf, missing: PathBuf },
    #[error("{path} ended on {ended}: remove it and its key, and a new one is made at the start")]
    Ended { path: PathBuf, ended: Timestamp },
    #[error("could not make a certificate")]
    Making(#[from] rcgen::Error),
    #[error("TLS cannot be set up")]
    Rustls(#[from] rustls::Error),
}

/// Makes one library the provider of all cryptography in this process. Called once, by
/// `main`, before anything speaks TLS.
pub fn install_provider() {
    // Only the first call in a process counts; a later one would install the same.
    let _ = aws_lc_rs::default_provider().install_default();
}

/// The certificate of one listener. Clones share it.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    files: Files,
    names: Vec<String>,
    clock: Clock,
    current: RwLock<Current>,
}

struct Current {
    certified: Arc<CertifiedKey>,
    /// When this one is to be replaced; the operator's own is the operator's to replace.
    renew_at: Option<Timestamp>,
}

impl Tls {
    /// Reads the operator's certificate from the directory of certificates; without one,
    /// makes one for the names people may reach this machine by.
    pub fn open(config: &AdminConfig, clock: Clock) -> Result<Self, TlsError> {
        Self::with(config, ADMIN, names(config), clock)
    }

    /// The same for web targets, each a name below `domain`.
    pub fn open_web(config: &AdminConfig, domain: &str, clock: Clock) -> Result<Self, TlsError> {
        Self::with(config, WEB, vec![format!("*.{domain}")], clock)
    }

    fn with(
        config: &AdminConfig,
        files: Files,
        names: Vec<String>,
        clock: Clock,
    ) -> Result<Self, TlsError> {
        let current = current(&config.certs, files, &names, &clock)?;
        let folder = config.certs.clone();
        Ok(Self(Arc::new(Inner {
            folder,
            files,
            names,
            clock,
            current: RwLock::new(current),
        })))
    }

    /// What people call this machine.
    pub fn names(&self) -> &[String] {
        &self.0.names
    }

    /// For a listener. Follows every later `reload`.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Arc::new(config))
    }

    /// For one connection of a protocol that itself has to name the certificate that was shown:
    /// no reload comes in between.
    pub fn one_connection(&self) -> Result<(Arc<ServerConfig>, Arc<CertifiedKey>), TlsError> {
        let certified = {
            let current = self.0.current.read();
            current
                .unwrap_or_else(PoisonError::into_inner)
                .certified
                .clone()
        };
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified.clone())));
        // Nobody comes back to a connection by a ticket.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok((Arc::new(config), certified))
    }

    /// Reads the files again. If they are wrong the certificate in use stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let Inner {
            folder,
            files,
            names,
            clock,
            ..
        } = &*self.0;
        let current = current(folder, *files, names, clock)?;
        *self
            .0
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner) = current;
        info!(folder = %folder.display(), "Certificate reloaded");
        Ok(())
    }

    /// Renews what the local authority made, before it ends. Never returns.
    pub async fn keep_fresh(&self) {
        loop {
            match self.renew_at() {
                Some(at) => self.0.clock.sleep_until(at).await,
                // Only a reload puts another one here; looked at again now and then.
                None => tokio::time::sleep(RETRY).await,
            }
            if self.renew_at().is_some_and(|at| at <= self.0.clock.now())
                && let Err(error) = self.reload()
            {
                warn!(%error, "Certificate not renewed, trying again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// What clients pin: the local authority's certificate, unless the operator has one of
    /// their own.
    pub fn authority(&self) -> Option<PathBuf> {
        self.renew_at()
            .map(|_| self.0.folder.join(authority::CERTIFICATE))
    }

    fn renew_at(&self) -> Option<Timestamp> {
        self.0
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .renew_at
    }
}

impl ResolvesServerCert for Tls {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self
            .0
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Some(current.certified.clone())
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("folder", &self.0.folder)
            .finish_non_exhaustive()
    }
}

/// For a client that trusts the certificates in this file and no others.
pub fn pinned_client(authorities: &Path) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authorities)? {
        roots.add(certificate)?;
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

fn current(
    folder: &Path,
    files: Files,
    names: &[String],
    clock: &Clock,
) -> Result<Current, TlsError> {
    let (chain, key) = (folder.join(files.chain), folder.join(files.key));
    match (chain.exists(), key.exists()) {
        (true, true) => {
            let certified = certified(&chain, &key)?;
            let ended = authority::end(&certified.cert[0]).filter(|end| *end <= clock.now());
            if let Some(ended) = ended {
                warn!(path = %chain.display(), %ended, "Certificate has ended, clients will refuse it");
            }
            Ok(Current {
                certified: Arc::new(certified),
                renew_at: None,
            })
        }
        (false, false) => {
            let (certified, renew_at) = authority::issue(folder, names, clock.now())?;
            Ok(Current {
                certified: Arc::new(certified),
                renew_at: Some(renew_at),
            })
        }
        (true, false) => Err(TlsError::Half {
            there: chain,
            missing: key,
        }),
        (false, true) => Err(TlsError::Half {
            there: key,
            missing: chain,
        }),
    }
}

fn certified(chain: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let certificates = certificates(chain)?;
    let pem = keyfile::load(key)?;
    let parsed = PrivateKeyDer::from_pem_slice(&pem);
    let not_a_key = || TlsError::NotAKey {
        path: key.to_owned(),
    };
    let private = parsed.map_err(|_| not_a_key())?;
    let signing = provider()
        .key_provider
        .load_private_key(private)
        .map_err(|_| not_a_key())?;
    let certified = CertifiedKey::new(certificates, signing);
    certified.keys_match().map_err(|_| TlsError::Mismatch {
        chain: chain.to_owned(),
        key: key.to_owned(),
    })?;
    Ok(certified)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = fs::read(path).map_err(failed("read", path))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(TlsError::NotCertificates {
            path: path.to_owned(),
        }),
    }
}

/// What people may call this machine: its own names, and the configured ones.
fn names(config: &AdminConfig) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"]
        .map(str::to_owned)
        .to_vec();
    let mut add = |name: String| {
        if !names.contains(&name) {
            names.push(name);
        }
    };
    if let Some(machine) = machine() {
        add(machine.into());
    }
    let listening = config.listen.address().ip();
    if !listening.is_unspecified() {
        add(listening.to_string());
    }
    config
        .names
        .iter()
        .for_each(|name| add(name.as_str().to_owned()));
    names
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TlsError {
    let path = path.to_owned();
    move |source| TlsError::File {
        doing,
        path,
        source,
    }
}
