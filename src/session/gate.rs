//! The one admission (P6): authorise, register, look again, write down, hand out.
//!
//! Every protocol and every channel passes here. A store that does not answer is a no.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

use super::{
    Claim, Session,
    clerk::Entry,
    files,
    guard::{Guard, Until},
    traffic::Traffic,
    upstreams::Upstreams,
};
use crate::{
    audit,
    clock::Clock,
    identity::Identity,
    kill::{KillSwitch, Registration, Switchboard},
    lifecycle::{Change, Lifecycle},
    model::{
        audit::{Actor, AuditEvent},
        checkout::{Checkout, EndReason},
        ids::{CheckoutId, NodeId, SessionId},
        permit::{Permit, Purpose, authorize, choose},
        principal::Principal,
        recording::{Recording, RecordingMode},
        refusal::Refusal,
        session::{Outcome, SessionRow},
        target::{Account, Target},
        text::Text,
        time::{Span, Timestamp},
        ways_in::WaysIn,
    },
    recording::{Recorder, Recordings, Subject},
    store::{self, Store, StoreError, recording::KeyRow, session::Opening},
    telemetry::Metrics,
    vault::{Vault, WrappedKey, entropy},
};

/// Everything the gate stands on.
pub struct GateParts {
    pub store: Store,
    pub clock: Clock,
    pub vault: Vault,
    pub identity: Identity,
    pub lifecycle: Lifecycle,
    pub switchboard: Switchboard,
    pub recordings: Recordings,
    pub node: NodeId,
    pub metrics: Metrics,
    /// Whether certificates for targets hold only from where the gateway reached them.
    pub bind_certificates: bool,
    pub ways_in: WaysIn,
    /// How long before its end a session is warned.
    pub warn_before: Vec<Span>,
    /// Where the gateway itself listens.
    pub own_ports: Vec<u16>,
}

#[derive(Clone)]
pub struct Gate(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) parts: GateParts,
    clerk: mpsc::UnboundedSender<Entry>,
    /// Rows of file logs that may wait for the clerk: unlike the rest they are many.
    file_room: Arc<Semaphore>,
    /// Of all sessions.
    pub(super) upstreams: Upstreams,
}

impl Gate {
    /// The clerk's entries are a few for each session and channel, so they stay within bounds.
    pub fn new(parts: GateParts, clerk: mpsc::UnboundedSender<Entry>) -> Self {
        let file_room = Arc::new(Semaphore::new(files::MOST_WAITING));
        Self(Arc::new(Inner {
            parts,
            clerk,
            file_room,
            upstreams: Upstreams::default(),
        }))
    }

    pub fn identity(&self) -> &Identity {
        &self.0.parts.identity
    }

    pub fn now(&self) -> Timestamp {
        self.0.parts.clock.now()
    }

    /// Where people find the other listeners.
    pub fn ways_in(&self) -> &WaysIn {
        &self.0.parts.ways_in
    }

    pub fn recordings(&self) -> &Recordings {
        &self.0.parts.recordings
    }

    /// Has `switch` pulled when the user is disabled or the gateway stops, for a connection
    /// that is in no session.
    pub fn attend(&self, by: &Principal, switch: KillSwitch) -> Registration {
        let Self(inner) = self;
        inner.parts.switchboard.attend(by.user.clone(), switch)
    }

    pub(super) async fn note(&self, event: AuditEvent) {
        self.0.parts.lifecycle.note(&event).await;
    }

    pub(super) fn enter(&self, entry: Entry) {
        if self.0.clerk.send(entry).is_err() {
            // The clerk is gone only after every listener is; the next start closes the row.
            debug!("Session closed after the clerk");
        }
    }

    /// Waits until one more row of a file log may go to the clerk.
    pub(super) async fn file_room(&self) -> OwnedSemaphorePermit {
        let room = self.0.file_room.clone().acquire_owned().await;
        room.expect("nobody closes it")
    }

    /// Admits `by` to what they claim, or says why not. Either way the auditor knows.
    ///
    /// Runs to its end also when nobody waits for it any more: a session that was written down
    /// as open is then dropped, and so written down as closed.
    pub async fn admit(
        &self,
        by: &Principal,
        claim: Claim,
        switch: KillSwitch,
    ) -> Result<Session, Refusal> {
        let (gate, by) = (self.clone(), by.clone());
        let admitted = tokio::spawn(async move { gate.admit_audited(&by, &claim, switch).await });
        admitted.await.unwrap_or_else(|error| {
            warn!(%error, "Admission failed");
            Err(Refusal::ShuttingDown)
        })
    }

    async fn admit_audited(
        &self,
        by: &Principal,
        claim: &Claim,
        switch: KillSwitch,
    ) -> Result<Session, Refusal> {
        let admitted = self.try_admit(by, claim, switch).await;
        if let Err(refusal) = &admitted {
            self.0.parts.metrics.refused(refusal.code());
            let event = AuditEvent::refused(self.now(), "session.open", Actor::from(by), refusal)
                .about_user(&by.user)
                .with(serde_json::json!({
                    "target": Text::ours(&claim.target),
                    "account": claim.account,
                    "protocol": claim.protocol,
                    "peer": claim.peer.to_string(),
                }));
            self.note(event).await;
        }
        admitted
    }

    async fn try_admit(
        &self,
        by: &Principal,
        claim: &Claim,
        switch: KillSwitch,
    ) -> Result<Session, Refusal> {
        let parts = &self.0.parts;
        let mut checkouts = store::checkout::open_of_user(&parts.store, &by.user)
            .await
            .map_err(lost)?;
        if let Some(only) = &claim.checkout {
            checkouts.retain(|checkout| checkout.id == *only);
        }
        let checkout = choose(&checkouts, &claim.target, claim.account.as_ref())?;
        let (target, account) = self.place(checkout).await?;
        // How many are open is counted where the new one is written, so that two at once count.
        let permit = authorize(
            Purpose::Connect,
            by,
            checkout,
            &target,
            &account,
            0,
            self.now(),
        )?;
        // After the permit, so that only who may use it learns what it is.
        if target.protocol != claim.protocol {
            return Err(Refusal::OtherProtocol {
                target: target.name,
                protocol: target.protocol,
            });
        }
        if permit.recording().mode == RecordingMode::Required && parts.recordings.check().is_err() {
            return Err(Refusal::NoRecording);
        }

        let id = SessionId::new(self.now(), entropy());
        // INVARIANT: registered before the state is read again, so no revoke slips between:
        // one before this line is seen by the read below, one after it by the switch.
        let registration = parts.switchboard.register(
            checkout.id.clone(),
            by.user.clone(),
            target.id.clone(),
            id.clone(),
            switch.clone(),
        );
        let opened_at = self.now();
        self.write_opened(by, claim, &permit, &id, opened_at, checkout)
            .await?;
        if switch.is_pulled() {
            // The row is closed by the drop of a session, so there must be one to drop.
            debug!(session = %id, "Revoked while it was admitted");
        }
        let traffic = Arc::new(Traffic::default());
        let until = Until::new(permit.until());
        let guard = Guard {
            gate: self.clone(),
            session: id.clone(),
            traffic: traffic.clone(),
            checkout: checkout.id.clone(),
            expired: checkout.expired(),
            switch: switch.clone(),
            until: until.clone(),
            limit: permit
                .session_limit()
                .map(|limit| (limit, opened_at + limit)),
            code: permit.code().clone(),
            notices: watch::Sender::default(),
            warned: false,
        };
        let notices = guard.notices.subscribe();
        parts.lifecycle.announce(Change::Session {
            id: id.clone(),
            live: true,
        });
        let subject = Subject {
            session: id.clone(),
            checkout: checkout.id.clone(),
            title: format!(
                "{} on {} as {} (check-out {})",
                by.name,
                permit.target_name(),
                permit.account_name(),
                permit.code()
            ),
        };
        let recorder = Recorder::new(
            &parts.recordings,
            permit.recording(),
            subject,
            switch.clone(),
        );
        Ok(Session {
            recorder: Some(recorder),
            id,
            gate: self.clone(),
            principal: by.clone(),
            check_in_when_last: checkout.terms.check_in_after_last_session,
            permit,
            target,
            account,
            switch,
            _registration: registration,
            _guard: AbortOnDropHandle::new(tokio::spawn(guard.watch())),
            opened_at,
            until,
            traffic,
            notices,
            source: Default::default(),
            _open: parts.metrics.session_opened(claim.protocol),
            outcome: Default::default(),
            file_channels: Default::default(),
        })
    }

    /// The session's row and its audit event, in one transaction that also is the second look.
    async fn write_opened(
        &self,
        by: &Principal,
        claim: &Claim,
        permit: &Permit,
        id: &SessionId,
        opened_at: Timestamp,
        checkout: &Checkout,
    ) -> Result<(), Refusal> {
        let parts = &self.0.parts;
        let row = SessionRow {
            id: id.clone(),
            checkout: permit.checkout().clone(),
            user: permit.user().clone(),
            target: permit.target().clone(),
            account: permit.account().clone(),
            protocol: claim.protocol,
            node: parts.node.clone(),
            peer: claim.peer.to_string(),
            client: claim.client.clone(),
            opened_at,
            closed_at: None,
            outcome: None,
            message: String::new(),
            bytes_in: 0,
            bytes_out: 0,
        };
        let message = format!(
            "{} opened {}@{} from {}",
            by.name,
            permit.account_name(),
            permit.target_name(),
            claim.peer
        );
        let event = AuditEvent::done(opened_at, "session.open", Actor::from(by), message)
            .about_checkout(checkout)
            .about_session(id)
            .with(serde_json::json!({ "protocol": claim.protocol, "client": claim.client }));
        let mut tx = parts.store.begin().await.map_err(lost)?;
        let maximum = checkout.terms.maximum_sessions;
        match store::session::open(&mut tx, &row, maximum)
            .await
            .map_err(lost)?
        {
            Opening::Opened => {}
            Opening::NotActive => {
                return Err(Refusal::NoCheckout {
                    target: claim.target.clone(),
                });
            }
            Opening::TooMany => {
                let maximum = maximum.unwrap_or_default();
                return Err(Refusal::TooManySessions {
                    code: permit.code().clone(),
                    maximum,
                });
            }
        }
        audit::append(&mut tx, &event).await.map_err(lost)?;
        tx.commit().await.map_err(|error| {
            // It may have been written all the same, and nobody will use it.
            let message = Outcome::Lost.to_string();
            let event = AuditEvent::done(self.now(), "session.close", Actor::Gateway, message)
                .about_checkout(checkout)
                .about_session(id);
            self.enter(Entry::Doubtful(Box::new((id.clone(), event))));
            lost(error)
        })
    }

    /// The row of a recording that begins, with its key: without it nobody could read what is
    /// recorded from here on.
    pub(super) async fn keep_recording(
        &self,
        recording: &Recording,
        key: &WrappedKey,
    ) -> Result<(), StoreError> {
        let key = KeyRow {
            wrapped_key: key.bytes.clone(),
            kek_id: key.kek_id.clone(),
        };
        let mut tx = self.0.parts.store.begin().await?;
        store::recording::insert(&mut tx, recording, &key).await?;
        tx.commit().await
    }

    pub(super) async fn recheck(&self, session: &Session) -> Result<(), Refusal> {
        if let Some(reason) = session.switch.reason() {
            debug!(session = %session.id, reason = reason.code(), "Rechecked after the kill");
            return Err(Refusal::NoCheckout {
                target: session.target.name.to_string(),
            });
        }
        let checkout = self.checkout(session.permit.checkout()).await?;
        session
            .permit
            .recheck(&checkout, self.now())
            .map(|_until| ())
    }

    pub(super) async fn checkout(&self, id: &CheckoutId) -> Result<Checkout, Refusal> {
        let found =
            store::found(store::checkout::by_id(&self.0.parts.store, id).await).map_err(lost)?;
        // A row that has gone is a check-out that admits nobody.
        found.ok_or(Refusal::AlreadyEnded(EndReason::Revoked))
    }

    pub(super) async fn place(&self, checkout: &Checkout) -> Result<(Target, Account), Refusal> {
        let store = &self.0.parts.store;
        let gone = || Refusal::NoCheckout {
            target: checkout.target_name.to_string(),
        };
        let target =
            store::found(store::target::by_id(store, &checkout.target).await).map_err(lost)?;
        let account =
            store::found(store::account::by_id(store, &checkout.account).await).map_err(lost)?;
        let (target, account) = target.zip(account).ok_or_else(gone)?;
        Ok((target, account))
    }
}

/// A store that fails is a no, and the operator's log says why.
pub(super) fn lost(error: StoreError) -> Refusal {
    warn!(%error, "Store failed at admission");
    Refusal::StoreLost
}
