//! What is recorded of a desktop, and what happens when it cannot be.

use std::collections::HashMap;

use tempfile::TempDir;

use super::*;
use crate::{
    clock::Clock,
    config::{RecordingConfig, SecretSource, VaultConfig},
    model::{
        ids::{CheckoutId, RecordingId, SessionId},
        recording::{Recording, RecordingMode, RecordingTerms},
        session::KillReason,
        time::Timestamp,
    },
    recording::{Archive, Cast, Content, Film, Finished, Kind, Recorder, Recordings, Subject},
    vault::{RecordingKeys, Vault, WrappedKey},
};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const IO: u16 = 1003;
const CLIPBOARD: u16 = 1004;
const BEHIND: &str = "the recorder could not follow what the target showed";
/// Against a hanging test only.
const DEADLINE: Duration = Duration::from_secs(60);

struct Set {
    _folder: TempDir,
    recordings: Recordings,
    switch: KillSwitch,
    keys: std::sync::Mutex<HashMap<RecordingId, WrappedKey>>,
}

impl Set {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SecretSource::File(folder.path().join("vault.key"));
        let keys: RecordingKeys = Vault::open(&VaultConfig { key }).unwrap().recording_keys();
        let config = RecordingConfig {
            dir: folder.path().join("recordings"),
            reserve_mb: 0,
        };
        Self {
            recordings: Recordings::open(&config, keys, Clock::manual(START)),
            _folder: folder,
            switch: KillSwitch::new(),
            keys: Default::default(),
        }
    }

    async fn filming(&self, mode: RecordingMode, input: bool, room: usize) -> Filming {
        let subject = Subject {
            session: SessionId::new(START, [1; 10]),
            checkout: CheckoutId::new(START, [2; 10]),
            title: "alice on win1".to_owned(),
        };
        let terms = RecordingTerms {
            mode,
            input,
            ..RecordingTerms::default()
        };
        let recorder = Recorder::new(&self.recordings, terms, subject, self.switch.clone());
        let keep = async |recording: &Recording, key: &WrappedKey| {
            let mut keys = self.keys.lock().unwrap();
            keys.insert(recording.id.clone(), key.clone());
            Ok(())
        };
        let track = recorder.attach(Content::Desktop, keep).await.unwrap();
        // The track outlives it, as it outlives that of a session until it is closed.
        std::mem::forget(recorder);
        let followed = Followed {
            screen: IO,
            clipboard: Some(CLIPBOARD),
        };
        Filming::with_room(track, followed, self.switch.clone(), room)
    }

    async fn finished(&self, filming: Filming) -> (Finished, Vec<Kind>) {
        let ending = async {
            let track = filming.finish().await.unwrap();
            track.finish("over").await.unwrap()
        };
        let finished = timeout(DEADLINE, ending).await.unwrap();
        let key = self.keys.lock().unwrap()[&finished.recording.id].clone();
        let opened = Archive::new(&self.recordings).open(&finished.recording, &key);
        let events = Cast::read(opened.unwrap()).unwrap();
        let events = events.map(|event| event.unwrap().kind).collect();
        (finished, events)
    }
}

fn shown(events: &[Kind]) -> Film {
    let mut film = Film::new(1, 1).unwrap();
    for event in events {
        film.take(event).unwrap();
    }
    film
}

fn demand() -> Bytes {
    Bytes::from(super::super::screen::tests::demand(64, 64))
}

/// A line of one colour, at one height.
fn stripe(y: u16, colour: u8) -> Bytes {
    let mut data = vec![1, 0, 1, 0];
    for field in [0, y, 63, y, 64, 1, 24, 0, 192] {
        data.extend(u16::to_le_bytes(field));
    }
    data.extend([colour; 192]);
    let mut frame = vec![0, 0x80, (data.len() + 6) as u8, 1];
    frame.extend((data.len() as u16).to_le_bytes());
    frame.extend(data);
    Bytes::from(frame)
}

fn orders() -> Bytes {
    Bytes::from_static(&[0, 7, 0, 2, 0, 1, 0])
}

#[tokio::test]
async fn what_was_shown_is_recorded_to_the_last_frame_also_after_the_kill() {
    let set = Set::new();
    let filming = set.filming(RecordingMode::Required, false, QUEUE).await;
    filming.shown(&demand()).await.unwrap();
    for y in 0..64 {
        filming.shown(&stripe(y, 7 + y as u8)).await.unwrap();
    }
    set.switch.pull(KillReason::UserDisabled);
    let (finished, events) = set.finished(filming).await;
    assert_eq!(finished.failure, None);
    let film = shown(&events);
    for (y, line) in film.picture().pixels().chunks(192).enumerate() {
        assert!(line.iter().all(|byte| usize::from(*byte) == 7 + y), "{y}");
    }
    assert_eq!(events.last(), Some(&Kind::Marker("over".to_owned())));
}

#[tokio::test]
async fn what_cannot_be_followed_ends_a_session_that_must_be_recorded() {
    let set = Set::new();
    let filming = set.filming(RecordingMode::Required, false, QUEUE).await;
    filming.shown(&demand()).await.unwrap();
    filming.shown(&stripe(1, 9)).await.unwrap();
    filming.shown(&orders()).await.unwrap();
    let killed = timeout(DEADLINE, set.switch.killed()).await.unwrap();
    assert_eq!(killed, KillReason::RecordingFailed);
    // From here on nothing is passed on.
    assert!(filming.shown(&stripe(2, 9)).await.is_err());
    let (finished, _) = set.finished(filming).await;
    let why = finished.failure.unwrap();
    assert!(why.contains("draws by orders"), "{why}");
}

#[tokio::test]
async fn where_no_recording_is_required_the_session_goes_on_and_it_is_not_whole() {
    let set = Set::new();
    let filming = set.filming(RecordingMode::BestEffort, false, QUEUE).await;
    filming.shown(&demand()).await.unwrap();
    filming.shown(&stripe(1, 9)).await.unwrap();
    filming.shown(&orders()).await.unwrap();
    for _ in 0..100 {
        filming.shown(&stripe(2, 9)).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(!set.switch.is_pulled());
    let (finished, events) = set.finished(filming).await;
    assert!(finished.failure.unwrap().contains("draws by orders"));
    let Some(Kind::Marker(last)) = events.last() else {
        panic!("{events:?}")
    };
    assert!(last.starts_with("the recording ends here"), "{last}");
}

#[tokio::test]
async fn who_shows_more_than_can_be_followed_is_not_waited_for_where_it_is_not_required() {
    let set = Set::new();
    // On one thread nothing is decoded while nobody waits.
    let filming = set.filming(RecordingMode::BestEffort, false, 1024).await;
    filming.shown(&demand()).await.unwrap();
    for _ in 0..20 {
        filming.shown(&stripe(1, 9)).await.unwrap();
    }
    assert!(!set.switch.is_pulled());
    let (finished, _) = set.finished(filming).await;
    assert_eq!(finished.failure.as_deref(), Some(BEHIND));
}

#[tokio::test]
async fn who_shows_more_than_can_be_followed_is_waited_for_and_then_ended_where_it_is() {
    let set = Set::new();
    let processors = u32::try_from(TURNS.available_permits()).unwrap();
    let filming = set.filming(RecordingMode::Required, false, 4096).await;
    filming.shown(&demand()).await.unwrap();
    // Each waits until those before it are decoded.
    for y in 0..60 {
        filming.shown(&stripe(y, 9)).await.unwrap();
    }
    assert!(!set.switch.is_pulled());
    let stalled = TURNS.acquire_many(processors).await.unwrap();
    let mut failed = false;
    for _ in 0..60 {
        failed |= filming.shown(&stripe(61, 9)).await.is_err();
    }
    assert!(failed);
    assert_eq!(set.switch.reason(), Some(KillReason::RecordingFailed));
    drop(stalled);
    let (finished, events) = set.finished(filming).await;
    assert_eq!(finished.failure.as_deref(), Some(BEHIND));
    assert_eq!(shown(&events).picture().pixels()[192 * 59], 9);
}

#[tokio::test]
async fn typing_and_the_clipboard_are_lines_where_the_policy_asks() {
    let keys = Bytes::from_static(&[3 << 2, 8, 0, 0x23, 0, 0x17, 0, 0x1c]);
    let pointer = Bytes::from_static(&[1 << 2, 9, 1 << 5, 0, 8, 10, 0, 20, 0]);
    let clipboard = |data: &[u8]| {
        let mut piece = (data.len() as u32).to_le_bytes().to_vec();
        piece.extend([3, 0, 0, 0]);
        piece.extend(data);
        super::super::mcs::indication(1002, CLIPBOARD, &piece).unwrap()
    };
    let asks = clipboard(&[4, 0, 0, 0, 4, 0, 0, 0, 13, 0, 0, 0]);
    let answers = clipboard(&[5, 0, 1, 0, 4, 0, 0, 0, b'o', 0, b'k', 0]);
    for input in [true, false] {
        let set = Set::new();
        let filming = set.filming(RecordingMode::Required, input, QUEUE).await;
        filming.shown(&demand()).await.unwrap();
        filming.typed(&keys).await.unwrap();
        filming.typed(&pointer).await.unwrap();
        filming.sent(&asks).await.unwrap();
        filming.shown(&answers).await.unwrap();
        let (_, events) = set.finished(filming).await;
        let typed = events.contains(&Kind::Typed("hi[Enter]".to_owned()));
        let copied = events.contains(&Kind::Clipboard("from the target: ok".to_owned()));
        assert_eq!((typed, copied), (input, input), "{events:?}");
        assert!(events.contains(&Kind::Pointer { x: 10, y: 20 }));
    }
}

#[tokio::test]
async fn nothing_else_of_the_screens_channel_is_taken_from_a_client() {
    let set = Set::new();
    let filming = set.filming(RecordingMode::Required, true, QUEUE).await;
    let info = super::super::mcs::indication(1007, IO, b"@\0\0\0 account and password").unwrap();
    filming.sent(&info).await.unwrap();
    let (_, events) = set.finished(filming).await;
    assert_eq!(events, [Kind::Marker("over".to_owned())]);
}
