//! What a verification of the audit log says, for people and for programs.

use std::fmt;

use serde::Serialize;

/// The answer to "is this all that happened, unchanged?"
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Whole(Whole),
    Broken(FirstBad),
}

/// No record is missing or changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Whole {
    pub records: u64,
    /// The number of the last record.
    pub last: i64,
    pub checkpoints: u64,
    /// Up to this record a signature proves it; what follows is younger than the newest
    /// checkpoint and proven by the chain alone.
    pub signed_to: i64,
}

/// The first link that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirstBad {
    pub seq: i64,
    #[serde(flatten)]
    pub why: Flaw,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "why")]
pub enum Flaw {
    Missing,
    Changed,
    NotLinked,
    ColumnsDiffer,
    Unreadable,
    BadSignature,
    Rewritten,
    HeadDiffers,
    TailCut { signed_to: i64 },
}

impl Flaw {
    pub(super) fn at(self, seq: i64) -> FirstBad {
        FirstBad { seq, why: self }
    }
}

impl Verdict {
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Whole(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(whole) => write!(
                f,
                "the audit log is whole: {} records, signed up to {} by {} checkpoints",
                whole.records, whole.signed_to, whole.checkpoints
            ),
            Self::Broken(first) => write!(f, "the audit log is broken: {first}"),
        }
    }
}

impl fmt::Display for FirstBad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seq = self.seq;
        match &self.why {
            Flaw::Missing => write!(f, "record {seq} is missing"),
            Flaw::Changed => write!(f, "record {seq} was changed: its hash does not fit it"),
            Flaw::NotLinked => write!(f, "record {seq} does not follow the one before it"),
            Flaw::ColumnsDiffer => {
                write!(f, "the columns beside record {seq} do not say what it says")
            }
            Flaw::Unreadable => write!(f, "record {seq} cannot be read"),
            Flaw::BadSignature => write!(
                f,
                "the checkpoint at record {seq} was not signed by this gateway"
            ),
            Flaw::Rewritten => write!(
                f,
                "record {seq} is not the one that was signed: it or one before it was rewritten"
            ),
            Flaw::HeadDiffers => write!(f, "the head of the log does not name record {seq}"),
            Flaw::TailCut { signed_to } => write!(
                f,
                "record {seq} is missing and so are all after it: a checkpoint was signed at \
                 record {signed_to}, so the tail was cut or an older copy was put back"
            ),
        }
    }
}
