//! One channel of somebody who has no check-out yet: asked and waited with where there is a
//! terminal, told how to come back where there is none.

use std::time::Duration;

use tokio::sync::watch;

use super::{Asking, words};
use crate::broker::ssh::{
    console::{Console, Key, Typed, editor::Editor},
    entrance::Way,
    inbox::Inbox,
    opening::Opening,
    person::{NO_PERMISSION, PersonChannel, PersonGone, Told},
    talk::{Ask, Environment, Size, Terminal},
};
use crate::model::time::Timestamp;

/// For one answer. Who takes longer is not there.
const ANSWER: Duration = Duration::from_secs(180);
/// How often the line moves.
const MOVE: Duration = Duration::from_secs(1);

/// Why this channel goes no further.
enum Stop {
    Told(Told),
    Gone,
}

impl From<PersonGone> for Stop {
    fn from(_: PersonGone) -> Self {
        Self::Gone
    }
}

impl From<Told> for Stop {
    fn from(told: Told) -> Self {
        Self::Told(told)
    }
}

/// A person's channel while its way is not open.
pub struct Attended<'a> {
    pub person: &'a PersonChannel,
    pub asks: &'a Inbox<Ask>,
    pub environment: &'a Environment,
    pub way: &'a mut watch::Receiver<Option<Way>>,
}

impl Attended<'_> {
    /// Whether the channel goes on, now that the way is another.
    pub async fn serve(mut self, asking: &Asking) -> bool {
        match self.attend(asking).await {
            Ok(()) => true,
            Err(Stop::Gone) => false,
            Err(Stop::Told(told)) => {
                // Nobody left to be told.
                self.person.refuse(&told).await.ok();
                false
            }
        }
    }

    async fn attend(&mut self, asking: &Asking) -> Result<(), Stop> {
        let opening = Opening::read(self.person, self.asks, self.environment).await?;
        let opening = opening.ok_or(Stop::Gone)?;
        let size = match &opening.terminal {
            Some(terminal) => Some(self.with_terminal(asking, terminal).await?),
            // They answered at sign-in and know what is waited for.
            None if asking.attended => {
                self.decided().await;
                None
            }
            None => return Err(asking.cannot_be_asked().await.into()),
        };
        opening.put_back(self.asks, size);
        Ok(())
    }

    /// Asks and waits; returns how large the terminal is by then.
    async fn with_terminal(&mut self, asking: &Asking, of: &Terminal) -> Result<Size, Stop> {
        let mut console = Console::new(self.person, self.asks, of.size);
        let turn = asking.turn.lock().await;
        match asking.filed() {
            Some(_) if asking.attended => {}
            Some(filed) => console.say(&words::filed(&filed, &asking.signpost)).await?,
            None => ask(asking, &mut console).await?,
        }
        drop(turn);
        let since = asking.gate.now();
        self.wait(asking, &mut console, since).await?;
        Ok(console.size())
    }

    async fn wait(
        &mut self,
        asking: &Asking,
        console: &mut Console<'_>,
        since: Timestamp,
    ) -> Result<(), Stop> {
        let mut moves = tokio::time::interval(MOVE);
        loop {
            let key = tokio::select! {
                biased;
                () = self.decided() => break,
                key = console.key() => key,
                _ = moves.tick() => {
                    if let Some(filed) = asking.filed() {
                        let line = words::waits(&filed, since, asking.gate.now());
                        console.draw_over(&line).await?;
                    }
                    continue;
                }
            };
            match key {
                Some(Key::Interrupt) => self.cancel(asking, console).await?,
                None | Some(Key::EndOfInput) => {
                    console.wipe().await?;
                    return Err(left(asking).await);
                }
                Some(_) => {}
            }
        }
        console.wipe().await?;
        let open = matches!(&*self.way.borrow(), Some(Way::Open(_)));
        if let (true, Some(filed)) = (open, asking.filed()) {
            console.say(&words::opened(&filed.checkout)).await?;
        }
        Ok(())
    }

    /// Ctrl-C is asked about: the request may be worth more than the wait.
    async fn cancel(&mut self, asking: &Asking, console: &mut Console<'_>) -> Result<(), Stop> {
        let Some(filed) = asking.filed() else {
            return Ok(());
        };
        console.wipe().await?;
        let question = format!("Cancel the request {}? [y/N] ", filed.checkout.code);
        let mut editor = Editor::default();
        let typed = tokio::select! {
            biased;
            () = self.decided() => return Ok(()),
            typed = console.line(&question, &mut editor) => typed?,
        };
        match typed {
            Typed::Line(yes) if yes.trim().eq_ignore_ascii_case("y") => {
                if let Err(refusal) = asking.cancel(&filed).await {
                    console.say(&words::refused(&refusal).sentence).await?;
                }
                Ok(())
            }
            Typed::Line(_) => Ok(()),
            Typed::Interrupt | Typed::End => Err(left(asking).await),
        }
    }

    /// Until the way is another than the one that is asked and waited on.
    async fn decided(&mut self) {
        let another = |way: &Option<Way>| !matches!(way, Some(Way::Asking(_)));
        if self.way.wait_for(another).await.is_err() {
            // Nobody opens it any more: the connection ends.
            std::future::pending().await
        }
    }
}

async fn left(asking: &Asking) -> Stop {
    match asking.filed() {
        Some(filed) => Stop::Told(words::left(&filed, &asking.signpost)),
        None => Stop::Gone,
    }
}

/// Question by question, until the request stands.
async fn ask(asking: &Asking, console: &mut Console<'_>) -> Result<(), Stop> {
    let refused = |refusal| Stop::Told(words::refused(&refusal));
    let mut form = asking.form().await.map_err(refused)?;
    if form.question().is_some() {
        let what = form.what();
        let intro = format!("You have no check-out for {what}. Ask for one, or press Ctrl-C.");
        console.say(&intro).await?;
    }
    let mut editor = Editor::default();
    while let Some(question) = form.question() {
        let answer = tokio::time::timeout(ANSWER, console.line(&question, &mut editor)).await;
        match answer {
            Ok(typed) => match typed? {
                Typed::Line(text) => {
                    if let Err(complaint) = form.answer(&text) {
                        console.say(&complaint).await?;
                    }
                }
                Typed::Interrupt => {
                    return Err(Stop::Told(Told {
                        sentence: "Nothing was asked for.".to_owned(),
                        status: NO_PERMISSION,
                    }));
                }
                Typed::End => return Err(asking.cannot_be_asked().await.into()),
            },
            Err(_) => return Err(asking.cannot_be_asked().await.into()),
        }
    }
    let filed = asking.file(form).await.map_err(refused)?;
    console.say(&words::filed(&filed, &asking.signpost)).await?;
    Ok(())
}
