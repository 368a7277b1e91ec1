//! What a broker may do: be admitted, dial, use the credential, record, be told why it ended.
//!
//! A `Session` is a live use of a permit. Dropped means closed, and audited. Never speaks
//! a protocol and never decides a rule.

mod asking;
mod clerk;
pub mod credential;
pub mod dial;
mod files;
mod gate;
mod guard;
mod guest;
mod identity;
pub mod one_time;
pub mod reveal;
mod traffic;
mod upstreams;
mod vouch;

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::{net::TcpStream, sync::watch};
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use self::guard::Until;
pub use self::{
    asking::Filed,
    clerk::{Clerk, Entry},
    credential::{Credential, CredentialError},
    dial::DialError,
    files::FileLog,
    gate::{Gate, GateParts},
    guard::Notice,
    identity::{IdentityError, SignedIdentity},
};
use self::{clerk::Closed, traffic::Traffic};
use crate::{
    kill::{KillSwitch, Leashed, Registration},
    model::{
        audit::{Actor, AuditEvent},
        ids::{CheckoutId, SessionId},
        name::AccountName,
        permit::Permit,
        principal::Principal,
        recording::Recording,
        refusal::Refusal,
        session::Outcome,
        target::{Account, Address, Protocol, Target},
        time::Timestamp,
    },
    recording::{Content, Recorder, RecordingError, Track},
    telemetry::OpenSession,
    vault::WrappedKey,
};

/// What somebody at the door wants.
#[derive(Debug, Clone)]
pub struct Claim {
    pub protocol: Protocol,
    /// As it was typed: a name that does not parse is a target that does not exist.
    pub target: String,
    pub account: Option<AccountName>,
    /// The only check-out that may admit them; otherwise any of theirs that fits.
    pub checkout: Option<CheckoutId>,
    pub peer: SocketAddr,
    /// What their client calls itself, cleaned.
    pub client: String,
}

/// One admitted connection. Share it in an `Arc`; the last drop closes its row.
pub struct Session {
    id: SessionId,
    gate: Gate,
    principal: Principal,
    permit: Permit,
    target: Target,
    account: Account,
    switch: KillSwitch,
    /// Held so that the switchboard finds this session for as long as it lives.
    _registration: Registration,
    /// Ends it when its time is over.
    _guard: AbortOnDropHandle<()>,
    check_in_when_last: bool,
    opened_at: Timestamp,
    until: Until,
    traffic: Arc<Traffic>,
    notices: watch::Receiver<Option<Notice>>,
    /// From where the target was reached.
    source: OnceLock<IpAddr>,
    _open: OpenSession,
    outcome: OnceLock<Outcome>,
    /// How many of its channels have moved files.
    file_channels: AtomicU32,
    /// None only while it is dropped.
    recorder: Option<Recorder>,
}

impl Session {
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    pub fn account(&self) -> &Account {
        &self.account
    }

    pub fn switch(&self) -> &KillSwitch {
        &self.switch
    }

    /// What the person should be told of its end.
    pub fn notices(&self) -> watch::Receiver<Option<Notice>> {
        self.notices.clone()
    }

    pub fn now(&self) -> Timestamp {
        self.gate.now()
    }

    pub fn opened_at(&self) -> Timestamp {
        self.opened_at
    }

    /// Until when it may go on, as far as is known.
    pub fn until(&self) -> Timestamp {
        self.until.now()
    }

    /// Whether it may go on, asked for each request: nobody has ended it, and its time is not
    /// over. After a no, `recheck` may know more.
    pub fn stands(&self) -> bool {
        !self.switch.is_pulled() && self.now() < self.until()
    }

    /// The target's leg: connected within the limit, cut with the switch.
    pub async fn dial(&self) -> Result<Leashed<TcpStream>, DialError> {
        let dialled = match self.target.protocol {
            Protocol::Ssh => dial::dial(&self.target.address, &self.switch).await?,
            Protocol::Web | Protocol::Rdp => return Ok(self.reach().await?.0),
        };
        if let Some(source) = dialled.source {
            self.source.set(source).ok();
        }
        Ok(dialled.stream)
    }

    /// The leg of a target that may have several addresses, and the one that took it: the
    /// first that does, those that failed a short while ago last.
    pub async fn reach(&self) -> Result<(Leashed<TcpStream>, &Address), DialError> {
        self.reach_under(&self.switch).await
    }

    async fn reach_under(
        &self,
        switch: &KillSwitch,
    ) -> Result<(Leashed<TcpStream>, &Address), DialError> {
        let own_ports = &self.gate.0.parts.own_ports;
        let order = self.gate.0.upstreams.in_order(self.addresses());
        let mut first_failure = None;
        for (behind, address) in (0..order.len()).rev().zip(order) {
            let patience = match behind {
                0 => dial::PATIENCE,
                _ => dial::SHORT_PATIENCE,
            };
            match dial::dial_elsewhere(address, own_ports, patience, switch).await {
                Ok(dialled) => return Ok((dialled.stream, address)),
                Err(killed @ DialError::Killed(_)) => return Err(killed),
                Err(error) => {
                    self.failed_at(address, &error);
                    first_failure.get_or_insert(error);
                }
            }
        }
        Err(first_failure.expect("a target has an address"))
    }

    /// Where the target is found, in the order that was written down.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        let also = self.target.web.as_ref().map(|web| &web.also);
        std::iter::once(&self.target.address).chain(also.into_iter().flatten())
    }

    /// An address did not do as it should, and is tried last for a while.
    pub fn failed_at(&self, address: &Address, error: &dyn std::fmt::Display) {
        if self.addresses().nth(1).is_some() {
            warn!(session = %self.id, %address, %error, "Address of a target tried last for a while");
            self.gate.0.upstreams.failed(address);
        }
    }

    /// Where the target's sign-in leads, by what an admin wrote down: the server of a token.
    /// Cut with the switch like the target's own leg.
    pub async fn dial_to(&self, address: &Address) -> Result<Leashed<TcpStream>, DialError> {
        let own_ports = &self.gate.0.parts.own_ports;
        let dialled =
            dial::dial_elsewhere(address, own_ports, dial::PATIENCE, &self.switch).await?;
        Ok(dialled.stream)
    }

    /// The target's leg for the gateway's own last word, which a pulled switch does not cut.
    ///
    /// INVARIANT: nothing of the person's goes over it, and whoever asks for it bounds it.
    pub async fn dial_goodbye(&self) -> Result<Leashed<TcpStream>, DialError> {
        Ok(self.reach_under(&KillSwitch::new()).await?.0)
    }

    /// The target's credential, unsealed for this permit. Audited before it is handed out.
    pub async fn credential(&self) -> Result<Credential, CredentialError> {
        self.gate.credential(self).await
    }

    /// Whether the permit still stands (P6): asked when a channel opens and when the two
    /// streams are joined. A store that does not answer is a no.
    pub async fn recheck(&self) -> Result<(), Refusal> {
        self.gate.recheck(self).await
    }

    /// Begins the recording of one channel. Nothing of the channel goes to the target before
    /// this returns; where the policy requires a recording, an error is a no.
    pub async fn record(&self, content: Content) -> Result<Track, Refusal> {
        let recorder = self
            .recorder
            .as_ref()
            .expect("a session that is used is not dropped");
        let keep = async |recording: &Recording, key: &WrappedKey| {
            let kept = self.gate.keep_recording(recording, key).await;
            kept.map_err(|error| RecordingError::NotKept(error.to_string()))
        };
        recorder.attach(content, keep).await.map_err(|error| {
            warn!(session = %self.id, %error, "Recording not begun");
            Refusal::NoRecording
        })
    }

    /// Ends the recording of one channel; `last_word` stands at its end: `exit status 0`.
    pub async fn recorded(&self, track: Track, last_word: &str) {
        if let Some(finished) = track.finish(last_word).await {
            let event = AuditEvent::done(self.gate.now(), "", Actor::from(&self.principal), "");
            let event = clerk::told(&self.about(event), &finished);
            self.gate
                .enter(Entry::Finished(Box::new((finished, event))));
        }
    }

    /// Waits until one more row of a file log may go to the clerk.
    pub async fn room_for_file(&self) {
        drop(self.gate.file_room().await);
    }

    fn next_file_channel(&self) -> u32 {
        self.file_channels.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Adds to what went from the person to the target.
    pub fn count_in(&self, bytes: u64) {
        self.traffic.count_in(bytes);
    }

    /// Adds to what went from the target to the person.
    pub fn count_out(&self, bytes: u64) {
        self.traffic.count_out(bytes);
    }

    /// Writes an audit event about this session: something was refused inside it.
    pub async fn audit_refused(&self, kind: &str, refusal: &Refusal) {
        let event =
            AuditEvent::refused(self.gate.now(), kind, Actor::from(&self.principal), refusal);
        self.gate.note(self.about(event)).await;
    }

    /// Writes an audit event about this session: something was done inside it.
    pub async fn audit_done(&self, kind: &str, message: &str, detail: serde_json::Value) {
        let event = AuditEvent::done(self.gate.now(), kind, Actor::from(&self.principal), message);
        self.gate.note(self.about(event.with(detail))).await;
    }

    /// A refusal from where nothing can be waited for. Tried until it is written.
    pub fn audit_refused_later(&self, kind: &str, refusal: &Refusal) {
        let event =
            AuditEvent::refused(self.gate.now(), kind, Actor::from(&self.principal), refusal);
        self.gate.enter(Entry::Noted(Box::new(self.about(event))));
    }

    /// The same from where nothing can be waited for. Tried until it is written.
    pub fn audit_later(&self, kind: &str, message: &str, detail: serde_json::Value) {
        let event = AuditEvent::done(self.gate.now(), kind, Actor::from(&self.principal), message);
        let event = self.about(event.with(detail));
        self.gate.enter(Entry::Noted(Box::new(event)));
    }

    /// Says how it ended; the first word counts. A pulled switch outweighs every other.
    pub fn close(&self, outcome: Outcome) {
        // A second word is no fault: both legs notice the same end.
        self.outcome.set(outcome).ok();
    }

    fn about(&self, mut event: AuditEvent) -> AuditEvent {
        event.session = Some(self.id.clone());
        event.checkout = Some(self.permit.checkout().clone());
        event.target = Some(self.target.id.clone());
        event.account = Some(self.account.id.clone());
        event.user = Some(self.principal.user.clone());
        event
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let outcome = match self.switch.reason() {
            Some(reason) => Outcome::Killed(reason),
            None => self.outcome.take().unwrap_or(Outcome::Closed),
        };
        let event = self.about(AuditEvent::done(
            self.gate.now(),
            "session.close",
            Actor::from(&self.principal),
            outcome.to_string(),
        ));
        let recorder = self.recorder.take().expect("a session is dropped once");
        self.gate.enter(Entry::Closed(Box::new(Closed {
            session: self.id.clone(),
            checkout: self.permit.checkout().clone(),
            outcome,
            event,
            recorder,
            check_in_when_last: self.check_in_when_last,
            switch: self.switch.clone(),
            protocol: self.target.protocol,
            traffic: self.traffic.now(),
        })));
    }
}

/// Several tasks of one connection hold the same session.
pub type SharedSession = Arc<Session>;
