//! A client of our own, for what xfreerdp does not send: NTLM in SPNEGO, the word behind NLA,
//! and nonsense at each step.

use std::sync::Arc;

use doorward::broker::rdp::parts::{read_ts_request, write_ts_request};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use sspi::{
    AuthIdentity, NegotiateConfig, Username,
    credssp::{ClientMode, ClientState, CredSspClient, CredSspMode, TsRequest},
    ntlm::NtlmConfig,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{seen::within, support::Gateway};

pub const NLA: u32 = 2;
pub const NLA_WITH_A_WORD: u32 = 8;

/// What a wrong name or secret is called (MS-ERREF 2.3).
pub const LOGON_FAILURE: u32 = 0xc000_006d;

/// How NTLM is wrapped.
#[derive(Clone, Copy)]
pub enum Form {
    Ntlm,
    Spnego,
}

/// The request of a client that knows these protocols.
pub fn request(protocols: u32) -> Vec<u8> {
    let mut request = vec![3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0];
    request.extend(protocols.to_le_bytes());
    request
}

/// A connection on which the gateway has chosen a protocol, in TLS.
pub struct Crafted {
    pub stream: TlsStream<TcpStream>,
    pub chosen: u32,
}

impl Crafted {
    pub async fn connect(gateway: &Gateway, protocols: u32) -> Self {
        let mut stream = TcpStream::connect(gateway.rdp()).await.unwrap();
        stream.write_all(&request(protocols)).await.unwrap();
        let mut answer = [0; 19];
        let read = stream.read_exact(&mut answer);
        within("the gateway's choice", read).await.unwrap();
        assert_eq!(answer[11], 2, "a choice: {answer:?}");
        let chosen = u32::from_le_bytes(answer[15..].try_into().unwrap());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(gateway.ca()).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let stream = within("TLS", connecting).await.unwrap();
        Self { stream, chosen }
    }

    /// Goes through CredSSP; what the gateway says no with.
    pub async fn sign_in(&mut self, form: Form, user: &str, secret: &str) -> Result<(), u32> {
        let ntlm = NtlmConfig::default();
        let mode = match form {
            Form::Ntlm => ClientMode::Ntlm(ntlm),
            Form::Spnego => {
                let alone = Some("!kerberos,!pku2u".to_owned());
                let config = NegotiateConfig::new(Box::new(ntlm), alone, "LAPTOP".to_owned());
                ClientMode::Negotiate(config)
            }
        };
        let identity = AuthIdentity {
            username: Username::parse(user).unwrap(),
            password: secret.to_owned().into(),
        };
        let credentials = CredSspMode::WithCredentials;
        let service = "TERMSRV/gateway".to_owned();
        let client = CredSspClient::new(self.key(), identity.into(), credentials, mode, service);
        let mut client = client.unwrap();
        let mut answer = TsRequest::default();
        loop {
            match client.process(answer).resolve_to_result().unwrap() {
                ClientState::ReplyNeeded(request) => {
                    write_ts_request(&mut self.stream, &request).await.unwrap();
                }
                ClientState::FinalMessage(request) => {
                    write_ts_request(&mut self.stream, &request).await.unwrap();
                    return Ok(());
                }
            }
            let read = read_ts_request(&mut self.stream);
            answer = within("an answer", read).await.unwrap();
            if let Some(status) = answer.error_code {
                return Err(status.0);
            }
        }
    }

    /// What the gateway says until it closes.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // However it closes.
        within("the end", self.stream.read_to_end(&mut rest))
            .await
            .ok();
        rest
    }

    fn key(&self) -> Vec<u8> {
        let (_, tls) = self.stream.get_ref();
        let certificate = &tls.peer_certificates().unwrap()[0];
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).unwrap();
        parsed.public_key().subject_public_key.data.to_vec()
    }
}
