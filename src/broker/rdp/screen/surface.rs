//! Commands for the screen's surface (MS-RDPBCGR 2.2.9.2): raw bitmaps, and RemoteFX.

use ironrdp_graphics::rfx::{MessageDecoder, TILE_SIZE, TileDecoder};

use super::{
    super::bytes::{take, take_u8, take_u16, take_u32},
    Lost, Result,
    bitmap::{Bitmaps, Size},
};
use crate::recording::{Area, Canvas, PIXEL};

const SET_BITS: u16 = 1;
const FRAME_MARKER: u16 = 4;
const STREAM_BITS: u16 = 6;

/// There is one more header, which tells of nothing that is needed.
const HAS_HEADER: u8 = 1;
const HEADER: usize = 24;

const RAW: u8 = 0;
/// As `capabilities.rs` leaves it to be agreed.
pub const REMOTE_FX: u8 = 3;

const TILE: usize = TILE_SIZE as usize;

#[derive(Default)]
pub struct Surfaces {
    messages: MessageDecoder,
    /// Made when the first tile comes: most targets send none.
    tiles: Option<Box<TileDecoder>>,
    bitmaps: Bitmaps,
}

impl Surfaces {
    pub fn show(&mut self, mut data: &[u8], canvas: &mut Canvas) -> Result<()> {
        while !data.is_empty() {
            match take_u16(&mut data)? {
                SET_BITS | STREAM_BITS => self.bits(&mut data, canvas)?,
                FRAME_MARKER => {
                    take(&mut data, 6)?;
                }
                other => return Err(Lost::Unknown(other.to_le_bytes()[0])),
            }
        }
        Ok(())
    }

    fn bits(&mut self, data: &mut &[u8], canvas: &mut Canvas) -> Result<()> {
        let mut field = || take_u16(data).map(usize::from);
        let (x, y, right, bottom) = (field()?, field()?, field()?, field()?);
        let (depth, flags) = (take_u8(data)?, take_u8(data)?);
        take_u8(data)?;
        let codec = take_u8(data)?;
        let (width, height) = (take_u16(data)?.into(), take_u16(data)?.into());
        let length = usize::try_from(take_u32(data)?).unwrap_or(usize::MAX);
        if flags & HAS_HEADER != 0 {
            take(data, HEADER)?;
        }
        let bitmap = take(data, length)?;
        let area = Area {
            x,
            y,
            width: right.saturating_sub(x).min(width),
            height: bottom.saturating_sub(y).min(height),
        };
        match codec {
            RAW => {
                let size = Size::of(width, height)?;
                self.bitmaps.raw(bitmap, depth.into(), size, area, canvas)
            }
            REMOTE_FX => self.remote_fx(bitmap, x, y, canvas),
            other => Err(Lost::Bitmap(format!("codec {other} was not agreed"))),
        }
    }

    /// MS-RDPRFX; `x` and `y` are where its picture begins.
    fn remote_fx(&mut self, data: &[u8], x: usize, y: usize, canvas: &mut Canvas) -> Result<()> {
        let bad = |error: &dyn std::fmt::Display| Lost::Bitmap(format!("RemoteFX: {error}"));
        // The first message tells only how the others are coded.
        let message = match self.messages.parse(data) {
            Ok(message) => message,
            Err(error) => return Err(bad(&error)),
        };
        let decoder = self.tiles.get_or_insert_default();
        for frame in &message.frames {
            let set = &frame.tile_set;
            let valid: Vec<Area> = frame
                .rectangles
                .iter()
                .map(|it| Area {
                    x: x + usize::from(it.x),
                    y: y + usize::from(it.y),
                    width: it.width.into(),
                    height: it.height.into(),
                })
                .collect();
            for tile in &set.tiles {
                let whole = Area {
                    x: x + usize::from(tile.x) * TILE,
                    y: y + usize::from(tile.y) * TILE,
                    width: TILE,
                    height: TILE,
                };
                let pixels = decoder
                    .decode(tile, &set.quants, set.entropy_algorithm)
                    .map_err(|error| bad(&error))?;
                let paint = |area: Area, canvas: &mut Canvas| {
                    canvas.paint(area, |line, out| {
                        let at = ((area.y - whole.y + line) * TILE + area.x - whole.x) * 4;
                        let line = pixels[at..].chunks_exact(4);
                        for (out, from) in out.chunks_exact_mut(PIXEL).zip(line) {
                            out.copy_from_slice(&from[..PIXEL]);
                        }
                    });
                };
                // Without a rectangle all of it is meant.
                if valid.is_empty() {
                    paint(whole, canvas);
                }
                for area in valid.iter().filter_map(|area| area.within(whole)) {
                    paint(area, canvas);
                }
            }
        }
        Ok(())
    }
}
