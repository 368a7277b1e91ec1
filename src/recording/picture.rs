//! A screen as it is recorded: its pixels, and which tiles of it are not as they were.
//!
//! Pure. What is told of a tile is how its bytes differ from those before, so that a letter
//! that was typed is a few bytes and the beginning of it all is a difference from black.

use std::mem;

/// Tiles are squares of so many pixels; those at the right and the bottom are what is left.
pub const TILE: usize = 64;
/// Bytes of a pixel: red, green, blue.
pub const PIXEL: usize = 3;

/// Four screens of 3840×2160 beside each other.
const MOST_PIXELS: usize = 4 * 3_840 * 2_160;
const LONGEST_SIDE: usize = 32_766;

/// A picture, line by line from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

/// A rectangle, of which a part may lie outside a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

impl Area {
    /// What both have in common; none where that is nothing.
    pub fn within(self, other: Self) -> Option<Self> {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let right = (self.x + self.width).min(other.x + other.width);
        let bottom = (self.y + self.height).min(other.y + other.height);
        (right > x && bottom > y).then(|| Self {
            x,
            y,
            width: right - x,
            height: bottom - y,
        })
    }
}

/// How a tile differs from what was there before, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub column: u16,
    pub row: u16,
    pub difference: Vec<u8>,
}

impl Picture {
    /// A black one; none of a size that no screen has.
    pub fn new(width: usize, height: usize) -> Option<Self> {
        let sides = 1..=LONGEST_SIDE;
        let fits = sides.contains(&width) && sides.contains(&height);
        (fits && width * height <= MOST_PIXELS).then(|| Self {
            width,
            height,
            pixels: vec![0; width * height * PIXEL],
        })
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn height(&self) -> usize {
        self.height
    }

    /// Red, green and blue of each pixel.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    pub fn blacken(&mut self) {
        self.pixels.fill(0);
    }

    /// Applies a change; no where there is no such tile, or it has another size.
    pub fn change(&mut self, column: u16, row: u16, difference: &[u8]) -> bool {
        let Some(area) = self.tile(usize::from(column), usize::from(row)) else {
            return false;
        };
        let length = area.width * PIXEL;
        if difference.len() != length * area.height {
            return false;
        }
        for (line, difference) in difference.chunks_exact(length).enumerate() {
            for (byte, other) in self.line_mut(area, line).iter_mut().zip(difference) {
                *byte ^= other;
            }
        }
        true
    }

    /// How many bytes a tile has; none where there is no such tile.
    pub fn tile_size(&self, column: u16, row: u16) -> Option<usize> {
        let area = self.tile(usize::from(column), usize::from(row))?;
        Some(area.width * area.height * PIXEL)
    }

    fn area(&self) -> Area {
        Area {
            x: 0,
            y: 0,
            width: self.width,
            height: self.height,
        }
    }

    fn columns(&self) -> usize {
        self.width.div_ceil(TILE)
    }

    fn rows(&self) -> usize {
        self.height.div_ceil(TILE)
    }

    fn tile(&self, column: usize, row: usize) -> Option<Area> {
        let whole = Area {
            x: column * TILE,
            y: row * TILE,
            width: TILE,
            height: TILE,
        };
        whole.within(self.area())
    }

    fn line(&self, area: Area, line: usize) -> &[u8] {
        let at = ((area.y + line) * self.width + area.x) * PIXEL;
        &self.pixels[at..at + area.width * PIXEL]
    }

    fn line_mut(&mut self, area: Area, line: usize) -> &mut [u8] {
        let at = ((area.y + line) * self.width + area.x) * PIXEL;
        &mut self.pixels[at..at + area.width * PIXEL]
    }

    fn copy_of(&self, area: Area) -> Box<[u8]> {
        let mut copy = Vec::with_capacity(area.width * area.height * PIXEL);
        for line in 0..area.height {
            copy.extend_from_slice(self.line(area, line));
        }
        copy.into()
    }
}

/// A picture that is being painted on, and what it was when it was last looked at.
pub struct Canvas {
    picture: Picture,
    /// Of each tile that was painted on since: how it was.
    before: Vec<Option<Box<[u8]>>>,
    is_painted: bool,
}

impl Canvas {
    pub fn new(picture: Picture) -> Self {
        let tiles = picture.columns() * picture.rows();
        Self {
            picture,
            before: vec![None; tiles],
            is_painted: false,
        }
    }

    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    /// Whether anything was painted since it was last looked at.
    pub fn is_painted(&self) -> bool {
        self.is_painted
    }

    /// Has `paint` write each line of the area that lies inside: its number from the top of
    /// `area`, and the bytes of its pixels, as many of them as are inside.
    pub fn paint(&mut self, area: Area, mut paint: impl FnMut(usize, &mut [u8])) {
        let Some(visible) = area.within(self.picture.area()) else {
            return;
        };
        self.keep(visible);
        for line in 0..visible.height {
            paint(line, self.picture.line_mut(visible, line));
        }
    }

    /// What has changed since it was last looked at.
    pub fn changes(&mut self) -> Vec<Change> {
        self.is_painted = false;
        let columns = self.picture.columns();
        let mut changes = Vec::new();
        for index in 0..self.before.len() {
            let Some(before) = mem::take(&mut self.before[index]) else {
                continue;
            };
            let (column, row) = (index % columns, index / columns);
            changes.extend(self.change(column, row, Vec::from(before)));
        }
        changes
    }

    /// All of it, as a change from black.
    pub fn whole(&mut self) -> Vec<Change> {
        self.is_painted = false;
        self.before.fill(None);
        let (columns, rows) = (self.picture.columns(), self.picture.rows());
        let tiles = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
        let black = |(column, row)| {
            let area = self.picture.tile(column, row)?;
            self.change(column, row, vec![0; area.width * area.height * PIXEL])
        };
        tiles.filter_map(black).collect()
    }

    /// Keeps how the tiles were that are about to be painted on.
    fn keep(&mut self, area: Area) {
        self.is_painted = true;
        let columns = self.picture.columns();
        for row in area.y / TILE..(area.y + area.height).div_ceil(TILE) {
            for column in area.x / TILE..(area.x + area.width).div_ceil(TILE) {
                let kept = &mut self.before[row * columns + column];
                if kept.is_none()
                    && let Some(area) = self.picture.tile(column, row)
                {
                    *kept = Some(self.picture.copy_of(area));
                }
            }
        }
    }

    /// How a tile differs from what it was; none where it does not.
    fn change(&self, column: usize, row: usize, before: Vec<u8>) -> Option<Change> {
        let area = self.picture.tile(column, row)?;
        let mut difference = before;
        let mut differs = 0;
        for (line, before) in difference.chunks_exact_mut(area.width * PIXEL).enumerate() {
            for (byte, now) in before.iter_mut().zip(self.picture.line(area, line)) {
                *byte ^= now;
                differs |= *byte;
            }
        }
        (differs != 0).then(|| Change {
            column: u16::try_from(column).expect("a side is bounded"),
            row: u16::try_from(row).expect("a side is bounded"),
            difference,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canvas(width: usize, height: usize) -> Canvas {
        Canvas::new(Picture::new(width, height).unwrap())
    }

    fn painted(canvas: &mut Canvas, area: Area, colour: u8) {
        canvas.paint(area, |_, line| line.fill(colour));
    }

    const SPOT: Area = Area {
        x: 60,
        y: 3,
        width: 10,
        height: 2,
    };

    #[test]
    fn what_was_painted_and_is_as_before_is_no_change() {
        let mut canvas = canvas(130, 70);
        painted(&mut canvas, SPOT, 7);
        let changes = canvas.changes();
        let tiles: Vec<_> = changes.iter().map(|it| (it.column, it.row)).collect();
        assert_eq!(tiles, [(0, 0), (1, 0)]);
        painted(&mut canvas, SPOT, 9);
        painted(&mut canvas, SPOT, 7);
        assert!(canvas.is_painted());
        assert_eq!(canvas.changes(), []);
        assert!(!canvas.is_painted());
        // Beyond the picture there is nothing to paint on.
        let outside = Area { x: 130, ..SPOT };
        painted(&mut canvas, outside, 1);
        assert_eq!(canvas.changes(), []);
    }

    #[test]
    fn no_screen_has_such_a_size() {
        for (width, height) in [(0, 1), (1, 0), (32_767, 1), (16_000, 16_000)] {
            assert!(Picture::new(width, height).is_none(), "{width}×{height}");
        }
    }

    #[test]
    fn a_change_that_fits_no_tile_changes_nothing() {
        let mut picture = Picture::new(70, 64).unwrap();
        assert!(picture.change(1, 0, &[1; 6 * 64 * PIXEL]));
        for (column, row, length) in [(2, 0, 12_288), (0, 1, 12_288), (1, 0, 12_288), (0, 0, 1)] {
            assert!(!picture.change(column, row, &vec![1; length]));
        }
    }

    proptest! {
        #[test]
        fn changes_make_of_one_picture_the_next(
            strokes in proptest::collection::vec(
                (0_usize..220, 0_usize..150, 1_usize..90, 1_usize..90, any::<u8>(), any::<bool>()),
                1..20,
            ),
        ) {
            let mut canvas = canvas(200, 140);
            let mut seen = Picture::new(200, 140).unwrap();
            for (x, y, width, height, colour, look) in strokes {
                painted(&mut canvas, Area { x, y, width, height }, colour);
                if look {
                    for change in canvas.changes() {
                        prop_assert!(seen.change(change.column, change.row, &change.difference));
                    }
                    prop_assert!(seen == *canvas.picture());
                }
            }
            seen.blacken();
            for change in canvas.whole() {
                prop_assert!(seen.change(change.column, change.row, &change.difference));
            }
            prop_assert!(seen == *canvas.picture());
        }
    }
}
