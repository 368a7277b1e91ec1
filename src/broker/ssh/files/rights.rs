//! Which way a channel may move files, and the sentence where it may not.
//!
//! Pure. What a request needs is said with the request.

/// What the check-out allows; where it does not, why not.
#[derive(Debug, Clone)]
pub struct Rights {
    pub read: Result<(), String>,
    pub write: Result<(), String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    Nothing,
    Read,
    Write,
    Both,
}

/// Which of the two was missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Missing {
    Read,
    Write,
}

impl Rights {
    /// # Errors
    /// The first that is missing, and the sentence about it.
    pub fn allow(&self, need: Need) -> Result<(), (Missing, &str)> {
        let (reads, writes) = match need {
            Need::Nothing => (false, false),
            Need::Read => (true, false),
            Need::Write => (false, true),
            Need::Both => (true, true),
        };
        match (&self.read, &self.write) {
            (_, Err(why)) if writes => Err((Missing::Write, why)),
            (Err(why), _) if reads => Err((Missing::Read, why)),
            _ => Ok(()),
        }
    }
}
