//! Somebody stands before a target and has no check-out: asks, files, waits, goes on.
//!
//! One `Asking` a connection; whichever of its channels has a person in front of it asks.
//! Everything is `lifecycle`'s to decide, and the way in stays `Gate::admit`.

mod channel;
mod form;
mod sign_in;
mod waiting;
mod words;

use std::time::Duration;

use tokio::sync::{Mutex, OnceCell, watch};

use self::words::Signpost;
pub use self::{
    channel::Attended,
    form::Form,
    sign_in::{Next, SigningIn, go_on},
    waiting::{Waiting, WaitingRoom},
    words::{hour, refused, too_many},
};
use super::{channels::Channels, login::Place, person::Told};
use crate::{
    model::{checkout::State, principal::Principal, refusal::Refusal, time::Span},
    session::{Filed, Gate},
};

/// From the first question until something is filed.
pub const FILL_IN: Span = Span::minutes(10);

/// How long a connection without any channel is kept while nothing has been asked for.
const NOBODY: Duration = Duration::from_secs(10);

/// What an operator may set of asking in place.
#[derive(Debug, Clone, Copy)]
pub struct AskSettings {
    /// How long somebody may wait on one connection.
    pub wait: Span,
    /// Whether people with a key are asked while they sign in, before it is known whether
    /// they will have a terminal.
    pub keys_at_sign_in: bool,
}

pub struct Asking {
    gate: Gate,
    settings: AskSettings,
    signpost: Signpost,
    channels: Channels,
    by: Principal,
    place: Place,
    /// They answered at sign-in, so there is a person who will wait.
    attended: bool,
    filed: watch::Sender<Option<Filed>>,
    /// One conversation at a time.
    turn: Mutex<()>,
    /// What a client is told that cannot be asked; filed for at most once.
    unattended: OnceCell<Told>,
    _waiting: Waiting,
}

/// Whether a check-out is all that is missing.
pub fn helps(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::NoCheckout { .. } | Refusal::StillWaiting { .. } | Refusal::NotYetOpen { .. }
    )
}

impl Asking {
    /// `filed` is what was asked for at sign-in.
    pub async fn new(
        gate: Gate,
        settings: AskSettings,
        channels: Channels,
        by: Principal,
        place: Place,
        filed: Option<Filed>,
        waiting: Waiting,
    ) -> Result<Self, Refusal> {
        let attended = filed.is_some();
        let filed = match filed {
            Some(filed) => Some(filed),
            None => pending(&gate, &by, &place).await?,
        };
        if filed.is_none() {
            // Where they may not ask at all, they are told so and not asked.
            let target = place.target.as_str();
            gate.place_to_ask(&by, target, place.account.as_ref())
                .await?;
        }
        let signpost = Signpost {
            user: by.name.clone(),
            ways_in: gate.ways_in().clone(),
        };
        Ok(Self {
            gate,
            settings,
            signpost,
            channels,
            by,
            place,
            attended,
            filed: watch::Sender::new(filed),
            turn: Mutex::default(),
            unattended: OnceCell::new(),
            _waiting: waiting,
        })
    }

    fn filed(&self) -> Option<Filed> {
        self.filed.borrow().clone()
    }

    async fn form(&self) -> Result<Form, Refusal> {
        let (target, account) = (self.place.target.as_str(), self.place.account.as_ref());
        let place = self.gate.place_to_ask(&self.by, target, account).await?;
        Ok(Form::new(place))
    }

    async fn file(&self, form: Form) -> Result<Filed, Refusal> {
        let (target, account) = (self.place.target.as_str(), self.place.account.as_ref());
        let asked = self
            .gate
            .request(&self.by, target, account, form.into_ask());
        let filed = asked.await?;
        self.filed.send_replace(Some(filed.clone()));
        Ok(filed)
    }

    async fn cancel(&self, filed: &Filed) -> Result<(), Refusal> {
        self.gate.cancel(&self.by, &filed.checkout.id).await?;
        Ok(())
    }

    /// Until the way is open, or it is clear that it will not be.
    pub async fn decided(&self) -> Result<(), Told> {
        let mut filed = self.filed.subscribe();
        // The sender lives as long as `self`.
        let stands = async { filed.wait_for(Option::is_some).await.is_ok() };
        tokio::select! {
            _ = stands => {}
            () = tokio::time::sleep(FILL_IN.duration()) => {
                return Err(words::nothing_asked(FILL_IN));
            }
            () = self.channels.deserted(NOBODY) => return Err(self.cannot_be_asked().await),
        }
        tokio::select! {
            answer = self.answer() => answer,
            () = tokio::time::sleep(self.settings.wait.duration()) => {
                Err(self.cannot_be_asked().await)
            }
            () = self.left() => Err(self.cannot_be_asked().await),
        }
    }

    async fn answer(&self) -> Result<(), Told> {
        loop {
            let Some(filed) = self.filed() else {
                return std::future::pending().await;
            };
            match &filed.checkout.state {
                State::Active { .. } => return Ok(()),
                State::Ended { end, .. } => return Err(words::ended(&filed.checkout, end)),
                State::Requested | State::Approved { .. } => {
                    let checkout = self.gate.changed(&filed.checkout).await;
                    let mut now = Filed { checkout, ..filed };
                    // One vote of several: others are waited for now.
                    if let Ok(again) = self.gate.joined(now.checkout.clone()).await {
                        now.approvers = again.approvers;
                    }
                    self.filed.send_replace(Some(now));
                }
            }
        }
    }

    /// Every channel is gone, and nobody said at sign-in that they would wait.
    async fn left(&self) {
        if self.attended {
            std::future::pending().await
        }
        self.channels.deserted(NOBODY).await;
    }

    /// What is told on a channel that nobody can be asked on; none where somebody is asked
    /// elsewhere and it can wait for that.
    pub async fn not_here(&self) -> Option<Told> {
        if self.attended || self.turn.try_lock().is_err() {
            return None;
        }
        Some(self.cannot_be_asked().await)
    }

    /// What a client is told that can neither be asked nor wait. Files the request where the
    /// policy wants nothing to be filled in.
    async fn cannot_be_asked(&self) -> Told {
        let told = self.unattended.get_or_init(async || {
            if let Some(filed) = self.filed() {
                return words::come_back(&filed, &self.signpost);
            }
            let filed = match self.form().await {
                Ok(form) if form.needs_nobody() => self.file(form).await,
                Ok(_) => return words::ask_first(&self.place.target, &self.signpost),
                Err(refusal) => Err(refusal),
            };
            match filed {
                Ok(filed) => words::come_back(&filed, &self.signpost),
                Err(refusal) => words::refused(&refusal),
            }
        });
        told.await.clone()
    }
}

/// What the person has asked for already.
async fn pending(gate: &Gate, by: &Principal, place: &Place) -> Result<Option<Filed>, Refusal> {
    let (target, account) = (place.target.as_str(), place.account.as_ref());
    match gate.standing(by, target, account).await? {
        Some(checkout) => gate.joined(checkout).await.map(Some),
        None => Ok(None),
    }
}
