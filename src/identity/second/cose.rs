//! The public key of an authenticator: a COSE key in the one form that CTAP2 lets them write.
//!
//! Pure. Whole numbers and byte strings in one map, each in its shortest form; an algorithm
//! that is not known here, or a map with anything else in it, is none. RFC 9052, RFC 9053.

/// A key of one of the three kinds that are asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PublicKey {
    /// Uncompressed, as X9.62 has it.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

/// What browsers are told: ES256, EdDSA and RS256, as IANA numbers them.
pub const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];

const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

const MOST_ENTRIES: usize = 8;
/// The modulus of 8192 bits.
const LONGEST_BYTES: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value<'a> {
    Number(i64),
    Bytes(&'a [u8]),
}

/// The key, and how many bytes it took.
pub(super) fn read(bytes: &[u8]) -> Option<(PublicKey, usize)> {
    let mut reader = Reader { rest: bytes };
    let entries = match reader.head()? {
        (5, count) => usize::try_from(count).ok()?,
        _ => return None,
    };
    if entries > MOST_ENTRIES {
        return None;
    }
    let mut map: Vec<(i64, Value<'_>)> = Vec::with_capacity(entries);
    for _ in 0..entries {
        let Value::Number(label) = reader.value()? else {
            return None;
        };
        let value = reader.value()?;
        if map.iter().any(|(known, _)| *known == label) {
            return None;
        }
        map.push((label, value));
    }
    let number = |label| {
        map.iter().find_map(|entry| match entry {
            (known, Value::Number(number)) if *known == label => Some(*number),
            _ => None,
        })
    };
    let text = |label| {
        map.iter().find_map(|entry| match entry {
            (known, Value::Bytes(bytes)) if *known == label => Some(*bytes),
            _ => None,
        })
    };
    let sized = |label| text(label).filter(|bytes| bytes.len() == 32);
    let key = match (number(1)?, number(3)?, number(-1)) {
        (2, ES256, Some(1)) => PublicKey::P256([&[4], sized(-2)?, sized(-3)?].concat()),
        (1, EDDSA, Some(6)) => PublicKey::Ed25519(sized(-2)?.to_vec()),
        (3, RS256, None) => PublicKey::Rsa {
            n: text(-1)?.to_vec(),
            e: text(-2)?.to_vec(),
        },
        _ => return None,
    };
    Some((key, bytes.len() - reader.rest.len()))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Option<Value<'a>> {
        match self.head()? {
            (0, number) => i64::try_from(number).ok().map(Value::Number),
            (1, number) => Some(Value::Number(-1 - i64::try_from(number).ok()?)),
            (2, length) => {
                let length = usize::try_from(length).ok()?;
                if length > LONGEST_BYTES {
                    return None;
                }
                let (bytes, rest) = self.rest.split_at_checked(length)?;
                self.rest = rest;
                Some(Value::Bytes(bytes))
            }
            _ => None,
        }
    }

    /// The kind of the next item, and its number: itself, its length or its count.
    fn head(&mut self) -> Option<(u8, u64)> {
        let (first, rest) = self.rest.split_first()?;
        let (kind, short) = (first >> 5, first & 0x1f);
        let (number, rest, least) = match short {
            0..=23 => (u64::from(short), rest, 0),
            24 => {
                let (byte, rest) = rest.split_first()?;
                (u64::from(*byte), rest, 24)
            }
            25 => {
                let (bytes, rest) = rest.split_first_chunk::<2>()?;
                (u64::from(u16::from_be_bytes(*bytes)), rest, 1 << 8)
            }
            26 => {
                let (bytes, rest) = rest.split_first_chunk::<4>()?;
                (u64::from(u32::from_be_bytes(*bytes)), rest, 1 << 16)
            }
            _ => return None,
        };
        self.rest = rest;
        // One way to write each number.
        (number >= least).then_some((kind, number))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn p256() -> Vec<u8> {
        let head: [u8; 10] = [0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20];
        [&head[..], &[7; 32], &[0x22, 0x58, 0x20], &[9; 32]].concat()
    }

    #[test]
    fn each_kind_reads_and_says_how_long_it_was() {
        let mut bytes = p256();
        let expected = [&[4][..], &[7; 32], &[9; 32]].concat();
        let length = bytes.len();
        bytes.extend([1, 2, 3]);
        assert_eq!(read(&bytes), Some((PublicKey::P256(expected), length)));

        let head: [u8; 10] = [0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 0x20];
        let ed25519 = [&head[..], &[5; 32]].concat();
        assert_eq!(
            read(&ed25519),
            Some((PublicKey::Ed25519(vec![5; 32]), ed25519.len()))
        );

        let head: [u8; 11] = [0xa4, 1, 3, 3, 0x39, 1, 0, 0x20, 0x59, 1, 0];
        let rsa = [&head[..], &[3; 256], &[0x21, 0x43, 1, 0, 1]].concat();
        let expected = PublicKey::Rsa {
            n: vec![3; 256],
            e: vec![1, 0, 1],
        };
        assert_eq!(read(&rsa), Some((expected, rsa.len())));
    }

    #[test]
    fn what_is_unknown_is_none() {
        let whole = p256();
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), None, "{length}");
        }
        for (at, byte) in [
            (0, 0xa6), // one more than there are
            (0, 0x85), // a list
            (2, 3),    // another kind of key
            (4, 0x25), // another algorithm
            (6, 2),    // another curve
            (5, 3),    // a label twice
            (8, 0x78), // a text
            (9, 0x1f), // a shorter number
        ] {
            let mut changed = whole.clone();
            changed[at] = byte;
            assert_eq!(read(&changed), None, "{at} {byte:#x}");
        }
        // The same number, longer than it must be.
        let long = [&[0xa5, 1, 0x18, 2], &whole[3..]].concat();
        assert_eq!(read(&long), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some((_, length)) = read(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
