//! The gateway's own conversation with a person, on a channel of theirs.
//!
//! Reads keys, draws lines. Text of others is made inert before it is drawn. Never knows
//! what the conversation is about.

pub mod editor;
mod keys;

use std::collections::VecDeque;

use bytes::Bytes;

pub use self::keys::Key;
use self::{
    editor::{Editor, Outcome},
    keys::Keys,
};
use super::{
    inbox::{GRANT, Inbox, Item, Stream},
    person::{PersonChannel, PersonGone},
    talk::{Ask, Size},
};
use crate::model::text::forbidden;

/// How far somebody may type ahead.
const MOST_AHEAD: usize = 4_096;

/// A terminal that does not say how wide it is.
const WIDTH: usize = 80;

pub struct Console<'a> {
    person: &'a PersonChannel,
    asks: &'a Inbox<Ask>,
    keys: Keys,
    pressed: VecDeque<Key>,
    size: Size,
    /// Taken in and not given back yet.
    taken: u32,
    /// Nothing more can come.
    over: bool,
    closed: bool,
}

/// What a person typed in answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    Line(String),
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D, a closed input or a closed channel.
    End,
}

impl<'a> Console<'a> {
    pub fn new(person: &'a PersonChannel, asks: &'a Inbox<Ask>, size: Size) -> Self {
        Self {
            person,
            asks,
            keys: Keys::default(),
            pressed: VecDeque::new(),
            size,
            taken: 0,
            over: false,
            closed: false,
        }
    }

    pub fn size(&self) -> Size {
        self.size
    }

    pub fn columns(&self) -> usize {
        match usize::try_from(self.size.columns) {
            Ok(columns @ 20..=1_000) => columns,
            _ => WIDTH,
        }
    }

    /// The next key; none once nothing more can come. Safe to drop.
    pub async fn key(&mut self) -> Option<Key> {
        loop {
            if let Some(key) = self.pressed.pop_front() {
                return Some(key);
            }
            if self.over {
                return None;
            }
            self.take_in().await;
        }
    }

    /// Returns when Ctrl-C is pressed or the channel is closed. What else is typed meanwhile
    /// is read later, in its turn. Safe to drop.
    pub async fn interrupt(&mut self) {
        loop {
            let pressed = self.pressed.iter();
            let mut pressed = pressed.enumerate();
            if let Some((at, _)) = pressed.find(|(_, key)| **key == Key::Interrupt) {
                self.pressed.drain(..=at);
                return;
            }
            if self.closed {
                return;
            }
            if self.over || self.pressed.len() >= MOST_AHEAD {
                std::future::pending().await
            }
            self.take_in().await;
        }
    }

    async fn take_in(&mut self) {
        match self.asks.next().await {
            Some(Item::Bytes(_, bytes)) => {
                self.keys.push(&bytes, &mut self.pressed);
                self.taken += bytes.len() as u32;
                if self.taken >= GRANT {
                    let taken = std::mem::take(&mut self.taken);
                    // A client that is gone sends nothing more.
                    self.person.grant(taken).await.ok();
                }
            }
            Some(Item::Control(Ask::Resize(size))) => self.size = size,
            Some(Item::Control(Ask::Eof)) => self.over = true,
            // A program at the other end says Ctrl-C like this.
            Some(Item::Control(Ask::Signal(russh::Sig::INT))) => {
                self.pressed.push_back(Key::Interrupt);
            }
            Some(Item::Control(Ask::Close)) | None => {
                self.over = true;
                self.closed = true;
            }
            Some(Item::Control(ask)) => {
                if ask.wants_reply() {
                    // A client that is gone waits for no answer.
                    self.person.answer(false).await.ok();
                }
            }
        }
    }

    /// One line as it comes, without an editor: from a pipe. None at its end.
    pub async fn unseen_line(&mut self) -> Option<String> {
        let mut line = String::new();
        loop {
            match self.key().await {
                Some(Key::Enter) => return Some(line),
                Some(Key::Letter(letter)) if line.len() < MOST_AHEAD => line.push(letter),
                Some(Key::Tab) => line.push(' '),
                Some(_) => {}
                None if line.is_empty() => return None,
                None => return Some(line),
            }
        }
    }

    /// One line, edited on the screen. What it holds is inert.
    pub async fn line(&mut self, prompt: &str, editor: &mut Editor) -> Result<Typed, PersonGone> {
        editor.begin(prompt);
        self.raw(editor.draw(self.columns())).await?;
        while let Some(key) = self.key().await {
            let outcome = editor.press(key);
            let drawn = match &outcome {
                Outcome::Line(_) => format!("{}\r\n", editor.draw_whole(self.columns())),
                Outcome::Interrupt => format!("{}^C\r\n", editor.draw_whole(self.columns())),
                Outcome::End => format!("{}\r\n", editor.draw_whole(self.columns())),
                Outcome::Show(text) => {
                    format!("\r\n{}\r\n{}", cooked(text), editor.draw(self.columns()))
                }
                Outcome::Clear => format!("\x1b[2J\x1b[H{}", editor.draw(self.columns())),
                // More keys are there already: drawn once, after the last.
                Outcome::Draw if !self.pressed.is_empty() => continue,
                Outcome::Draw => editor.draw(self.columns()),
            };
            self.raw(drawn).await?;
            match outcome {
                Outcome::Line(line) => return Ok(Typed::Line(line)),
                Outcome::Interrupt => return Ok(Typed::Interrupt),
                Outcome::End => return Ok(Typed::End),
                Outcome::Draw | Outcome::Show(_) | Outcome::Clear => {}
            }
        }
        Ok(Typed::End)
    }

    /// Lines, each from the left edge.
    pub async fn say(&self, text: &str) -> Result<(), PersonGone> {
        self.raw(format!("{}\r\n", cooked(text))).await
    }

    /// One line that the next one is drawn over.
    pub async fn draw_over(&self, line: &str) -> Result<(), PersonGone> {
        // One column is left, or the terminal would wrap and the line could not be drawn over.
        let line: String = inert(line).chars().take(self.columns() - 1).collect();
        self.raw(format!("\r\x1b[2K{line}")).await
    }

    pub async fn wipe(&self) -> Result<(), PersonGone> {
        self.raw("\r\x1b[2K".to_owned()).await
    }

    async fn raw(&self, text: String) -> Result<(), PersonGone> {
        self.person.bytes(Stream::Out, Bytes::from(text)).await
    }
}

/// For a terminal in raw mode.
fn cooked(text: &str) -> String {
    inert_lines(text).replace('\n', "\r\n")
}

/// Text of others with its line ends and nothing else that a terminal would obey.
pub fn inert_lines(text: &str) -> String {
    text.chars().filter(|letter| !forbidden(*letter)).collect()
}

fn inert(line: &str) -> String {
    line.chars()
        .map(|letter| if letter == '\n' { ' ' } else { letter })
        .filter(|letter| !forbidden(*letter))
        .collect()
}
