//! Who a client says it is to the target (MS-RDPBCGR 2.2.1.11): its name and password go out,
//! those of the account go in.
//!
//! Patched byte for byte: what is not known stays as it was. What the client wrote as its
//! password is never passed on.

use zeroize::Zeroizing;

use super::bytes::{Short, put, take, u16_at, u32_at};

/// In the header of RDP's own encryption, of which nothing else is left.
const IS_INFO: u16 = 0x0040;
const HEAD: usize = 4;

const AUTOLOGON: u32 = 0x0000_0008;
const UNICODE: u32 = 0x0000_0010;
/// Updates that are compressed cannot be looked at one by one.
const COMPRESSION: u32 = 0x0000_0080;
const COMPRESSION_TYPE: u32 = 0x0000_1e00;
const PASSWORD_IS_PIN: u32 = 0x0004_0000;
/// Single programs in windows of their own, which has rules that are not here.
const REMOTE_PROGRAMS: u32 = 0x0000_8000;

/// Code page and flags, and five lengths.
const FIXED: usize = 8 + 10;
/// After the addresses: the time zone, a number, the performance flags.
const ZONE_AND_FLAGS: usize = 172 + 4 + 4;

/// What the gateway signs in to the target with.
pub struct Injected {
    pub domain: String,
    pub user: String,
    pub password: Zeroizing<String>,
}

impl Injected {
    /// A login is `user`, `DOMAIN\user` or `user@domain`; the last is one name.
    pub fn new(login: &str, password: Zeroizing<String>) -> Self {
        let (domain, user) = login.split_once('\\').unwrap_or(("", login));
        Self {
            domain: domain.to_owned(),
            user: user.to_owned(),
            password,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotInfo {
    #[error("a client that writes no Unicode is too old")]
    NotUnicode,
    #[error("what the client says of itself is cut off")]
    Cut,
    #[error("the account's login or password is too long for this protocol")]
    TooLong,
}

impl From<Short> for NotInfo {
    fn from(_: Short) -> Self {
        Self::Cut
    }
}

/// Whether this data says who the client is.
pub fn is_info(data: &[u8]) -> bool {
    u16_at(data, 0).is_ok_and(|flags| flags & IS_INFO != 0)
}

/// The same data, with the account in the client's place.
pub fn replace(data: &[u8], injected: &Injected) -> Result<Zeroizing<Vec<u8>>, NotInfo> {
    let mut rest = data;
    let head = take(&mut rest, HEAD)?;
    let fixed = take(&mut rest, FIXED)?;
    let flags = u32_at(fixed, 4)?;
    if flags & UNICODE == 0 {
        return Err(NotInfo::NotUnicode);
    }
    // Domain, user, password, the program to start and its folder, each with a zero behind it.
    for at in [8, 10, 12, 14, 16] {
        let length = usize::from(u16_at(fixed, at)?);
        take(&mut rest, length + 2)?;
    }
    let flags =
        flags & !(COMPRESSION | COMPRESSION_TYPE | PASSWORD_IS_PIN | REMOTE_PROGRAMS) | AUTOLOGON;
    let texts = [&injected.domain, &injected.user, &*injected.password].map(|text| utf16(text));
    // Ample, so that it does not grow and leave copies behind.
    let room = data.len() + texts.iter().map(|text| text.len()).sum::<usize>() + 16;
    let mut out = Zeroizing::new(Vec::with_capacity(room));
    out.extend_from_slice(head);
    out.extend_from_slice(&fixed[..4]);
    out.extend_from_slice(&flags.to_le_bytes());
    for text in &texts {
        let length = u16::try_from(text.len()).map_err(|_| NotInfo::TooLong)?;
        out.extend_from_slice(&length.to_le_bytes());
    }
    // No program but the target's own desktop.
    out.extend_from_slice(&[0; 4]);
    for text in &texts {
        out.extend_from_slice(text);
        out.extend_from_slice(&[0; 2]);
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&without_cookie(rest)?);
    Ok(out)
}

/// What follows the names, without what would let a client come back to a session by itself.
fn without_cookie(extra: &[u8]) -> Result<Vec<u8>, NotInfo> {
    let mut out = extra.to_vec();
    if extra.is_empty() {
        return Ok(out);
    }
    let mut rest = extra;
    take(&mut rest, 2)?;
    for _ in ["address", "folder"] {
        let length = usize::from(u16_at(rest, 0)?);
        take(&mut rest, 2 + length)?;
    }
    // Older clients end somewhere here.
    if rest.len() < ZONE_AND_FLAGS + 2 {
        return Ok(out);
    }
    take(&mut rest, ZONE_AND_FLAGS)?;
    let at = extra.len() - rest.len();
    let length = usize::from(u16_at(rest, 0)?);
    take(&mut rest, 2 + length)?;
    put(&mut out, at, &[0; 2])?;
    out.drain(at + 2..at + 2 + length);
    Ok(out)
}

fn utf16(text: &str) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() * 2));
    for unit in text.encode_utf16() {
        bytes.extend_from_slice(&unit.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn injected() -> Injected {
        let password = Zeroizing::new("T4rget-Secret!".to_owned());
        Injected::new(r"CORP\svc_admin", password)
    }

    fn info(texts: [&str; 5], extra: &[u8]) -> Vec<u8> {
        let mut info = vec![0x40, 0, 0, 0, 9, 4, 0, 0];
        info.extend((UNICODE | COMPRESSION | 0x200 | 0x1).to_le_bytes());
        let texts = texts.map(utf16);
        for text in &texts {
            info.extend((text.len() as u16).to_le_bytes());
        }
        for text in &texts {
            info.extend_from_slice(text);
            info.extend([0; 2]);
        }
        info.extend(extra);
        info
    }

    fn extra(cookie: &[u8]) -> Vec<u8> {
        let mut extra = vec![2, 0];
        for text in ["10.0.0.7", "C:\\x"] {
            let text = utf16(text);
            extra.extend((text.len() as u16).to_le_bytes());
            extra.extend_from_slice(&text);
        }
        extra.extend([6; ZONE_AND_FLAGS]);
        extra.extend((cookie.len() as u16).to_le_bytes());
        extra.extend(cookie);
        extra.extend([0xaa; 8]);
        extra
    }

    #[test]
    fn the_account_takes_the_clients_place_and_the_rest_stays() {
        let client = info(
            ["", "alice+db1", "one-time", "cmd.exe", "C:\\"],
            &extra(&[7; 28]),
        );
        assert!(is_info(&client));
        let out = replace(&client, &injected()).unwrap();
        let mut expected = info(["CORP", "svc_admin", "T4rget-Secret!", "", ""], &extra(&[]));
        expected[8..12].copy_from_slice(&(UNICODE | AUTOLOGON | 0x1).to_le_bytes());
        assert_eq!(*out, expected);
    }

    #[test]
    fn an_old_client_ends_early_and_a_cut_one_is_refused() {
        for extra in [&[][..], &[2, 0, 0, 0, 0, 0], &[2, 0, 0, 0, 0, 0, 1]] {
            let client = info(["", "a", "b", "", ""], extra);
            assert!(replace(&client, &injected()).unwrap().ends_with(extra));
        }
        let client = info(["", "a", "b", "", ""], &extra(&[7; 28]));
        let names = client.len() - extra(&[7; 28]).len();
        for end in 0..names {
            assert_eq!(
                replace(&client[..end], &injected()).err(),
                Some(NotInfo::Cut)
            );
        }
        let mut ansi = client;
        ansi[8] &= !(UNICODE as u8);
        assert_eq!(replace(&ansi, &injected()).err(), Some(NotInfo::NotUnicode));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_stumble(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            replace(&data, &injected()).ok();
            let mut unicode = data;
            if let Some(flags) = unicode.get_mut(8) {
                *flags |= UNICODE as u8;
            }
            replace(&unicode, &injected()).ok();
        }
    }
}
