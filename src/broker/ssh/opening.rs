//! What a client wants of a channel, read up to its start, while nothing can run yet.
//!
//! Everything that is known is said yes to, because a client shows nothing before something runs; what was
//! asked can be put back, so that the one who can run it finds it as if it had just come.

use super::{
    inbox::{Inbox, Item},
    person::{PersonChannel, PersonGone},
    talk::{Ask, Environment, Size, Start, Terminal},
};

/// No honest client asks for so many things before it starts something.
const MOST: usize = 256;

pub struct Opening {
    asked: Vec<Ask>,
    pub terminal: Option<Terminal>,
    pub start: Start,
}

impl Opening {
    /// None where the client closed the channel first.
    pub async fn read(
        person: &PersonChannel,
        asks: &Inbox<Ask>,
        environment: &Environment,
    ) -> Result<Option<Self>, PersonGone> {
        let mut asked = Vec::new();
        let mut terminal: Option<Terminal> = None;
        while let Some(item) = asks.next().await {
            let Item::Control(mut ask) = item else {
                // Nothing runs yet that could read it.
                continue;
            };
            let yes = match &ask {
                Ask::Close => return Ok(None),
                Ask::Terminal(_, wanted) => {
                    person.has_terminal();
                    terminal = Some(wanted.clone());
                    true
                }
                Ask::Resize(size) => {
                    if let Some(terminal) = &mut terminal {
                        terminal.size = *size;
                    }
                    true
                }
                Ask::Variable(_, name, value) => environment.allows(name, value, asked.len()),
                Ask::Unknown(_) => false,
                _ => true,
            };
            if ask.take_wish() {
                person.answer(yes).await?;
            }
            let start = match &ask {
                Ask::Start(_, start) => Some(start.clone()),
                _ => None,
            };
            asked.push(ask);
            if let Some(start) = start {
                return Ok(Some(Self {
                    asked,
                    terminal,
                    start,
                }));
            }
            if asked.len() > MOST {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// As if it had not been read; the terminal is of this size now.
    pub fn put_back(mut self, asks: &Inbox<Ask>, size: Option<Size>) {
        if let Some(size) = size {
            let before_start = self.asked.len() - 1;
            self.asked.insert(before_start, Ask::Resize(size));
        }
        asks.put_back(self.asked.into_iter());
    }
}
