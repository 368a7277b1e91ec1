//! Tells people: sorts what decisions left in the outbox and sends it, until it has arrived.
//!
//! At least once, each with an id that stays. Never decides anything, is waited for by no
//! decision, and lets no channel that is dead hold up another.

mod form;
mod hook;
mod mail;
mod secret;
mod sort;
mod wire;

use std::{collections::HashMap, time::Duration};

use tokio::{sync::broadcast::error::RecvError, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

pub use self::secret::{BadSecret, hook_secret, signing_key};
use self::wire::Wire;
use crate::{
    audit,
    clock::{Clock, Stopwatch},
    lifecycle::{Change, Lifecycle},
    model::{
        audit::{Actor, AuditEvent},
        ids::{ChannelId, NoticeId},
        notice::{
            Channel, ChannelKind, Delivery, DeliveryState, Event, Notice, Words, pause_after, words,
        },
        time::Span,
        ways_in::WaysIn,
    },
    store::{self, Store, StoreError, delivery::Due},
    telemetry::Metrics,
    vault::{ChannelSecrets, SealedSecret, VaultError, entropy},
};

/// Between two looks at the outbox while nothing happens.
const ROUND: Duration = Duration::from_secs(1);
/// Between two looks at what ends soon, and at what is old.
const HOUSEWORK: Duration = Duration::from_secs(10);
/// At most so many are sorted, or warned of, in one round.
const BATCH: usize = 100;
/// So many tries at once on one channel.
const AT_ONCE: usize = 4;
/// How long one try may take, from looking up a name to the answer.
const TRY: Duration = Duration::from_secs(30);
/// Until another node may try what this one has taken and said nothing more of.
const TAKEN: Duration = Duration::from_secs(45);
/// How long tries that have begun may go on when the gateway stops.
const LEAVE: Duration = Duration::from_secs(10);
/// So long before the end of a check-out its holder is warned.
const SOON: Span = Span::minutes(10);
/// What is shorter ends soon from its beginning, which its holder knows.
const LONG: Span = Span::minutes(20);
/// What was told is kept so long.
const KEPT: Span = Span::hours(30 * 24);

pub struct Notifier {
    pub store: Store,
    pub clock: Clock,
    pub lifecycle: Lifecycle,
    pub secrets: ChannelSecrets,
    pub ways_in: WaysIn,
    /// Where the gateway itself listens: no channel leads there by accident.
    pub own_ports: Vec<u16>,
    pub metrics: Metrics,
}

/// Why a try failed, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    /// It may work later.
    Now(String),
    /// Trying again changes nothing.
    ForGood(String),
}

impl Failure {
    fn sentence(&self) -> &str {
        match self {
            Self::Now(sentence) | Self::ForGood(sentence) => sentence,
        }
    }
}

/// One notice as it goes out.
struct Message<'a> {
    channel: &'a Channel,
    delivery: &'a Delivery,
    notice: &'a Notice,
    words: Words,
    /// The page at the console that the link opens.
    link: String,
}

impl Notifier {
    pub async fn run(self, stop: CancellationToken) {
        let mut changes = self.lifecycle.subscribe();
        let mut going: JoinSet<ChannelId> = JoinSet::new();
        let mut busy: HashMap<ChannelId, usize> = HashMap::new();
        let mut housework: Option<Stopwatch> = None;
        let notifier = std::sync::Arc::new(self);
        loop {
            if housework
                .as_ref()
                .is_none_or(|since| since.elapsed() >= HOUSEWORK)
            {
                housework = Some(Stopwatch::start());
                if let Err(error) = notifier.housework().await {
                    warn!(%error, "What ends soon was not looked for");
                }
            }
            if let Err(error) = notifier.round(&mut going, &mut busy).await {
                warn!(%error, "Outbox not looked at");
            }
            let nudged = async {
                loop {
                    match changes.recv().await {
                        Ok(change) if is_news(&change) => return,
                        Ok(_) => {}
                        Err(RecvError::Lagged(_)) => return,
                        Err(RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = nudged => {}
                () = sleep(ROUND) => {}
                Some(ended) = going.join_next(), if !going.is_empty() => free(&mut busy, ended),
            }
            while let Some(ended) = going.try_join_next() {
                free(&mut busy, ended);
            }
        }
        // What has begun may end: it would go out a second time from elsewhere.
        let leaving = async { while going.join_next().await.is_some() {} };
        if tokio::time::timeout(LEAVE, leaving).await.is_err() {
            warn!(
                tries = going.len(),
                "Left in the middle of telling people, others go on"
            );
        }
    }

    /// Sorts what is new, and begins to send what is due.
    async fn round(
        self: &std::sync::Arc<Self>,
        going: &mut JoinSet<ChannelId>,
        busy: &mut HashMap<ChannelId, usize>,
    ) -> Result<(), StoreError> {
        let unsorted = store::notice::unsorted(&self.store, BATCH).await?;
        let channels = store::channel::list(&self.store).await?;
        for notice in &unsorted {
            self.sort(notice, &channels).await?;
        }
        for channel in channels.into_iter().filter(|channel| !channel.disabled) {
            let begun = busy.get(&channel.id).copied().unwrap_or(0);
            let free = AT_ONCE.saturating_sub(begun);
            if free == 0 {
                continue;
            }
            for due in self.take(&channel.id, free).await? {
                *busy.entry(channel.id.clone()).or_default() += 1;
                let (notifier, channel) = (self.clone(), channel.clone());
                going.spawn(async move {
                    notifier.attempt(&channel, due).await;
                    channel.id
                });
            }
        }
        Ok(())
    }

    /// What is due, put off so that no other node tries it meanwhile.
    async fn take(&self, channel: &ChannelId, limit: usize) -> Result<Vec<Due>, StoreError> {
        let now = self.clock.now();
        let due = store::delivery::due(&self.store, channel, now, limit).await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.store.begin().await?;
        let mut taken = Vec::new();
        for mut due in due {
            match store::delivery::take(&mut tx, &due.delivery, now + TAKEN).await {
                Ok(()) => {
                    due.delivery.attempts += 1;
                    taken.push(due);
                }
                // Another node was faster.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        tx.commit().await?;
        Ok(taken)
    }

    async fn attempt(&self, channel: &Channel, due: Due) {
        let tried = match tokio::time::timeout(TRY, self.send(channel, &due)).await {
            Ok(tried) => tried,
            Err(_) => Err(Failure::Now(format!(
                "it did not answer within {} s",
                TRY.as_secs()
            ))),
        };
        if let Err(failure) = &tried {
            info!(channel = %channel.name, delivery = %due.delivery.id,
                attempts = due.delivery.attempts, error = failure.sentence(), "Not delivered");
        }
        // The try is over whatever the store says: written down now, or tried again by whoever
        // comes after the time it was taken for.
        if let Err(error) = self.write_down(channel, &due.delivery, tried).await {
            warn!(delivery = %due.delivery.id, %error, "What became of a delivery was not written down");
        }
        self.lifecycle.announce(Change::Noun {
            noun: "delivery",
            name: due.delivery.id.to_string(),
        });
    }

    async fn send(&self, channel: &Channel, due: &Due) -> Result<(), Failure> {
        let unread = |_| Failure::Now("the gateway's database did not answer".to_owned());
        let notice = store::notice::by_id(&self.store, &due.delivery.notice)
            .await
            .map_err(unread)?
            .ok_or_else(|| Failure::ForGood("what was to be told is gone".to_owned()))?;
        let sealed = store::channel::secret(&self.store, &channel.id)
            .await
            .map_err(unread)?;
        let secret = match sealed {
            None => None,
            Some(row) => {
                let sealed = SealedSecret {
                    wrapped_key: row.wrapped_key,
                    ciphertext: row.ciphertext,
                    kek_id: row.kek_id,
                };
                let opened = self.secrets.open(&channel.id, &sealed);
                Some(opened.map_err(|error: VaultError| {
                    Failure::Now(format!("its secret cannot be opened: {error}"))
                })?)
            }
        };
        let words = words(&notice, due.reader.as_ref());
        let message = Message {
            channel,
            delivery: &due.delivery,
            link: format!("{}{}", self.ways_in.console, words.path),
            notice: &notice,
            words,
        };
        let wire = Wire {
            own_ports: &self.own_ports,
        };
        let secret = secret.as_ref().map(|secret| secret.as_slice());
        match channel.kind {
            ChannelKind::Email => mail::send(&message, secret, &wire).await,
            ChannelKind::Webhook => hook::webhook(&message, secret, self.clock.now(), &wire).await,
            ChannelKind::Slack | ChannelKind::Teams => hook::chat(&message, secret, &wire).await,
        }
    }

    async fn write_down(
        &self,
        channel: &Channel,
        delivery: &Delivery,
        tried: Result<(), Failure>,
    ) -> Result<(), StoreError> {
        let (id, attempts, now) = (&delivery.id, delivery.attempts, self.clock.now());
        let kind = channel.kind.as_str();
        let mut tx = self.store.begin().await?;
        let written = match &tried {
            Ok(()) => {
                self.metrics.delivery(kind, "delivered");
                store::delivery::arrived(&mut tx, id, attempts, now).await
            }
            Err(failure) => match next(delivery, failure) {
                Some(pause) => {
                    self.metrics.delivery(kind, "failed");
                    let due = now + pause;
                    store::delivery::put_off(&mut tx, id, attempts, due, failure.sentence()).await
                }
                None => {
                    self.metrics.delivery(kind, "dead");
                    let sentence = failure.sentence();
                    match store::delivery::give_up(&mut tx, id, attempts, now, sentence).await {
                        Ok(()) => {
                            let event = given_up(channel, delivery, sentence, now);
                            audit::append(&mut tx, &event).await.map(drop)
                        }
                        Err(error) => Err(error),
                    }
                }
            },
        };
        match written {
            Ok(()) => tx.commit().await,
            // An admin began anew with it, or took the channel away.
            Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Warns of what ends soon, and removes what was told long ago.
    async fn housework(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        for checkout in store::checkout::ending(&self.store, now + SOON, LONG, BATCH).await? {
            let id = NoticeId::new(now, entropy());
            let notice = Notice::ending_soon(id, &checkout, now);
            let mut tx = self.store.begin().await?;
            store::notice::insert(&mut tx, &notice).await?;
            tx.commit().await?;
        }
        let mut tx = self.store.begin().await?;
        let removed = store::notice::prune(&mut tx, now.before(KEPT)).await?;
        tx.commit().await?;
        if removed > 0 {
            debug!(removed, "Old notices removed");
        }
        Ok(())
    }
}

/// How long until it is tried again; none where that changes nothing.
fn next(delivery: &Delivery, failure: &Failure) -> Option<Span> {
    match failure {
        // Whoever tries a channel waits for the answer and tries it again themselves.
        _ if delivery.event == Event::Test => None,
        Failure::ForGood(_) => None,
        Failure::Now(_) => pause_after(delivery.attempts),
    }
}

fn given_up(
    channel: &Channel,
    delivery: &Delivery,
    sentence: &str,
    now: crate::model::time::Timestamp,
) -> AuditEvent {
    let message = format!(
        "{} was not delivered on {} after {} tries: {sentence}",
        delivery.event, channel.name, delivery.attempts
    );
    AuditEvent::done(now, "delivery.give-up", Actor::Gateway, message).with(serde_json::json!({
        "delivery": delivery.id,
        "channel": channel.name,
        "event": delivery.event,
        "checkout": delivery.code,
        "state": DeliveryState::Dead.as_str(),
    }))
}

fn is_news(change: &Change) -> bool {
    match change {
        Change::Checkout { .. } => true,
        Change::Noun { noun, .. } => *noun == "channel" || *noun == "outbox",
        Change::Session { .. } => false,
    }
}

fn free(busy: &mut HashMap<ChannelId, usize>, ended: Result<ChannelId, tokio::task::JoinError>) {
    match ended {
        Ok(channel) => {
            if let Some(count) = busy.get_mut(&channel) {
                *count = count.saturating_sub(1);
            }
        }
        Err(error) => {
            // Whose it was is not known: all count anew, and a try too many does no harm.
            warn!(%error, "Telling somebody failed inside the gateway");
            busy.clear();
        }
    }
}
