//! The messages of CredSSP (MS-CSSP 2.2.1), one after the other in TLS.
//!
//! Reads one to its end and no further, within a bound, and writes one. What is in it is
//! `sspi`'s to say.

use std::io;

use sspi::credssp::{NStatusCode, TsRequest};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::frame::invalid;

const SEQUENCE: u8 = 0x30;
/// Certificates and tickets of Kerberos are the longest that anybody sends.
const LONGEST: usize = 32 * 1024;
/// What is encrypted stands behind a signature of this length, which `sspi` takes for granted.
const SIGNATURE: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a message of CredSSP")]
pub struct NotATsRequest;

pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<TsRequest> {
    let not = || invalid(NotATsRequest);
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
        length = whole[2..]
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte));
    }
    if length > LONGEST {
        return Err(not());
    }
    let head = whole.len();
    whole.resize(head + length, 0);
    stream.read_exact(&mut whole[head..]).await?;
    let request = TsRequest::from_buffer(&whole).map_err(|_| not())?;
    let encrypted = [&request.auth_info, &request.pub_key_auth];
    if encrypted
        .into_iter()
        .flatten()
        .any(|it| it.len() <= SIGNATURE)
    {
        return Err(not());
    }
    Ok(request)
}

pub async fn write(stream: &mut (impl AsyncWrite + Unpin), request: &TsRequest) -> io::Result<()> {
    let mut bytes = Zeroizing::new(Vec::new());
    request.encode_ts_request(&mut *bytes)?;
    stream.write_all(&bytes).await?;
    stream.flush().await
}

/// A no, of which clients have a sentence.
pub fn refusal(status: NStatusCode) -> TsRequest {
    TsRequest {
        error_code: Some(status),
        ..TsRequest::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_is_read_to_its_end_and_no_further() {
        let mut bytes = Vec::new();
        let request = TsRequest {
            nego_tokens: Some(vec![7; 300]),
            ..refusal(NStatusCode::LOGON_FAILURE)
        };
        write(&mut bytes, &request).await.unwrap();
        bytes.extend(b"rest");
        let mut stream = &bytes[..];
        let read = read(&mut stream).await.unwrap();
        assert_eq!(read.nego_tokens, request.nego_tokens);
        assert_eq!(read.error_code, Some(NStatusCode::LOGON_FAILURE));
        assert_eq!(stream, b"rest");
    }

    #[tokio::test]
    async fn what_is_none_or_too_long_is_refused() {
        let mut short = Vec::new();
        let request = TsRequest {
            pub_key_auth: Some(vec![7; SIGNATURE]),
            ..TsRequest::default()
        };
        write(&mut short, &request).await.unwrap();
        for bytes in [
            &b"GET / HTTP/1.1"[..],
            &[0x30, 0x82, 0xff, 0xff],
            &[0x30, 0x83, 0, 0, 1, 0],
            &[0x30, 0x02, 0, 0],
            &[0x30, 0x00],
            &short,
            &[],
        ] {
            assert!(read(&mut &bytes[..]).await.is_err(), "{bytes:?}");
        }
    }
}
