//! SSH public keys: what is accepted as one, and the one name each of them has.
//!
//! Reads OpenSSH's one-line form. It verifies no signature; the protocol does.

use std::fmt;

use russh::keys::{Algorithm, HashAlg, PublicKey, ssh_key::public::KeyData};

/// Far more than the longest key in one line.
const LONGEST: usize = 16 * 1024;

/// For keys people sign in with. A target's host key may be as old as the machine.
const SHORTEST_RSA: usize = 3_072;
const SHORTEST_HOST_RSA: usize = 2_048;

/// A public key that is accepted, without its comment: that is kept apart, as text.
#[derive(Clone, PartialEq, Eq)]
pub struct SshPublicKey {
    key: PublicKey,
    comment: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSshKey {
    #[error("this is a private key: keep it to yourself and give the one line of its .pub file")]
    Private,
    #[error("a public key is one line")]
    Lines,
    #[error(
        "this is not an SSH public key: expected is one line such as \
         `ssh-ed25519 AAAA… name`, without options before it"
    )]
    NotAKey,
    #[error("a certificate is not a key: give the public key that it is about")]
    Certificate,
    #[error("{0} keys are not accepted: make one with `ssh-keygen -t ed25519`")]
    Algorithm(String),
    #[error(
        "this RSA key has {bits} bits, fewer than {shortest}: make a better one with \
         `ssh-keygen -t ed25519`"
    )]
    ShortRsa { bits: usize, shortest: usize },
}

impl SshPublicKey {
    /// A key that a person wants to sign in with.
    pub fn of_person(line: &str) -> Result<Self, BadSshKey> {
        Self::parse(line, SHORTEST_RSA)
    }

    /// A key that a target is pinned to.
    pub fn of_target(line: &str) -> Result<Self, BadSshKey> {
        Self::parse(line, SHORTEST_HOST_RSA)
    }

    fn parse(line: &str, shortest_rsa: usize) -> Result<Self, BadSshKey> {
        let line = line.trim();
        if line.contains("PRIVATE KEY") {
            return Err(BadSshKey::Private);
        }
        if line.contains(['\n', '\r']) {
            return Err(BadSshKey::Lines);
        }
        if line
            .split(' ')
            .next()
            .is_some_and(|name| name.contains("-cert-v0"))
        {
            return Err(BadSshKey::Certificate);
        }
        if line.len() > LONGEST || line.contains(char::is_control) {
            return Err(BadSshKey::NotAKey);
        }
        let mut key = PublicKey::from_openssh(line).map_err(|_| BadSshKey::NotAKey)?;
        accept(&key, shortest_rsa)?;
        let comment = key.comment().to_string();
        key.set_comment("");
        Ok(Self { key, comment })
    }

    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.key)
    }

    /// What stood after the key, as it was written: text of a stranger.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    pub fn as_russh(&self) -> &PublicKey {
        &self.key
    }

    /// Whether `offered` is this key, whatever its comment says.
    pub fn is(&self, offered: &PublicKey) -> bool {
        self.key.key_data() == offered.key_data()
    }
}

/// OpenSSH's one line, without a comment.
impl fmt::Display for SshPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self
            .key
            .to_openssh()
            .expect("a key that was read can be written");
        f.write_str(line.trim_end())
    }
}

impl fmt::Debug for SshPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SshPublicKey")
            .field(&self.fingerprint())
            .finish()
    }
}

/// The one name of a key, whoever offers it.
pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn accept(key: &PublicKey, shortest_rsa: usize) -> Result<(), BadSshKey> {
    match key.key_data() {
        KeyData::Ed25519(_)
        | KeyData::Ecdsa(_)
        | KeyData::SkEd25519(_)
        | KeyData::SkEcdsaSha2NistP256(_) => Ok(()),
        KeyData::Rsa(rsa) => match bits(rsa.n().as_positive_bytes().unwrap_or_default()) {
            bits if bits >= shortest_rsa => Ok(()),
            bits => Err(BadSshKey::ShortRsa {
                bits,
                shortest: shortest_rsa,
            }),
        },
        other => Err(BadSshKey::Algorithm(match other.algorithm() {
            Algorithm::Dsa => "DSA".to_owned(),
            algorithm => algorithm.to_string(),
        })),
    }
}

fn bits(number: &[u8]) -> usize {
    match number.iter().position(|byte| *byte != 0) {
        Some(first) => (number.len() - first) * 8 - number[first].leading_zeros() as usize,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made and named by ssh-keygen.
    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILOX86LQbdcCN6NsebNXgfA/ruPzeGKUTuL6sV3WFF/d";
    const ECDSA_256: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGvPVJkBDP3/OLwV\
        /NEYtBzGakGzr1m4GFd72qZd05vJ77OzjmYa2NUTuBFrKiFcQfss2hXpgzEcM0STWb/qRIg=";
    const ECDSA_521: &str = "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBACrBiPzmZfJHkTP\
        jktvvS2X0Kv0r37r4EsV8slaH28zwjnSxOtQuM1uk+EJ6Mqlb8/G5kFc77N31X/iDGqJMU04RgBN7Xa/G8eqByq9\
        ppyad8cWTtQ4ezmPjToLhRqT3HidnF+bcF2Wq+FJ8VszzFuHWSN8J2/r2Gd6MovmA80oq33afg==";
    const RSA_3072: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQCiBsOKwtsuI3wwTEFBn4MhwmGVx0X4zX1SY+ByrK6fdj/uf6vH\
        ePQ0qQuhWDZ+8HFuXT5tlicMJGDPekCAAthvKdyVSV5QKnnQvQDKISzLeXpwS6kiE26UHxrx2wHm1wSXNghxKsYh\
        kJG9IiPXeC6usirO5FZuZOdp660rH+Gp/0Lm7Qu8Qbbtvxj9bURKm0MUTQpvhlBoePbFDbqnuRh4Mzeptb2GOhEC\
        SEGBNM7Jnb8MfRoexAcX8kq0z0tZIwN0tX2YaPOkCRrlxr4vt04FWzhwcsVCTLCkSmyOdX+V1G6c3B/FznuPPvUt\
        NJxAJZY5EVho1l5sOEFc3/1s0Vfg7wOD5yqUSElF00cNpXDYgaI8FqzCkUyLJplFjMFQwz0SU0nCK0CDobxpo/M8\
        Yv6hbt5gWl/GFpTEbWDOQpjxyUb1z/Ib8qOzvYsHyPdX8W6/A8f8FRJVKkeSc22WRKImK9rVGQhW4HbysI0bYMwr\
        tSJTVfzxkxCiPS3lamAWUO8=";
    const RSA_2048: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCM9PWtrBZoK0IWjS31de1ZFJCcgYQiueBLFRyzG38LzGLfDEQw\
        sumy4yTlVddo//gUZRPHAa1vcFymZDZOXqScwNieYqpLsVJzK9kF51M3dujonlkBzMf2DEQPZdTekt54PPPJDnM1\
        33G7DC8sBRyBRVz37Jst8QhnW+jXf4BLiLp25vgM+jRmITOBGMA6BIwD9nyJyBFs/Y+wIkJE/rm0E99bzN5wUIaN\
        L3+jMNpiJblzGHaJYhv87lqkvZSCOdCIMsS3FFPMtgZ3GGJr29GINpzsaS7yfbndhXCdWVICyb/Rw53BqyYaxP+D\
        P+fv8AQVK4wLl/Vnyga0TU3e/42f";
    const RSA_1024: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC9IWpZRh5oAyR7NirfSprXkELKaKp61RVhRmMCWKnknK4YZLfz\
        caj/+AMJU1+5osjko+DgaSd5q3ahl2AZg410yZFOA+ITjo6lhNq7/BEYqAnRbbhJ0lQTosozrlSEx9bSrI5QRjz8\
        odnpj3nROo7KZzdc9zdMova3lrvfTs/AxQ==";
    const DSA: &str = "ssh-dss AAAAB3NzaC1kc3MAAACBAMlCDyhSo2JDF+2MlPLgLufa2msXRfgKJso5cmwq7A5dwU+NotHVMdc22+1x\
        +JTgbB23zxXMfXcSYnooL5U0cAuDytTMJPAwoFiaxw9vA+F2KZfR0dqCGuk6/L2GiBr0H+9OvzG4Fr2Kr5kivNpx\
        ag5joiHPFnuDC0kp3LzYkVs5AAAAFQDPEor3axRTl+8oe+dbhRQ9340sUQAAAIAmGMTCZk94AKJSComtAxr0o0vj\
        1MpG6F7XIn+vggdqtv6gePP3H6uSQ5RV9B+uwqPO1VORFXKxWxj5HpGU2CstUi9EAtMd7Z8LIKIxeuS+VKb1g6nJ\
        HXoSK602u4E1V8yBYZNXfZzhfsDqpGSj9BV/AH/9+vMcbqYQPxuypNcV6QAAAIASdj2LExK7Gyq0PSewjm9KZKdO\
        iUm5J5wpuT+Tk7ySCu6bTVUZccmcfz4IoFFHJBv0OBa9imTDrkAQdNZC+aGHaK+0U33OWkh/V4PAJiZAt+//mdIC\
        6fx7glp73tOigKE0JfK7GIYrtGlG1au6vhJdMrXOLdiyJu0pPgkEK93KMg==";
    const CERTIFICATE: &str = "ecdsa-sha2-nistp256-cert-v01@openssh.com AAAAKGVjZHNhLXNoYTItbmlzdHAyNTYtY2VydC12MDFAb3B\
        lbnNzaC5jb20AAAAghdZhdgsJXEZRM6cufXOs8/9SGPb/0gqkC7GQRJhBHJYAAAAIbmlzdHAyNTYAAABBBGvPVJk\
        BDP3/OLwV/NEYtBzGakGzr1m4GFd72qZd05vJ77OzjmYa2NUTuBFrKiFcQfss2hXpgzEcM0STWb/qRIgAAAAAAAA\
        AAAAAAAEAAAACaWQAAAAJAAAABWFsaWNlAAAAAAAAAAD//////////wAAAAAAAACCAAAAFXBlcm1pdC1YMTEtZm9\
        yd2FyZGluZwAAAAAAAAAXcGVybWl0LWFnZW50LWZvcndhcmRpbmcAAAAAAAAAFnBlcm1pdC1wb3J0LWZvcndhcmR\
        pbmcAAAAAAAAACnBlcm1pdC1wdHkAAAAAAAAADnBlcm1pdC11c2VyLXJjAAAAAAAAAAAAAAAzAAAAC3NzaC1lZDI\
        1NTE5AAAAILOX86LQbdcCN6NsebNXgfA/ruPzeGKUTuL6sV3WFF/dAAAAUwAAAAtzc2gtZWQyNTUxOQAAAEB1HAV\
        1yAv8j1irxGBAo2PIAaWHWJwS/tLNKqfl1GWCLBtul5TgKNeC0dKNnrlwJcK2ByKHBw1yFaL5xv9sRpUC a comm\
        ent";

    fn person(line: &str) -> Result<SshPublicKey, BadSshKey> {
        SshPublicKey::of_person(line)
    }

    #[test]
    fn a_key_has_the_name_that_ssh_keygen_gives_it() {
        for (line, name) in [
            (
                ED25519,
                "SHA256:LE2OlhDlTPeAZZtU/btVrmdbzQZiwyPITj+Rn5KvE6A",
            ),
            (
                ECDSA_256,
                "SHA256:nahLgIO+LuF2haVoD/9/y37KLkgcubXWOheQL/fXX+U",
            ),
            (
                ECDSA_521,
                "SHA256:dHLVy3k3yvpXt+7nt2CNO/sp21a4wXdrMrI0tayAZ5w",
            ),
            (
                RSA_3072,
                "SHA256:wscZt8cMRZHFzf8khK2poF6sfgE6R/AyFeFx/SMi3Fc",
            ),
        ] {
            assert_eq!(person(line).unwrap().fingerprint(), name);
        }
    }

    #[test]
    fn a_key_is_the_same_with_any_comment() {
        let plain = person(ED25519).unwrap();
        let named = person(&format!("  {ED25519} alice@laptop of hers\n")).unwrap();
        assert_eq!(named.comment(), "alice@laptop of hers");
        assert_eq!(named.to_string(), ED25519);
        assert_eq!(plain.to_string(), ED25519);
        assert!(plain.is(named.as_russh()));
        assert!(!plain.is(person(RSA_3072).unwrap().as_russh()));
    }

    #[test]
    fn weak_keys_are_refused_by_name() {
        let short = |bits, shortest| BadSshKey::ShortRsa { bits, shortest };
        assert_eq!(person(RSA_2048), Err(short(2_048, 3_072)));
        assert_eq!(person(RSA_1024), Err(short(1_024, 3_072)));
        assert!(SshPublicKey::of_target(RSA_2048).is_ok());
        assert_eq!(SshPublicKey::of_target(RSA_1024), Err(short(1_024, 2_048)));
        assert_eq!(person(DSA), Err(BadSshKey::Algorithm("DSA".to_owned())));
    }

    #[test]
    fn what_is_no_public_key_is_refused_with_what_it_is() {
        let two = format!("{ED25519}\n{ECDSA_256}");
        let options = format!("command=\"/bin/sh\" {ED25519}");
        let cut = &ED25519[..60];
        let long = format!("{ED25519} {}", "x".repeat(LONGEST));
        let escape = format!("{ED25519} \u{1b}[31mred");
        for (line, expected) in [
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbg==",
                BadSshKey::Private,
            ),
            (two.as_str(), BadSshKey::Lines),
            (CERTIFICATE, BadSshKey::Certificate),
            (options.as_str(), BadSshKey::NotAKey),
            (cut, BadSshKey::NotAKey),
            (long.as_str(), BadSshKey::NotAKey),
            (escape.as_str(), BadSshKey::NotAKey),
            ("", BadSshKey::NotAKey),
            ("ssh-ed25519", BadSshKey::NotAKey),
            ("ssh-rsa AAAAC3NzaC1lZDI1NTE5", BadSshKey::NotAKey),
        ] {
            assert_eq!(person(line), Err(expected), "{line}");
        }
    }
}
