//! What decoding needs from one frame to the next, and what it has to say of them.
//!
//! Pure, and may take a processor's time: it is for threads that nobody waits for.

use super::{
    super::{
        clipboard::{Clipboard, Side},
        mcs::Said,
        screen::{self, Screen},
        typing::Typing,
    },
    Followed, Item, Seen,
};
use crate::recording::{Camera, RecordingError, Shot, Track};

/// A line that nobody went on with for so many looks is told.
const QUIET: u32 = 10;

/// Why no more is recorded.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    #[error("the recorder lost the screen: {0}")]
    Lost(#[from] screen::Lost),
    #[error("the recorder could not follow what the target showed")]
    Behind,
    #[error("the recorder could not compress what it saw")]
    Compress(#[from] std::io::Error),
    #[error("the recorder broke off at something that the target sent")]
    Broke,
    #[error(transparent)]
    Track(#[from] RecordingError),
}

/// Something for the recording.
pub enum Note {
    Shot(Shot),
    Typed(String),
    Clipboard(String),
    Pointer(u16, u16),
}

impl Note {
    pub async fn write(self, track: &Track) -> Result<(), RecordingError> {
        match self {
            Self::Shot(shot) => track.shot(&shot).await,
            Self::Typed(text) => track.typed(&text).await,
            Self::Clipboard(text) => track.clipboard(&text).await,
            Self::Pointer(x, y) => track.pointer(x, y).await,
        }
    }
}

/// What decoding needs from one frame to the next.
pub struct Studio {
    followed: Followed,
    screen: Screen,
    camera: Camera,
    takes_input: bool,
    typing: Typing,
    clipboard: Clipboard,
    /// How many looks ago somebody typed.
    quiet: u32,
}

impl Studio {
    pub fn new(followed: Followed, takes_input: bool) -> Self {
        Self {
            followed,
            screen: Screen::default(),
            camera: Camera::default(),
            takes_input,
            typing: Typing::default(),
            clipboard: Clipboard::default(),
            quiet: 0,
        }
    }

    /// Whether there is something to look at.
    pub fn has_news(&mut self) -> bool {
        let is_painted = self.screen.canvas().is_some_and(|it| it.is_painted());
        is_painted || self.typing.has_begun() || self.typing.has_moved()
    }

    /// Decodes what was seen, and looks at the screen: also where something could not be
    /// decoded, at what was there before.
    pub fn work(&mut self, batch: &[Item], looks: bool) -> (Vec<Note>, Result<(), Why>) {
        let mut notes = Vec::new();
        let mut worked = batch.iter().try_for_each(|item| match item {
            Item::Seen(seen) => self.one(seen, &mut notes),
            Item::Behind => Err(Why::Behind),
        });
        if looks || worked.is_err() {
            worked = worked.and(self.look(&mut notes));
        }
        (notes, worked)
    }

    fn one(&mut self, seen: &Seen, notes: &mut Vec<Note>) -> Result<(), Why> {
        let Seen { side, frame, .. } = seen;
        let on_clipboard = match Said::read(frame) {
            Ok(Some(Said::Data(data))) if Some(data.channel) == self.followed.clipboard => {
                Some(data.bytes)
            }
            _ => None,
        };
        match (on_clipboard, side) {
            (Some(data), side) if self.takes_input => {
                // What is no clipboard's is nothing that anybody could read later either.
                if let Ok(Some(text)) = self.clipboard.take(*side, data) {
                    let whose = match side {
                        Side::Client => "from the person",
                        Side::Target => "from the target",
                    };
                    notes.push(Note::Clipboard(format!("{whose}: {text}")));
                }
            }
            (Some(_), _) => {}
            (None, Side::Target) => self.screen.see(frame, self.followed.screen)?,
            (None, Side::Client) => {
                let lines = self.typing.take(frame).unwrap_or_default();
                self.quiet = 0;
                if self.takes_input {
                    notes.extend(lines.into_iter().map(Note::Typed));
                }
            }
        }
        Ok(())
    }

    fn look(&mut self, notes: &mut Vec<Note>) -> Result<(), Why> {
        self.quiet += 1;
        if self.quiet >= QUIET
            && let Some(line) = self.typing.rest()
            && self.takes_input
        {
            notes.push(Note::Typed(line));
        }
        if let Some((x, y)) = self.typing.moved() {
            notes.push(Note::Pointer(x, y));
        }
        if let Some(canvas) = self.screen.canvas().filter(|canvas| canvas.is_painted()) {
            let shots = self.camera.look(canvas)?;
            notes.extend(shots.into_iter().map(Note::Shot));
        }
        Ok(())
    }
}
