//! An SSH client of the tests' own, for what no stock client does.

use std::{net::SocketAddr, path::Path, sync::Arc};

use russh::client::{Handle, Handler, Session};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Hears how commands have ended.
pub struct Ear(UnboundedSender<u32>);

impl Handler for Ear {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        _: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        Ok(true)
    }

    async fn exit_status(
        &mut self,
        _: russh::ChannelId,
        status: u32,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        // Not everybody listens.
        self.0.send(status).ok();
        Ok(())
    }
}

/// It has come to the door; and how its commands end.
pub async fn connected(address: SocketAddr) -> (Handle<Ear>, UnboundedReceiver<u32>) {
    let (heard, ending) = unbounded_channel();
    let connecting = russh::client::connect(Arc::default(), address, Ear(heard));
    (connecting.await.unwrap(), ending)
}

/// The same, and signed in.
pub async fn signed_in(
    address: SocketAddr,
    login: &str,
    key: &Path,
) -> (Handle<Ear>, UnboundedReceiver<u32>) {
    let (mut client, ending) = connected(address).await;
    let key = russh::keys::load_secret_key(key, None).unwrap();
    let key = russh::keys::PrivateKeyWithHashAlg::new(Arc::new(key), None);
    let signed_in = client.authenticate_publickey(login, key).await.unwrap();
    assert!(signed_in.success());
    (client, ending)
}
