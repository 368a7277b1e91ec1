//! What a client says it can (MS-RDPBCGR 2.2.1.13.2), as the target is to see it.
//!
//! Takes back what would lead past the gateway, and of a session that is recorded all that
//! the recorder does not follow. What stays is copied byte for byte.

use super::bytes::{Result, Short, put, take, take_u8, u16_at};

/// Lengths and numbers before the name, and before the sets.
const HEAD: usize = 16;
const TOTAL: usize = 0;
const NAME_LENGTH: usize = 12;
const SETS_LENGTH: usize = 14;

const GENERAL: u16 = 1;
const EXTRA_FLAGS: usize = 14;
const AUTO_RECONNECT: u16 = 0x0008;
const VIRTUAL_CHANNELS: u16 = 0x14;

const ORDER: u16 = 3;
const ORDER_FLAGS: usize = 34;
const ORDER_SUPPORT: usize = 36;
const ORDER_SUPPORT_LENGTH: usize = 32;
const ORDER_EXTRA_FLAGS: usize = 70;
/// A client must say these two, and of each order by itself whether it knows it.
const NO_ORDERS: u16 = 0x0002 | 0x0008;

/// What refers to something that was sent before: the recorder keeps nothing but the screen.
const CACHES: [u16; 7] = [
    0x04, // bitmaps
    0x10, // glyphs
    0x11, // parts of the screen that are not seen
    0x12, // bitmaps, as the server has them
    0x13, // bitmaps, revision 2
    0x15, // pictures in nine parts
    0x16, // GDI+
];

const CODECS: u16 = 0x1d;
const GUID: usize = 16;
const REMOTE_FX: [u8; GUID] = [
    0x12, 0x2f, 0x77, 0x76, 0x72, 0xbd, 0x63, 0x44, 0xaf, 0xb3, 0xb7, 0x3c, 0x9c, 0x6f, 0x78, 0x86,
];

/// Whether somebody follows what the target shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    Recorded,
    Unrecorded,
}

/// A client's answer, a whole PDU, without what it may not say.
pub fn for_target(confirm: &[u8], watched: Watched) -> Result<Vec<u8>> {
    let name = usize::from(u16_at(confirm, NAME_LENGTH)?);
    let mut rest = confirm;
    let mut out = take(&mut rest, HEAD + name)?.to_vec();
    let count = u16_at(take(&mut rest, 4)?, 0)?;
    let counted = out.len();
    out.extend([0; 4]);
    let mut kept: u16 = 0;
    for _ in 0..count {
        let (kind, length) = (u16_at(rest, 0)?, usize::from(u16_at(rest, 2)?));
        if length < 4 {
            return Err(Short);
        }
        let mut set = take(&mut rest, length)?.to_vec();
        match kind {
            GENERAL if length >= EXTRA_FLAGS + 2 => {
                let flags = u16_at(&set, EXTRA_FLAGS)? & !AUTO_RECONNECT;
                put(&mut set, EXTRA_FLAGS, &flags.to_le_bytes())?;
            }
            VIRTUAL_CHANNELS if length >= 8 => put(&mut set, 4, &[0; 4])?,
            _ => {}
        }
        if watched == Watched::Recorded {
            match kind {
                kind if CACHES.contains(&kind) => continue,
                ORDER => {
                    put(&mut set, ORDER_FLAGS, &NO_ORDERS.to_le_bytes())?;
                    put(&mut set, ORDER_SUPPORT, &[0; ORDER_SUPPORT_LENGTH])?;
                    put(&mut set, ORDER_EXTRA_FLAGS, &[0; 2])?;
                }
                CODECS => set = remote_fx_alone(&set)?,
                _ => {}
            }
        }
        kept += 1;
        out.extend(set);
    }
    put(&mut out, counted, &kept.to_le_bytes())?;
    let sets = u16::try_from(out.len() - counted).map_err(|_| Short)?;
    put(&mut out, SETS_LENGTH, &sets.to_le_bytes())?;
    // What stands behind the sets belongs to nobody; it stays.
    out.extend(rest);
    let total = u16::try_from(out.len()).map_err(|_| Short)?;
    put(&mut out, TOTAL, &total.to_le_bytes())?;
    Ok(out)
}

/// Of the codecs that can be agreed the one that the recorder knows, by the number that
/// everybody gives it.
fn remote_fx_alone(set: &[u8]) -> Result<Vec<u8>> {
    let mut rest = set.get(4..).ok_or(Short)?;
    let mut codecs = Vec::new();
    let mut kept = 0;
    for _ in 0..take_u8(&mut rest)? {
        let entry = rest;
        let guid = take(&mut rest, GUID)?;
        let number = take_u8(&mut rest)?;
        let length = usize::from(u16_at(take(&mut rest, 2)?, 0)?);
        take(&mut rest, length)?;
        if guid == REMOTE_FX && number == super::screen::REMOTE_FX {
            codecs.extend_from_slice(&entry[..GUID + 3 + length]);
            kept += 1;
        }
    }
    let mut out = set[..2].to_vec();
    let length = u16::try_from(codecs.len() + 5).map_err(|_| Short)?;
    out.extend(length.to_le_bytes());
    out.push(kept);
    out.extend(codecs);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut set = kind.to_le_bytes().to_vec();
        set.extend((body.len() as u16 + 4).to_le_bytes());
        set.extend(body);
        set
    }

    fn confirm(sets: &[Vec<u8>]) -> Vec<u8> {
        let mut confirm = vec![0, 0, 0x13, 0, 0, 0, 0, 0, 0, 0, 0xea, 3, 2, 0, 0, 0];
        confirm.extend(b"x\0");
        confirm.extend((sets.len() as u16).to_le_bytes());
        confirm.extend([0; 2]);
        confirm.extend(sets.concat());
        let total = (confirm.len() as u16).to_le_bytes();
        let length = (confirm.len() as u16 - 18).to_le_bytes();
        confirm[..2].copy_from_slice(&total);
        confirm[SETS_LENGTH..][..2].copy_from_slice(&length);
        confirm
    }

    fn codec(guid: [u8; GUID], number: u8) -> Vec<u8> {
        let mut entry = guid.to_vec();
        entry.push(number);
        entry.extend([3, 0, 7, 7, 7]);
        entry
    }

    fn everything() -> Vec<Vec<u8>> {
        let mut general = [0; 20];
        general[EXTRA_FLAGS - 4] = 0x0d;
        let codecs = [
            vec![3],
            codec([1; GUID], 1),
            codec(REMOTE_FX, 3),
            codec(REMOTE_FX, 9),
        ]
        .concat();
        vec![
            set(GENERAL, &general),
            set(VIRTUAL_CHANNELS, &[3, 0, 0, 0, 1, 2, 3, 4]),
            set(ORDER, &[0xff; 84]),
            set(0x13, &[1; 36]),
            set(0x1a, &[0, 0, 4, 0]),
            set(CODECS, &codecs),
        ]
    }

    #[test]
    fn what_leads_past_the_gateway_is_taken_back_and_nothing_else() {
        let mut sets = everything();
        let frame = confirm(&sets);
        sets[0][EXTRA_FLAGS] = 0x05;
        sets[1][4..8].fill(0);
        assert_eq!(for_target(&frame, Watched::Unrecorded), Ok(confirm(&sets)));
    }

    #[test]
    fn what_is_recorded_comes_as_bitmaps_or_remote_fx() {
        let mut sets = everything();
        let frame = confirm(&sets);
        sets[0][EXTRA_FLAGS] = 0x05;
        sets[1][4..8].fill(0);
        sets[2][ORDER_FLAGS..ORDER_SUPPORT].copy_from_slice(&[0x0a, 0]);
        sets[2][ORDER_SUPPORT..][..ORDER_SUPPORT_LENGTH].fill(0);
        sets[2][ORDER_EXTRA_FLAGS..][..2].fill(0);
        sets[5] = set(CODECS, &[vec![1], codec(REMOTE_FX, 3)].concat());
        sets.remove(3);
        assert_eq!(for_target(&frame, Watched::Recorded), Ok(confirm(&sets)));
    }

    #[test]
    fn an_answer_that_is_cut_off_anywhere_is_refused() {
        let frame = confirm(&everything());
        for end in 0..frame.len() {
            for watched in [Watched::Recorded, Watched::Unrecorded] {
                assert_eq!(for_target(&frame[..end], watched), Err(Short), "{end}");
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_stumble(at in 0_usize..400, byte in any::<u8>()) {
            let mut frame = confirm(&everything());
            let at = at % frame.len();
            frame[at] = byte;
            for_target(&frame, Watched::Recorded).ok();
        }
    }
}
