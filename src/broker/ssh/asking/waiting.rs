//! How many connections of one person may wait for an answer at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::model::ids::UserId;

/// Several windows and a copy or two; a loop of retries is cut short.
const MOST: usize = 8;

/// Clones share the count.
#[derive(Clone, Default)]
pub struct WaitingRoom(Arc<Mutex<HashMap<UserId, usize>>>);

/// A place in the room, until it is dropped.
#[must_use = "dropping it leaves the room"]
pub struct Waiting {
    room: WaitingRoom,
    user: UserId,
}

impl WaitingRoom {
    /// None where so many wait already.
    pub fn enter(&self, user: &UserId) -> Option<Waiting> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entry(user.clone()).or_default();
        if *count >= MOST {
            return None;
        }
        *count += 1;
        drop(waiting);
        Some(Waiting {
            room: self.clone(),
            user: user.clone(),
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    #[test]
    fn one_person_takes_no_more_than_their_share() {
        let user = |mark| UserId::new(Timestamp::from_millis(1), [mark; 10]);
        let room = WaitingRoom::default();
        let mut held: Vec<_> = (0..MOST).map(|_| room.enter(&user(1)).unwrap()).collect();
        assert!(room.enter(&user(1)).is_none());
        assert!(room.enter(&user(2)).is_some(), "another is not held up");
        held.pop();
        assert!(room.enter(&user(1)).is_some());
        drop(held);
        assert!(room.0.lock().unwrap().is_empty());
    }
}
