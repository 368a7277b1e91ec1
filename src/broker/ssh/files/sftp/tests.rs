//! Conversations as clients and servers have them, and as nobody should.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::{BufMut, Bytes, BytesMut};
use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::{
    super::rights::{Missing, Rights},
    super::{Heard, Refused, Why},
    Broken, Sftp,
};
use crate::model::file::{FileOp, FileResult, Moved};

const READ: u32 = 1;
const WRITE: u32 = 2;
const CREATE: u32 = 8;
const TRUNCATE: u32 = 16;

fn all() -> Rights {
    Rights {
        read: Ok(()),
        write: Ok(()),
    }
}

fn read_only() -> Rights {
    Rights {
        read: Ok(()),
        write: Err("no writing".to_owned()),
    }
}

fn write_only() -> Rights {
    Rights {
        read: Err("no reading".to_owned()),
        write: Ok(()),
    }
}

/// One packet, field by field.
#[derive(Clone)]
struct Packet(BytesMut);

fn packet(kind: u8) -> Packet {
    Packet(BytesMut::from(&[kind][..]))
}

fn asks(kind: u8, id: u32) -> Packet {
    packet(kind).number(id)
}

impl Packet {
    fn number(mut self, number: u32) -> Self {
        self.0.put_u32(number);
        self
    }

    fn long(mut self, number: u64) -> Self {
        self.0.put_u64(number);
        self
    }

    fn text(mut self, text: impl AsRef<[u8]>) -> Self {
        self.0.put_u32(text.as_ref().len() as u32);
        self.0.put_slice(text.as_ref());
        self
    }

    fn done(self) -> Bytes {
        let mut packet = BytesMut::new();
        packet.put_u32(self.0.len() as u32);
        packet.put_slice(&self.0);
        packet.freeze()
    }
}

fn init() -> Bytes {
    packet(1).number(3).done()
}

fn open(id: u32, path: &str, flags: u32) -> Bytes {
    asks(3, id).text(path).number(flags).number(0).done()
}

fn close(id: u32, handle: &str) -> Bytes {
    asks(4, id).text(handle).done()
}

fn read(id: u32, handle: &str, offset: u64, length: u32) -> Bytes {
    asks(5, id).text(handle).long(offset).number(length).done()
}

fn write(id: u32, handle: &str, offset: u64, content: &[u8]) -> Bytes {
    asks(6, id).text(handle).long(offset).text(content).done()
}

fn version() -> Bytes {
    packet(2)
        .number(3)
        .text("limits@openssh.com")
        .text("1")
        .done()
}

fn status(id: u32, code: u32) -> Bytes {
    asks(101, id).number(code).text("said so").text("").done()
}

fn handle(id: u32, handle: &str) -> Bytes {
    asks(102, id).text(handle).done()
}

fn data(id: u32, content: &[u8]) -> Bytes {
    asks(103, id).text(content).done()
}

#[derive(Clone)]
enum Side {
    Up(Bytes),
    Down(Bytes),
}
use Side::{Down, Up};

/// What came out of it all.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    up: Vec<u8>,
    down: Vec<u8>,
    moved: Vec<Moved>,
    refused: Vec<Refused>,
}

impl Outcome {
    fn add(&mut self, heard: Heard, up: bool) {
        let side = if up { &mut self.up } else { &mut self.down };
        for piece in heard.pass {
            side.extend_from_slice(&piece);
        }
        self.moved.extend(heard.moved);
        self.refused.extend(heard.refused);
    }
}

/// Plays a conversation in pieces of at most `piece` bytes, to its end.
fn play(rights: Rights, sides: &[Side], piece: usize) -> Result<Outcome, Broken> {
    let mut sftp = Sftp::new(rights);
    let mut outcome = Outcome::default();
    for side in sides {
        let (mut bytes, up) = match side {
            Up(bytes) => (bytes.clone(), true),
            Down(bytes) => (bytes.clone(), false),
        };
        while !bytes.is_empty() {
            let mut chunk = bytes.split_to(piece.min(bytes.len()));
            if up {
                outcome.add(sftp.up(&mut chunk)?, true);
                assert!(chunk.is_empty(), "there was room");
                for ours in sftp.ours() {
                    outcome.down.extend_from_slice(&ours);
                }
            } else {
                outcome.add(sftp.down(chunk)?, false);
            }
        }
    }
    outcome.moved.extend(sftp.cut());
    Ok(outcome)
}

fn all_at_once(rights: Rights, sides: &[Side]) -> Outcome {
    play(rights, sides, usize::MAX).unwrap()
}

/// A file written and read back, pipelined, beside a rename and a failing remove.
fn conversation(first: &[u8], second: &[u8]) -> Vec<Side> {
    let end = first.len() as u64;
    vec![
        Up(init()),
        Down(version()),
        Up(open(1, "/up", WRITE | CREATE | TRUNCATE)),
        Down(handle(1, "h")),
        Up(write(2, "h", 0, first)),
        Up(write(3, "h", end, second)),
        Down(status(2, 0)),
        Down(status(3, 0)),
        Up(close(4, "h")),
        Down(status(4, 0)),
        Up(asks(18, 5).text("/up").text("/down").done()),
        Up(asks(13, 6).text("/gone").done()),
        Down(status(5, 0)),
        Down(status(6, 2)),
        Up(open(7, "/down", READ)),
        Down(handle(7, "h")),
        Up(read(8, "h", 0, 32_768)),
        Up(read(9, "h", end, 32_768)),
        Down(data(8, first)),
        Down(data(9, second)),
        Up(read(10, "h", end + second.len() as u64, 32_768)),
        Down(status(10, 1)),
        Up(close(11, "h")),
        Down(status(11, 0)),
    ]
}

fn bytes_of(sides: &[Side], up: bool) -> Vec<u8> {
    let mut all = Vec::new();
    for side in sides {
        match side {
            Up(bytes) if up => all.extend_from_slice(bytes),
            Down(bytes) if !up => all.extend_from_slice(bytes),
            _ => {}
        }
    }
    all
}

fn sha256(content: &[u8]) -> Option<String> {
    Some(HEXLOWER.encode(digest(&SHA256, content).as_ref()))
}

#[test]
fn what_is_allowed_passes_unchanged_and_is_told() {
    let sides = conversation(b"hello ", b"world");
    let outcome = all_at_once(all(), &sides);
    assert_eq!(outcome.up, bytes_of(&sides, true));
    assert_eq!(outcome.down, bytes_of(&sides, false));
    let told: Vec<_> = outcome
        .moved
        .iter()
        .map(|moved| (moved.op, moved.path.as_str(), moved.bytes, moved.result))
        .collect();
    assert_eq!(
        told,
        [
            (FileOp::Write, "/up", 11, FileResult::Complete),
            (FileOp::Rename, "/up", 0, FileResult::Complete),
            (FileOp::Remove, "/gone", 0, FileResult::Failed),
            (FileOp::Read, "/down", 11, FileResult::Complete),
        ]
    );
    assert_eq!(outcome.moved[0].sha256, sha256(b"hello world"));
    assert_eq!(outcome.moved[3].sha256, sha256(b"hello world"));
    assert_eq!(outcome.moved[2].detail, "no such file");
}

#[test]
fn what_passes_whole_is_one_piece_of_what_came() {
    let mut sftp = Sftp::new(all());
    let mut greeting = init();
    sftp.up(&mut greeting).unwrap();
    let packets = [open(1, "/a", READ), open(2, "/b", READ)].concat();
    let mut chunk = Bytes::from(packets.clone());
    let passed = sftp.up(&mut chunk).unwrap().pass;
    assert_eq!(passed, [packets]);
}

#[test]
fn read_only_answers_every_change_itself() {
    let changes = [
        open(10, "/x", WRITE),
        open(11, "/x", CREATE),
        open(12, "/x", READ | TRUNCATE),
        open(13, "/x", READ | WRITE),
        asks(9, 14).text("/x").number(0).done(),
        asks(13, 15).text("/x").done(),
        asks(14, 16).text("/x").number(0).done(),
        asks(15, 17).text("/x").done(),
        asks(18, 18).text("/x").text("/y").done(),
        asks(20, 19).text("/x").text("/y").done(),
        asks(200, 20)
            .text("posix-rename@openssh.com")
            .text("/x")
            .text("/y")
            .done(),
        asks(200, 21)
            .text("hardlink@openssh.com")
            .text("/x")
            .text("/y")
            .done(),
        asks(200, 22)
            .text("lsetstat@openssh.com")
            .text("/x")
            .number(0)
            .done(),
        asks(200, 23).text("fsync@openssh.com").text("h").done(),
        asks(200, 24)
            .text("copy-data")
            .text("h")
            .long(0)
            .long(0)
            .text("h")
            .long(0)
            .done(),
        write(25, "h", 0, b"content"),
        asks(10, 26).text("h").number(0).done(),
    ];
    let mut sides = vec![Up(init()), Down(version())];
    sides.extend(changes.iter().cloned().map(Up));
    let outcome = all_at_once(read_only(), &sides);
    assert_eq!(outcome.up, init(), "nothing of it reaches the target");
    let mut expected = version().to_vec();
    for (index, _) in changes.iter().enumerate() {
        let answer = asks(101, 10 + index as u32).number(3).text("no writing");
        expected.extend_from_slice(&answer.text("en").done());
    }
    assert_eq!(outcome.down, expected);
    assert_eq!(outcome.refused.len(), changes.len());
    let missing = Why::Missing(Missing::Write);
    assert!(outcome.refused.iter().all(|refused| refused.why == missing));
    let rows = outcome.moved.iter();
    assert!(rows.clone().all(|row| row.result == FileResult::Refused));
    assert_eq!(
        rows.count(),
        changes.len() - 4,
        "without an open file no row"
    );
}

#[test]
fn write_only_opens_nothing_that_could_be_read() {
    // Servers open for reading what asks for neither.
    for flags in [READ, 0, READ | WRITE, CREATE] {
        let sides = [Up(init()), Down(version()), Up(open(1, "/x", flags))];
        let outcome = all_at_once(write_only(), &sides);
        assert_eq!(outcome.up, init(), "{flags}");
        assert_eq!(outcome.moved[0].result, FileResult::Refused);
    }
    let sides = [
        Up(init()),
        Down(version()),
        Up(asks(11, 1).text("/folder").done()),
        Up(asks(17, 2).text("/x").done()),
        Up(asks(16, 3).text(".").done()),
        Up(open(4, "/x", WRITE | CREATE)),
    ];
    let outcome = all_at_once(write_only(), &sides);
    assert_eq!(outcome.up, bytes_of(&sides, true));
}

#[test]
fn an_answer_of_ours_waits_for_those_before_it() {
    let stat = asks(17, 1).text("/a").done();
    let remove = asks(13, 2).text("/a").done();
    let last = asks(17, 3).text("/b").done();
    let sides = [
        Up(init()),
        Down(version()),
        Up([&stat[..], &remove, &last].concat().into()),
        Down(status(1, 2)),
        Down(status(3, 2)),
    ];
    for piece in [1, 3, 7, usize::MAX] {
        let outcome = play(read_only(), &sides, piece).unwrap();
        let ours = asks(101, 2).number(3).text("no writing").text("en").done();
        let in_order = [&version()[..], &status(1, 2), &ours, &status(3, 2)].concat();
        assert_eq!(outcome.down, in_order, "in pieces of {piece}");
    }
}

#[test]
fn what_nobody_knows_is_refused_by_name() {
    let sides = [
        Up(init()),
        Down(version()),
        Up(asks(200, 1).text("exec@evil").text(vec![0; 100_000]).done()),
        Up(asks(77, 2).done()),
        Up(open(3, "/x", 0x40 | READ)),
    ];
    for piece in [9, usize::MAX] {
        let outcome = play(all(), &sides, piece).unwrap();
        assert_eq!(outcome.up, init());
        let names: Vec<_> = outcome
            .refused
            .iter()
            .map(|refused| &refused.what)
            .collect();
        assert_eq!(
            names,
            [
                "SFTP extension exec@evil",
                "SFTP request 77",
                "open in an unknown way"
            ]
        );
        assert!(
            outcome
                .refused
                .iter()
                .all(|refused| refused.why == Why::Unknown)
        );
        let answers = asks(101, 1).number(8);
        let at = version().len() + 4;
        assert_eq!(outcome.down[at..at + 9], answers.0[..]);
    }
}

#[test]
fn both_sides_are_held_to_version_three() {
    let six = packet(1).number(6).text("more").text("1").done();
    let outcome = all_at_once(all(), &[Up(six.clone())]);
    assert_eq!(outcome.up, init());
    let answer = packet(2).number(4).done();
    let broken = play(all(), &[Up(six), Down(answer)], 100).unwrap_err();
    assert_eq!(broken, Broken::Version(4));
}

#[test]
fn a_broken_stream_is_noticed() {
    let greeted = |packet: Bytes| vec![Up(init()), Down(version()), Up(packet)];
    let raw = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    for (sides, what) in [
        (vec![Up(open(1, "/x", READ))], "before the version"),
        (greeted(init()), "a second version"),
        (greeted(raw(&[0, 0, 0, 0, 5])), "an empty packet"),
        (greeted(raw(&[0xff; 9])), "4 GiB"),
        (greeted(raw(&[0, 0, 0xff, 0xff, 17])), "a path of 64 KiB"),
        (
            greeted(asks(5, 1).text(vec![b'h'; 300]).done()),
            "no offset",
        ),
        (
            greeted(asks(6, 1).text(vec![b'h'; 300]).done()),
            "a long handle",
        ),
        (
            greeted(asks(17, 1).number(99).done()),
            "a field past the end",
        ),
        (
            greeted(asks(6, 1).text("h").long(0).number(99).done()),
            "content past the end",
        ),
        (
            vec![
                Up(init()),
                Down(version()),
                Up(close(1, "h")),
                Up(close(1, "h")),
            ],
            "a number twice",
        ),
        (
            vec![Up(init()), Down(version()), Down(status(1, 0))],
            "an answer to nothing",
        ),
        (
            vec![Up(init()), Down(packet(9).number(1).done())],
            "no answer at all",
        ),
        (
            vec![
                Up(init()),
                Down(version()),
                Up(close(1, "h")),
                Down(data(1, b"x")),
            ],
            "content instead of a status",
        ),
    ] {
        for piece in [1, usize::MAX] {
            assert!(play(all(), &sides, piece).is_err(), "{what}");
        }
    }
}

/// Opens `/f` as `h`.
fn with_open(flags: u32, rest: Vec<Side>) -> Vec<Moved> {
    let mut sides = vec![
        Up(init()),
        Down(version()),
        Up(open(1, "/f", flags)),
        Down(handle(1, "h")),
    ];
    sides.extend(rest);
    all_at_once(all(), &sides).moved
}

#[test]
fn a_hash_is_given_only_for_what_was_seen_in_order() {
    let resumed = with_open(
        READ,
        vec![
            Up(read(2, "h", 5, 10)),
            Down(data(2, b"world")),
            Up(close(3, "h")),
            Down(status(3, 0)),
        ],
    );
    assert_eq!(resumed[0].result, FileResult::Partial);
    assert_eq!((resumed[0].bytes, &resumed[0].sha256), (5, &None));

    let sparse = with_open(
        WRITE | CREATE | TRUNCATE,
        vec![
            Up(write(2, "h", 0, b"a")),
            Up(write(3, "h", 100, b"b")),
            Down(status(2, 0)),
            Down(status(3, 0)),
            Up(close(4, "h")),
            Down(status(4, 0)),
        ],
    );
    assert_eq!(sparse[0].result, FileResult::Partial);
    assert_eq!((sparse[0].bytes, &sparse[0].sha256), (2, &None));

    let failing = with_open(
        WRITE | CREATE | TRUNCATE,
        vec![
            Up(write(2, "h", 0, b"fits")),
            Up(write(3, "h", 4, b"does not")),
            Down(status(2, 0)),
            Down(status(3, 4)),
            Up(close(4, "h")),
            Down(status(4, 0)),
        ],
    );
    assert_eq!(failing[0].result, FileResult::Failed);
    assert_eq!((failing[0].bytes, &failing[0].sha256), (4, &None));
}

#[test]
fn over_an_old_file_only_a_cut_to_length_makes_it_whole() {
    let written = |then: Vec<Side>| {
        let mut rest = vec![Up(write(2, "h", 0, b"new")), Down(status(2, 0))];
        rest.extend(then);
        rest.extend([Up(close(9, "h")), Down(status(9, 0))]);
        with_open(WRITE | CREATE, rest)
    };
    let moved = written(vec![]);
    assert_eq!(moved[0].result, FileResult::Partial);
    assert_eq!(moved[0].sha256, sha256(b"new"));
    // As OpenSSH's scp does it.
    let set_size = |size| Up(asks(10, 3).text("h").number(1).long(size).done());
    let moved = written(vec![set_size(3), Down(status(3, 0))]);
    assert_eq!(moved[0].result, FileResult::Complete);
    assert_eq!(moved.len(), 1, "it belongs to the writing");
    let moved = written(vec![set_size(9), Down(status(3, 0))]);
    assert_eq!(
        (moved[0].result, &moved[0].sha256),
        (FileResult::Partial, &None)
    );
}

#[test]
fn the_end_of_a_file_is_told_as_clients_find_it() {
    let closed = |rest: Vec<Side>| {
        let rest = [rest, vec![Up(close(9, "h")), Down(status(9, 0))]].concat();
        with_open(READ, rest).remove(0).result
    };
    let first = [Up(read(2, "h", 0, 4)), Down(data(2, b"half"))];
    assert_eq!(closed(first.to_vec()), FileResult::Partial);
    // psftp: asked ahead, and never again for what a short answer left out.
    let ahead = vec![
        Up(read(2, "h", 0, 8)),
        Up(read(3, "h", 8, 8)),
        Down(data(2, b"short")),
        Down(status(3, 1)),
    ];
    assert_eq!(closed(ahead), FileResult::Complete);
    // asyncssh: reads as much as the size that it has asked for.
    let size = asks(105, 3).number(1).long(4).done();
    let asked = [&first[..], &[Up(asks(8, 3).text("h").done()), Down(size)]].concat();
    assert_eq!(closed(asked), FileResult::Complete);
}

#[test]
fn the_end_of_the_channel_cuts_what_is_open() {
    let sides = &conversation(b"hello ", b"world")[..6];
    let moved = all_at_once(all(), sides).moved;
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0].result, FileResult::Cut);
    assert_eq!(
        (moved[0].bytes, &moved[0].sha256),
        (0, &None),
        "not acknowledged"
    );
    let sides = &conversation(b"hello ", b"world")[..19];
    let moved = all_at_once(all(), sides).moved;
    let last = moved.last().unwrap();
    assert_eq!((last.result, last.bytes), (FileResult::Cut, 6));
    assert_eq!(last.sha256, sha256(b"hello "), "of what has passed");
}

#[test]
fn too_many_requests_wait_and_too_many_files_are_refused() {
    let mut sftp = Sftp::new(all());
    let mut greeting = init();
    sftp.up(&mut greeting).unwrap();
    sftp.down(version()).unwrap();
    let many: Vec<u8> = (0..10_000)
        .flat_map(|id| asks(17, id).text("/x").done())
        .collect();
    let mut chunk = Bytes::from(many);
    let one = asks(17, 0).text("/x").done().len();
    sftp.up(&mut chunk).unwrap();
    assert_eq!(chunk.len(), (10_000 - 4_096) * one, "the rest waits");
    assert!(!sftp.has_room());
    assert!(sftp.up(&mut chunk).unwrap().pass.is_empty());
    sftp.down(status(0, 2)).unwrap();
    sftp.up(&mut chunk).unwrap();
    assert_eq!(chunk.len(), (10_000 - 4_097) * one);

    let mut sides = vec![Up(init()), Down(version())];
    for id in 0..1_024 {
        sides.push(Up(open(id, "/x", READ)));
        sides.push(Down(handle(id, &id.to_string())));
    }
    sides.push(Up(open(5_000, "/x", READ)));
    let outcome = all_at_once(all(), &sides);
    let answer = &outcome.down[outcome.down.len() - 100..];
    let said = String::from_utf8_lossy(answer);
    assert!(said.contains("1024 files are open"), "{said}");
}

proptest! {
    #[test]
    fn a_stream_says_the_same_however_it_is_cut(
        first in proptest::collection::vec(any::<u8>(), 1..300),
        second in proptest::collection::vec(any::<u8>(), 0..300),
        piece in 1..64_usize,
    ) {
        let sides = conversation(&first, &second);
        let whole = play(all(), &sides, usize::MAX);
        let cut = play(all(), &sides, piece);
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn nothing_makes_it_panic_or_keep_much(
        up in proptest::collection::vec(any::<u8>(), 0..2_000),
        down in proptest::collection::vec(any::<u8>(), 0..2_000),
        piece in 1..100_usize,
    ) {
        let mut greeted = init().to_vec();
        greeted.extend_from_slice(&up);
        let mut answered = version().to_vec();
        answered.extend_from_slice(&down);
        let sides = [Up(greeted.into()), Down(answered.into())];
        // Whatever comes of it.
        play(all(), &sides, piece).ok();
    }
}
