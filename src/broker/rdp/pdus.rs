//! The PDUs of one frame, one behind the other as clients and servers read them
//! (MS-RDPBCGR 2.2.8.1.1.1.1).
//!
//! INVARIANT: whoever looks at the PDUs of a frame comes by here. What another would find
//! behind one that is skipped here would pass unseen.

use super::bytes::{Result, take, u16_at};

const IS_LICENCE: u16 = 0x0080;
const VERSION: u16 = 0x10;

/// How long it is and of which kind; some have not even a source.
const LEAST: usize = 4;
/// In the place of a length: a word on the flow, which nobody heeds.
const FLOW: u16 = 0x8000;
const FLOW_LENGTH: usize = 8;

/// Takes the next PDU; none where what is left is none, nor leads to one.
///
/// One that says that it is longer than what is left is as long as that.
pub fn next<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = match u16_at(rest, 0).ok()? {
        FLOW => FLOW_LENGTH,
        length => usize::from(length).min(rest.len()),
    };
    match length {
        LEAST.. => take(rest, length).ok(),
        _ => None,
    }
}

/// Whether this is about a licence: that has the header of RDP's own encryption, and says so in
/// it. A PDU has its length there, and its version behind it.
pub fn is_licence(data: &[u8]) -> Result<bool> {
    let (first, second) = (u16_at(data, 0)?, u16_at(data, 2)?);
    Ok(first & IS_LICENCE != 0 && second & 0xfff0 != VERSION)
}

/// The kind of one.
pub fn kind(pdu: &[u8]) -> u16 {
    match u16_at(pdu, 0) {
        // Its kind stands elsewhere, and is none of these.
        Ok(FLOW) => 0,
        _ => u16_at(pdu, 2).unwrap_or(0) & 0x0f,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_is_told_from_a_pdu() {
        for (data, is_one) in [
            (&[0x80, 0, 0, 0, 1][..], true),
            (&[0x80, 2, 0, 0], true),
            (&[0x80, 0, 0x11, 0], false),
            (&[0x40, 0, 0, 0], false),
            (&[0, 0x80, 0, 0x41], false),
        ] {
            assert_eq!(is_licence(data), Ok(is_one), "{data:?}");
        }
        assert!(is_licence(&[0x80, 0, 0]).is_err());
    }

    #[test]
    fn nothing_hides_behind_another() {
        let demand = [10, 0, 0x11, 0, 0xea, 3, 1, 2, 3, 4];
        for before in [
            &[][..],
            &[4, 0, 0x16, 0],
            &[0, 0x80, 0, 0x41, 0, 0, 0xea, 3],
            &[6, 0, 0x17, 0, 0xea, 3],
        ] {
            let bytes = [before, &demand].concat();
            let mut rest = &bytes[..];
            let mut last = None;
            while let Some(pdu) = next(&mut rest) {
                last = Some(pdu);
            }
            assert_eq!(last, Some(&demand[..]), "{before:?}");
            assert_eq!(last.map(kind), Some(1));
        }
        for none in [
            &[0, 0, 0x11, 0][..],
            &[3, 0, 0x11, 0],
            &[8, 0, 0x11],
            &[0, 0x80, 0, 0],
            &[],
        ] {
            let mut rest = none;
            assert_eq!((next(&mut rest), rest), (None, none));
        }
        let longer = [200, 0, 0x13, 0, 7];
        let mut rest = &longer[..];
        assert_eq!(next(&mut rest), Some(&longer[..]));
        assert_eq!(next(&mut rest), None);
    }
}
