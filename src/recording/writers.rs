//! The threads that write recordings: a few for the whole gateway, none for a session.
//!
//! Decides when a tape is visited: at once if much is queued or it ends, otherwise within
//! `FLUSH_EVERY`. Never holds its lock while a disk works, and never drops what is queued.
//! One thread more only looks at the time, so that none of the others has to be woken for it.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::sync::watch;

use super::{frame::Press, place::Place, tape::Tape};
use crate::clock::Stopwatch;

/// How long accepted output may wait for company before it is written: what a crash of the
/// gateway loses, and how far who watches a live session is behind.
pub const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// How long written output may wait for the disk's own word that it is there.
pub const SYNC_EVERY: Duration = Duration::from_secs(5);

/// So many files may be stuck before the others are.
const THREADS: usize = 4;
const STACK: usize = 256 * 1024;

pub(super) struct Writers {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Something is to be done now.
    wake: Condvar,
    /// Something is to be done later, where nothing was.
    later: Condvar,
    place: Arc<Place>,
    live: watch::Sender<usize>,
}

#[derive(Default)]
struct Queue {
    now: VecDeque<Job>,
    // Each has one delay, so the oldest is due first.
    flush: VecDeque<(Stopwatch, Arc<Tape>)>,
    sync: VecDeque<(Stopwatch, Arc<Tape>)>,
    stopped: bool,
}

enum Job {
    Write(Arc<Tape>),
    Sync(Arc<Tape>),
    Run(Box<dyn FnOnce(&mut Press) + Send>),
}

/// A tape's way to the threads.
#[derive(Clone)]
pub(super) struct Desk(Arc<Shared>);

impl Writers {
    pub fn start(place: Arc<Place>) -> Arc<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            wake: Condvar::new(),
            later: Condvar::new(),
            place,
            live: watch::Sender::new(0),
        });
        let start = |name: String, run: fn(&Shared)| {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(name)
                .stack_size(STACK)
                .spawn(move || run(&shared))
                .expect("the machine starts a thread");
        };
        for number in 0..THREADS {
            start(format!("recording-{number}"), work);
        }
        start("recording-later".to_owned(), watch);
        Arc::new(Self { shared })
    }

    pub fn desk(&self) -> Desk {
        Desk(Arc::clone(&self.shared))
    }

    pub async fn drained(&self) {
        let mut live = self.shared.live.subscribe();
        let drained = live.wait_for(|live| *live == 0).await;
        drained.expect("the writers hold the sender");
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.shared.queue().stopped = true;
        self.shared.wake_all();
    }
}

impl Desk {
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    /// Has a thread do something that may take a disk's time.
    pub fn run(&self, job: impl FnOnce(&mut Press) + Send + 'static) {
        self.0.queue().now.push_back(Job::Run(Box::new(job)));
        self.0.wake.notify_one();
    }

    pub fn write_now(&self, tape: &Arc<Tape>) {
        self.0.queue().now.push_back(Job::Write(Arc::clone(tape)));
        self.0.wake.notify_one();
    }

    pub fn write_soon(&self, tape: &Arc<Tape>) {
        let mut queue = self.0.queue();
        queue
            .flush
            .push_back((Stopwatch::start(), Arc::clone(tape)));
        // With others before it the watch already waits for the first of them.
        if queue.flush.len() == 1 {
            self.0.later.notify_one();
        }
    }

    pub fn sync_later(&self, tape: &Arc<Tape>) {
        let mut queue = self.0.queue();
        queue.sync.push_back((Stopwatch::start(), Arc::clone(tape)));
        if queue.sync.len() == 1 {
            self.0.later.notify_one();
        }
    }

    pub fn opened(&self) {
        self.0.live.send_modify(|live| *live += 1);
    }

    pub fn closed(&self) {
        self.0.live.send_modify(|live| *live -= 1);
        if self.0.queue().stopped {
            self.0.wake_all();
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Each change under this lock is one push or one pop, so a poisoned one is whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_all(&self) {
        self.wake.notify_all();
        self.later.notify_all();
    }

    /// Whether nothing will ever be written again.
    fn is_over(&self, queue: &Queue) -> bool {
        queue.stopped && queue.now.is_empty() && *self.live.borrow() == 0
    }

    /// The next thing to do; None when there will be nothing any more.
    fn next(&self) -> Option<Job> {
        let mut queue = self.queue();
        loop {
            if let Some(job) = queue.now.pop_front() {
                return Some(job);
            }
            if self.is_over(&queue) {
                return None;
            }
            let woken = self.wake.wait(queue);
            queue = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Queue {
    /// Puts what is due where it is done; says how much that was, and how long until there is
    /// more.
    fn advance(&mut self) -> (usize, Option<Duration>) {
        let before = self.now.len();
        let flush = ripe(&mut self.flush, FLUSH_EVERY, Job::Write, &mut self.now);
        let sync = ripe(&mut self.sync, SYNC_EVERY, Job::Sync, &mut self.now);
        (self.now.len() - before, flush.into_iter().chain(sync).min())
    }
}

/// Takes from a queue what has waited for `delay`, and says how long the rest has to.
fn ripe(
    waiting: &mut VecDeque<(Stopwatch, Arc<Tape>)>,
    delay: Duration,
    job: fn(Arc<Tape>) -> Job,
    now: &mut VecDeque<Job>,
) -> Option<Duration> {
    while let Some((since, _)) = waiting.front() {
        let rest = delay.saturating_sub(since.elapsed());
        if !rest.is_zero() {
            return Some(rest);
        }
        now.extend(waiting.pop_front().map(|(_, tape)| job(tape)));
    }
    None
}

/// Calls the writers for what is due.
fn watch(shared: &Shared) {
    let mut queue = shared.queue();
    loop {
        let (ripe, rest) = queue.advance();
        for _ in 0..ripe {
            shared.wake.notify_one();
        }
        if shared.is_over(&queue) {
            return;
        }
        queue = match rest {
            None => {
                let woken = shared.later.wait(queue);
                woken.unwrap_or_else(PoisonError::into_inner)
            }
            Some(rest) => {
                let woken = shared.later.wait_timeout(queue, rest);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}

fn work(shared: &Shared) {
    let mut press = Press::new();
    while let Some(job) = shared.next() {
        match job {
            Job::Write(tape) => tape.write(&mut press),
            Job::Sync(tape) => tape.sync(&mut press),
            Job::Run(job) => job(&mut press),
        }
    }
}
