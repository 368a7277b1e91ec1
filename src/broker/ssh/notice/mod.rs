//! Telling somebody in their terminal that the end is near, without getting into the way of
//! what runs there.
//!
//! A line where lines are shown; the title and the bell where a full-screen program has the
//! screen. Never anything where there is no terminal: a command's output is not ours.

mod screen;

use bytes::Bytes;
use tokio::sync::watch;

use self::screen::Screen;
use super::asking::hour;
use crate::session::Notice;

/// What is told on one channel. Off until something was shown on a terminal.
pub struct Notices {
    told: watch::Receiver<Option<Notice>>,
    on_terminal: bool,
    screen: Screen,
    due: Option<Notice>,
}

/// One notice, as it goes to the terminal and as the recording marks it.
pub struct Drawn {
    pub bytes: Bytes,
    pub sentence: String,
}

impl Notices {
    pub fn new(told: watch::Receiver<Option<Notice>>) -> Self {
        Self {
            told,
            on_terminal: false,
            screen: Screen::default(),
            due: None,
        }
    }

    /// Looks at what goes to the terminal.
    pub fn follow(&mut self, output: &[u8]) {
        if !self.on_terminal {
            self.on_terminal = true;
            // What was said before this terminal was there may not be true any more.
            self.told.mark_unchanged();
        }
        self.screen.follow(output);
    }

    /// The next notice, once nothing is half said. Safe to drop.
    pub async fn next(&mut self) -> Drawn {
        loop {
            if self.screen.is_between()
                && let Some(notice) = self.due.take()
            {
                return draw(&notice, self.screen.is_alternate());
            }
            if !self.on_terminal || self.told.changed().await.is_err() {
                return std::future::pending().await;
            }
            // One that could not be said in time is not said late.
            self.due.clone_from(&self.told.borrow_and_update());
        }
    }
}

fn draw(notice: &Notice, alternate: bool) -> Drawn {
    let sentence = sentence(notice);
    let bytes = match alternate {
        true => format!("\x1b]2;{sentence}\x07\x07"),
        false => format!("\x07\r\n*** {sentence} ***\r\n"),
    };
    Drawn {
        bytes: Bytes::from(bytes),
        sentence,
    }
}

fn sentence(notice: &Notice) -> String {
    match notice {
        Notice::Ends { at, left, what } => {
            format!("{what} ends in {left}, at {}", hour(*at))
        }
        Notice::Extended { at } => format!("Extended: this session ends at {}", hour(*at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::{Span, Timestamp};

    fn ends() -> Notice {
        Notice::Ends {
            at: "2030-01-07T15:20:00Z".parse().unwrap(),
            left: Span::minutes(5),
            what: "Check-out 7K3F".to_owned(),
        }
    }

    async fn said(notices: &mut Notices) -> Option<String> {
        let next = tokio::time::timeout(std::time::Duration::from_millis(100), notices.next());
        let drawn = next.await.ok()?;
        Some(String::from_utf8(drawn.bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn it_is_a_line_or_a_title_and_waits_for_what_is_half_said() {
        let (sender, told) = watch::channel(None);
        let mut notices = Notices::new(told);
        notices.follow(b"$ ");
        sender.send_replace(Some(ends()));
        let line = "\x07\r\n*** Check-out 7K3F ends in 5m, at 15:20 UTC ***\r\n";
        assert_eq!(said(&mut notices).await.as_deref(), Some(line));

        notices.follow(b"\x1b[?1049h\x1b[3");
        sender.send_replace(Some(ends()));
        assert_eq!(said(&mut notices).await, None, "a sequence is half said");
        notices.follow(b"1m");
        let title = "\x1b]2;Check-out 7K3F ends in 5m, at 15:20 UTC\x07\x07";
        assert_eq!(said(&mut notices).await.as_deref(), Some(title));
        assert_eq!(said(&mut notices).await, None, "once");

        sender.send_replace(Some(Notice::Extended {
            at: Timestamp::from_millis(0),
        }));
        assert!(said(&mut notices).await.unwrap().contains("Extended"));
    }

    #[tokio::test]
    async fn without_a_terminal_nothing_is_ever_said() {
        let (sender, told) = watch::channel(None);
        let mut notices = Notices::new(told);
        sender.send_replace(Some(ends()));
        assert_eq!(said(&mut notices).await, None);
    }
}
