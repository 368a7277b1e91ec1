//! Handshakes against files on disk: made, given, exchanged, broken.

use std::{fs::Permissions, os::unix::fs::PermissionsExt};

use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::config::HostName;

const NOW: Timestamp = Timestamp::from_millis(1_900_000_000_000);
const DAY: Duration = Duration::from_secs(86_400);

fn config(certs: &Path, names: &[&str]) -> AdminConfig {
    let names = names
        .iter()
        .map(|name| HostName::try_from((*name).to_owned()).unwrap());
    AdminConfig {
        certs: certs.to_owned(),
        names: names.collect(),
        ..AdminConfig::default()
    }
}

fn system(certs: &Path) -> Result<Tls, TlsError> {
    Tls::open(&config(certs, &["door.example"]), Clock::system())
}

/// Connects as `name`, trusting `roots`; says which certificate and protocol it met.
async fn meet(tls: &Tls, roots: &Path, name: &str) -> io::Result<(Vec<u8>, Option<Vec<u8>>)> {
    let (ours, theirs) = duplex(64 * 1024);
    let acceptor = TlsAcceptor::from(tls.server_config().unwrap());
    let server = tokio::spawn(async move {
        let mut stream = acceptor.accept(ours).await?;
        stream.write_all(b"hello").await?;
        stream.shutdown().await
    });
    let connector = TlsConnector::from(Arc::new(pinned_client(roots).unwrap()));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = connector.connect(name, theirs).await?;
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await?;
    assert_eq!(said, b"hello");
    server.await.unwrap()?;
    let (_, connection) = stream.get_ref();
    let certificate = connection.peer_certificates().unwrap()[0].to_vec();
    Ok((certificate, connection.alpn_protocol().map(<[u8]>::to_vec)))
}

/// A certificate of the operator's own, and the file that its clients pin.
fn give(folder: &Path, name: &str) -> PathBuf {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let chain = folder.join(ADMIN.chain);
    fs::write(&chain, certificate.pem()).unwrap();
    keyfile::replace(&folder.join(ADMIN.key), key.serialize_pem().as_bytes()).unwrap();
    chain
}

#[tokio::test]
async fn the_first_start_makes_an_authority_that_clients_can_pin() {
    let folder = tempfile::tempdir().unwrap();
    let certs = folder.path().join("certs");
    let tls = system(&certs).unwrap();
    let authority = tls.authority().unwrap();
    for name in ["localhost", "127.0.0.1", "::1", "door.example"] {
        let (_, protocol) = meet(&tls, &authority, name).await.unwrap();
        assert_eq!(protocol.as_deref(), Some(b"h2".as_slice()), "{name}");
    }
    meet(&tls, &authority, "other.example")
        .await
        .expect_err("it is for its own names alone");
    let mode = |name: &str| fs::metadata(certs.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("ca.key"), 0o600);
    assert_eq!(mode("ca.pem") & 0o044, 0o044);
    assert_eq!(mode("") & 0o055, 0o055);
}

#[tokio::test]
async fn the_pin_holds_over_a_restart_and_against_another_gateway() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let authority = system(one.path()).unwrap().authority().unwrap();
    let (first, _) = meet(&system(one.path()).unwrap(), &authority, "localhost")
        .await
        .unwrap();
    let (second, _) = meet(&system(one.path()).unwrap(), &authority, "localhost")
        .await
        .unwrap();
    assert_ne!(first, second, "each start has a fresh certificate");
    let stranger = system(other.path()).unwrap();
    meet(&stranger, &authority, "localhost")
        .await
        .expect_err("another authority is not pinned");
}

#[tokio::test]
async fn a_first_start_cut_off_after_the_key_goes_on_with_it() {
    let folder = tempfile::tempdir().unwrap();
    system(folder.path()).unwrap();
    let key = fs::read(folder.path().join("ca.key")).unwrap();
    fs::remove_file(folder.path().join("ca.pem")).unwrap();
    let tls = system(folder.path()).unwrap();
    assert_eq!(fs::read(folder.path().join("ca.key")).unwrap(), key);
    meet(&tls, &tls.authority().unwrap(), "localhost")
        .await
        .unwrap();
}

#[tokio::test]
async fn the_operators_certificate_goes_before_and_is_exchanged_by_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let first_pin = give(folder.path(), "door.example");
    let tls = system(folder.path()).unwrap();
    assert_eq!(tls.authority(), None);
    assert!(!folder.path().join("ca.key").exists());
    let (first, _) = meet(&tls, &first_pin, "door.example").await.unwrap();
    let second_pin = give(folder.path(), "door.example");
    tls.reload().unwrap();
    let (second, _) = meet(&tls, &second_pin, "door.example").await.unwrap();
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_reload_of_broken_files_keeps_the_certificate_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let pin = folder.path().join("pin.pem");
    fs::copy(give(folder.path(), "door.example"), &pin).unwrap();
    let (chain, key) = (
        folder.path().join(ADMIN.chain),
        folder.path().join(ADMIN.key),
    );
    let good_key = fs::read(&key).unwrap();
    let tls = system(folder.path()).unwrap();
    let (before, _) = meet(&tls, &pin, "door.example").await.unwrap();

    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    let exposed = tls.reload();
    assert!(
        matches!(
            exposed,
            Err(TlsError::KeyFile(KeyFileError::Exposed { .. }))
        ),
        "{exposed:?}"
    );
    keyfile::replace(
        &key,
        KeyPair::generate().unwrap().serialize_pem().as_bytes(),
    )
    .unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::Mismatch { .. })));
    keyfile::replace(&key, b"no key").unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::NotAKey { .. })));
    fs::remove_file(&key).unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::Half { missing, .. }) if missing == key));
    keyfile::replace(&key, &good_key).unwrap();
    fs::write(&chain, "no certificate").unwrap();
    assert!(matches!(
        tls.reload(),
        Err(TlsError::NotCertificates { .. })
    ));

    let (after, _) = meet(&tls, &pin, "door.example").await.unwrap();
    assert_eq!(before, after);
}

#[test]
fn what_the_authority_issues_is_renewed_before_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW);
    let tls = Tls::open(&config(folder.path(), &[]), clock.clone()).unwrap();
    let ends =
        |tls: &Tls| authority::end(&tls.0.current.read().unwrap().certified.cert[0]).unwrap();
    let renew_at = tls.renew_at().unwrap();
    assert!(renew_at + 29 * DAY <= ends(&tls));
    clock.advance(renew_at.since(NOW));
    tls.reload().unwrap();
    assert!(ends(&tls) >= renew_at + 89 * DAY);
    // Never beyond the authority itself, and after its end with a word on what to do.
    clock.advance(3_570 * DAY);
    tls.reload().unwrap();
    assert!(ends(&tls) < clock.now() + 30 * DAY);
    clock.advance(30 * DAY);
    let ended = tls.reload();
    assert!(matches!(ended, Err(TlsError::Ended { .. })), "{ended:?}");
}

#[tokio::test]
async fn it_is_renewed_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW);
    let tls = Tls::open(&config(folder.path(), &[]), clock.clone()).unwrap();
    let first = tls.renew_at().unwrap();
    let task = tokio::spawn({
        let tls = tls.clone();
        async move { tls.keep_fresh().await }
    });
    clock.advance(61 * DAY);
    while tls.renew_at().unwrap() == first {
        tokio::task::yield_now().await;
    }
    task.abort();
}

#[test]
fn a_foreign_certificate_beside_the_authoritys_key_is_refused() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    system(one.path()).unwrap();
    system(other.path()).unwrap();
    fs::copy(other.path().join("ca.pem"), one.path().join("ca.pem")).unwrap();
    assert!(matches!(system(one.path()), Err(TlsError::Mismatch { .. })));
}
