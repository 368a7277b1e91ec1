//! How much is measured: the full run, the quick one, and single counts from the environment.
//!
//! Never more than the bounds here, so that a run ends and fits the machine.

use std::{env, str::FromStr, time::Duration};

use crate::Result;

pub struct Plan {
    /// Rounds in which the three routes take turns, where one round is one measurement.
    pub rounds: usize,
    /// Connections for the time of a set-up, on each route and with each key exchange.
    pub setups: usize,
    /// Connections in one round of sessions per second.
    pub burst: usize,
    /// MiB moved in one round of bulk.
    pub bulk_mib: u64,
    /// Round trips of one byte on each route.
    pub echoes: usize,
    pub idle_sessions: usize,
    pub idle_for: Duration,
    /// Kills of each kind.
    pub kills: usize,
    pub longest_run: Duration,
    /// The figures asked for; all if empty.
    pub only: Vec<String>,
    /// Off: the direct connection and `ssh -J` alone.
    pub with_gateway: bool,
    pub is_quick: bool,
}

/// So many sessions connect at once where the figure is about several.
pub const PARALLEL: usize = 8;

impl Plan {
    /// The counts of the full run, or with `DOORWARD_BENCH_QUICK=1` of a short one, each of
    /// which its own variable changes.
    pub fn from_environment(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let is_quick = env::var("DOORWARD_BENCH_QUICK").is_ok_and(|value| value == "1");
        let pick = |full: u64, quick: u64| if is_quick { quick } else { full };
        let mut words: Vec<String> = arguments.filter(|word| !word.starts_with('-')).collect();
        let with_gateway = !words.iter().any(|word| word == "no-gateway");
        words.retain(|word| word != "no-gateway");
        Ok(Self {
            rounds: count("ROUNDS", pick(5, 2), 50)?,
            setups: count("SETUPS", pick(60, 10), 2_000)?,
            burst: count("BURST", pick(96, 32), 2_000)?,
            bulk_mib: count("BULK_MIB", pick(1_024, 256), 16_384)?,
            echoes: count("ECHOES", pick(3_000, 300), 100_000)?,
            idle_sessions: count("IDLE_SESSIONS", pick(500, 100), 1_000)?,
            idle_for: Duration::from_secs(count("IDLE_SECONDS", pick(10, 5), 120)?),
            kills: count("KILLS", pick(200, 20), 2_000)?,
            longest_run: Duration::from_secs(pick(20 * 60, 8 * 60)),
            only: words,
            with_gateway,
            is_quick,
        })
    }

    /// What the run is, in one line.
    pub fn says(&self) -> String {
        format!(
            "{} run: {} rounds, {} set-ups, bursts of {}, {} MiB, {} echoes, {} idle sessions, {} kills",
            if self.is_quick { "quick" } else { "full" },
            self.rounds,
            self.setups,
            self.burst,
            self.bulk_mib,
            self.echoes,
            self.idle_sessions,
            self.kills,
        )
    }

    pub fn wants(&self, figure: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == figure)
    }
}

pub fn count<N: FromStr + TryFrom<u64>>(name: &str, usual: u64, most: u64) -> Result<N> {
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
