//! What came of listening to one piece of a stream.

use bytes::Bytes;

use super::rights::Missing;
use crate::model::file::Moved;

#[derive(Debug, Default)]
pub struct Heard {
    /// What goes on to the other side.
    pub pass: Vec<Bytes>,
    /// What is over now, for the file log.
    pub moved: Vec<Moved>,
    pub refused: Vec<Refused>,
}

/// Something that was asked and did not reach the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub what: String,
    pub why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    Missing(Missing),
    /// Nobody here knows what it would do.
    Unknown,
}
