//! What a target shows, from anywhere: it cannot be followed, or there is a picture; the same
//! one if an update comes in pieces or in the long form, and the one that a player shows.
#![no_main]

use doorward::{
    broker::rdp::parts::{Screen, indication},
    recording::{Camera, Film, Kind, Shot},
};
use libfuzzer_sys::fuzz_target;

const IO: u16 = 1003;
const BITMAPS: u8 = 1;
const PALETTE: u8 = 2;
const FIRST: u8 = 2;
const NEXT: u8 = 3;
const LAST: u8 = 1;

// Frames, each behind its kind and its length: as it comes, or an update of a kind. Targets
// never show more than some screens at once, so nor does this.
fuzz_target!(|input: &[u8]| {
    let (mut single, mut pieces, mut long) = (begun(), begun(), begun());
    let (mut camera, mut film) = (Camera::default(), Film::new(1, 1).expect("a size"));
    let mut rest = input;
    // The long form knows fewer kinds.
    let mut is_long = true;
    while let [kind, high, low, ref more @ ..] = *rest {
        let length = usize::from(u16::from_be_bytes([high, low])).min(more.len());
        let (data, behind) = more.split_at(length);
        rest = behind;
        let (seen, pieced) = if kind >= 0x10 {
            (single.see(data, IO), pieces.see(data, IO))
        } else {
            let Some(whole) = short(kind, 0, data) else { return };
            let cut = usize::from(low) % (data.len() + 1);
            let (first, more) = data.split_at(cut);
            let (next, last) = more.split_at(more.len() / 2);
            let parts = [(FIRST, first), (NEXT, next), (LAST, last)];
            let pieced = parts.iter().try_for_each(|(piece, data)| {
                let frame = short(kind, *piece, data).expect("it is shorter");
                pieces.see(&frame, IO)
            });
            (single.see(&whole, IO), pieced)
        };
        assert_eq!(seen.is_ok(), pieced.is_ok(), "in pieces as in one");
        is_long &= [BITMAPS, PALETTE].contains(&kind) && data.starts_with(&[kind, 0]);
        if is_long {
            let Ok(frame) = indication(1002, IO, &update(data)) else { return };
            assert_eq!(long.see(&frame, IO).is_ok(), seen.is_ok(), "long as short");
            assert!(show_the_same(&mut long, &mut single), "long as short");
        }
        assert!(show_the_same(&mut pieces, &mut single), "in pieces as in one");
        let canvas = single.canvas().expect("it has begun");
        for shot in camera.look(canvas).expect("memory takes it") {
            film.take(&kind_of(shot)).expect("what is written is read");
        }
        assert!(film.picture().pixels() == canvas.picture().pixels(), "a player shows it");
        if seen.is_err() {
            return;
        }
    }
});

fn kind_of(shot: Shot) -> Kind {
    let side = |side: usize| u32::try_from(side).expect("a screen");
    match shot {
        Shot::Size { width, height } => Kind::Resize { width: side(width), height: side(height) },
        Shot::Key(tiles) => Kind::Key(tiles),
        Shot::Tiles(tiles) => Kind::Tiles(tiles),
    }
}

fn show_the_same(one: &mut Screen, other: &mut Screen) -> bool {
    let one = one.canvas().expect("it has begun").picture();
    let other = other.canvas().expect("it has begun").picture();
    one.pixels() == other.pixels()
}

/// A screen of 100 by 80.
fn begun() -> Screen {
    let mut demand = vec![0, 0, 0x11, 0, 0xea, 3, 0xea, 3, 1, 0, 4, 0, 0, 0];
    demand.extend(b"RDP\0");
    demand.extend([1, 0, 0, 0]);
    demand.extend([2, 0, 28, 0, 32, 0, 1, 0, 1, 0, 1, 0, 100, 0, 80, 0]);
    demand.extend([0; 12]);
    demand[0] = u8::try_from(demand.len()).expect("it is short");
    let frame = indication(1002, IO, &demand).expect("it is short");
    let mut screen = Screen::default();
    screen.see(&frame, IO).expect("a screen");
    screen
}

/// An update in the short form; none if it is too long.
fn short(kind: u8, piece: u8, data: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(data.len() + 6).ok().filter(|length| *length < 0x8000)?;
    let mut frame = vec![0];
    frame.extend((length | 0x8000).to_be_bytes());
    frame.push(kind | piece << 4);
    frame.extend(u16::try_from(data.len()).ok()?.to_le_bytes());
    frame.extend(data);
    Some(frame)
}

/// The same in the long form.
fn update(data: &[u8]) -> Vec<u8> {
    let mut pdu = vec![0, 0, 0x17, 0, 0xea, 3];
    pdu.extend([0; 8]);
    pdu.extend([2, 0, 0, 0]);
    pdu.extend(data);
    let length = u16::try_from(pdu.len()).unwrap_or(u16::MAX);
    pdu[..2].copy_from_slice(&length.to_le_bytes());
    pdu
}
