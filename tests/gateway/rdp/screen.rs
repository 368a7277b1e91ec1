//! Screens without hardware: what is on them can be read and painted as a file.

use std::{path::PathBuf, process::Stdio, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::seen::within;

pub const WIDTH: usize = 800;
pub const HEIGHT: usize = 600;
/// A square of one colour.
const SQUARE: usize = 50;
/// Codecs round colours.
const NEAR: u8 = 40;

/// An X server whose screen is a file in the form of `xwd`.
pub struct Screen {
    /// Killed with this.
    _server: Child,
    folder: TempDir,
    pub display: String,
}

impl Screen {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0"])
            .arg(format!("{WIDTH}x{HEIGHT}x24"))
            .args(["-nolisten", "tcp", "-noreset", "-fbdir"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("Xvfb is installed");
        let mut said = BufReader::new(server.stdout.take().unwrap()).lines();
        let number = within("Xvfb", said.next_line()).await.unwrap();
        let display = format!(":{}", number.expect("it tells its number").trim());
        Self {
            _server: server,
            folder,
            display,
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("Xvfb_screen0")
    }

    /// The bytes of the file, and where each line of pixels begins in it.
    fn read(&self) -> (Vec<u8>, usize, usize) {
        let bytes = std::fs::read(self.file()).unwrap();
        let field = |index: usize| {
            let four = bytes[index * 4..][..4].try_into().unwrap();
            u32::from_be_bytes(four) as usize
        };
        assert_eq!((field(4), field(5), field(11)), (WIDTH, HEIGHT, 32));
        let pixels = field(0) + field(19) * 12;
        let line = field(12);
        (bytes, pixels, line)
    }

    /// Paints it in squares, of which no two beside each other are alike.
    pub fn paint(&self) {
        self.paint_with(colour);
    }

    /// Paints it otherwise: the same in other colours.
    pub fn repaint(&self) {
        self.paint_with(other_colour);
    }

    fn paint_with(&self, colour: fn(usize, usize) -> [u8; 3]) {
        use std::os::unix::fs::FileExt as _;
        let (_, pixels, line) = self.read();
        let file = std::fs::File::options()
            .write(true)
            .open(self.file())
            .unwrap();
        for y in 0..HEIGHT {
            let row: Vec<u8> = (0..WIDTH)
                .flat_map(|x| {
                    let [red, green, blue] = colour(x, y);
                    [blue, green, red, 0]
                })
                .collect();
            let at = pixels + y * line;
            file.write_all_at(&row, at as u64).unwrap();
        }
    }

    /// Red, green and blue of each pixel, line by line.
    pub fn pixels(&self) -> Vec<u8> {
        let (bytes, pixels, line) = self.read();
        let lines = (0..HEIGHT).flat_map(|y| bytes[pixels + y * line..][..WIDTH * 4].chunks(4));
        lines.flat_map(|it| [it[2], it[1], it[0]]).collect()
    }

    /// How much of it looks as `paint` paints, in a hundred.
    pub fn painted(&self) -> usize {
        painted(&self.pixels())
    }

    /// Waits until it looks as `paint` paints, but for a pointer and a border.
    pub async fn shows_the_painting(&self) {
        self.shows(painted).await;
    }

    /// The same for `repaint`.
    pub async fn shows_the_other_painting(&self) {
        self.shows(repainted).await;
    }

    async fn shows(&self, painted: fn(&[u8]) -> usize) {
        let looking = async {
            while painted(&self.pixels()) < 95 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let shown = tokio::time::timeout(crate::support::PATIENCE, looking).await;
        assert!(shown.is_ok(), "only {} % of the painting", self.painted());
    }
}

/// How much of these pixels looks as `paint` paints, in a hundred.
pub fn painted(pixels: &[u8]) -> usize {
    fitting(pixels, colour)
}

pub fn repainted(pixels: &[u8]) -> usize {
    fitting(pixels, other_colour)
}

fn fitting(pixels: &[u8], colour: fn(usize, usize) -> [u8; 3]) -> usize {
    let fits = |(index, seen): &(usize, &[u8])| {
        let wanted = colour(index % WIDTH, index / WIDTH);
        let mut colours = seen.iter().zip(wanted);
        colours.all(|(seen, wanted)| seen.abs_diff(wanted) <= NEAR)
    };
    let fitting = pixels.chunks(3).enumerate().filter(fits).count();
    fitting * 100 / (WIDTH * HEIGHT)
}

fn other_colour(x: usize, y: usize) -> [u8; 3] {
    let [red, green, blue] = colour(x, y);
    [blue, 250 - red, green]
}

fn colour(x: usize, y: usize) -> [u8; 3] {
    let number = (x / SQUARE) * 7 + (y / SQUARE) * 5;
    [0, 1, 2].map(|shift| if number >> shift & 1 == 1 { 220 } else { 30 })
}
