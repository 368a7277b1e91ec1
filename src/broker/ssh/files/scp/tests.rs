//! Commands as clients send them and as attackers would; streams as scp speaks them.

use bytes::Bytes;
use proptest::prelude::*;

use super::{Broken, Scp, ScpCommand, Side};
use crate::model::file::{FileOp, FileResult, Moved};

fn command(text: &str) -> ScpCommand {
    ScpCommand::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text:?} is scp"))
}

#[test]
fn what_clients_send_is_known() {
    for (text, side, path, canonical) in [
        ("scp -t /tmp/x", Side::Sink, "/tmp/x", "scp -t -- /tmp/x"),
        ("scp -f /tmp/x", Side::Source, "/tmp/x", "scp -f -- /tmp/x"),
        (
            "scp -v -r -p -d -t .",
            Side::Sink,
            ".",
            "scp -v -r -p -d -t -- .",
        ),
        ("scp -rpt /tmp", Side::Sink, "/tmp", "scp -r -p -t -- /tmp"),
        ("scp -f -- -odd", Side::Source, "-odd", "scp -f -- -odd"),
        ("scp -t 'a b'", Side::Sink, "a b", "scp -t -- a\\ b"),
        ("scp -t a\\ b", Side::Sink, "a b", "scp -t -- a\\ b"),
        ("scp -t \"a b\"", Side::Sink, "a b", "scp -t -- a\\ b"),
        ("scp -f *.log", Side::Source, "*.log", "scp -f -- *.log"),
        ("scp -f '*.log'", Side::Source, "*.log", "scp -f -- \\*.log"),
        ("scp -f ~/x", Side::Source, "~/x", "scp -f -- ~/x"),
        ("scp -t größe", Side::Sink, "größe", "scp -t -- größe"),
        (
            "scp -t 'it'\\''s;rm'",
            Side::Sink,
            "it's;rm",
            "scp -t -- it\\'s\\;rm",
        ),
        ("scp -t ''", Side::Sink, "", "scp -t -- ''"),
        ("scp  -t\t/x ", Side::Sink, "/x", "scp -t -- /x"),
        // For a shell that reads `\'` inside quotes this would run something.
        ("scp -f 'a\\' 'b'", Side::Source, "a\\", "scp -f -- a\\\\ b"),
    ] {
        let scp = command(text);
        assert_eq!(scp.side, side, "{text}");
        assert_eq!(scp.paths[0].bytes(), path.as_bytes(), "{text}");
        assert_eq!(scp.canonical(), canonical.as_bytes(), "{text}");
    }
}

#[test]
fn anything_more_than_scp_is_no_scp() {
    for text in [
        "",
        "scp",
        "scp -t",
        "scp -f",
        "scp -t a b",
        "scp /etc/passwd host:/x",
        "scp -t -S evil /x",
        "scp -S evil -t /x",
        "scp -o ProxyCommand=evil -t /x",
        "scp -t -f /x",
        "scp -f /x -oProxyCommand=evil",
        "/tmp/scp -t /x",
        "scp2 -t /x",
        "*scp -t /x",
        "sc* -t /x",
        "scp -t /x; id",
        "scp -t /x;id",
        "scp -t /x && id",
        "scp -t /x | id",
        "scp -t /x > /etc/passwd",
        "scp -t `id`",
        "scp -t $(id)",
        "scp -t $HOME",
        "scp -t \"$(id)\"",
        "scp -t \"`id`\"",
        "scp -t /x\nid",
        "scp -t 'a\nb'",
        "scp -t /x\r",
        "scp -t /x #",
        "scp -t {a,b}",
        "scp -t 'open",
        "scp -t \"open",
        "scp -t open\\",
        "X=1 scp -t /x",
        "scp -t /x &",
        "(scp -t /x)",
        "! scp -t /x",
        "scp -t - /x",
        "scp -t \u{1}",
    ] {
        assert_eq!(ScpCommand::parse(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(ScpCommand::parse(&vec![b'a'; 1_000_000]), None);
}

/// A turn of one of the two.
#[derive(Clone)]
enum Turn {
    Source(Vec<u8>),
    Sink(Vec<u8>),
}
use Turn::{Sink, Source};

fn source(bytes: impl AsRef<[u8]>) -> Turn {
    Source(bytes.as_ref().to_vec())
}

fn yes() -> Turn {
    Sink(vec![0])
}

fn no() -> Turn {
    Sink(b"\x01scp: no\n".to_vec())
}

fn play(text: &str, turns: &[Turn], piece: usize) -> Result<Vec<Moved>, Broken> {
    let mut scp = Scp::new(command(text));
    let source_is_up = command(text).side == Side::Sink;
    let mut moved = Vec::new();
    for turn in turns {
        let (bytes, of_source) = match turn {
            Source(bytes) => (bytes, true),
            Sink(bytes) => (bytes, false),
        };
        for part in bytes.chunks(piece).map(Bytes::copy_from_slice) {
            moved.extend(match of_source == source_is_up {
                true => scp.up(&part)?,
                false => scp.down(&part)?,
            });
        }
    }
    moved.extend(scp.cut());
    Ok(moved)
}

fn told(text: &str, turns: &[Turn]) -> Vec<(String, u64, FileResult)> {
    let moved = play(text, turns, usize::MAX).unwrap();
    let row = |moved: Moved| (moved.path.to_string(), moved.bytes, moved.result);
    moved.into_iter().map(row).collect()
}

/// A file, and a folder with a file and an empty folder in it.
fn tree() -> Vec<Turn> {
    vec![
        yes(),
        source("T1700000000 0 1700000000 0\n"),
        yes(),
        source("C0644 5 a b\n"),
        yes(),
        source("hello\0"),
        yes(),
        source("D0755 0 sub\n"),
        yes(),
        source("C0600 0 größe\n"),
        yes(),
        source("\0"),
        yes(),
        source("D0755 0 empty\n"),
        yes(),
        source("E\n"),
        yes(),
        source("E\n"),
        yes(),
    ]
}

#[test]
fn a_tree_is_told_file_by_file() {
    let whole = |path: &str, bytes| (path.to_owned(), bytes, FileResult::Complete);
    assert_eq!(
        told("scp -r -p -d -t /srv", &tree()),
        [whole("/srv/a b", 5), whole("/srv/sub/größe", 0)]
    );
    assert_eq!(
        told("scp -r -f '/data/a b' /data/sub", &tree()),
        [whole("/data/a b", 5), whole("/data/sub/größe", 0)]
    );
    assert_eq!(
        told("scp -f /data/*", &tree()),
        [whole("/data/a b", 5), whole("/data/sub/größe", 0)]
    );
    let moved = play("scp -t -r /srv/", &tree(), usize::MAX).unwrap();
    assert_eq!(moved[0].op, FileOp::Write);
    assert_eq!(
        moved[0].sha256.as_deref(),
        Some("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
    );
}

#[test]
fn what_only_the_target_knows_is_said() {
    let turns = &tree()[..7];
    let moved = play("scp -t /srv/x", turns, usize::MAX).unwrap();
    assert_eq!(moved[0].path.as_str(), "/srv/x");
    assert_eq!(moved[0].detail, "or a b in it");
}

#[test]
fn what_the_other_side_refuses_has_failed() {
    let refused = [
        yes(),
        source("C0644 5 x\n"),
        no(),
        source("C0644 2 y\n"),
        yes(),
        source("ok\0"),
        yes(),
    ];
    assert_eq!(
        told("scp -t -d /srv", &refused),
        [
            ("/srv/x".to_owned(), 0, FileResult::Failed),
            ("/srv/y".to_owned(), 2, FileResult::Complete),
        ]
    );
    let full = [
        yes(),
        source("C0644 5 x\n"),
        yes(),
        source("hel"),
        no(),
        source("lo\0"),
        source("C0644 0 y\n"),
    ];
    assert_eq!(
        told("scp -t -d /srv", &full)[0],
        ("/srv/x".to_owned(), 5, FileResult::Failed)
    );
    let unreadable = [
        yes(),
        source("C0644 5 x\n"),
        yes(),
        source("hello\x01scp: it broke\n"),
        yes(),
    ];
    assert_eq!(told("scp -t -d /srv", &unreadable)[0].2, FileResult::Failed);
    let no_folder = [
        yes(),
        source("D0755 0 sub\n"),
        no(),
        source("C0644 0 x\n"),
        yes(),
        source("\0"),
        yes(),
    ];
    assert_eq!(told("scp -r -t -d /srv", &no_folder)[0].0, "/srv/x");
    let nothing = [yes(), source("\x01scp: nothing: No such file\n")];
    assert_eq!(told("scp -f nothing", &nothing), []);
}

#[test]
fn the_end_of_the_channel_cuts_the_file() {
    let turns = [yes(), source("C0644 500 x\n"), yes(), source("hello")];
    assert_eq!(
        told("scp -f /data/x", &turns),
        [("/data/x".to_owned(), 5, FileResult::Cut)]
    );
}

#[test]
fn what_is_no_scp_is_noticed() {
    for turns in [
        vec![yes(), source("hello\n")],
        vec![yes(), source("C0644 5 ../x\n")],
        vec![yes(), source("C0644 5 ..\n")],
        vec![yes(), source("C0644 5 \n")],
        vec![yes(), source("C644 5 x\n")],
        vec![yes(), source("C0644 -5 x\n")],
        vec![yes(), source("C0644 99999999999999999999 x\n")],
        vec![yes(), source("D0755 0 a/b\n")],
        vec![yes(), source("T1 0 1\n")],
        vec![yes(), source("E\n")],
        vec![source("C0644 5 x\n")],
        vec![yes(), source("C0644 5 x\nhello\0")],
        vec![yes(), source("C0644 1 x\n"), yes(), source("hi")],
        vec![yes(), source(vec![b'C'; 100_000])],
        vec![Sink(vec![b'x'; 100_000])],
        vec![yes(), yes()],
    ] {
        for piece in [1, usize::MAX] {
            assert!(play("scp -t /srv", &turns, piece).is_err());
        }
    }
}

proptest! {
    #[test]
    fn a_stream_says_the_same_however_it_is_cut(piece in 1..20_usize) {
        let whole = play("scp -r -t -d /srv", &tree(), usize::MAX);
        prop_assert_eq!(play("scp -r -t -d /srv", &tree(), piece), whole);
    }

    #[test]
    fn nothing_makes_it_panic(
        turns in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..50)), 0..20),
        piece in 1..20_usize,
    ) {
        let turn = |(source, bytes)| if source { Source(bytes) } else { Sink(bytes) };
        let turns: Vec<_> = std::iter::once(yes()).chain(turns.into_iter().map(turn)).collect();
        // Whatever comes of it.
        play("scp -t /srv", &turns, piece).ok();
    }

    /// A command is known again in its canonical form, and means the same.
    #[test]
    fn a_canonical_command_reads_back(text in "scp -[tf] [ -~äß]{1,40}") {
        if let Some(scp) = ScpCommand::parse(text.as_bytes()) {
            let again = ScpCommand::parse(&scp.canonical());
            prop_assert_eq!(again.as_ref().map(|again| &again.paths), Some(&scp.paths));
        }
    }
}
