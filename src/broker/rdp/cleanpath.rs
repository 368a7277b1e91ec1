//! The first words of a browser: RDCleanPath, one message each way.
//!
//! Stands for what a native client does before the session: X.224, TLS and who is there. Where
//! the browser says it wants to go is not looked at: its code says that. Reads one message to
//! its end and no further, within a bound.

use std::io;

use ironrdp_rdcleanpath::RDCleanPathPdu;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::{
    frame::invalid,
    preconnection,
    protocol::{self, Protocols},
};

const SEQUENCE: u8 = 0x30;
/// A code, an address and twenty bytes of X.224 are a few hundred.
const LONGEST: usize = 4 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not the beginning of a desktop in a browser")]
pub struct NotAnOpening;

/// What a browser asks for.
pub struct Opening {
    /// What it was given to come with, once.
    pub code: Zeroizing<String>,
    pub requested: Protocols,
}

pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Opening> {
    let not = || invalid(NotAnOpening);
    let mut whole = Zeroizing::new(vec![0; 2]);
    stream.read_exact(&mut whole).await?;
    let more = match whole[..] {
        [SEQUENCE, 0..=0x7f] => 0,
        [SEQUENCE, 0x81] => 1,
        [SEQUENCE, 0x82] => 2,
        _ => return Err(not()),
    };
    let mut length = usize::from(whole[1]);
    if more > 0 {
        whole.resize(2 + more, 0);
        stream.read_exact(&mut whole[2..]).await?;
        let digits = whole[2..].iter();
        length = digits.fold(0, |length, byte| length << 8 | usize::from(*byte));
    }
    if length > LONGEST {
        return Err(not());
    }
    let head = whole.len();
    whole.resize(head + length, 0);
    stream.read_exact(&mut whole[head..]).await?;
    let pdu = RDCleanPathPdu::from_der(&whole).map_err(|_| not())?;
    let code = Zeroizing::new(pdu.proxy_auth.ok_or_else(not)?);
    let request = pdu.x224_connection_pdu.ok_or_else(not)?;
    let mut request = request.as_bytes();
    let requested = preconnection::read(&mut request).await?;
    match request {
        [] => Ok(Opening { code, requested }),
        _ => Err(not()),
    }
}

/// Yes: as if a target of this name had chosen TLS with this certificate.
pub async fn welcome(
    stream: &mut (impl AsyncWrite + Unpin),
    name: &str,
    certificate: &[u8],
) -> io::Result<()> {
    let confirm = protocol::confirm(Protocols::TLS);
    let chain = [certificate.to_vec()];
    let pdu = RDCleanPathPdu::new_response(name.to_owned(), confirm, chain);
    send(stream, &pdu.map_err(invalid)?).await
}

/// No, with the number that HTTP has for it.
pub async fn refuse(stream: &mut (impl AsyncWrite + Unpin), status: u16) -> io::Result<()> {
    send(stream, &RDCleanPathPdu::new_http_error(status)).await
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), pdu: &RDCleanPathPdu) -> io::Result<()> {
    stream.write_all(&pdu.to_der().map_err(invalid)?).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn opening(code: &str) -> Vec<u8> {
        let request = protocol::request(Protocols::TLS);
        let pdu = RDCleanPathPdu::new_request(request, "win1:3389".into(), code.into(), None);
        pdu.unwrap().to_der().unwrap()
    }

    #[tokio::test]
    async fn a_browser_says_its_code_and_how_it_can_be_spoken_to() {
        for code in ["dwh_x", &"x".repeat(300)] {
            let bytes = [&opening(code)[..], b"more"].concat();
            let mut rest = &bytes[..];
            let opening = read(&mut rest).await.unwrap();
            assert_eq!(*opening.code, code);
            assert_eq!(opening.requested, Protocols::TLS);
            assert_eq!(rest, b"more");
        }
    }

    #[tokio::test]
    async fn what_is_cut_off_or_too_long_or_no_request_is_refused() {
        let whole = opening("dwh_x");
        for end in 0..whole.len() {
            assert!(read(&mut &whole[..end]).await.is_err(), "{end}");
        }
        assert!(read(&mut &opening(&"x".repeat(5_000))[..]).await.is_err());
        let no = RDCleanPathPdu::new_http_error(401).to_der().unwrap();
        assert!(read(&mut &no[..]).await.is_err());
        let mut twice = protocol::request(Protocols::TLS);
        twice.extend(protocol::request(Protocols::TLS));
        let pdu = RDCleanPathPdu::new_request(twice, "x".into(), "x".into(), None).unwrap();
        assert!(read(&mut &pdu.to_der().unwrap()[..]).await.is_err());
    }

    #[tokio::test]
    async fn both_answers_are_what_the_other_side_reads() {
        let mut yes = Vec::new();
        welcome(&mut yes, "win1", &[1, 2, 3]).await.unwrap();
        let pdu = RDCleanPathPdu::from_der(&yes).unwrap();
        assert_eq!(pdu.server_addr.as_deref(), Some("win1"));
        assert!(pdu.error.is_none());
        let mut no = Vec::new();
        refuse(&mut no, 403).await.unwrap();
        let error = RDCleanPathPdu::from_der(&no).unwrap().error.unwrap();
        assert_eq!(error.http_status_code, Some(403));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_stumble(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(read(&mut &bytes[..])).ok();
            if let Some(first) = bytes.first_mut() {
                *first = SEQUENCE;
            }
            runtime.block_on(read(&mut &bytes[..])).ok();
        }
    }
}
