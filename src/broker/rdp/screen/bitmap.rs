//! Bitmaps as RDP has always sent them (MS-RDPBCGR 2.2.9.1.1.3.1.2): raw, run length encoded,
//! or with 32 bits a pixel in planes. The lines come from the bottom upwards.

use ironrdp_graphics::{rdp6::BitmapStreamDecoder, rle};

use super::{
    super::bytes::{Short, take, take_u16, u16_at},
    Lost, Result,
};
use crate::recording::{Area, Canvas, PIXEL};

const COMPRESSED: u16 = 0x0001;
const NO_HEADER: u16 = 0x0400;
const HEADER: usize = 8;

/// No server sends larger ones; decoders make room for what they are told.
const LONGEST_SIDE: usize = 8_192;
const MOST_PIXELS: usize = 16 * 1024 * 1024;

const COLOURS: usize = 256;

pub struct Bitmaps {
    planes: BitmapStreamDecoder,
    palette: [[u8; PIXEL]; COLOURS],
    decoded: Vec<u8>,
}

impl Default for Bitmaps {
    fn default() -> Self {
        Self {
            planes: BitmapStreamDecoder::default(),
            palette: [[0; PIXEL]; COLOURS],
            decoded: Vec::new(),
        }
    }
}

/// How the bytes of a pixel are read, the lines being `stride` apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Rgb24,
    Bgr24,
    Bgrx,
    Bits16,
    Bits15,
    Palette,
}

impl Form {
    fn of(depth: u16) -> Result<Self> {
        match depth {
            8 => Ok(Self::Palette),
            15 => Ok(Self::Bits15),
            16 => Ok(Self::Bits16),
            24 => Ok(Self::Bgr24),
            32 => Ok(Self::Bgrx),
            other => Err(Lost::Bitmap(format!("it has {other} bits a pixel"))),
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Palette => 1,
            Self::Bits15 | Self::Bits16 => 2,
            Self::Rgb24 | Self::Bgr24 => 3,
            Self::Bgrx => 4,
        }
    }
}

impl Bitmaps {
    /// Shows the bitmaps of one update; `data` begins with their number.
    pub fn show(&mut self, mut data: &[u8], canvas: &mut Canvas) -> Result<()> {
        for _ in 0..take_u16(&mut data)? {
            self.one(&mut data, canvas)?;
        }
        Ok(())
    }

    /// Takes the colours that numbers stand for; two empty bytes come first.
    pub fn palette(&mut self, data: &[u8]) -> Result<()> {
        let colours = data.get(6..).ok_or(Short)?;
        let count = usize::from(u16_at(data, 2)?).min(COLOURS);
        for (entry, colour) in self
            .palette
            .iter_mut()
            .zip(colours.chunks_exact(PIXEL))
            .take(count)
        {
            entry.copy_from_slice(colour);
        }
        Ok(())
    }

    fn one(&mut self, data: &mut &[u8], canvas: &mut Canvas) -> Result<()> {
        let mut field = || take_u16(data).map(usize::from);
        let (left, top, right, bottom) = (field()?, field()?, field()?, field()?);
        let (width, height) = (field()?, field()?);
        let depth = take_u16(data)?;
        let flags = take_u16(data)?;
        let length = usize::from(take_u16(data)?);
        let mut bitmap = take(data, length)?;
        let size = Size::of(width, height)?;
        let area = Area {
            x: left,
            y: top,
            width: (right + 1).saturating_sub(left).min(width),
            height: (bottom + 1).saturating_sub(top).min(height),
        };
        if flags & COMPRESSED == 0 {
            return self.raw(bitmap, depth, size, area, canvas);
        }
        if flags & NO_HEADER == 0 && depth != 32 {
            take(&mut bitmap, HEADER)?;
        }
        self.decoded.clear();
        let form = if depth == 32 {
            let planes = &mut self.planes;
            planes
                .decode_bitmap_stream_to_rgb24(bitmap, &mut self.decoded, size.width, size.height)
                .map_err(|error| Lost::Bitmap(error.to_string()))?;
            Form::Rgb24
        } else {
            rle::decompress(
                bitmap,
                &mut self.decoded,
                size.width,
                size.height,
                depth.into(),
            )
            .map_err(|error| Lost::Bitmap(error.to_string()))?;
            Form::of(depth)?
        };
        let stride = size.width * form.bytes();
        draw(
            &self.decoded,
            stride,
            form,
            &self.palette,
            size,
            area,
            canvas,
        )
    }

    /// One that is not compressed: of `size`, shown as far as `area` goes.
    pub fn raw(
        &self,
        bitmap: &[u8],
        depth: u16,
        size: Size,
        area: Area,
        canvas: &mut Canvas,
    ) -> Result<()> {
        let form = Form::of(depth)?;
        // Each line ends at a multiple of four bytes.
        let stride = (size.width * form.bytes()).next_multiple_of(4);
        draw(bitmap, stride, form, &self.palette, size, area, canvas)
    }
}

/// How large a bitmap says it is, within bounds.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub width: usize,
    pub height: usize,
}

impl Size {
    pub fn of(width: usize, height: usize) -> Result<Self> {
        let sides = 1..=LONGEST_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) || width * height > MOST_PIXELS {
            return Err(Lost::Bitmap(format!("it is {width}×{height}")));
        }
        Ok(Self { width, height })
    }
}

fn draw(
    bytes: &[u8],
    stride: usize,
    form: Form,
    palette: &[[u8; PIXEL]; COLOURS],
    size: Size,
    area: Area,
    canvas: &mut Canvas,
) -> Result<()> {
    // The last line may lack what only fills it up.
    if bytes.len() < stride * (size.height - 1) + size.width * form.bytes() {
        return Err(Short.into());
    }
    canvas.paint(area, |line, pixels| {
        let line = &bytes[(size.height - 1 - line) * stride..];
        let out = pixels.chunks_exact_mut(PIXEL);
        match form {
            Form::Rgb24 => {
                let length = pixels.len();
                pixels.copy_from_slice(&line[..length]);
            }
            Form::Bgr24 => {
                for (out, from) in out.zip(line.chunks_exact(3)) {
                    out.copy_from_slice(&[from[2], from[1], from[0]]);
                }
            }
            Form::Bgrx => {
                for (out, from) in out.zip(line.chunks_exact(4)) {
                    out.copy_from_slice(&[from[2], from[1], from[0]]);
                }
            }
            Form::Bits16 => {
                for (out, from) in out.zip(line.chunks_exact(2)) {
                    let value = u16::from_le_bytes([from[0], from[1]]);
                    out.copy_from_slice(&[
                        widen(value >> 11, 5),
                        widen(value >> 5, 6),
                        widen(value, 5),
                    ]);
                }
            }
            Form::Bits15 => {
                for (out, from) in out.zip(line.chunks_exact(2)) {
                    let value = u16::from_le_bytes([from[0], from[1]]);
                    out.copy_from_slice(&[
                        widen(value >> 10, 5),
                        widen(value >> 5, 5),
                        widen(value, 5),
                    ]);
                }
            }
            Form::Palette => {
                for (out, from) in out.zip(line) {
                    out.copy_from_slice(&palette[usize::from(*from)]);
                }
            }
        }
    });
    Ok(())
}

/// The lowest bits of a value as one of eight: the brightest stays the brightest.
fn widen(value: u16, bits: u16) -> u8 {
    let most = (1 << bits) - 1;
    ((value & most) * 255 / most) as u8
}
