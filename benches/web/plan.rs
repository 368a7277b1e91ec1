//! How much is measured: the full run, the quick one, and single counts from the environment.
//!
//! Never more than the bounds here, so that a run ends and fits the machine.

use std::{env, str::FromStr, time::Duration};

use crate::Result;

pub struct Plan {
    /// Rounds in which the three routes take turns.
    pub rounds: usize,
    /// How long one round of small requests goes on.
    pub load_for: Duration,
    /// MiB moved in one round of bulk, in each direction.
    pub bulk_mib: u64,
    /// WebSockets that are open and say nothing.
    pub sockets: usize,
    /// Streams that are alive when the check-out is revoked.
    pub streams: usize,
    /// Revokes of so many streams.
    pub kills: usize,
    /// MiB of the body during which memory is watched.
    pub body_mib: u64,
    pub longest_run: Duration,
    /// The figures asked for; all if empty.
    pub only: Vec<String>,
    pub is_quick: bool,
}

impl Plan {
    /// The counts of the full run, or with `DOORWARD_BENCH_QUICK=1` of a short one, each of
    /// which its own variable changes.
    pub fn from_environment(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let is_quick = env::var("DOORWARD_BENCH_QUICK").is_ok_and(|value| value == "1");
        let pick = |full: u64, quick: u64| if is_quick { quick } else { full };
        Ok(Self {
            rounds: count("ROUNDS", pick(5, 2), 50)?,
            load_for: Duration::from_secs(count("LOAD_SECONDS", pick(8, 3), 120)?),
            bulk_mib: count("BULK_MIB", pick(1_024, 256), 16_384)?,
            sockets: count("SOCKETS", pick(10_000, 1_000), 19_000)?,
            streams: count("STREAMS", pick(1_000, 200), 5_000)?,
            kills: count("STREAM_KILLS", pick(10, 3), 100)?,
            body_mib: count("BODY_MIB", pick(5 * 1_024, 1_024), 65_536)?,
            longest_run: Duration::from_secs(pick(20 * 60, 8 * 60)),
            only: arguments.filter(|word| !word.starts_with('-')).collect(),
            is_quick,
        })
    }

    /// What the run is, in one line.
    pub fn says(&self) -> String {
        format!(
            "{} run: {} rounds, {} s of load each, {} MiB, {} WebSockets, {} revokes of {} streams, \
             a body of {} MiB",
            if self.is_quick { "quick" } else { "full" },
            self.rounds,
            self.load_for.as_secs(),
            self.bulk_mib,
            self.sockets,
            self.kills,
            self.streams,
            self.body_mib,
        )
    }

    pub fn wants(&self, figure: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == figure)
    }
}

fn count<N: FromStr + TryFrom<u64>>(name: &str, usual: u64, most: u64) -> Result<N> {
    let name = format!("DOORWARD_BENCH_{name}");
    let count = match env::var(&name) {
        Ok(text) => text
            .parse()
            .map_err(|_| format!("{name} is no number: {text}"))?,
        Err(_) => usual,
    };
    if count == 0 || count > most {
        return Err(format!("{name} is {count}; 1 to {most} is possible").into());
    }
    N::try_from(count).map_err(|_| format!("{name} is too large").into())
}
