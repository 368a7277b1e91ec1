//! A desktop's recording from a moment on: what it showed then, and what came behind.
//!
//! Read twice, so that nothing has to be kept: once for the last key frame before the moment,
//! and once from there on. Text in, text out; never opens a file.

use std::io::{self, BufRead};

use super::{
    cast,
    film::{Film, NoPicture, key_frame},
    picture::Picture,
    reader::{Cast, CastError, Kind},
};

/// So much text is given out at once.
const PIECE: usize = 64 * 1024;

/// Where to begin to read for a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// So many events come before it.
    before: u64,
    width: u32,
    height: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum SeekError {
    #[error(transparent)]
    Cast(#[from] CastError),
    #[error(transparent)]
    Picture(#[from] NoPicture),
    #[error("what it shows cannot be written")]
    Io(#[from] io::Error),
}

impl Start {
    /// Reads as far as the moment, in seconds since the beginning.
    pub fn before(reader: impl BufRead, moment: f64) -> Result<Self, SeekError> {
        let cast = Cast::read(reader)?;
        let mut start = Self {
            before: 0,
            width: cast.header.width,
            height: cast.header.height,
        };
        let (mut width, mut height) = (start.width, start.height);
        for (number, event) in (0..).zip(cast) {
            let event = event?;
            if event.at > moment {
                break;
            }
            match event.kind {
                Kind::Resize {
                    width: wide,
                    height: high,
                } => (width, height) = (wide, high),
                Kind::Key(_) => {
                    start = Self {
                        before: number,
                        width,
                        height,
                    }
                }
                _ => {}
            }
        }
        Ok(start)
    }
}

/// A recording that stands at a moment.
pub struct Sought<R> {
    cast: Cast<R>,
    film: Film,
    moment: f64,
    /// Whether the picture has been given out.
    is_shown: bool,
    /// Whether the line that was read last is still to be given out.
    is_ahead: bool,
}

impl<R: BufRead> Sought<R> {
    /// Reads the same recording from its beginning to the moment.
    pub fn read(reader: R, start: Start, moment: f64) -> Result<Self, SeekError> {
        let mut cast = Cast::read(reader)?;
        let mut film = Film::new(start.width, start.height)?;
        let mut is_ahead = false;
        for (number, event) in (0..).zip(cast.by_ref()) {
            let event = event?;
            if event.at > moment {
                is_ahead = true;
                break;
            }
            if number >= start.before {
                film.take(&event.kind)?;
            }
        }
        Ok(Self {
            cast,
            film,
            moment,
            is_shown: false,
            is_ahead,
        })
    }

    /// What was shown at the moment.
    pub fn picture(&self) -> &Picture {
        self.film.picture()
    }

    /// More of a recording that begins at the moment: its header and a key frame, then the
    /// lines that come behind as they are. None at the end.
    pub fn next_piece(&mut self) -> Result<Option<Vec<u8>>, SeekError> {
        let mut piece = Vec::new();
        if !self.is_shown {
            self.is_shown = true;
            let picture = self.film.picture();
            let side = |side: usize| u32::try_from(side).expect("a side is bounded");
            self.cast.header.width = side(picture.width());
            self.cast.header.height = side(picture.height());
            piece.extend(self.cast.header.line());
            let millis = (self.moment * 1_000.0).round() as u64;
            for shot in key_frame(picture.clone())? {
                cast::shot(millis, &shot, &mut piece);
            }
        }
        if std::mem::take(&mut self.is_ahead) {
            piece.extend_from_slice(self.cast.line());
        }
        while piece.len() < PIECE && self.cast.next_line()? {
            piece.extend_from_slice(self.cast.line());
        }
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{
        Header,
        cast::{Env, marker},
        film::Camera,
        picture::{Area, Canvas},
        reader::Event,
    };

    /// A second a picture, the first of them at 1 s; each all of one colour.
    fn recording(pictures: u8) -> String {
        let header = Header {
            version: Header::VERSION,
            width: 1024,
            height: 768,
            timestamp: None,
            title: None,
            command: None,
            env: Env::default(),
            doorward: None,
        };
        let mut text = header.line();
        let mut camera = Camera::default();
        let mut canvas = Canvas::new(Picture::new(200, 100).unwrap());
        let all = Area {
            x: 0,
            y: 0,
            width: 200,
            height: 100,
        };
        for colour in 1..=pictures {
            canvas.paint(all, |_, line| line.fill(colour));
            for shot in camera.look(&mut canvas).unwrap() {
                cast::shot(u64::from(colour) * 1_000, &shot, &mut text);
            }
        }
        marker(u64::from(pictures) * 1_000 + 500, "over", &mut text);
        String::from_utf8(text).unwrap()
    }

    fn sought(text: &str, moment: f64) -> Sought<&[u8]> {
        let start = Start::before(text.as_bytes(), moment).unwrap();
        Sought::read(text.as_bytes(), start, moment).unwrap()
    }

    fn rest(mut sought: Sought<&[u8]>) -> Vec<Event> {
        let mut text = Vec::new();
        while let Some(piece) = sought.next_piece().unwrap() {
            text.extend(piece);
        }
        let cast = Cast::read(&text[..]).unwrap();
        assert_eq!((cast.header.width, cast.header.height), (200, 100));
        cast.map(Result::unwrap).collect()
    }

    #[test]
    fn from_any_moment_on_it_shows_what_it_shows_from_the_beginning() {
        let text = recording(9);
        for tenths in 10..120_u8 {
            let moment = f64::from(tenths) / 10.0;
            let sought = sought(&text, moment);
            let colour = (tenths / 10).min(9);
            assert!(sought.picture().pixels().iter().all(|it| *it == colour));
            let events = rest(sought);
            assert_eq!(events[0].at, moment);
            assert!(matches!(events[0].kind, Kind::Key(_)));
            let mut film = Film::new(200, 100).unwrap();
            for event in &events {
                film.take(&event.kind).unwrap();
            }
            assert!(film.picture().pixels().iter().all(|it| *it == 9));
            let over = Kind::Marker("over".to_owned());
            assert_eq!(events.iter().any(|it| it.kind == over), moment < 9.5);
        }
    }

    #[test]
    fn before_anything_was_shown_it_is_black() {
        let text = recording(2);
        let sought = sought(&text, 0.5);
        assert_eq!(sought.picture().width(), 1024);
        assert!(sought.picture().pixels().iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_key_frame_later_on_is_where_reading_begins() {
        // A second session's worth behind the first, as a change of size brings one.
        let text = recording(2);
        let behind: String = recording(3).lines().skip(1).fold(text, |mut text, line| {
            text.push_str(&line.replacen('[', "[1", 1));
            text.push('\n');
            text
        });
        let start = Start::before(behind.as_bytes(), 11.5).unwrap();
        assert!(start.before > 3, "{start:?}");
        let sought = sought(&behind, 12.5);
        assert!(sought.picture().pixels().iter().all(|byte| *byte == 2));
    }
}
