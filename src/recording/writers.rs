//! The threads that write recordings: a few for the whole gateway, none for a session.
//!
//! Decides when a tape is visited: at once if much is queued or it ends, otherwise within
//! `FLUSH_EVERY`. Never holds its lock while a disk works, and never drops what is queued.

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
    wake: Condvar,
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
    Run(Box<dyn FnOnce() + Send>),
}

/// A tape's way to the threads.
#[derive(Clone)]
pub(super) struct Desk(Arc<Shared>);

impl Writers {
    pub fn start(place: Arc<Place>) -> Arc<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            wake: Condvar::new(),
            place,
            live: watch::Sender::new(0),
        });
        for number in 0..THREADS {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(format!("recording-{number}"))
                .stack_size(STACK)
                .spawn(move || work(&shared))
                .expect("the machine starts a thread");
        }
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
        self.shared.wake.notify_all();
    }
}

impl Desk {
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    /// Has a thread do something that may take a disk's time.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
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
        // With others before it somebody already watches this queue.
        if queue.flush.len() == 1 {
            self.0.wake.notify_one();
        }
    }

    pub fn sync_later(&self, tape: &Arc<Tape>) {
        let mut queue = self.0.queue();
        queue.sync.push_back((Stopwatch::start(), Arc::clone(tape)));
        if queue.sync.len() == 1 {
            self.0.wake.notify_one();
        }
    }

    pub fn opened(&self) {
        self.0.live.send_modify(|live| *live += 1);
    }

    pub fn closed(&self) {
        self.0.live.send_modify(|live| *live -= 1);
        if self.0.queue().stopped {
            self.0.wake.notify_all();
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Each change under this lock is one push or one pop, so a poisoned one is whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next thing to do; None when there will be nothing any more.
    fn next(&self) -> Option<Job> {
        let mut queue = self.queue();
        loop {
            match queue.next() {
                Ok(job) => {
                    // This thread may be stuck from here on: another one takes the watch.
                    if !queue.is_empty() {
                        self.wake.notify_one();
                    }
                    return Some(job);
                }
                Err(None) if queue.stopped && *self.live.borrow() == 0 => return None,
                Err(None) => {
                    queue = self
                        .wake
                        .wait(queue)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                Err(Some(rest)) => {
                    let woken = self.wake.wait_timeout(queue, rest);
                    queue = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.now.is_empty() && self.flush.is_empty() && self.sync.is_empty()
    }

    /// What is due, or how long until something is.
    fn next(&mut self) -> Result<Job, Option<Duration>> {
        if let Some(job) = self.now.pop_front() {
            return Ok(job);
        }
        let rest = |due: &VecDeque<(Stopwatch, Arc<Tape>)>, delay: Duration| {
            due.front()
                .map(|(since, _)| delay.saturating_sub(since.elapsed()))
        };
        let flush = rest(&self.flush, FLUSH_EVERY);
        let sync = rest(&self.sync, SYNC_EVERY);
        if flush.is_some_and(|rest| rest.is_zero())
            && let Some((_, tape)) = self.flush.pop_front()
        {
            return Ok(Job::Write(tape));
        }
        if sync.is_some_and(|rest| rest.is_zero())
            && let Some((_, tape)) = self.sync.pop_front()
        {
            return Ok(Job::Sync(tape));
        }
        Err(flush.into_iter().chain(sync).min())
    }
}

fn work(shared: &Arc<Shared>) {
    let mut press = Press::new();
    while let Some(job) = shared.next() {
        match job {
            Job::Write(tape) => tape.write(&mut press),
            Job::Sync(tape) => tape.sync(&mut press),
            Job::Run(job) => job(),
        }
    }
}
