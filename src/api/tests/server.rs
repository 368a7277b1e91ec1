//! The listener itself: TLS, HTTP/2 as a stranger speaks it, and who is let go.

#![allow(
    clippy::disallowed_methods,
    reason = "a test plays the stranger who connects"
)]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::{PrivateKeyDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use super::House;
use crate::{
    api::{
        BASE,
        server::{Bounds, Capacity, serve},
    },
    model::principal::Role,
};

/// Against a test that hangs; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a test is not about comes long after it has given up.
const NEVER: Duration = Duration::from_secs(3_600);

const PING: u8 = 6;
const GOAWAY: u8 = 7;
const SETTINGS: u8 = 4;
const HEADERS: u8 = 1;

struct Endpoint {
    address: SocketAddr,
    client: Arc<ClientConfig>,
    stop: CancellationToken,
    served: JoinHandle<()>,
    house: House,
}

impl Endpoint {
    async fn start(bounds: Bounds) -> Self {
        let house = House::new().await;
        let key = rcgen::KeyPair::generate().unwrap();
        let made = rcgen::CertificateParams::new(["door".to_owned()]).unwrap();
        let made = made.self_signed(&key).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let secret = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.der().clone()], secret)
            .unwrap();
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut roots = RootCertStore::empty();
        roots.add(made.der().clone()).unwrap();
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (server, router) = (Arc::new(server), house.router.clone());
        let until = stop.clone();
        let served = tokio::spawn(async move {
            serve(listener, move || Arc::clone(&server), router, bounds, until).await;
        });
        Self {
            address,
            client: Arc::new(client),
            stop,
            served,
            house,
        }
    }

    async fn connect(&self) -> Peer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let connector = TlsConnector::from(Arc::clone(&self.client));
        let name = ServerName::try_from("door").unwrap();
        let mut peer = Peer(connector.connect(name, stream).await.unwrap());
        peer.0
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .unwrap();
        peer.send(SETTINGS, 0, 0, &[]).await;
        peer
    }

    async fn end(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.served)
            .await
            .expect("it ends")
            .unwrap();
    }
}

/// Somebody who speaks HTTP/2 by hand, so that nothing polite is done behind the test's back.
struct Peer(TlsStream<TcpStream>);

impl Peer {
    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        // Who is gone is found out by reading.
        self.0.write_all(&frame).await.ok();
    }

    /// A whole request (RFC 7541: indexed and literal fields without Huffman).
    async fn ask(&mut self, stream: u32, path: &str, token: Option<&str>) {
        let mut block = vec![0x82, 0x87, 0x01, 4];
        block.extend(b"door");
        let literal = |block: &mut Vec<u8>, name: u8, value: &str| {
            let length = u8::try_from(value.len()).unwrap();
            assert!(length < 127, "a longer one is written otherwise");
            match name {
                0..15 => block.push(name),
                _ => block.extend([0x0f, name - 15]),
            }
            block.push(length);
            block.extend(value.as_bytes());
        };
        literal(&mut block, 4, path);
        if let Some(token) = token {
            literal(&mut block, 23, &format!("Bearer {token}"));
        }
        self.send(HEADERS, 0x5, stream, &block).await;
    }

    /// The kind and the stream of the next frame; none at the end. Answers as one must.
    async fn frame(&mut self) -> Option<(u8, u32)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await.ok()?;
        if head[3] == PING && head[4] == 0 {
            self.send(PING, 1, 0, &payload).await;
        }
        if head[3] == SETTINGS && head[4] == 0 {
            self.send(SETTINGS, 1, 0, &[]).await;
        }
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some((head[3], stream))
    }

    async fn until(&mut self, wanted: (u8, u32)) {
        let seen = async {
            while let Some(frame) = self.frame().await {
                if frame == wanted {
                    return true;
                }
            }
            false
        };
        assert!(
            timeout(PATIENCE, seen).await.expect("it comes"),
            "{wanted:?}"
        );
    }

    /// Whether a farewell came before the end.
    async fn ended(&mut self) -> bool {
        let end = async {
            let mut told = false;
            while let Some((kind, _)) = self.frame().await {
                told |= kind == GOAWAY;
            }
            told
        };
        timeout(PATIENCE, end).await.expect("it is closed")
    }
}

fn bounds() -> Bounds {
    Bounds {
        head: Duration::from_millis(500),
        guest: NEVER,
        ..Bounds::default()
    }
}

#[tokio::test]
async fn a_connection_that_only_answers_pings_is_closed() {
    let endpoint = Endpoint::start(bounds()).await;
    let mut asked = endpoint.connect().await;
    asked.ask(1, "/nope", None).await;
    asked.until((HEADERS, 1)).await;
    let mut silent = endpoint.connect().await;
    assert!(asked.ended().await, "it is told to go");
    silent.ended().await;
    endpoint.end().await;
}

#[tokio::test]
async fn an_answer_that_goes_on_keeps_a_known_connection() {
    let endpoint = Endpoint::start(Bounds {
        guest: Duration::from_millis(500),
        ..bounds()
    })
    .await;
    let (_, root) = endpoint.house.somebody("root", &[Role::Admin]).await;
    let mut watcher = endpoint.connect().await;
    watcher.ask(1, &format!("{BASE}/events"), Some(&root)).await;
    watcher.until((HEADERS, 1)).await;
    // Longer than an idle connection and a guest are given.
    sleep(Duration::from_secs(2)).await;
    let group = serde_json::json!({"name": "dba"});
    endpoint.house.post("/groups", &root, group).await.is(201);
    watcher.until((0, 1)).await;
    endpoint.house.api.closing().cancel();
    assert!(watcher.ended().await);
    endpoint.end().await;
}

#[tokio::test]
async fn a_guest_who_keeps_asking_leaves_too() {
    let endpoint = Endpoint::start(Bounds {
        guest: Duration::from_millis(500),
        ..bounds()
    })
    .await;
    let mut guest = endpoint.connect().await;
    let stays = async {
        for stream in (1..).step_by(2) {
            guest.ask(stream, "/nope", None).await;
            loop {
                match guest.frame().await {
                    Some((HEADERS, _)) => break,
                    Some((GOAWAY, _)) | None => return,
                    Some(_) => {}
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, stays).await.expect("it is sent away");
    endpoint.end().await;
}

#[tokio::test]
async fn strangers_do_not_keep_others_out() {
    let endpoint = Endpoint::start(Bounds {
        connections: Capacity {
            all: 10,
            of_network: 10,
            guests: 3,
        },
        head: NEVER,
        guest: NEVER,
        ..Bounds::default()
    })
    .await;
    let (_, root) = endpoint.house.somebody("root", &[Role::Admin]).await;
    let mut known = endpoint.connect().await;
    known.ask(1, &format!("{BASE}/me"), Some(&root)).await;
    known.until((HEADERS, 1)).await;
    let mut crowd = Vec::new();
    for _ in 0..8 {
        crowd.push(endpoint.connect().await);
    }
    for stranger in &mut crowd[..5] {
        stranger.ended().await;
    }
    // Whoever comes now is heard, and whoever was known still is.
    let mut late = endpoint.connect().await;
    late.ask(1, &format!("{BASE}/me"), Some(&root)).await;
    late.until((HEADERS, 1)).await;
    known.ask(3, &format!("{BASE}/me"), Some(&root)).await;
    known.until((HEADERS, 3)).await;
    endpoint.end().await;
}
