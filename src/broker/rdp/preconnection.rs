//! The first words of a client: who it wants, and how it can be spoken to.
//!
//! MS-RDPBCGR 2.2.1.1 (X.224 Connection Request), after an optional MS-RDPEPS blob. What it
//! wants is not believed: the cookie is cut off and mistyped by clients, and proves nothing.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::{
    frame::{TPKT, invalid},
    protocol::Protocols,
};

/// A blob before the request is as long as it says, within this.
const BLOB: std::ops::RangeInclusive<usize> = 16..=4_096;
/// A cookie is a line, a routing token hardly more.
const LONGEST: usize = 1_024;

const CONNECTION_REQUEST: u8 = 0xe0;
const NEGOTIATION_REQUEST: u8 = 0x01;

/// TPKT and the fixed part of the request.
const HEAD: usize = 4 + 7;
const NEGOTIATION: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotARequest {
    #[error("this is not the beginning of RDP")]
    Form,
    #[error("the beginning is too long")]
    Length,
}

/// Reads exactly what stands before TLS, and not a byte of TLS itself.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Protocols> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    if head[0] != TPKT {
        let length = usize::try_from(u32::from_le_bytes(head)).unwrap_or(usize::MAX);
        if !BLOB.contains(&length) {
            return Err(invalid(NotARequest::Form));
        }
        // Whom it names is for others to say: see the head of this file.
        let mut blob = vec![0; length - head.len()];
        stream.read_exact(&mut blob).await?;
        stream.read_exact(&mut head).await?;
    }
    let [TPKT, _, high, low] = head else {
        return Err(invalid(NotARequest::Form));
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > LONGEST {
        return Err(invalid(NotARequest::Length));
    }
    let mut request = vec![0; length];
    let (first, rest) = request
        .split_at_mut_checked(head.len())
        .ok_or_else(|| invalid(NotARequest::Form))?;
    first.copy_from_slice(&head);
    stream.read_exact(rest).await?;
    parse(&request).map_err(invalid)
}

/// The protocols that a whole request asks for; one that names none knows only RDP's own.
fn parse(request: &[u8]) -> Result<Protocols, NotARequest> {
    let (head, variable) = request.split_at_checked(HEAD).ok_or(NotARequest::Form)?;
    let said = usize::from(head[4]) + 5;
    if said != request.len() || head[5] & 0xf0 != CONNECTION_REQUEST {
        return Err(NotARequest::Form);
    }
    let negotiation = match variable {
        [] => return Ok(Protocols::STANDARD),
        [NEGOTIATION_REQUEST, ..] => variable,
        text => {
            let end = text
                .windows(2)
                .position(|pair| pair == b"\r\n")
                .ok_or(NotARequest::Form)?;
            &text[end + 2..]
        }
    };
    match negotiation.get(..NEGOTIATION) {
        None if negotiation.is_empty() => Ok(Protocols::STANDARD),
        Some(&[NEGOTIATION_REQUEST, _, 8, 0, a, b, c, d]) => {
            Ok(Protocols(u32::from_le_bytes([a, b, c, d])))
        }
        _ => Err(NotARequest::Form),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(variable: &[u8]) -> Vec<u8> {
        let length = HEAD + variable.len();
        let mut request = vec![
            3,
            0,
            0,
            length as u8,
            (length - 5) as u8,
            0xe0,
            0,
            0,
            0,
            0,
            0,
        ];
        request.extend(variable);
        request
    }

    const WANTS: [u8; 8] = [1, 0, 8, 0, 3, 0, 0, 0];

    #[tokio::test]
    async fn what_real_clients_say_first_is_understood() {
        let blob = [&18_u32.to_le_bytes()[..], &[0; 14]].concat();
        let correlation = [&WANTS[..], &[6, 0, 36, 0], &[7; 32]].concat();
        let cookie = |text: &str| [text.as_bytes(), &WANTS].concat();
        for (bytes, expected) in [
            (request(&WANTS), Protocols(3)),
            (
                request(&cookie("Cookie: mstshash=alice+db1\r\n")),
                Protocols(3),
            ),
            (request(&cookie("tsv://PAM.T9f2kQ\r\n")), Protocols(3)),
            (request(b"Cookie: mstshash=x\r\n"), Protocols::STANDARD),
            (request(&[]), Protocols::STANDARD),
            (request(&correlation), Protocols(3)),
            ([blob, request(&WANTS)].concat(), Protocols(3)),
        ] {
            let followed = [&bytes[..], b"\x16\x03\x01"].concat();
            let mut stream = &followed[..];
            assert_eq!(read(&mut stream).await.unwrap(), expected, "{bytes:?}");
            assert_eq!(stream, b"\x16\x03\x01", "TLS is not touched");
        }
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        let mut longer = request(&WANTS);
        longer[4] += 1;
        let mut other = request(&WANTS);
        other[5] = 0xd0;
        for bytes in [
            b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            vec![3, 0, 0xff, 0xff, 0],
            vec![3, 0, 0, 3],
            15_u32.to_le_bytes().to_vec(),
            5_000_u32.to_le_bytes().to_vec(),
            request(b"Cookie: without an end"),
            request(&WANTS[..7]),
            longer,
            other,
            Vec::new(),
        ] {
            assert!(read(&mut &bytes[..]).await.is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_stumble(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            // Only that it returns.
            parse(&bytes).ok();
            parse(&request(&bytes)).ok();
        }
    }
}
