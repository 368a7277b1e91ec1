//! A desktop's recording as stills, or as a video that any player opens.
//!
//! Read once, while it comes. A video is made by `ffmpeg`, which is given picture after
//! picture; where there is none nothing is asked for and nothing written, and it says so.

use std::{
    fs,
    io::{self, BufRead, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use super::new_file;
use crate::{
    cli::exit::{Exit, Failure},
    recording::{Cast, CastError, Film, NoPicture, PIXEL, Picture, png},
};

/// Pictures a second of a video: as often as screens are looked at.
const RATE: f64 = 5.0;

const FFMPEG: &str = "ffmpeg";

/// A PNG file of what was shown at first and at last, and between them of what was new each
/// `every`. How many that are.
pub fn stills(reader: impl BufRead, folder: &Path, every: Duration) -> Result<u64, Failure> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| Failure::usage(format!("{} cannot be made: {error}", folder.display())))?;
    let (mut count, mut next, mut written) = (0, 0.0, None);
    let mut write = |at: f64, picture: &Picture| {
        let mut file = new_file(&folder.join(name(at)))?;
        let bytes = png(picture).map_err(|error| cannot(&error))?;
        file.write_all(&bytes).map_err(|error| cannot(&error))?;
        count += 1;
        Ok::<_, Failure>(())
    };
    let last = project(reader, |from, _, picture| {
        if from >= next {
            write(from, picture)?;
            next = from + every.as_secs_f64();
            written = Some(from);
        }
        Ok(())
    })?;
    if let Some((from, film)) = last
        && written != Some(from)
    {
        write(from, film.picture())?;
    }
    Ok(count)
}

/// When it was shown, in an order that names are sorted in.
fn name(at: f64) -> PathBuf {
    let millis = (at * 1_000.0).round() as u64;
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    let (seconds, rest) = (millis / 1_000 % 60, millis % 1_000);
    format!("{hours:02}h{minutes:02}m{seconds:02}.{rest:03}s.png").into()
}

/// A way to make videos that was found to be there.
pub struct Video<'a> {
    path: &'a PathBuf,
    coding: &'static [&'static str],
}

impl<'a> Video<'a> {
    /// Looks whether there is `ffmpeg`, and whether it is known how to write such a file.
    pub fn to(path: &'a PathBuf) -> Result<Self, Failure> {
        let ending = path.extension().and_then(|ending| ending.to_str());
        let coding: &[&str] = match ending {
            Some("webm") => &[
                "-c:v",
                "libvpx",
                "-b:v",
                "4M",
                "-crf",
                "10",
                "-deadline",
                "realtime",
                "-cpu-used",
                "8",
                "-f",
                "webm",
            ],
            Some("mp4") => &[
                "-c:v",
                "libx264",
                "-preset",
                "veryfast",
                "-crf",
                "23",
                "-movflags",
                "+faststart",
                "-f",
                "mp4",
            ],
            _ => {
                return Err(Failure::usage("a video ends in .webm or .mp4"));
            }
        };
        let found = Command::new(FFMPEG)
            .arg("-version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match found {
            Ok(status) if status.success() => Ok(Self { path, coding }),
            _ => Err(Failure::new(
                Exit::Fault,
                "NO VIDEO WAS WRITTEN: there is no ffmpeg here that works",
            )
            .next(
                "install it (Debian: apt install ffmpeg), or take --stills, which needs nothing",
            )),
        }
    }

    /// Writes it. How long it is, in seconds.
    pub fn write(&self, reader: impl BufRead) -> Result<f64, Failure> {
        // For its owner alone, which ffmpeg leaves as it is.
        drop(new_file(self.path)?);
        let written = self.film(reader);
        if written.is_err() {
            // Half a video is none, and what was in the way is said already.
            fs::remove_file(self.path).ok();
        }
        written
    }

    fn film(&self, reader: impl BufRead) -> Result<f64, Failure> {
        let mut ffmpeg: Option<Ffmpeg> = None;
        let mut count = 0.0;
        let last = project(reader, |from, until, picture| {
            // Nothing is shown before the first picture.
            let beginning = if count == 0.0 { 0.0 } else { from };
            let ffmpeg = match &mut ffmpeg {
                Some(ffmpeg) => ffmpeg,
                none => none.insert(Ffmpeg::start(self, picture)?),
            };
            while count / RATE < until.max(beginning) || count == 0.0 {
                ffmpeg.show(picture)?;
                count += 1.0;
            }
            Ok(())
        })?;
        let (Some(ffmpeg), Some(_)) = (ffmpeg, last) else {
            let sentence = "this recording shows nothing: the desktop was closed before it began";
            return Err(Failure::new(Exit::NotFound, sentence));
        };
        ffmpeg.end()?;
        Ok(count / RATE)
    }
}

struct Ffmpeg {
    child: std::process::Child,
    width: usize,
    height: usize,
}

impl Ffmpeg {
    fn start(video: &Video<'_>, first: &Picture) -> Result<Self, Failure> {
        let (width, height) = (first.width(), first.height());
        let child = Command::new(FFMPEG)
            .args(["-hide_banner", "-loglevel", "error", "-y"])
            .args(["-f", "rawvideo", "-pix_fmt", "rgb24"])
            .args(["-s", &format!("{width}x{height}")])
            .args(["-r", &RATE.to_string(), "-i", "pipe:0"])
            // Codecs want even sides.
            .args([
                "-vf",
                "pad=ceil(iw/2)*2:ceil(ih/2)*2",
                "-pix_fmt",
                "yuv420p",
            ])
            .args(video.coding)
            .arg(video.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| Failure::fault(format!("ffmpeg cannot be started: {error}")))?;
        Ok(Self {
            child,
            width,
            height,
        })
    }

    /// One of another size than the first is shown as far as that goes.
    fn show(&mut self, picture: &Picture) -> Result<(), Failure> {
        let into = self.child.stdin.as_mut().expect("it was asked for");
        let written = match (picture.width(), picture.height()) == (self.width, self.height) {
            true => into.write_all(picture.pixels()),
            false => into.write_all(&cut(picture, self.width, self.height)),
        };
        // Why it hung up it has said itself.
        written.map_err(|error| Failure::fault(format!("ffmpeg broke off: {error}")))
    }

    fn end(mut self) -> Result<(), Failure> {
        drop(self.child.stdin.take());
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::fault(format!("ffmpeg failed ({status})"))),
            Err(error) => Err(cannot(&error)),
        }
    }
}

/// As much of a picture as fits, on black.
fn cut(picture: &Picture, width: usize, height: usize) -> Vec<u8> {
    let mut pixels = vec![0; width * height * PIXEL];
    let lines = pixels.chunks_mut(width * PIXEL);
    for (into, line) in lines.zip(picture.pixels().chunks(picture.width() * PIXEL)) {
        let length = into.len().min(line.len());
        into[..length].copy_from_slice(&line[..length]);
    }
    pixels
}

/// Shows each picture with the time from which and until which it was there; the last one,
/// where there was one.
fn project(
    reader: impl BufRead,
    mut show: impl FnMut(f64, f64, &Picture) -> Result<(), Failure>,
) -> Result<Option<(f64, Film)>, Failure> {
    let unread = |error: CastError| Failure::new(Exit::Broken, error.to_string());
    let unshown = |error: NoPicture| Failure::new(Exit::Broken, error.to_string());
    let cast = Cast::read(reader).map_err(unread)?;
    let mut film = Film::new(cast.header.width, cast.header.height).map_err(unshown)?;
    let (mut since, mut last) = (None, 0.0);
    for event in cast {
        let event = event.map_err(unread)?;
        last = event.at;
        // Several lines make one picture, so one is whole when a later one comes.
        let whole = since.filter(|since| event.at > *since && event.kind.is_of_a_film());
        if let Some(from) = whole {
            show(from, event.at, film.picture())?;
        }
        if film.take(&event.kind).map_err(unshown)? {
            since = Some(event.at);
        }
    }
    let Some(from) = since else {
        return Ok(None);
    };
    show(from, last, film.picture())?;
    Ok(Some((from, film)))
}

fn cannot(error: &io::Error) -> Failure {
    Failure::fault(format!("cannot write: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{Area, Camera, Canvas, Shot};

    /// Pictures of one colour, each at its second, as text.
    fn recording(at: &[f64]) -> String {
        let mut text = "{\"version\":2,\"width\":9,\"height\":9}\n".to_owned();
        let (mut camera, mut canvas) =
            (Camera::default(), Canvas::new(Picture::new(70, 5).unwrap()));
        let all = Area {
            x: 0,
            y: 0,
            width: 70,
            height: 5,
        };
        for (colour, at) in (1..).zip(at) {
            canvas.paint(all, |_, line| line.fill(colour));
            for shot in camera.look(&mut canvas).unwrap() {
                let event = match shot {
                    Shot::Size { width, height } => (at, "r", format!("{width}x{height}")),
                    Shot::Key(tiles) => (at, "key", tiles),
                    Shot::Tiles(tiles) => (at, "tiles", tiles),
                };
                text.push_str(&serde_json::to_string(&event).unwrap());
                text.push('\n');
            }
        }
        text.push_str("[20.0,\"m\",\"over\"]\n");
        text
    }

    #[test]
    fn each_picture_is_shown_once_and_as_long_as_it_was_there() {
        let mut shown = Vec::new();
        let text = recording(&[1.0, 2.5, 2.5, 7.0]);
        let last = project(text.as_bytes(), |from, until, picture| {
            assert_eq!((picture.width(), picture.height()), (70, 5));
            shown.push((from, until, picture.pixels()[0]));
            Ok(())
        });
        assert_eq!(last.unwrap().unwrap().0, 7.0);
        assert_eq!(shown, [(1.0, 2.5, 1), (2.5, 7.0, 3), (7.0, 20.0, 4)]);
        let nothing = recording(&[]);
        let last = project(nothing.as_bytes(), |_, _, _| panic!("nothing was shown"));
        assert!(last.unwrap().is_none());
    }

    #[test]
    fn stills_are_the_first_the_last_and_what_was_new_between() {
        let folder = tempfile::tempdir().unwrap();
        let stills_in = folder.path().join("stills");
        let text = recording(&[1.0, 2.0, 5.0, 12.0, 13.5, 3_700.25]);
        let count = stills(text.as_bytes(), &stills_in, Duration::from_secs(10)).unwrap();
        let mut names: Vec<_> = fs::read_dir(&stills_in)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "00h00m01.000s.png",
                "00h00m12.000s.png",
                "01h01m40.250s.png"
            ]
        );
        assert_eq!(count, 3);
        // What is there is not written over.
        assert!(stills(text.as_bytes(), &stills_in, Duration::from_secs(10)).is_err());
    }

    #[test]
    fn a_picture_of_another_size_is_cut_to_the_first() {
        let mut canvas = Canvas::new(Picture::new(3, 1).unwrap());
        let all = Area {
            x: 0,
            y: 0,
            width: 3,
            height: 1,
        };
        canvas.paint(all, |_, line| line.fill(9));
        let cut = cut(canvas.picture(), 2, 2);
        assert_eq!(cut, [9, 9, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0]);
    }
}
