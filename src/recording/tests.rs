//! Recordings on real files, devices and pipes.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use tempfile::TempDir;
use tokio::time::timeout;

use super::{content::Events, reel::Reel, tape::Tape, *};
use crate::{
    clock::Clock,
    config::{RecordingConfig, SecretSource, VaultConfig},
    kill::KillSwitch,
    model::{
        ids::{CheckoutId, RecordingId, SessionId},
        recording::{Recording, RecordingMode, RecordingTerms},
        session::KillReason,
        time::{Span, Timestamp},
    },
    vault::{RecordingKeys, Vault, WrappedKey},
};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// Against a hanging test only.
const DEADLINE: Duration = Duration::from_secs(60);

struct Set {
    folder: TempDir,
    recordings: Recordings,
    keys: RecordingKeys,
    /// What the store would hold.
    kept: Mutex<HashMap<RecordingId, WrappedKey>>,
    clock: Clock,
    switch: KillSwitch,
}

impl Set {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let config = RecordingConfig {
            dir: folder.path().join("recordings"),
            reserve_mb: 0,
        };
        let keys = keys(&folder);
        Self {
            recordings: Recordings::open(&config, keys.clone(), clock.clone()),
            keys,
            kept: Mutex::default(),
            folder,
            clock,
            switch: KillSwitch::new(),
        }
    }

    fn recorder(&self, mode: RecordingMode) -> Recorder {
        let subject = Subject {
            session: SessionId::new(START, [1; 10]),
            checkout: CheckoutId::new(START, [2; 10]),
            title: "alice on db1 as root (check-out 7K3F)".to_owned(),
        };
        let terms = RecordingTerms {
            mode,
            input: false,
            bodies: None,
            retention: Some(Span::hours(24)),
        };
        Recorder::new(&self.recordings, terms, subject, self.switch.clone())
    }

    async fn attach(&self, recorder: &Recorder, content: Content) -> Result<Track, RecordingError> {
        let keep = async |recording: &Recording, key: &WrappedKey| {
            let mut kept = self.kept.lock().unwrap();
            kept.insert(recording.id.clone(), key.clone());
            Ok(())
        };
        recorder.attach(content, keep).await
    }

    /// A track that writes to something else than a file of its own.
    fn track_to(&self, file: File, mode: RecordingMode) -> Track {
        let required = mode == RecordingMode::Required;
        let id = RecordingId::new(START, [3; 10]);
        let (key, wrapped) = self.keys.make(&id).unwrap();
        self.kept.lock().unwrap().insert(id.clone(), wrapped);
        let recording = Recording {
            id: id.clone(),
            session: SessionId::new(START, [1; 10]),
            checkout: CheckoutId::new(START, [2; 10]),
            kind: "terminal".to_owned(),
            file: "elsewhere".to_owned(),
            started_at: START,
            finished_at: None,
            bytes: 0,
            root: None,
            failure: None,
            keep_until: None,
            deleted_at: None,
        };
        let tape = Tape::new(
            recording,
            required.then(|| self.switch.clone()),
            self.clock.clone(),
            self.recordings.writers.desk(),
            Events::new(&terminal()),
            Reel::on(file, id, key),
        );
        Track::of(tape, self.switch.clone())
    }

    fn key(&self, recording: &Recording) -> WrappedKey {
        self.kept.lock().unwrap()[&recording.id].clone()
    }

    fn cast(&self, recording: &Recording) -> Cast<Opened> {
        let archive = Archive::new(&self.recordings);
        Cast::read(archive.open(recording, &self.key(recording)).unwrap()).unwrap()
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join("recordings").join(file)
    }

    fn events(&self, finished: &Finished) -> Vec<Event> {
        self.events_of(&finished.recording)
    }

    fn events_of(&self, recording: &Recording) -> Vec<Event> {
        self.cast(recording).map(Result::unwrap).collect()
    }
}

fn keys(folder: &TempDir) -> RecordingKeys {
    let key = SecretSource::File(folder.path().join("vault.key"));
    Vault::open(&VaultConfig { key }).unwrap().recording_keys()
}

fn terminal() -> Content {
    Content::Terminal(Terminal {
        term: "xterm-256color".to_owned(),
        width: 100,
        height: 30,
        command: None,
    })
}

fn command() -> Content {
    Content::Command("make backup".to_owned())
}

fn output(text: &str) -> Kind {
    Kind::Output(text.to_owned())
}

/// Text that cannot be made much smaller.
fn noise() -> String {
    let mut bytes = [0; 3_072];
    let seed = crate::vault::entropy::<16>();
    blake3::Hasher::new()
        .update(&seed)
        .finalize_xof()
        .fill(&mut bytes);
    data_encoding::BASE64.encode(&bytes)
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    timeout(DEADLINE, work).await.expect("it must end")
}

/// Turns the runtime until `done`; the writers are threads of their own.
async fn until(done: impl Fn() -> bool) {
    in_time(async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_file_stands_with_its_header_before_anything_flows() {
    let set = Set::new();
    let recorder = set.recorder(RecordingMode::Required);
    let track = set.attach(&recorder, terminal()).await.unwrap();
    let recording = track.recording().unwrap();
    assert_eq!(recording.file, format!("2027/01/15/{}.cast", recording.id));
    let path = set.path(&recording.file);
    let cast = set.cast(recording);
    assert_eq!((cast.header.width, cast.header.height), (100, 30));
    assert_eq!(cast.header.env.term.as_deref(), Some("xterm-256color"));
    assert_eq!(cast.header.timestamp, Some(1_800_000_000));
    assert_eq!(
        cast.header.doorward.unwrap().session,
        recording.session.as_str()
    );
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    for folder in path.ancestors().skip(1).take(4) {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
}

#[tokio::test]
async fn a_recording_replays_what_was_seen_when_it_was_seen() {
    let set = Set::new();
    let recorder = set.recorder(RecordingMode::Required);
    let track = set.attach(&recorder, terminal()).await.unwrap();
    track.output(b"$ ").await.unwrap();
    set.clock.advance(Duration::from_millis(1_250));
    track.output(b"caf\xc3").await.unwrap();
    set.clock.step(-3_600_000);
    track.output(b"\xa9\r\n").await.unwrap();
    track.error_output(b"no such file\r\n").await.unwrap();
    set.clock.advance(Duration::from_secs(2));
    track.resize(120, 40).await.unwrap();
    let finished = in_time(track.finish("exit status 0")).await.unwrap();
    let events = set.events(&finished);
    let expected = [
        (0.0, output("$ ")),
        (1.25, output("caf")),
        (1.25, output("é\r\n")),
        (1.25, output("no such file\r\n")),
        (
            3.25,
            Kind::Resize {
                width: 120,
                height: 40,
            },
        ),
        (3.25, Kind::Marker("exit status 0".to_owned())),
    ];
    let found: Vec<_> = events
        .into_iter()
        .map(|event| (event.at, event.kind))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(finished.failure, None);
    let bytes = std::fs::read(set.path(&finished.recording.file)).unwrap();
    assert_eq!(finished.recording.bytes, bytes.len() as u64);
    let root = blake3::hash(&bytes).to_hex().to_string();
    assert_eq!(finished.recording.root, Some(root));
    assert_eq!(finished.recording.keep_until, Some(START + Span::hours(24)));
    assert_eq!(finished.recording.finished_at, Some(set.clock.now()));
}

#[tokio::test]
async fn what_was_accepted_is_in_the_file_without_any_end() {
    let set = Set::new();
    let recorder = set.recorder(RecordingMode::Required);
    let track = set.attach(&recorder, terminal()).await.unwrap();
    track.output(b"half a session").await.unwrap();
    let recording = track.recording().unwrap();
    until(|| !set.events_of(recording).is_empty()).await;
    assert_eq!(set.events_of(recording)[0].kind, output("half a session"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn much_output_from_many_sessions_arrives_whole_and_in_order() {
    let set = Arc::new(Set::new());
    let sessions = (0..8_u8).map(|number| {
        let set = Arc::clone(&set);
        tokio::spawn(async move {
            let recorder = set.recorder(RecordingMode::Required);
            let track = set.attach(&recorder, command()).await.unwrap();
            let mut sent = Vec::new();
            for round in 0..200_u32 {
                let line = format!("{number} {round} \u{1f980}\n");
                let chunk = line.repeat(1 + round as usize * 7 % 300);
                track.output(chunk.as_bytes()).await.unwrap();
                sent.extend_from_slice(chunk.as_bytes());
            }
            let finished = in_time(track.finish("exit status 0")).await.unwrap();
            let played: String = set
                .events(&finished)
                .into_iter()
                .filter_map(|event| match event.kind {
                    Kind::Output(text) => Some(text),
                    _ => None,
                })
                .collect();
            assert_eq!(played.as_bytes(), sent);
        })
    });
    for session in sessions.collect::<Vec<_>>() {
        in_time(session).await.unwrap();
    }
    in_time(set.recordings.drained()).await;
}

#[tokio::test]
async fn a_full_disk_ends_a_session_that_must_be_recorded() {
    let set = Set::new();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let track = set.track_to(full, RecordingMode::Required);
    track.output(b"accepted before anybody knew").await.unwrap();
    assert_eq!(
        in_time(set.switch.killed()).await,
        KillReason::RecordingFailed
    );
    // From the pull on nothing is accepted, so nothing is forwarded.
    let refused = track.output(b"too late").await.unwrap_err();
    assert!(matches!(refused, RecordingError::Failed(_)), "{refused}");
    let finished = in_time(track.finish("cut")).await.unwrap();
    let failure = finished.failure.unwrap();
    assert!(failure.contains("No space left"), "{failure}");
    assert_eq!(finished.recording.failure, Some(failure));
    assert_eq!(finished.recording.bytes, 0);
}

#[tokio::test]
async fn a_full_disk_is_noted_where_recording_is_best_effort() {
    let set = Set::new();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let track = set.track_to(full, RecordingMode::BestEffort);
    track.output(b"accepted").await.unwrap();
    until(|| track.failure().is_some()).await;
    for _ in 0..100 {
        in_time(track.output(&[b'x'; 100_000])).await.unwrap();
    }
    assert!(!set.switch.is_pulled());
    let finished = in_time(track.finish("exit status 0")).await.unwrap();
    assert!(finished.failure.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_slows_its_session_and_takes_no_memory() {
    let set = Set::new();
    let pipe = set.folder.path().join("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    // Open for both, so that opening waits for nobody.
    let both = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&pipe)
        .unwrap();
    let track = Arc::new(set.track_to(both, RecordingMode::Required));
    let accepted = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let flood = tokio::spawn({
        let (track, accepted) = (Arc::clone(&track), Arc::clone(&accepted));
        async move {
            loop {
                if let Err(error) = track.output(noise().as_bytes()).await {
                    return error;
                }
                accepted.fetch_add(4_096, std::sync::atomic::Ordering::Relaxed);
            }
        }
    });
    until(|| track.queued() >= QUEUE_LIMIT).await;
    // Others are recorded meanwhile, to their end.
    let recorder = set.recorder(RecordingMode::Required);
    let other = set.attach(&recorder, terminal()).await.unwrap();
    other.output(b"not held up").await.unwrap();
    assert_eq!(
        in_time(other.finish("exit status 0"))
            .await
            .unwrap()
            .failure,
        None
    );
    assert!(!flood.is_finished());
    // What the pipe took, what is queued, and nothing more.
    let taken = accepted.load(std::sync::atomic::Ordering::Relaxed);
    assert!(taken < QUEUE_LIMIT + 2 * 64 * 1024 + 8 * 4_096, "{taken}");
    assert!(track.queued() < QUEUE_LIMIT + 8 * 1024);
    // The kill needs no disk.
    set.switch.pull(KillReason::UserDisabled);
    let stopped = in_time(flood).await.unwrap();
    assert!(
        matches!(stopped, RecordingError::Killed(KillReason::UserDisabled)),
        "{stopped}"
    );
    // When the disk is back, everything that was accepted is written.
    let recording = track.recording().unwrap();
    let key = set.keys.open(&recording.id, &set.key(recording)).unwrap();
    let reader = std::thread::spawn({
        let mut reader = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&pipe)
            .unwrap();
        // What a file of its own would begin with.
        let id = recording.id.clone();
        let first_line = format!("doorward recording 1 {id}\n").into_bytes();
        move || {
            let whole = std::io::Read::chain(&first_line[..], &mut reader);
            let mut frames = Unsealing::new(whole, id, key).unwrap();
            let mut cast = Vec::new();
            while !cast.ends_with(b"\"end\"]\n") {
                cast.extend_from_slice(frames.next_text().unwrap().unwrap());
            }
            let lines = str::from_utf8(&cast).unwrap().lines();
            lines
                .map(|line| serde_json::from_str::<(f64, String, String)>(line).unwrap())
                .filter(|(_, code, _)| code == "o")
                .map(|(_, _, text)| text.len())
                .sum::<usize>()
        }
    });
    in_time(track.finish("end")).await.unwrap();
    assert_eq!(
        reader.join().unwrap(),
        accepted.load(std::sync::atomic::Ordering::Relaxed)
    );
}

#[tokio::test]
async fn below_the_reserve_no_recording_begins() {
    let set = Set::new();
    set.recordings.reserve(u32::MAX);
    assert!(matches!(
        set.recordings.check(),
        Err(RecordingError::Full { .. })
    ));
    let required = set.recorder(RecordingMode::Required);
    assert!(matches!(
        in_time(set.attach(&required, terminal())).await,
        Err(RecordingError::Full { .. })
    ));
    let recorder = set.recorder(RecordingMode::BestEffort);
    let track = in_time(set.attach(&recorder, terminal())).await.unwrap();
    track.output(b"goes on").await.unwrap();
    assert!(track.failure().unwrap().contains("nearly full"));
    assert!(track.recording().is_none());
    // Nothing was left behind by the attempts.
    let left = std::fs::read_dir(set.folder.path().join("recordings")).unwrap();
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn a_running_recording_ends_before_the_disk_is_full() {
    let set = Set::new();
    let recorder = set.recorder(RecordingMode::Required);
    let track = set.attach(&recorder, terminal()).await.unwrap();
    set.recordings.reserve(u32::MAX);
    let mut accepted = 0;
    while track.output(b"0123456789abcde\n").await.is_ok() {
        accepted += 16;
    }
    assert_eq!(
        in_time(set.switch.killed()).await,
        KillReason::RecordingFailed
    );
    // Whatever was accepted, and so may have been forwarded, stands in the file.
    let finished = in_time(track.finish("cut")).await.unwrap();
    let events = set.events(&finished);
    let recorded: usize = events
        .iter()
        .map(|event| match &event.kind {
            Kind::Output(text) => text.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(recorded, accepted);
    let Some(Kind::Marker(last)) = events.last().map(|event| &event.kind) else {
        panic!("it ends with a word");
    };
    assert!(last.contains("nearly full"), "{last}");
    assert!(finished.failure.unwrap().contains("nearly full"));
}

#[tokio::test]
async fn a_volume_that_cannot_be_used_refuses_recorded_sessions_only() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("recordings"), "no folder").unwrap();
    let set = Set::new();
    let config = RecordingConfig {
        dir: folder.path().join("recordings"),
        reserve_mb: 0,
    };
    let set = Set {
        recordings: Recordings::open(&config, set.keys.clone(), set.clock.clone()),
        ..set
    };
    let required = set.recorder(RecordingMode::Required);
    let refused = in_time(set.attach(&required, terminal())).await;
    assert!(matches!(refused, Err(RecordingError::Io { .. })));
    let off = set.recorder(RecordingMode::Off);
    let track = in_time(set.attach(&off, terminal())).await.unwrap();
    track.output(b"unrecorded by policy").await.unwrap();
    assert_eq!(track.failure(), None);
    assert!(track.finish("exit status 0").await.is_none());
}

#[tokio::test]
async fn a_cut_session_begins_no_recording_and_leaves_no_file() {
    let set = Set::new();
    set.switch.pull(KillReason::UserDisabled);
    let recorder = set.recorder(RecordingMode::Required);
    let refused = in_time(set.attach(&recorder, terminal())).await;
    assert!(matches!(
        refused,
        Err(RecordingError::Killed(KillReason::UserDisabled))
    ));
    // The file may have been on its way; whoever made it takes it back.
    let day = set.path("2027/01/15");
    until(|| std::fs::read_dir(&day).map_or(0, Iterator::count) == 0).await;
    assert_eq!(in_time(recorder.close()).await, []);
}

#[tokio::test]
async fn what_is_forgotten_is_closed_whole() {
    let set = Set::new();
    let recorder = set.recorder(RecordingMode::Required);
    let dropped = set.attach(&recorder, terminal()).await.unwrap();
    dropped.output(b"dropped").await.unwrap();
    drop(dropped);
    let open = set.attach(&recorder, command()).await.unwrap();
    open.output(b"still open").await.unwrap();
    let reported = set.attach(&recorder, command()).await.unwrap();
    in_time(reported.finish("exit status 0")).await.unwrap();
    let finished = in_time(recorder.close()).await;
    let kinds: Vec<_> = finished
        .iter()
        .map(|one| one.recording.kind.as_str())
        .collect();
    assert_eq!(kinds, ["terminal", "command"]);
    assert_eq!(set.events(&finished[0])[0].kind, output("dropped"));
    assert_eq!(set.events(&finished[1])[0].kind, output("still open"));
    assert!(finished.iter().all(|one| one.failure.is_none()));
    assert!(matches!(
        open.output(b"after the end").await,
        Err(RecordingError::Closed)
    ));
    in_time(set.recordings.drained()).await;
}

/// In its own process, as the suite runs each test, so that nobody else's memory is counted.
#[tokio::test]
async fn a_recording_that_is_silent_keeps_no_buffers() {
    const MANY: usize = 400;
    let set = Set::new();
    let recorder = set.recorder(RecordingMode::Required);
    let mut tracks = Vec::with_capacity(MANY + 20);
    let before = {
        // What the first ones take for all.
        for _ in 0..20 {
            let track = set.attach(&recorder, terminal()).await.unwrap();
            track.output(b"$ ").await.unwrap();
            tracks.push(track);
        }
        until(|| tracks.iter().all(|track| track.queued() == 0)).await;
        resident()
    };
    for _ in 0..MANY {
        let track = set.attach(&recorder, terminal()).await.unwrap();
        track.output(b"$ ").await.unwrap();
        tracks.push(track);
    }
    until(|| tracks.iter().all(|track| track.queued() == 0)).await;
    let each = resident().saturating_sub(before) / MANY;
    eprintln!("{each} bytes for each silent recording");
    assert!(each < 16 * 1024, "{each}");
}

/// Bytes of memory that this process has in use.
fn resident() -> usize {
    let told = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = told.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}
