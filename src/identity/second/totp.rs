//! Codes of authenticator apps: RFC 6238 with what every app knows, SHA-1, six digits, 30 s.
//!
//! Pure: the seed and the time are given. Whether a code was used before is the store's to say.

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign},
};
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use crate::model::time::Timestamp;

const STEP_MS: i64 = 30_000;
pub(super) const DIGITS: usize = 6;

/// Clocks of phones are off by less than this many steps.
const WINDOW: i64 = 1;

/// The step whose code was typed, the newest that fits; none if it is no code of now.
pub(super) fn step(seed: &[u8], typed: &str, now: Timestamp) -> Option<i64> {
    let current = now.millis().div_euclid(STEP_MS);
    let fits = |step: &i64| {
        let code = code(seed, *step);
        verify_slices_are_equal(code.as_bytes(), typed.as_bytes()).is_ok()
    };
    // All are compared, so that the time does not tell which one it was.
    let fitting: Vec<i64> = (current - WINDOW..=current + WINDOW).filter(fits).collect();
    fitting.into_iter().max()
}

/// RFC 4226, section 5.3.
pub(super) fn code(seed: &[u8], step: i64) -> Zeroizing<String> {
    let key = Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, seed);
    let tag = sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[tag.len() - 1] & 0xf);
    let four = [
        tag[offset] & 0x7f,
        tag[offset + 1],
        tag[offset + 2],
        tag[offset + 3],
    ];
    let number = u32::from_be_bytes(four) % 10_u32.pow(DIGITS as u32);
    Zeroizing::new(format!("{number:0width$}", width = DIGITS))
}

/// What an app is given: by hand, and in a picture.
pub(super) fn spelled(seed: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(BASE32_NOPAD.encode(seed))
}

/// <https://github.com/google/google-authenticator/wiki/Key-Uri-Format>
pub(super) fn uri(secret: &str, gateway: &str, user: &str) -> Zeroizing<String> {
    let encoded = |text: &str| -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        text.bytes()
            .map(|byte| match plain(byte) {
                true => char::from(byte).to_string(),
                false => format!("%{byte:02X}"),
            })
            .collect()
    };
    let issuer = encoded(&format!("Doorward {gateway}"));
    let user = encoded(user);
    Zeroizing::new(format!(
        "otpauth://totp/{issuer}:{user}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={}",
        STEP_MS / 1000
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// RFC 6238, appendix B; the last six of its eight digits.
    #[test]
    fn the_codes_are_those_of_the_rfc() {
        for (seconds, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(*code(SEED, seconds / 30), expected, "{seconds}");
            assert_eq!(step(SEED, expected, at(seconds)), Some(seconds / 30));
        }
    }

    #[test]
    fn a_code_is_good_for_one_step_before_and_after_its_own() {
        let code = code(SEED, 100);
        for (seconds, expected) in [
            (98 * 30 + 29, None),
            (99 * 30, Some(100)),
            (100 * 30, Some(100)),
            (101 * 30 + 29, Some(100)),
            (102 * 30, None),
        ] {
            assert_eq!(step(SEED, &code, at(seconds)), expected, "{seconds}");
        }
        for wrong in ["", "0", "1234567", "      ", "28708२"] {
            assert_eq!(step(SEED, wrong, at(3000)), None, "{wrong}");
        }
    }

    #[test]
    fn an_app_reads_it() {
        let secret = spelled(SEED);
        assert_eq!(*secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let uri = uri(&secret, "door.example.org", "a+b@example.org");
        assert_eq!(
            *uri,
            format!(
                "otpauth://totp/Doorward%20door.example.org:a%2Bb%40example.org?secret={}&\
                 issuer=Doorward%20door.example.org&algorithm=SHA1&digits=6&period=30",
                *secret
            )
        );
    }
}
