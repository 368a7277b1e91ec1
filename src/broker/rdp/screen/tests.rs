//! Frames as targets send them, and what is on the screen after them.

use proptest::prelude::*;

use super::*;
use crate::broker::rdp::mcs::indication;

const IO: u16 = 1003;

fn pdu(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut pdu = ((HEAD + body.len()) as u16).to_le_bytes().to_vec();
    pdu.extend((kind | VERSION).to_le_bytes());
    pdu.extend([0xea, 3]);
    pdu.extend(body);
    pdu
}

/// A target says that its screen is so large.
pub fn demand(width: u16, height: u16) -> Vec<u8> {
    let mut body = vec![0xea, 3, 1, 0, 4, 0, 0, 0];
    body.extend(b"RDP\0");
    body.extend([2, 0, 0, 0]);
    body.extend([1, 0, 4, 0]);
    let mut bitmap = vec![2, 0, 28, 0, 32, 0, 1, 0, 1, 0, 1, 0];
    bitmap.extend(width.to_le_bytes());
    bitmap.extend(height.to_le_bytes());
    bitmap.resize(28, 0);
    body.extend(bitmap);
    indication(1002, IO, &pdu(DEMAND_ACTIVE, &body))
        .unwrap()
        .to_vec()
}

/// A bitmap of one colour, red, green and blue, as an update.
fn bitmap(x: u16, y: u16, width: u16, height: u16, colour: [u8; 3]) -> Vec<u8> {
    let mut data = vec![1, 0, 1, 0];
    for field in [x, y, x + width - 1, y + height - 1, width, height, 24, 0] {
        data.extend(field.to_le_bytes());
    }
    let stride = (usize::from(width) * 3).next_multiple_of(4);
    let mut pixels = vec![0; stride * usize::from(height)];
    for line in pixels.chunks_mut(stride) {
        for pixel in line[..usize::from(width) * 3].chunks_mut(3) {
            pixel.copy_from_slice(&[colour[2], colour[1], colour[0]]);
        }
    }
    data.extend((pixels.len() as u16).to_le_bytes());
    data.extend(pixels);
    data
}

fn short(kind: u8, piece: u8, data: &[u8]) -> Vec<u8> {
    let length = data.len() + 6;
    let mut frame = vec![
        0,
        0x80 | (length >> 8) as u8,
        length as u8,
        kind | piece << 4,
    ];
    frame.extend((data.len() as u16).to_le_bytes());
    frame.extend(data);
    frame
}

fn long(data: &[u8], compression: u8) -> Vec<u8> {
    let mut body = vec![0; 8];
    body.extend([UPDATE, compression, 0, 0]);
    body.extend(data);
    indication(1002, IO, &pdu(DATA, &body)).unwrap().to_vec()
}

fn begun() -> Screen {
    let mut screen = Screen::default();
    screen.see(&demand(100, 80), IO).unwrap();
    screen
}

fn pixel(screen: &mut Screen, x: usize, y: usize) -> [u8; 3] {
    let picture = screen.canvas().unwrap().picture();
    let at = (y * picture.width() + x) * 3;
    picture.pixels()[at..at + 3].try_into().unwrap()
}

#[test]
fn both_forms_paint_the_same_and_only_where_they_should() {
    let colour = [200, 100, 50];
    let update = bitmap(10, 20, 5, 4, colour);
    for frame in [short(BITMAPS, SINGLE, &update), long(&update, 0)] {
        let mut screen = begun();
        screen.see(&frame, IO).unwrap();
        assert_eq!(pixel(&mut screen, 10, 20), colour);
        assert_eq!(pixel(&mut screen, 14, 23), colour);
        assert_eq!(pixel(&mut screen, 15, 23), [0; 3]);
        assert_eq!(pixel(&mut screen, 14, 24), [0; 3]);
        // On another channel it is something else.
        let mut other = begun();
        other.see(&long(&update, 0), IO + 1).unwrap();
        assert_eq!(pixel(&mut other, 10, 20), [0; 3]);
    }
}

#[test]
fn a_bitmap_that_reaches_beyond_the_screen_is_shown_as_far_as_that_goes() {
    let mut screen = begun();
    let frame = short(BITMAPS, SINGLE, &bitmap(98, 78, 8, 8, [1, 2, 3]));
    screen.see(&frame, IO).unwrap();
    assert_eq!(pixel(&mut screen, 99, 79), [1, 2, 3]);
}

#[test]
fn pieces_are_put_together_and_must_fit() {
    let update = bitmap(0, 0, 4, 4, [9, 9, 9]);
    let (first, rest) = update.split_at(7);
    let (next, last) = rest.split_at(9);
    let mut screen = begun();
    for (piece, data) in [(FIRST, first), (3, next), (LAST, last)] {
        screen.see(&short(BITMAPS, piece, data), IO).unwrap();
    }
    assert_eq!(pixel(&mut screen, 3, 3), [9; 3]);
    for wrong in [[LAST, SINGLE], [FIRST, SINGLE], [FIRST, FIRST]] {
        let mut screen = begun();
        let seen = wrong.map(|piece| screen.see(&short(BITMAPS, piece, &update), IO));
        assert!(seen.iter().any(Result::is_err), "{wrong:?}");
    }
}

#[test]
fn what_cannot_be_followed_is_said() {
    let update = bitmap(0, 0, 4, 4, [9, 9, 9]);
    let lost = |frame: &[u8]| begun().see(frame, IO).unwrap_err();
    assert!(matches!(
        lost(&short(ORDERS, SINGLE, &[1, 0])),
        Lost::Orders
    ));
    assert!(matches!(lost(&long(&[0, 0, 0, 0, 1, 0], 0)), Lost::Orders));
    assert!(matches!(
        lost(&long(&update, IS_COMPRESSED)),
        Lost::Compressed
    ));
    assert!(matches!(lost(&short(13, SINGLE, &[])), Lost::Unknown(13)));
    assert!(matches!(lost(&[0x80, 3, 0]), Lost::Compressed));
    let early = Screen::default().see(&short(BITMAPS, SINGLE, &update), IO);
    assert!(matches!(early, Err(Lost::TooEarly)));
    let vast = Screen::default().see(&demand(0xffff, 0xffff), IO);
    assert!(matches!(vast, Err(Lost::Size)));
    let mut codec = vec![1, 0];
    codec.extend([0; 8]);
    codec.extend([32, 0, 0, 1, 1, 0, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
    assert!(matches!(
        lost(&short(SURFACE, SINGLE, &codec)),
        Lost::Bitmap(_)
    ));
}

#[test]
fn a_raw_surface_and_a_palette_are_shown() {
    let mut screen = begun();
    let mut surface = vec![6, 0];
    for field in [2_u16, 3, 4, 5] {
        surface.extend(field.to_le_bytes());
    }
    surface.extend([32, 0, 0, 0, 2, 0, 2, 0, 16, 0, 0, 0]);
    // The lower line first, blue, green, red and nothing.
    surface.extend([[1, 2, 3, 0], [4, 5, 6, 0], [7, 8, 9, 0], [10, 11, 12, 0]].concat());
    surface.extend([4, 0, 1, 0, 0, 0, 0, 0]);
    screen.see(&short(SURFACE, SINGLE, &surface), IO).unwrap();
    assert_eq!(pixel(&mut screen, 2, 4), [3, 2, 1]);
    assert_eq!(pixel(&mut screen, 3, 3), [12, 11, 10]);

    let mut palette = vec![2, 0, 0, 0, 2, 0, 0, 0];
    palette.extend([0, 0, 0, 70, 80, 90]);
    screen.see(&short(PALETTE, SINGLE, &palette), IO).unwrap();
    let mut data = vec![1, 0, 1, 0];
    for field in [0_u16, 0, 0, 0, 1, 1, 8, 0, 4] {
        data.extend(field.to_le_bytes());
    }
    data.extend([1, 0, 0, 0]);
    screen.see(&short(BITMAPS, SINGLE, &data), IO).unwrap();
    assert_eq!(pixel(&mut screen, 0, 0), [70, 80, 90]);
}

#[test]
fn a_screen_that_changes_its_size_begins_anew_and_one_that_does_not_stays() {
    let mut screen = begun();
    let frame = short(BITMAPS, SINGLE, &bitmap(0, 0, 4, 4, [9, 9, 9]));
    screen.see(&frame, IO).unwrap();
    screen.see(&demand(100, 80), IO).unwrap();
    assert_eq!(pixel(&mut screen, 0, 0), [9; 3]);
    screen.see(&demand(120, 90), IO).unwrap();
    assert_eq!(pixel(&mut screen, 0, 0), [0; 3]);
    assert_eq!(screen.canvas().unwrap().picture().width(), 120);
}

proptest! {
    #[test]
    fn nothing_makes_it_stumble(
        kind in 0_u8..16,
        piece in 0_u8..4,
        data in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut screen = begun();
        screen.see(&short(kind, piece, &data), IO).ok();
        screen.see(&long(&data, 0), IO).ok();
        let pdu = indication(1002, IO, &pdu(u16::from(kind), &data)).unwrap();
        screen.see(&pdu, IO).ok();
        screen.see(&data, IO).ok();
    }

    #[test]
    fn a_bitmap_of_noise_in_any_form_is_shown_or_refused(
        depth in prop_oneof![Just(8_u16), Just(15), Just(16), Just(24), Just(32)],
        flags in prop_oneof![Just(0_u16), Just(1), Just(0x401)],
        sides in (0_u16..70, 0_u16..70),
        noise in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut data = vec![1, 0, 1, 0];
        for field in [5, 5, 5 + sides.0, 5 + sides.1, sides.0, sides.1, depth, flags] {
            data.extend(field.to_le_bytes());
        }
        data.extend((noise.len() as u16).to_le_bytes());
        data.extend(&noise);
        begun().see(&short(BITMAPS, SINGLE, &data), IO).ok();
    }
}
