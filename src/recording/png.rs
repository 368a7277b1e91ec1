//! A picture as a PNG file (RFC 2083): eight bits a colour, no palette, no alpha.

use std::io::{self, Write as _};

use flate2::{Compression, Crc, write::ZlibEncoder};

use super::picture::{PIXEL, Picture};

const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
/// Eight bits, red green blue, and the only compression, filtering and order there are here.
const FORM: [u8; 5] = [8, 2, 0, 0, 0];
/// In front of each line: it is written as it is. Screens are flat, which deflate sees by itself.
const UNFILTERED: u8 = 0;

/// Never fails but for want of memory.
pub fn png(picture: &Picture) -> io::Result<Vec<u8>> {
    let side = |side: usize| {
        u32::try_from(side)
            .expect("a side is bounded")
            .to_be_bytes()
    };
    let head = [&side(picture.width())[..], &side(picture.height()), &FORM].concat();
    let mut pressed = ZlibEncoder::new(Vec::new(), Compression::new(5));
    for line in picture.pixels().chunks(picture.width() * PIXEL) {
        pressed.write_all(&[UNFILTERED])?;
        pressed.write_all(line)?;
    }
    let mut file = SIGNATURE.to_vec();
    chunk(*b"IHDR", &head, &mut file)?;
    chunk(*b"IDAT", &pressed.finish()?, &mut file)?;
    chunk(*b"IEND", &[], &mut file)?;
    Ok(file)
}

fn chunk(kind: [u8; 4], data: &[u8], into: &mut Vec<u8>) -> io::Result<()> {
    let length = u32::try_from(data.len()).map_err(io::Error::other)?;
    into.extend(length.to_be_bytes());
    into.extend(kind);
    into.extend(data);
    let mut sum = Crc::new();
    sum.update(&kind);
    sum.update(data);
    into.extend(sum.sum().to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::ZlibDecoder;

    use super::*;
    use crate::recording::picture::{Area, Canvas};

    #[test]
    fn a_file_holds_the_lines_of_the_picture_and_its_sums_are_right() {
        let mut canvas = Canvas::new(Picture::new(3, 2).unwrap());
        let area = Area {
            x: 1,
            y: 0,
            width: 2,
            height: 2,
        };
        canvas.paint(area, |line, out| out.fill(line as u8 + 1));
        let file = png(canvas.picture()).unwrap();
        assert_eq!(file[..8], SIGNATURE);
        let mut rest = &file[8..];
        let mut kinds = Vec::new();
        while let Some((length, behind)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            let (covered, behind) = behind.split_at(4 + length);
            let mut sum = Crc::new();
            sum.update(covered);
            let (said, behind) = behind.split_first_chunk::<4>().unwrap();
            assert_eq!(u32::from_be_bytes(*said), sum.sum());
            let (kind, data) = covered.split_at(4);
            match kind {
                b"IHDR" => assert_eq!(data, [0, 0, 0, 3, 0, 0, 0, 2, 8, 2, 0, 0, 0]),
                b"IDAT" => {
                    let mut lines = Vec::new();
                    ZlibDecoder::new(data).read_to_end(&mut lines).unwrap();
                    let expected = [
                        [&[0, 0, 0, 0][..], &[1; 6]].concat(),
                        [&[0, 0, 0, 0][..], &[2; 6]].concat(),
                    ];
                    assert_eq!(lines, expected.concat());
                }
                _ => assert!(data.is_empty()),
            }
            kinds.push(kind.to_vec());
            rest = behind;
        }
        assert_eq!(kinds, [b"IHDR", b"IDAT", b"IEND"]);
    }
}
