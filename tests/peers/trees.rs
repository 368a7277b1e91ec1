//! Trees of files, byte for byte: moved directly and through the gateway they are the same,
//! names, kinds, permissions and holes included.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File, Permissions},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use crate::scene::{Scene, Way};

/// Only keeps a hanging copy from hanging for ever.
const PATIENCE: Duration = Duration::from_secs(120);

/// Names that some program, somewhere, takes for something else.
const NAMES: [&[u8]; 22] = [
    b"plain",
    b"with blank",
    b" leading and trailing ",
    b"-dash",
    b"--help",
    b"-rf .",
    b"semi;colon",
    b"dollar$HOME",
    b"back\\slash",
    b"quote'single",
    b"quote\"double",
    b"star*",
    b"question?[a]",
    b"{brace,s}",
    b"~tilde",
    b"#hash",
    b"a:colon",
    b"tab\there",
    "grüße".as_bytes(),
    "日本語🔑".as_bytes(),
    "e\u{301} combining".as_bytes(),
    b"bytes \xff\xfe that are no UTF-8",
];

/// Only for those whose protocol has no lines.
const WITH_LINE_END: &[u8] = b"line\nend";

/// What stands in a tree: for each path its kind, permissions and content.
type Tree = BTreeMap<PathBuf, Entry>;

#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Folder { mode: u32 },
    Link(PathBuf),
    File { mode: u32, length: u64, sum: u64 },
}

/// How a tree is moved; `{here}` and `{there}` stand for a folder and the one on the target.
struct Mover {
    name: &'static str,
    up: &'static str,
    down: &'static str,
    /// Follows links, as scp and sftp do.
    follows_links: bool,
    has_lines: bool,
}

const MOVERS: [Mover; 6] = [
    Mover {
        name: "sftp -r",
        up: "printf 'put -r tree %s\\n' \"$PWD/up\" | sftp -q -b - target",
        down: "printf 'get -r %s down\\n' \"$PWD/up\" | sftp -q -b - target",
        follows_links: true,
        has_lines: false,
    },
    Mover {
        name: "scp -r",
        up: "scp -q -r -p tree \"target:$PWD/up\"",
        down: "scp -q -r -p \"target:$PWD/up\" down",
        follows_links: true,
        has_lines: false,
    },
    Mover {
        name: "scp -O -r",
        up: "scp -q -O -r -p tree \"target:$PWD/up\"",
        down: "scp -q -O -r -p \"target:$PWD/up\" down",
        follows_links: true,
        has_lines: true,
    },
    Mover {
        name: "rsync -a",
        up: "rsync -a tree/ \"target:$PWD/up/\"",
        down: "rsync -a \"target:$PWD/up/\" down/",
        follows_links: false,
        has_lines: false,
    },
    Mover {
        name: "rsync -aSz",
        up: "rsync -aSz tree/ \"target:$PWD/up/\"",
        down: "rsync -aSz \"target:$PWD/up/\" down/",
        follows_links: false,
        has_lines: false,
    },
    Mover {
        name: "tar",
        up: "mkdir up && tar cS -C tree . | ssh target \"tar xS -C '$PWD/up'\"",
        down: "mkdir down && ssh target \"tar cS -C '$PWD/up' .\" | tar xS -C down",
        follows_links: false,
        has_lines: false,
    },
];

#[tokio::test]
async fn trees_arrive_byte_for_byte_as_directly() {
    let scene = Scene::set().await;
    for mover in &MOVERS {
        let name = mover.name.replace(' ', "");
        let folders = scene.folders(&name);
        let [direct, bridge] = [
            moved(&scene.direct, mover, &folders[0]),
            moved(&scene.bridge, mover, &folders[1]),
        ];
        let (direct, bridge) = tokio::join!(direct, bridge);
        assert_eq!(bridge.said, direct.said, "{}", mover.name);
        for (up, down) in [(&direct.up, &bridge.up), (&direct.down, &bridge.down)] {
            assert!(up == down, "{}: {}", mover.name, difference(up, down));
        }
        // Otherwise the same nothing would be enough.
        assert!(
            bridge.up.len() > NAMES.len(),
            "{}: {:?}",
            mover.name,
            bridge.up
        );
        if !mover.follows_links {
            let original = read(&folders[1].join("tree"));
            assert!(
                original == bridge.down,
                "{}: {}",
                mover.name,
                difference(&original, &bridge.down)
            );
        }
    }
}

struct Moved {
    said: Vec<String>,
    up: Tree,
    down: Tree,
}

async fn moved(way: &Way, mover: &Mover, folder: &Path) -> Moved {
    plant(&folder.join("tree"), mover);
    let mut said = Vec::new();
    for script in [mover.up, mover.down] {
        let mut command = way.command("bash", folder);
        let output = tokio::time::timeout(PATIENCE, command.args(["-c", script]).output());
        let output = output
            .await
            .unwrap_or_else(|_| panic!("{script} hung"))
            .unwrap();
        let heard = String::from_utf8_lossy(&output.stderr).into_owned();
        said.push(format!(
            "{script}: {}\n{}",
            output.status,
            heard.replace(&way.home.display().to_string(), "HOME")
        ));
    }
    Moved {
        said,
        up: read(&folder.join("up")),
        down: read(&folder.join("down")),
    }
}

fn plant(tree: &Path, mover: &Mover) {
    let deep = tree.join("one/two/three and four");
    fs::create_dir_all(&deep).unwrap();
    fs::create_dir(tree.join("empty folder")).unwrap();
    let mut names = NAMES.to_vec();
    if !mover.has_lines {
        names.push(WITH_LINE_END);
    }
    for (number, name) in names.into_iter().enumerate() {
        let folder = if number % 2 == 0 { tree } else { &deep };
        // Some end just before, at and after the packets of the protocols.
        let length = [0, 1, 32_767, 32_768, 32_769, 300_000][number % 6];
        let content: Vec<u8> = (0..length)
            .map(|at| ((at * (number + 3)) >> 4) as u8)
            .collect();
        let path = folder.join(OsStr::from_bytes(name));
        fs::write(&path, content).unwrap();
        let mode = [0o644, 0o600, 0o755, 0o640, 0o444][number % 5];
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }
    let sparse = File::create(tree.join("sparse")).unwrap();
    sparse.set_len(8 << 20).unwrap();
    sparse.write_all_at(b"an island", 5 << 20).unwrap();
    symlink("plain", tree.join("link")).unwrap();
    if !mover.follows_links {
        symlink("no such place", tree.join("dangling")).unwrap();
        symlink("../..", deep.join("upwards")).unwrap();
    }
    fs::set_permissions(tree.join("empty folder"), Permissions::from_mode(0o700)).unwrap();
}

fn read(tree: &Path) -> Tree {
    let mut entries = Tree::new();
    let mut folders = vec![tree.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(listed) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in listed {
            let path = entry.unwrap().path();
            let about = fs::symlink_metadata(&path).unwrap();
            let mode = about.mode() & 0o7777;
            let entry = if about.is_dir() {
                folders.push(path.clone());
                Entry::Folder { mode }
            } else if about.is_symlink() {
                Entry::Link(fs::read_link(&path).unwrap())
            } else {
                Entry::File {
                    mode,
                    length: about.len(),
                    sum: sum(&fs::read(&path).unwrap()),
                }
            };
            entries.insert(path.strip_prefix(tree).unwrap().to_owned(), entry);
        }
    }
    entries
}

/// FNV-1a: enough against accidents, and nobody here attacks it.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn difference(one: &Tree, other: &Tree) -> String {
    let paths = one.keys().chain(other.keys());
    let different = paths.filter(|path| one.get(*path) != other.get(*path));
    let shown =
        different.map(|path| format!("{path:?}: {:?} / {:?}", one.get(path), other.get(path)));
    shown.collect::<Vec<_>>().join("\n")
}
