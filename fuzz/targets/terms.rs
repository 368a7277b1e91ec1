//! A policy's settings from anywhere: refused, or sound enough that every question of the rules
//! has an answer.
#![no_main]

use doorward::model::{policy::Terms, time::Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (i64, &[u8])| {
    let (millis, json) = input;
    let Ok(terms) = serde_json::from_slice::<Terms>(json) else { return };
    if terms.check().is_err() {
        return;
    }
    let now = Timestamp::from_millis(millis);
    assert!(terms.minimum_duration <= terms.maximum_duration);
    if let Some(hours) = &terms.weekly_hours
        && let Some(until) = hours.open_until(now)
    {
        assert!(until > now, "open at {now} until {until}");
    }
    let again = serde_json::to_vec(&terms).expect("terms can be written");
    assert!(serde_json::from_slice::<Terms>(&again).is_ok_and(|again| again == terms));
});
