//! What a desktop shows, as lines of a recording: the tiles that changed, now and then all.
//!
//! ```text
//! [12.250,"key",TILES]      the picture is black, and then has these tiles
//! [12.250,"tiles",TILES]    these tiles change
//! TILES   base64 of zstd of (column: u16 · row: u16, little endian · difference)*
//! ```
//!
//! A difference is the exclusive or of a tile's bytes with those before (`picture.rs`). One
//! line holds few tiles, so a key frame is a `key` and `tiles` behind it. Never reads a file.

use std::{io, mem};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zstd::bulk;

use super::{
    picture::{Canvas, Change, PIXEL, Picture, TILE},
    reader::Kind,
};

/// So many tiles one line holds at most: far less than a track may queue.
const MOST_TILES: usize = 32;
const PLACE: usize = 4;
const LONGEST: usize = MOST_TILES * (PLACE + TILE * TILE * PIXEL);

/// Screens are looked at several times a second: what a level more would save costs the same
/// again.
const LEVEL: i32 = 1;

/// How much a film may grow behind a key frame, compared with that, before the next is due:
/// seeking reads no more, and key frames are no more than half of it.
const GROWS: usize = 1;
const LEAST: usize = 512 * 1024;

/// A line of a film.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shot {
    Size { width: usize, height: usize },
    Key(String),
    Tiles(String),
}

impl Shot {
    fn length(&self) -> usize {
        match self {
            Self::Size { .. } => 0,
            Self::Key(tiles) | Self::Tiles(tiles) => tiles.len(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum NoPicture {
    #[error("this recording shows a screen of a size that no screen has")]
    Size,
    #[error("this recording shows tiles that cannot be read")]
    Tiles,
}

/// Makes the lines of a film from a canvas, key frames where they are due.
#[derive(Default)]
pub struct Camera {
    size: (usize, usize),
    /// How long the last key frame was, and what came behind it.
    key: usize,
    since: usize,
}

impl Camera {
    /// What has to be said of the canvas since this was last asked.
    pub fn look(&mut self, canvas: &mut Canvas) -> io::Result<Vec<Shot>> {
        let picture = canvas.picture();
        let (width, height) = (picture.width(), picture.height());
        let mut shots = Vec::new();
        let is_new = mem::replace(&mut self.size, (width, height)) != (width, height);
        if is_new {
            shots.push(Shot::Size { width, height });
        }
        let is_due = self.since > (self.key * GROWS).max(LEAST) && canvas.is_painted();
        if is_new || is_due {
            shots.append(&mut lines(&canvas.whole(), Shot::Key)?);
            self.key = shots.iter().map(Shot::length).sum();
            self.since = 0;
        } else {
            let mut changed = lines(&canvas.changes(), Shot::Tiles)?;
            self.since += changed.iter().map(Shot::length).sum::<usize>();
            shots.append(&mut changed);
        }
        Ok(shots)
    }
}

/// A whole picture, as the lines of a key frame.
pub fn key_frame(picture: Picture) -> io::Result<Vec<Shot>> {
    lines(&Canvas::new(picture).whole(), Shot::Key)
}

/// The first line is made by `first`; one there is of a key frame, also of a black one.
fn lines(changes: &[Change], first: fn(String) -> Shot) -> io::Result<Vec<Shot>> {
    let mut shots = Vec::with_capacity(changes.len() / MOST_TILES + 1);
    for (index, tiles) in changes.chunks(MOST_TILES).enumerate() {
        let tiles = pack(tiles)?;
        shots.push(if index == 0 {
            first(tiles)
        } else {
            Shot::Tiles(tiles)
        });
    }
    if shots.is_empty()
        && let key @ Shot::Key(_) = first(String::new())
    {
        shots.push(key);
    }
    Ok(shots)
}

fn pack(tiles: &[Change]) -> io::Result<String> {
    let mut bytes = Vec::new();
    for tile in tiles {
        bytes.extend(tile.column.to_le_bytes());
        bytes.extend(tile.row.to_le_bytes());
        bytes.extend(&tile.difference);
    }
    Ok(STANDARD.encode(bulk::compress(&bytes, LEVEL)?))
}

/// What a film shows at a moment of it.
#[derive(Debug)]
pub struct Film {
    picture: Picture,
}

impl Film {
    /// Before anything was shown.
    pub fn new(width: u32, height: u32) -> Result<Self, NoPicture> {
        let side = |side| usize::try_from(side).map_err(|_| NoPicture::Size);
        let picture = Picture::new(side(width)?, side(height)?).ok_or(NoPicture::Size)?;
        Ok(Self { picture })
    }

    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    pub fn into_picture(self) -> Picture {
        self.picture
    }

    /// Takes the next event; whether it may show something else now.
    pub fn take(&mut self, event: &Kind) -> Result<bool, NoPicture> {
        match event {
            Kind::Resize { width, height } => *self = Self::new(*width, *height)?,
            Kind::Key(tiles) => {
                self.picture.blacken();
                self.apply(tiles)?;
            }
            Kind::Tiles(tiles) => self.apply(tiles)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn apply(&mut self, tiles: &str) -> Result<(), NoPicture> {
        if tiles.is_empty() {
            return Ok(());
        }
        let pressed = STANDARD.decode(tiles).map_err(|_| NoPicture::Tiles)?;
        let bytes = bulk::decompress(&pressed, LONGEST).map_err(|_| NoPicture::Tiles)?;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (place, behind) = rest.split_first_chunk::<PLACE>().ok_or(NoPicture::Tiles)?;
            let column = u16::from_le_bytes([place[0], place[1]]);
            let row = u16::from_le_bytes([place[2], place[3]]);
            let size = self
                .picture
                .tile_size(column, row)
                .ok_or(NoPicture::Tiles)?;
            let (difference, behind) = behind.split_at_checked(size).ok_or(NoPicture::Tiles)?;
            self.picture.change(column, row, difference);
            rest = behind;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recording::picture::Area;

    fn noise(canvas: &mut Canvas, seed: u8) {
        let picture = canvas.picture();
        let all = Area {
            x: 0,
            y: 0,
            width: picture.width(),
            height: picture.height(),
        };
        let mut state = u32::from(seed) + 1;
        canvas.paint(all, |_, line| {
            for byte in line {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = (state >> 24) as u8;
            }
        });
    }

    fn shown(film: &mut Film, shots: Vec<Shot>) {
        for shot in shots {
            let event = match shot {
                Shot::Size { width, height } => Kind::Resize {
                    width: width as u32,
                    height: height as u32,
                },
                Shot::Key(tiles) => Kind::Key(tiles),
                Shot::Tiles(tiles) => Kind::Tiles(tiles),
            };
            assert!(film.take(&event).unwrap());
        }
    }

    #[test]
    fn what_was_filmed_is_shown_and_key_frames_come_when_they_are_due() {
        let mut canvas = Canvas::new(Picture::new(700, 500).unwrap());
        let (mut camera, mut film) = (Camera::default(), Film::new(80, 24).unwrap());
        let mut keys = 0;
        for seed in 0..12 {
            noise(&mut canvas, seed);
            let shots = camera.look(&mut canvas).unwrap();
            let is_key = |shot: &&Shot| matches!(shot, Shot::Key(_));
            keys += shots.iter().filter(is_key).count();
            // Behind a key frame anybody sees the same.
            if shots.iter().any(|shot| is_key(&shot)) {
                film = Film::new(700, 500).unwrap();
            }
            shown(&mut film, shots);
            assert_eq!(film.picture(), canvas.picture());
        }
        assert!((2..8).contains(&keys), "{keys}");
        assert_eq!(camera.look(&mut canvas).unwrap(), []);
        let frame = key_frame(canvas.picture().clone()).unwrap();
        let mut other = Film::new(700, 500).unwrap();
        shown(&mut other, frame);
        assert_eq!(other.picture(), canvas.picture());
    }

    #[test]
    fn a_black_screen_is_a_key_frame_too() {
        let mut canvas = Canvas::new(Picture::new(64, 64).unwrap());
        let shots = Camera::default().look(&mut canvas).unwrap();
        let size = Shot::Size {
            width: 64,
            height: 64,
        };
        assert_eq!(shots, [size, Shot::Key(String::new())]);
        let mut film = Film::new(64, 64).unwrap();
        shown(&mut film, shots);
    }

    #[test]
    fn no_line_says_more_than_a_track_may_queue() {
        let mut canvas = Canvas::new(Picture::new(1_920, 1_080).unwrap());
        noise(&mut canvas, 3);
        for shot in Camera::default().look(&mut canvas).unwrap() {
            assert!(shot.length() < crate::recording::QUEUE_LIMIT, "{shot:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_film_stumble(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            let mut film = Film::new(100, 100).unwrap();
            film.take(&Kind::Tiles(text)).ok();
            film.take(&Kind::Key(STANDARD.encode(&bytes))).ok();
            let pressed = bulk::compress(&bytes, LEVEL).unwrap();
            film.take(&Kind::Tiles(STANDARD.encode(pressed))).ok();
        }
    }
}
