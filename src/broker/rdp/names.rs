//! The names in NTLM's last message (MS-NLMP 2.2.1.3), and what they are names of here.
//!
//! INVARIANT: a name is only offered. It says whose secret to compare with, and nothing of who
//! is there.

use super::bytes::{Result, Short, u16_at, u32_at};
use crate::{broker::ssh::login::Login, session::one_time::Sought};

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
const AUTHENTICATE: u32 = 3;
const DOMAIN: usize = 28;
const USER: usize = 36;
const WORKSTATION: usize = 44;
/// Longer than any name that is one.
const LONGEST: usize = 512;

/// What somebody calls themselves.
#[derive(Debug, PartialEq, Eq)]
pub struct Names {
    pub user: String,
    pub domain: String,
    pub workstation: String,
}

/// Whether this is NTLM as it is, and not in SPNEGO.
pub fn is_ntlm(token: &[u8]) -> bool {
    token.starts_with(SIGNATURE)
}

/// NTLM's last message, wherever in a token of SPNEGO it stands. Where it begins is not proven
/// either: what somebody puts before it names somebody whose secret they must know.
pub fn last_message(token: &[u8]) -> Option<&[u8]> {
    let begins = [&SIGNATURE[..], &AUTHENTICATE.to_le_bytes()].concat();
    let mut places = token.windows(begins.len());
    let at = places.position(|place| place == begins)?;
    Some(&token[at..])
}

impl Names {
    pub fn read(token: &[u8]) -> Result<Self> {
        if !is_ntlm(token) || u32_at(token, SIGNATURE.len())? != AUTHENTICATE {
            return Err(Short);
        }
        Ok(Self {
            user: text(token, USER)?,
            domain: text(token, DOMAIN)?,
            workstation: text(token, WORKSTATION)?,
        })
    }

    /// What they mean: `alice+win1`, `alice+svc@win1`, or a check-out's code. A domain before
    /// it, or one behind it as in `alice+win1@corp.example`, is the client's habit.
    pub fn sought(&self) -> Option<Sought> {
        let name = match self.user.rsplit_once('\\') {
            Some((_, name)) => name,
            None => &self.user,
        };
        let without_domain = name.rsplit_once('@').map(|(name, _)| name);
        [Some(name), without_domain]
            .into_iter()
            .flatten()
            .find_map(sought)
    }
}

fn sought(name: &str) -> Option<Sought> {
    if let Ok(code) = name.parse() {
        return Some(Sought::Code(code));
    }
    let Login { user, place } = name.parse().ok()?;
    let place = place?;
    Some(Sought::Place {
        user,
        account: place.account,
        target: place.target,
    })
}

fn text(token: &[u8], at: usize) -> Result<String> {
    let length = usize::from(u16_at(token, at)?);
    let from = usize::try_from(u32_at(token, at + 4)?).map_err(|_| Short)?;
    let end = from.checked_add(length).ok_or(Short)?;
    let bytes = token.get(from..end).ok_or(Short)?;
    if length > LONGEST || length % 2 != 0 {
        return Err(Short);
    }
    let units: Vec<u16> = bytes
        .as_chunks()
        .0
        .iter()
        .map(|unit| u16::from_le_bytes(*unit))
        .collect();
    String::from_utf16(&units).map_err(|_| Short)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(user: &str, workstation: &str) -> Vec<u8> {
        let mut token = [&SIGNATURE[..], &AUTHENTICATE.to_le_bytes(), &[0; 52]].concat();
        for (at, text) in [(USER, user), (WORKSTATION, workstation)] {
            let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let from = token.len() as u32;
            token[at..at + 2].copy_from_slice(&(bytes.len() as u16).to_le_bytes());
            token[at + 4..at + 8].copy_from_slice(&from.to_le_bytes());
            token.extend(bytes);
        }
        token
    }

    fn meant(user: &str) -> Option<String> {
        let token = token(user, "LAPTOP");
        let in_spnego = [&b"\xa1\x81\x90NTLMSSP\0\x01\0"[..], &token, b"\xa3"].concat();
        assert_eq!(last_message(&in_spnego).unwrap()[..token.len()], token);
        let names = Names::read(&token).unwrap();
        assert_eq!(names.workstation, "LAPTOP");
        names.sought().map(|sought| sought.to_string())
    }

    #[test]
    fn a_name_means_a_place_or_a_check_out() {
        for (user, expected) in [
            ("alice+win1", Some("alice+win1")),
            (r"CORP\alice+win1", Some("alice+win1")),
            ("alice+win1@corp.example", Some("alice+win1")),
            ("alice+svc@win1", Some("alice+svc@win1")),
            (r"CORP\alice+svc@win1", Some("alice+svc@win1")),
            ("a@example.org+svc@win1", Some("a@example.org+svc@win1")),
            ("7k3f", Some("7K3F")),
            (r"GATEWAY\7K3F", Some("7K3F")),
            ("7K3F@corp.example", Some("7K3F")),
            ("Alice Archer", None),
            ("", None),
        ] {
            assert_eq!(meant(user).as_deref(), expected, "{user}");
        }
    }

    #[test]
    fn what_is_cut_off_has_no_names() {
        let token = token("alice+win1", "LAPTOP");
        for end in 0..token.len() {
            assert!(Names::read(&token[..end]).is_err(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_stumble(rest in proptest::collection::vec(any::<u8>(), 0..100)) {
            let token = [&SIGNATURE[..], &AUTHENTICATE.to_le_bytes(), &rest].concat();
            if let Ok(names) = Names::read(&token) {
                names.sought();
            }
        }
    }
}
