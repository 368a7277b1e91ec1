//! Which host keys and certificates a server shows.
//!
//! A key exchange for each kind of key, broken off before anybody could sign in. Nothing of
//! what it answers is trusted by that: an admin compares and pins.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use russh::{
    client,
    keys::{Algorithm, Certificate, HashAlg, PublicKey, PublicKeyOrCertificate},
};
use tokio::time::timeout;

use super::{algorithms, read_ahead::ReadAhead};
use crate::{
    kill::KillSwitch,
    model::target::{Address, Pin, Shown, Vouched},
    session::dial::{DialError, dial},
};

/// For all kinds of keys together.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(
        "{0} shows no host key: it does not speak SSH, or only with algorithms that are broken"
    )]
    Nothing(Address),
    #[error("{0} did not answer within {1:?}")]
    Silent(Address, Duration),
}

/// Everything that can be pinned for the server at `address`.
pub async fn scan(address: &Address) -> Result<Vec<Shown>, ScanError> {
    let asked = join_all(
        algorithms::host_keys()
            .iter()
            .map(|kind| ask(address, kind)),
    );
    let answers = timeout(PATIENCE, asked).await;
    let answers = answers.map_err(|_| ScanError::Silent(address.clone(), PATIENCE))?;
    let mut shown: Vec<Shown> = Vec::new();
    for answer in answers {
        for key in answer? {
            if !shown.iter().any(|earlier| earlier.key == key.key) {
                shown.push(key);
            }
        }
    }
    match shown.is_empty() {
        true => Err(ScanError::Nothing(address.clone())),
        false => Ok(shown),
    }
}

/// The key of one kind, if the server has one, and who vouches for it.
async fn ask(address: &Address, kind: &Algorithm) -> Result<Vec<Shown>, ScanError> {
    let switch = KillSwitch::new();
    let stream = dial(address, &switch).await?.stream;
    let kinds: Cow<'static, [Algorithm]> = Cow::Owned(vec![kind.clone()]);
    let mut preferred = algorithms::towards_people();
    preferred.host_key_certificates = kinds.clone();
    preferred.key = kinds;
    let config = client::Config {
        client_id: super::id(),
        preferred,
        ..client::Config::default()
    };
    let seen = Arc::new(Mutex::new(None));
    let looks = Looks(seen.clone());
    // It fails where our look at the key ends it, or where there is no such key.
    let ended = client::connect_stream(Arc::new(config), ReadAhead::new(stream), looks).await;
    drop(ended);
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(seen.into_iter().collect())
}

fn shown(seen: &PublicKeyOrCertificate) -> Shown {
    let key = seen.public_key();
    let vouched = seen.certificate().map(vouched);
    Shown {
        fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
        key: line(&key),
        vouched,
    }
}

fn vouched(certificate: &Certificate) -> Vouched {
    let authority = PublicKey::new(certificate.signature_key().clone(), "");
    let clean = |name: &String| crate::model::text::Text::ours(name).one_line();
    Vouched {
        authority: Pin::Authority(&line(&authority)).to_string(),
        fingerprint: authority.fingerprint(HashAlg::Sha256).to_string(),
        names: certificate
            .valid_principals()
            .iter()
            .take(20)
            .map(clean)
            .collect(),
    }
}

fn line(key: &PublicKey) -> String {
    // Of a type that was read from the wire.
    key.to_openssh().unwrap_or_default()
}

/// Takes a look at the key and goes.
struct Looks(Arc<Mutex<Option<Shown>>>);

impl client::Handler for Looks {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(self::shown(shown));
        Ok(false)
    }
}
