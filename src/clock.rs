//! What time it is, for every decision.
//!
//! Answers `now` so that it never goes back and never runs slower than the monotonic clock.
//! The only file that asks the machine for the time; it never decides what the time means.
#![allow(
    clippy::disallowed_methods,
    reason = "the one house of the machine's clocks"
)]

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::sync::watch;

use crate::model::time::Timestamp;

/// A jump of the wall clock that sleepers are told about; smaller ones are drift.
const JUMP: Nanos = 50_000_000;

/// The longest sleep between two looks at the wall clock. Each look tells every other
/// sleeper of a jump, so this bounds how late one is noticed, and costs nearly nothing.
const LONGEST_SLEEP: Duration = Duration::from_secs(15);

/// Nanoseconds since 1970. Finer than a `Timestamp`, so that frequent questions lose nothing.
type Nanos = i128;

/// The gateway's clock; clones share it.
///
/// INVARIANT: for two answers `a` then `b`, `b - a` is never less than the monotonic time
/// between them. So stepping the wall clock back, by hand or by a broken time server,
/// grants nobody more time than was approved. Stepped forward, it follows at once.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    jumps: watch::Sender<()>,
}

struct State {
    source: Source,
    /// The last answer, and the monotonic time at which it was given.
    answer: Nanos,
    answered_at: Duration,
}

enum Source {
    System { started: Instant },
    Manual { wall: Nanos, monotonic: Duration },
}

impl Clock {
    pub fn system() -> Self {
        Self::new(Source::System {
            started: Instant::now(),
        })
    }

    /// A clock that stands still until a test moves it.
    pub fn manual(start: Timestamp) -> Self {
        Self::new(Source::Manual {
            wall: nanos(start),
            monotonic: Duration::ZERO,
        })
    }

    fn new(source: Source) -> Self {
        let (answer, answered_at) = source.read();
        let state = Mutex::new(State {
            source,
            answer,
            answered_at,
        });
        Self(Arc::new(Inner {
            state,
            jumps: watch::Sender::new(()),
        }))
    }

    /// The later of the wall clock and the last answer plus the monotonic time since.
    pub fn now(&self) -> Timestamp {
        let (now, jumped) = self.state().look();
        if jumped {
            self.0.jumps.send_replace(());
        }
        now
    }

    /// Makes every later answer at least `earliest`, and says how far that moved the clock.
    ///
    /// For the newest time in the audit chain at start: the clock of a machine that was set
    /// back while the gateway was down does not reopen what had expired.
    pub fn floor(&self, earliest: Timestamp) -> Duration {
        let moved = {
            let mut state = self.state();
            let (now, _) = state.look();
            state.answer = state.answer.max(nanos(earliest));
            earliest.since(now)
        };
        self.0.jumps.send_replace(());
        moved
    }

    /// Waits until `now()` has reached `until`, also when the wall clock jumps meanwhile.
    pub async fn sleep_until(&self, until: Timestamp) {
        // Subscribed before the first look, so that no jump falls between the two.
        let mut jumps = self.0.jumps.subscribe();
        loop {
            let now = self.now();
            if now >= until {
                return;
            }
            let rest = until.since(now);
            tokio::select! {
                () = self.pass(rest) => {}
                changed = jumps.changed() => changed.expect("the clock holds the sender"),
            }
        }
    }

    async fn pass(&self, rest: Duration) {
        let is_system = matches!(self.state().source, Source::System { .. });
        if is_system {
            tokio::time::sleep(rest.min(LONGEST_SLEEP)).await;
        } else {
            // Only a hand moves a manual clock, and every move is announced as a jump.
            std::future::pending::<()>().await;
        }
    }

    /// Lets time pass on a manual clock.
    ///
    /// # Panics
    /// On a system clock, which no hand moves.
    pub fn advance(&self, by: Duration) {
        self.turn(|wall, monotonic| {
            *wall += nanos_in(by);
            *monotonic += by;
        });
    }

    /// Steps the wall of a manual clock, forward or back, while no time passes.
    ///
    /// # Panics
    /// On a system clock, which no hand moves.
    pub fn step(&self, millis: i64) {
        self.turn(|wall, _| *wall += Nanos::from(millis) * NANOS_PER_MILLI);
    }

    fn turn(&self, hand: impl FnOnce(&mut Nanos, &mut Duration)) {
        match &mut self.state().source {
            Source::Manual { wall, monotonic } => hand(wall, monotonic),
            Source::System { .. } => panic!("only a manual clock is moved by hand"),
        }
        self.0.jumps.send_replace(());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each write under this lock leaves a whole state, so a poisoned one is still right.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

impl State {
    fn look(&mut self) -> (Timestamp, bool) {
        let (wall, monotonic) = self.source.read();
        let carried = self.answer + nanos_in(monotonic.saturating_sub(self.answered_at));
        self.answer = carried.max(wall);
        self.answered_at = monotonic;
        (timestamp(self.answer), wall - carried > JUMP)
    }
}

impl Source {
    fn read(&self) -> (Nanos, Duration) {
        match self {
            Self::System { started } => {
                // A wall clock before 1970 is as wrong as one in 1970.
                let wall = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                (nanos_in(wall), started.elapsed())
            }
            Self::Manual { wall, monotonic } => (*wall, *monotonic),
        }
    }
}

/// Measures a length of time, for metrics and limits. Says nothing about what time it is.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

const NANOS_PER_MILLI: Nanos = 1_000_000;

fn nanos(at: Timestamp) -> Nanos {
    Nanos::from(at.millis()) * NANOS_PER_MILLI
}

fn nanos_in(length: Duration) -> Nanos {
    // A `Duration` holds at most 2^64 seconds, far below 2^127 nanoseconds.
    Nanos::try_from(length.as_nanos()).expect("a duration's nanoseconds fit 127 bits")
}

fn timestamp(at: Nanos) -> Timestamp {
    let millis = at.div_euclid(NANOS_PER_MILLI);
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::time::timeout;

    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const HOUR: i64 = 3_600_000;
    /// Against a hanging test only.
    const DEADLINE: Duration = Duration::from_secs(30);

    #[derive(Debug, Clone)]
    enum Move {
        Advance(Duration),
        Step(i64),
        Floor(i64),
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            (0..7_200_000_000_u64).prop_map(|micros| Move::Advance(Duration::from_micros(micros))),
            // Often, and finer than a millisecond: what is cut off must not add up.
            (0..1_000_u64).prop_map(|micros| Move::Advance(Duration::from_micros(micros))),
            (-5 * HOUR..=5 * HOUR).prop_map(Move::Step),
            (-HOUR..=HOUR).prop_map(Move::Floor),
        ];
        proptest::collection::vec(one, 1..60)
    }

    proptest! {
        #[test]
        fn the_clock_never_goes_back_and_never_falls_behind_monotonic_time(moves in moves()) {
            let clock = Clock::manual(START);
            let mut answers = vec![(clock.now(), Duration::ZERO)];
            let mut passed = Duration::ZERO;
            for one in moves {
                match one {
                    Move::Advance(by) => {
                        clock.advance(by);
                        passed += by;
                    }
                    Move::Step(millis) => clock.step(millis),
                    Move::Floor(offset) => {
                        let floor = Timestamp::from_millis(START.millis() + offset);
                        clock.floor(floor);
                        prop_assert!(clock.now() >= floor);
                    }
                }
                answers.push((clock.now(), passed));
            }
            for (index, (earlier, earlier_passed)) in answers.iter().enumerate() {
                for (later, later_passed) in &answers[index..] {
                    prop_assert!(later >= earlier);
                    // Answers are cut to whole milliseconds, so one of them may be missing.
                    let granted = later.since(*earlier) + Duration::from_millis(1);
                    prop_assert!(granted > *later_passed - *earlier_passed);
                }
            }
        }

        #[test]
        fn no_play_with_the_wall_clock_prolongs_a_check_out(
            moves in moves(),
            approved_for in 1..20_000_u64,
        ) {
            let approved_for = Duration::from_secs(approved_for);
            let clock = Clock::manual(START);
            let ends_at = clock.now() + approved_for;
            let mut used = Duration::ZERO;
            for one in moves {
                match one {
                    Move::Advance(by) => {
                        clock.advance(by);
                        used += by;
                    }
                    Move::Step(millis) => clock.step(millis),
                    Move::Floor(_) => {}
                }
                prop_assert!(used < approved_for || clock.now() >= ends_at);
            }
        }
    }

    #[test]
    fn it_follows_the_wall_clock_forward_at_once() {
        let clock = Clock::manual(START);
        clock.step(2 * HOUR);
        assert_eq!(clock.now(), START + Duration::from_secs(7_200));
    }

    #[test]
    fn a_step_back_lets_time_go_on_from_the_last_answer() {
        let clock = Clock::manual(START);
        clock.step(-2 * HOUR);
        assert_eq!(clock.now(), START);
        clock.advance(Duration::from_secs(60));
        assert_eq!(clock.now(), START + Duration::from_secs(60));
    }

    #[test]
    fn clones_share_the_clock() {
        let clock = Clock::manual(START);
        let other = clock.clone();
        other.advance(Duration::from_secs(5));
        assert_eq!(clock.now(), START + Duration::from_secs(5));
    }

    #[test]
    fn floor_says_how_far_it_moved_the_clock() {
        let clock = Clock::manual(START);
        assert_eq!(
            clock.floor(START + Duration::from_secs(9)),
            Duration::from_secs(9)
        );
        assert_eq!(clock.floor(START), Duration::ZERO);
        assert_eq!(clock.now(), START + Duration::from_secs(9));
    }

    #[test]
    fn the_system_clock_is_near_the_wall_and_monotonic() {
        let clock = Clock::system();
        let mut last = clock.now();
        for _ in 0..10_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
        // 2025-01-01: whoever builds this does so later.
        assert!(last.millis() > 1_735_689_600_000);
    }

    async fn woken_by(hand: impl FnOnce(&Clock)) {
        let clock = Clock::manual(START);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(START + Duration::from_secs(3_600)).await }
        });
        clock.advance(Duration::from_secs(3_599));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        hand(&clock);
        timeout(DEADLINE, sleeper)
            .await
            .expect("the sleeper must wake")
            .unwrap();
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_time_passes() {
        woken_by(|clock| clock.advance(Duration::from_secs(1))).await;
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_wall_jumps_over_its_time() {
        woken_by(|clock| clock.step(HOUR)).await;
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_floor_rises_over_its_time() {
        woken_by(|clock| {
            clock.floor(START + Duration::from_secs(7_200));
        })
        .await;
    }

    #[tokio::test]
    async fn a_sleep_on_the_system_clock_ends_after_its_time_and_not_before() {
        let clock = Clock::system();
        let until = clock.now() + Duration::from_millis(20);
        timeout(DEADLINE, clock.sleep_until(until))
            .await
            .expect("the sleep must end");
        assert!(clock.now() >= until);
    }

    #[tokio::test]
    async fn what_is_over_is_not_slept_for() {
        let clock = Clock::manual(START);
        timeout(DEADLINE, clock.sleep_until(START))
            .await
            .expect("it is already that time");
    }
}
