//! An asciicast from anywhere: refused by its line, or events whose times never go back, and a
//! search in them that ends.
#![no_main]

use doorward::recording::{Cast, Search};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| {
    let (query, bytes) = input;
    if let Ok(cast) = Cast::read(bytes) {
        let mut last = 0.0;
        for event in cast {
            let Ok(event) = event else { break };
            assert!(event.at.is_finite() && event.at >= last);
            last = event.at;
        }
    }
    if let Ok(search) = query.parse::<Search>()
        && let Ok(found) = search.find(bytes, 5, || true)
    {
        assert!(found.len() <= 5);
        assert!(found.iter().all(|found| found.text.chars().count() <= 120));
    }
});
