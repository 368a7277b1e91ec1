//! The sessions of the people who are here: one for each token, target and account.
//!
//! A session is admitted with its first request and looked at again with each. It ends with
//! its check-out, or when nobody has asked anything for a while.

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::{HeaderMap, header::HeaderValue};
use serde::Serialize;
use tokio::{sync::OnceCell, time::timeout};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::warn;

use super::{
    answer::Answer,
    callers::Caller,
    identity::Teller,
    masks::Masks,
    means::{Means, Ready},
    pins,
    pool::Pool,
    record,
    sample::{BodyLine, Sample},
};
use crate::{
    clock::Stopwatch,
    kill::KillSwitch,
    model::{
        file::{Direction, Moved},
        ids::{SessionId, TokenId},
        name::{AccountName, TargetName},
        permit::Permit,
        refusal::Refusal,
        session::{KillReason, Outcome},
        size::Size,
        target::Protocol,
        text::Text,
        time::Timestamp,
        web::Web,
    },
    recording::{Content, Track},
    session::{Claim, FileLog, Gate, Session},
};

/// Without a request or an open stream a session ends after this long.
const UNUSED_FOR: Duration = Duration::from_secs(300);
/// How often it is looked for what is unused.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long it is remembered why somebody's session ended.
const REMEMBERED_FOR: Duration = Duration::from_secs(3_600);
/// How long a file waits for those before it to be written down.
const ROOM_WITHIN: Duration = Duration::from_secs(10);
/// HTTP/2 where the target speaks it.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    token: TokenId,
    /// The sign-in that the token came out of.
    parent: Option<TokenId>,
    target: TargetName,
    account: Option<AccountName>,
}

impl Key {
    fn of(caller: &Caller, target: &TargetName, account: Option<&AccountName>) -> Self {
        Self {
            token: caller.token.clone(),
            parent: caller.parent.clone(),
            target: target.clone(),
            account: account.cloned(),
        }
    }
}

/// What one token has to do with one target.
#[derive(Default)]
struct Seat {
    session: OnceCell<Arc<WebSession>>,
    /// Why the session before ended.
    before: Option<(KillReason, Stopwatch)>,
}

/// The sessions of this process; clones share them.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    gate: Gate,
    seats: Mutex<HashMap<Key, Arc<Seat>>>,
}

/// What somebody wants, beside who they are.
pub struct Wish<'a> {
    pub target: &'a TargetName,
    pub account: Option<AccountName>,
    pub peer: SocketAddr,
    /// What their client calls itself.
    pub agent: Option<&'a HeaderValue>,
}

impl Wish<'_> {
    fn claim(&self) -> Claim {
        let agent = self.agent.and_then(|agent| agent.to_str().ok());
        let agent: String = agent.unwrap_or_default().chars().take(200).collect();
        Claim {
            protocol: Protocol::Web,
            target: self.target.to_string(),
            account: self.account.clone(),
            checkout: None,
            peer: self.peer,
            client: Text::ours(&agent).one_line(),
        }
    }
}

impl Sessions {
    pub fn new(gate: Gate) -> Self {
        Self(Arc::new(Inner {
            gate,
            seats: Mutex::default(),
        }))
    }

    /// The session for this that stands, without asking anybody.
    pub fn standing(
        &self,
        caller: &Caller,
        target: &TargetName,
        account: Option<&AccountName>,
    ) -> Option<Arc<WebSession>> {
        let seats = self.seats();
        let seat = seats.get(&Key::of(caller, target, account))?;
        let session = seat.session.get().filter(|session| session.stands());
        session.cloned()
    }

    /// The session of this request, admitted now if there is none that stands.
    pub async fn admitted(
        &self,
        caller: &Caller,
        wish: Wish<'_>,
    ) -> Result<Arc<WebSession>, Answer> {
        let key = Key::of(caller, wish.target, wish.account.as_ref());
        loop {
            let seat = self.seat(&key);
            if let Some(session) = seat.session.get() {
                if session.means.is_spent() {
                    self.leave(&key, &seat, None);
                    continue;
                }
                if session.stands() {
                    return Ok(session.clone());
                }
                // Perhaps it was extended, and perhaps there is another check-out.
                if Box::pin(session.session.recheck()).await.is_ok() {
                    return Ok(session.clone());
                }
                self.leave(&key, &seat, session.reason());
                continue;
            }
            let opened = seat
                .session
                .get_or_try_init(|| Box::pin(self.open(&key, caller, &wish)))
                .await;
            return match opened {
                Ok(session) => Ok(session.clone()),
                Err(answer) => {
                    self.vacate(&key, &seat);
                    let before = seat.before.as_ref().map(|(reason, _)| reason);
                    Err(answer.after(before))
                }
            };
        }
    }

    async fn open(
        &self,
        key: &Key,
        caller: &Caller,
        wish: &Wish<'_>,
    ) -> Result<Arc<WebSession>, Answer> {
        let gate = &self.0.gate;
        let refused = |refusal: Refusal| Answer::refusal(&refusal, wish.target, gate.ways_in());
        let admitted = gate.admit(&caller.principal, wish.claim(), KillSwitch::new());
        let session = admitted.await.map_err(refused)?;
        let made = WebSession::make(session, key.clone(), gate).await?;
        let (sessions, id) = (Arc::downgrade(&self.0), made.id().clone());
        let (key, switch) = (key.clone(), made.switch().clone());
        let end = AbortOnDropHandle::new(tokio::spawn(async move {
            let reason = switch.killed().await;
            if let Some(inner) = Weak::upgrade(&sessions) {
                Sessions(inner).ended(&key, &id, reason);
            }
        }));
        let mut made = made;
        made._end = Some(end);
        Ok(Arc::new(made))
    }

    /// Ends what nobody uses any more; once `closing`, all that is not in use just now. Goes on
    /// until there is nobody left who could open one.
    pub fn tidy(&self, closing: CancellationToken) -> AbortOnDropHandle<()> {
        let inner = Arc::downgrade(&self.0);
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                match closing.is_cancelled() {
                    true => tokio::time::sleep(LOOK_EVERY / 20).await,
                    false => {
                        let look = closing.run_until_cancelled(tokio::time::sleep(LOOK_EVERY));
                        // Either way the next thing is a look.
                        look.await;
                    }
                }
                let Some(inner) = Weak::upgrade(&inner) else {
                    return;
                };
                let least = match closing.is_cancelled() {
                    true => Duration::ZERO,
                    false => UNUSED_FOR,
                };
                Self(inner).sweep(least);
            }
        }))
    }

    /// The tokens under which there are sessions.
    pub fn tokens(&self) -> Vec<TokenId> {
        let seats = self.seats();
        let held = seats
            .iter()
            .filter(|(_, seat)| seat.session.get().is_some());
        let tokens: BTreeSet<_> = held.map(|(key, _)| key.token.clone()).collect();
        tokens.into_iter().collect()
    }

    /// Ends those whose token, or the one it came out of, is gone.
    pub fn signed_out(&self, gone: impl Fn(&TokenId, Option<&TokenId>) -> bool) {
        let mut switches = Vec::new();
        for (key, seat) in self.seats().iter() {
            if gone(&key.token, key.parent.as_ref())
                && let Some(session) = seat.session.get()
            {
                switches.push(session.switch().clone());
            }
        }
        // Without the lock, as in `sweep`.
        for switch in switches {
            switch.pull(KillReason::SignedOut);
        }
    }

    fn sweep(&self, least: Duration) {
        let mut gone = Vec::new();
        let mut idle = Vec::new();
        {
            let mut seats = self.seats();
            seats.retain(|_, seat| {
                let keep = match seat.session.get() {
                    Some(session) => {
                        let limit = session.permit().idle_limit();
                        if let Some(limit) = limit
                            && session.is_unused(limit.duration())
                        {
                            idle.push((session.switch().clone(), limit));
                        }
                        !session.is_unused(least)
                    }
                    // Somebody is just coming, or it is remembered.
                    None => {
                        Arc::strong_count(seat) > 1
                            || seat
                                .before
                                .as_ref()
                                .is_some_and(|(_, since)| since.elapsed() < REMEMBERED_FOR)
                    }
                };
                if !keep {
                    gone.push(seat.clone());
                }
                keep
            });
        }
        // Without the lock: a session's end writes into a queue and closes sockets.
        for (switch, limit) in idle {
            switch.pull(KillReason::IdleLimit(limit));
        }
        drop(gone);
    }

    fn seat(&self, key: &Key) -> Arc<Seat> {
        let mut seats = self.seats();
        if let Some(seat) = seats.get(key) {
            return seat.clone();
        }
        let seat = Arc::new(Seat::default());
        seats.insert(key.clone(), seat.clone());
        seat
    }

    fn ended(&self, key: &Key, id: &SessionId, reason: KillReason) {
        let seat = self.seats().get(key).cloned();
        let is_it = |seat: &Arc<Seat>| seat.session.get().is_some_and(|it| it.id() == id);
        if let Some(seat) = seat.filter(is_it) {
            self.leave(key, &seat, Some(reason));
        }
    }

    /// Makes room for the next session, and remembers why this one ended.
    fn leave(&self, key: &Key, seat: &Arc<Seat>, reason: Option<KillReason>) {
        let next = Arc::new(Seat {
            session: OnceCell::new(),
            before: reason.map(|reason| (reason, Stopwatch::start())),
        });
        let mut seats = self.seats();
        let left = match seats.get_mut(key) {
            Some(now) if Arc::ptr_eq(now, seat) => Some(std::mem::replace(now, next)),
            _ => None,
        };
        drop(seats);
        drop(left);
    }

    /// Leaves a session whose target could not be reached: what an admin mends about the target
    /// is read again with the next one.
    pub fn abandon(&self, session: &WebSession, why: &str) {
        let outcome = Outcome::TargetFailed(why.to_owned());
        session.session.close(outcome);
        let seat = self.seats().get(&session.key).cloned();
        let is_it = |seat: &Arc<Seat>| seat.session.get().is_some_and(|it| it.id() == session.id());
        if let Some(seat) = seat.filter(is_it) {
            self.leave(&session.key, &seat, None);
        }
    }

    /// Nobody was admitted; what is remembered stays.
    fn vacate(&self, key: &Key, seat: &Arc<Seat>) {
        let mut seats = self.seats();
        let empty = seat.session.get().is_none() && seat.before.is_none();
        if empty && seats.get(key).is_some_and(|now| Arc::ptr_eq(now, seat)) {
            seats.remove(key);
        }
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<Key, Arc<Seat>>> {
        self.0.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session with what its requests need.
pub struct WebSession {
    key: Key,
    session: Arc<Session>,
    web: Web,
    authority: String,
    pool: Pool,
    means: Means,
    masks: Masks,
    teller: Teller,
    track: Track,
    /// Of the files that it moves, once there is one.
    files: OnceLock<FileLog<Arc<Session>>>,
    requests: AtomicU64,
    in_use: AtomicUsize,
    began: Stopwatch,
    /// When the last of what was in use was over, in milliseconds since it began.
    unused_since: AtomicU64,
    _end: Option<AbortOnDropHandle<()>>,
}

impl WebSession {
    /// The recorder first (P1), then the credential; nothing is sent yet.
    async fn make(session: Session, key: Key, gate: &Gate) -> Result<Self, Answer> {
        let failed = |session: &Session, code: &'static str, why: String| {
            warn!(session = %session.id(), error = why, "Web target cannot be used");
            session.close(Outcome::TargetFailed(why.clone()));
            Answer::target(code, why)
        };
        let Some(web) = session.target().web.clone() else {
            let why = "this target does not say how it is spoken to".to_owned();
            return Err(failed(&session, "target-incomplete", why));
        };
        let track = match session.record(Content::Requests).await {
            Ok(track) => track,
            Err(refusal) => return Err(Answer::refusal(&refusal, &key.target, gate.ways_in())),
        };
        let Ready {
            means,
            identity,
            masks,
        } = match Means::ready(&session, &web).await {
            Ok(ready) => ready,
            Err(why) => return Err(failed(&session, "no-credential", why)),
        };
        let address = session.target().address.clone();
        let pool = match web.tls {
            false => Pool::plain(),
            true => {
                let lines = &session.target().host_keys;
                let config = pins::client_config(lines, &PROTOCOLS, identity);
                let made = config
                    .map_err(|error| error.to_string())
                    .and_then(|config| {
                        let name = web.server_name(&address);
                        Pool::with_tls(config, name).map_err(|error| error.to_string())
                    });
                match made {
                    Ok(pool) => pool,
                    Err(why) => return Err(failed(&session, "target-unproven", why)),
                }
            }
        };
        Ok(Self {
            key,
            authority: web.authority(&address),
            teller: Teller::new(web.identity),
            web,
            pool,
            means,
            masks,
            track,
            files: OnceLock::new(),
            requests: AtomicU64::new(0),
            in_use: AtomicUsize::new(0),
            began: Stopwatch::start(),
            unused_since: AtomicU64::new(0),
            session: Arc::new(session),
            _end: None,
        })
    }

    pub fn id(&self) -> &SessionId {
        self.session.id()
    }

    pub fn permit(&self) -> &Permit {
        self.session.permit()
    }

    pub fn switch(&self) -> &KillSwitch {
        self.session.switch()
    }

    pub fn reason(&self) -> Option<KillReason> {
        match self.switch().is_pulled() {
            true => self.switch().reason(),
            false => None,
        }
    }

    fn stands(&self) -> bool {
        self.session.stands()
    }

    pub fn until(&self) -> Timestamp {
        self.session.until()
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    pub fn web(&self) -> &Web {
        &self.web
    }

    /// What the target believes to be called.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    pub fn means(&self) -> &Means {
        &self.means
    }

    /// What no recording of bodies holds.
    pub fn masks(&self) -> &Masks {
        &self.masks
    }

    /// The beginning of a body that goes this way, where the policy asks for it.
    pub fn sample(&self, direction: Direction, headers: &HeaderMap) -> Option<Sample> {
        let limit = self.keeps_bodies()?;
        Some(Sample::of(direction, limit, headers, &self.masks))
    }

    /// How much of each is recorded; none where none is.
    pub fn keeps_bodies(&self) -> Option<Size> {
        self.track.recording()?;
        self.permit().recording().bodies
    }

    pub fn recorded_body(&self, line: &BodyLine) {
        self.track.body(&record::json(line));
    }

    /// Who tells the target who is there.
    pub fn teller(&self) -> &Teller {
        &self.teller
    }

    /// The number of the next request.
    pub fn next(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub fn track(&self) -> &Track {
        &self.track
    }

    pub fn recorded(&self, line: &impl Serialize) {
        self.track.answer(&record::json(line));
    }

    /// Waits where more files were moved than are written down, but not for ever: each is
    /// written down all the same.
    pub async fn room_for_file(&self) {
        let room = timeout(ROOM_WITHIN, self.session.room_for_file()).await;
        if room.is_err() {
            warn!(session = %self.id(), "File log far behind");
        }
    }

    /// Writes down a file that is over.
    pub fn moved(&self, file: Moved) {
        let begun = || {
            let recording = self.track.recording().map(|recording| recording.id.clone());
            FileLog::of(self.session.clone(), recording)
        };
        self.files.get_or_init(begun).enter_at_the_end(file);
    }

    pub fn count_in(&self, bytes: u64) {
        self.session.count_in(bytes);
    }

    pub fn count_out(&self, bytes: u64) {
        self.session.count_out(bytes);
    }

    pub fn begun(&self) {
        self.in_use.fetch_add(1, Ordering::AcqRel);
    }

    pub fn over(&self) {
        self.unused_since.store(self.age(), Ordering::Release);
        self.in_use.fetch_sub(1, Ordering::AcqRel);
    }

    fn is_unused(&self, least: Duration) -> bool {
        let unused = self
            .age()
            .saturating_sub(self.unused_since.load(Ordering::Acquire));
        self.in_use.load(Ordering::Acquire) == 0 && Duration::from_millis(unused) >= least
    }

    fn age(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for WebSession {
    /// The target is told that it is over, where the recipe says how. Until then the session is
    /// not closed, so that a gateway that is stopped waits for it as it does for the others.
    fn drop(&mut self) {
        let means = std::mem::replace(&mut self.means, Means::nothing());
        let Some(word) = means.last_word() else {
            return;
        };
        let session = self.session.clone();
        // Bounded in time, and without anybody who could wait for it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { word.say(&session).await });
        }
    }
}
