//! A sealed recording, changed anywhere: the reader gives a beginning of what was sealed, and
//! calls it whole only if nothing was changed. Bytes from anywhere give nothing at all.
#![no_main]

use doorward::{
    model::{ids::RecordingId, time::Timestamp},
    recording::{Ending, Press, Sealing, Unsealing},
    vault::RecordingKey,
};
use libfuzzer_sys::fuzz_target;

type Input = (Vec<Vec<u8>>, Vec<(u16, u8)>, Option<u16>);

fuzz_target!(|input: Input| {
    let (texts, changes, cut) = input;
    let id = RecordingId::new(Timestamp::from_millis(1), [7; 10]);
    let mut sealing = Sealing::new(id.clone(), RecordingKey::from([1; 32]));
    let mut press = Press::new();
    let mut sealed = sealing.first_line();
    for text in &texts {
        sealing.text(text, &mut press, &mut sealed).expect("a vector takes every byte");
    }
    sealing.end(&mut sealed);
    let mut changed = sealed.clone();
    for (at, byte) in changes {
        let at = usize::from(at) % changed.len();
        changed[at] = byte;
    }
    if let Some(cut) = cut {
        changed.truncate(usize::from(cut) % (changed.len() + 1));
    }
    let (text, ending) = read(&changed, &id);
    let whole = texts.concat();
    assert!(whole.starts_with(&text));
    assert_eq!(ending == Some(Ending::Whole), changed == sealed);
    // The first text as a file of its own: nobody sealed it.
    let (text, ending) = read(&[sealing_head(&id), whole].concat(), &id);
    assert!(text.is_empty() && ending != Some(Ending::Whole));
});

fn sealing_head(id: &RecordingId) -> Vec<u8> {
    Sealing::new(id.clone(), RecordingKey::from([1; 32])).first_line()
}

fn read(bytes: &[u8], id: &RecordingId) -> (Vec<u8>, Option<Ending>) {
    let mut text = Vec::new();
    let Ok(mut frames) = Unsealing::new(bytes, id.clone(), RecordingKey::from([1; 32])) else {
        return (text, None);
    };
    loop {
        match frames.next_text() {
            Ok(Some(more)) => text.extend_from_slice(more),
            Ok(None) => return (text, frames.ending()),
            Err(_) => return (text, None),
        }
    }
}
