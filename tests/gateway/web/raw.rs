//! TLS to the gateway and bytes on it, as no well-behaved client would send them; and targets
//! that answer by the test's own word.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

pub use crate::support::serve as target;

use super::{Scene, within};

/// A connection to the gateway's web listener, HTTP/1.1.
pub async fn connect(scene: &Scene) -> TlsStream<TcpStream> {
    connect_with(scene, b"http/1.1").await
}

/// The same in another protocol.
pub async fn connect_with(scene: &Scene, protocol: &[u8]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(scene.gateway.ca()).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(scene.gateway.web).await.unwrap();
    let name = ServerName::try_from("wiki.door.localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .expect("the gateway's certificate is for every target")
}

/// Alice's GET, with nothing behind it.
pub fn get(scene: &Scene, target: &str, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {target}.door.localhost:{port}\r\nDoorward-Token: {token}\r\n\r\n",
        port = scene.gateway.web.port(),
        token = scene.alice.token,
    )
}

/// Everything that is answered to these bytes until the gateway closes.
pub async fn answered(scene: &Scene, bytes: &[u8]) -> String {
    let mut stream = connect(scene).await;
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is as good as a close.
    within("the gateway", stream.read_to_end(&mut answer))
        .await
        .ok();
    String::from_utf8_lossy(&answer).into_owned()
}

/// One head, and what came behind it already.
pub async fn head(stream: &mut (impl AsyncReadExt + Unpin)) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            let behind = bytes.split_off(end + 4);
            return (String::from_utf8(bytes).unwrap(), behind);
        }
        let count = within("a head", stream.read(&mut piece)).await.unwrap();
        assert!(
            count > 0,
            "closed in a head: {}",
            String::from_utf8_lossy(&bytes)
        );
        bytes.extend_from_slice(&piece[..count]);
    }
}
