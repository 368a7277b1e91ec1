//! When each event of a recording is shown.
//!
//! Pure: turns the times of a recording into times since the replay began. Counts from the
//! beginning, so that no rounding and no slow terminal adds up.

use std::time::Duration;

pub struct Pace {
    speed: f64,
    longest_pause: f64,
    /// Seconds of the recording, and of the replay at speed 1, at the last event.
    recorded: f64,
    shown: f64,
}

impl Pace {
    /// What comes before `from` is due at once: it draws what is on the screen by then.
    pub fn new(speed: f64, longest_pause: Option<Duration>, from: Duration) -> Self {
        Self {
            speed,
            longest_pause: longest_pause.map_or(f64::INFINITY, |pause| pause.as_secs_f64()),
            recorded: from.as_secs_f64(),
            shown: 0.0,
        }
    }

    /// How long after the beginning of the replay an event is due.
    pub fn due(&mut self, at: f64) -> Duration {
        let pause = (at - self.recorded).max(0.0);
        self.recorded = self.recorded.max(at);
        self.shown += pause.min(self.longest_pause);
        Duration::try_from_secs_f64(self.shown / self.speed).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(speed: f64, longest_pause: Option<u64>, times: &[f64]) -> Vec<u128> {
        let mut pace = Pace::new(
            speed,
            longest_pause.map(Duration::from_millis),
            Duration::ZERO,
        );
        let due = times.iter().map(|at| pace.due(*at).as_millis());
        due.collect()
    }

    #[test]
    fn events_are_due_when_they_happened() {
        assert_eq!(due(1.0, None, &[0.0, 0.25, 90.5]), [0, 250, 90_500]);
    }

    #[test]
    fn speed_and_longest_pause_shorten_what_follows_too() {
        assert_eq!(due(2.0, None, &[1.0, 3.0]), [500, 1_500]);
        assert_eq!(due(1.0, Some(500), &[0.25, 60.0, 60.25]), [250, 750, 1_000]);
        assert_eq!(due(0.5, Some(500), &[0.0, 60.0]), [0, 1_000]);
    }

    #[test]
    fn what_comes_before_the_place_to_begin_at_is_shown_at_once() {
        let mut pace = Pace::new(2.0, None, Duration::from_secs(60));
        let due: Vec<_> = [1.0, 59.0, 61.0, 63.0]
            .map(|at| pace.due(at).as_millis())
            .into();
        assert_eq!(due, [0, 0, 500, 1_500]);
    }

    #[test]
    fn time_that_goes_back_is_no_pause() {
        assert_eq!(due(1.0, None, &[2.0, 1.0, 2.5]), [2_000, 2_000, 2_500]);
    }
}
