//! Which answers are due on a channel, and in which order.
//!
//! An answer carries no name (RFC 4254 s5.4): a client knows by the order alone what it was
//! that was granted. So a no of the gateway's own never overtakes a yes of the target's.
//! Sends nothing itself.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::talk::WantsReply;

/// So many may be due. No honest client asks on before it has heard anything.
const MOST: usize = 256;

#[derive(Default)]
pub struct Answers(Mutex<VecDeque<Awaited>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// By the target.
    Terminal,
    Display,
    Start(WantsReply),
    /// By nobody: a no that waits for its turn.
    Declined,
}

/// When a no may be said.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    Now,
    /// Kept; it comes after what is due before it.
    Later,
    /// There are too many already.
    Never,
}

impl Answers {
    pub fn expect(&self, awaited: Awaited) {
        self.locked().push_back(awaited);
    }

    pub fn decline(&self) -> Turn {
        let mut due = self.locked();
        match due.len() {
            0 => Turn::Now,
            1..MOST => {
                due.push_back(Awaited::Declined);
                Turn::Later
            }
            _ => Turn::Never,
        }
    }

    /// The oldest. It stays that until it is `given`, so that nothing overtakes it on its way.
    pub fn due(&self) -> Option<Awaited> {
        self.locked().front().copied()
    }

    pub fn given(&self) {
        self.locked().pop_front();
    }

    fn locked(&self) -> MutexGuard<'_, VecDeque<Awaited>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_no_waits_for_the_answers_before_it() {
        let answers = Answers::default();
        assert_eq!(answers.decline(), Turn::Now);
        answers.expect(Awaited::Terminal);
        answers.expect(Awaited::Start(true));
        assert_eq!(answers.decline(), Turn::Later);
        for due in [Awaited::Terminal, Awaited::Start(true), Awaited::Declined] {
            assert_eq!(answers.due(), Some(due));
            assert_eq!(answers.decline(), Turn::Later, "{due:?} is on its way");
            answers.given();
        }
    }

    #[test]
    fn only_so_many_wait() {
        let answers = Answers::default();
        answers.expect(Awaited::Terminal);
        for _ in 1..MOST {
            assert_eq!(answers.decline(), Turn::Later);
        }
        assert_eq!(answers.decline(), Turn::Never);
    }
}
