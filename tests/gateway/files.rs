//! Files by sftp and scp: moved as they would be directly, held to their direction, and
//! each in the file log with its SHA-256.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tokio::process::Command;

use crate::{
    scene::{Scene, Way, scene},
    seen::{Seen, fed, seen},
    support::text,
};

/// Alice may do what the capabilities say; her files are in a folder of her own.
async fn granted(capabilities: &[&str]) -> Scene {
    let scene = scene().await;
    scene.capable(capabilities).await;
    scene.approved().await;
    std::fs::create_dir(scene.folder()).unwrap();
    scene
}

impl Scene {
    fn folder(&self) -> PathBuf {
        self.gateway.dir.path().join("files")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Runs a batch; stops at the first command that fails unless it begins with `-`.
    async fn sftp(&self, way: Way, options: &[&str], batch: &str) -> Seen {
        let mut sftp = self.copier("sftp", way);
        sftp.current_dir(self.folder())
            .args(options)
            .args(["-b", "-", "127.0.0.1"]);
        fed(sftp, batch.as_bytes()).await
    }

    async fn scp(&self, way: Way, arguments: &[&str]) -> Seen {
        let mut scp = self.copier("scp", way);
        scp.current_dir(self.folder()).args(arguments);
        fed(scp, b"").await
    }

    /// The file log of the newest session, once it is closed.
    async fn log(&self) -> Vec<Value> {
        let session = self.newest_session().await;
        let path = format!("/sessions/{session}/files?limit=200");
        let page = self.gateway.get(&self.alice.token, &path).await;
        assert_eq!(page["next"], Value::Null);
        page["items"].as_array().unwrap().clone()
    }

    async fn newest_session(&self) -> String {
        text(&self.gateway.closed_sessions().await[0]["id"])
    }

    async fn file_refused(&self, code: &str) {
        let refused = |event: &Value| {
            event["event"]["kind"] == "file.refused" && event["event"]["outcome"]["refused"] == code
        };
        self.gateway.audit_event(refused).await;
    }
}

async fn sha256sum(file: &Path) -> String {
    let mut sum = Command::new("sha256sum");
    sum.arg("--").arg(file);
    let said = seen(sum).await.well().stdout;
    // A name with a backslash in it is told by one in front.
    let said = said.trim_start_matches('\\');
    said.split(' ').next().unwrap().to_owned()
}

fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Names and contents as people have them.
fn make_tree(root: &Path) {
    for (index, name) in [
        "plain",
        "with two blanks",
        "größe-日本.txt",
        "-rf",
        "quote's \"and\" more",
        "semi;colon&$HOME`x`",
        "back\\slash",
        "*star*?[a]",
        "sub/deeper/still deeper/end",
        "sub/.hidden",
    ]
    .into_iter()
    .enumerate()
    {
        let file = root.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, noise(1_000 + 40_000 * index, index as u64 + 1)).unwrap();
    }
    std::fs::write(root.join("empty"), b"").unwrap();
    std::fs::write(root.join("large"), noise(3_000_000, 99)).unwrap();
    let sparse = std::fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(2_000_000).unwrap();
    std::os::unix::fs::symlink("plain", root.join("link")).unwrap();
    std::fs::create_dir(root.join("empty folder")).unwrap();
}

/// Every file, folder and link below a folder.
fn tree(root: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    fn walk(root: &Path, at: &Path, into: &mut BTreeMap<String, Option<Vec<u8>>>) {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let kind = std::fs::symlink_metadata(&path).unwrap().file_type();
            if kind.is_dir() {
                into.insert(name, None);
                walk(root, &path, into);
            } else if kind.is_symlink() {
                let to = std::fs::read_link(&path).unwrap();
                into.insert(name, Some(to.to_str().unwrap().into()));
            } else {
                into.insert(name, Some(std::fs::read(&path).unwrap()));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found
}

/// As the log writes a path.
fn logged(path: &str) -> String {
    path.replace('\\', "\\\\")
}

/// Every regular file of the tree stands in the log, whole and with its hash.
async fn holds_the_tree(log: &[Value], root: &Path, op: &str, below: &str) {
    let mut files = 0;
    for (name, content) in tree(root) {
        let file = root.join(&name);
        let is_file = std::fs::symlink_metadata(&file).unwrap().is_file();
        if !is_file {
            continue;
        }
        files += 1;
        let path = logged(&format!("{below}/{name}"));
        let row = log
            .iter()
            .find(|row| row["path"] == path.as_str() && row["op"] == op)
            .unwrap_or_else(|| panic!("{path} is not in {log:#?}"));
        assert_eq!(row["result"], "complete", "{row}");
        assert_eq!(row["bytes"], content.unwrap().len(), "{row}");
        assert_eq!(text(&row["sha256"]), sha256sum(&file).await, "{row}");
    }
    assert!(files > 10);
}

const BOTH: &[&str] = &["sftp-read", "sftp-write"];

#[tokio::test]
async fn sftp_is_logged_file_by_file() {
    let scene = granted(BOTH).await;
    std::fs::write(scene.path("here"), noise(300_000, 7)).unwrap();
    std::fs::create_dir(scene.path("there")).unwrap();
    let batch = "mkdir there/new\n\
         put here there/new/a\n\
         chmod 600 there/new/a\n\
         rename there/new/a there/new/b\n\
         ln -s b there/new/link\n\
         ln there/new/b there/new/hard\n\
         ls -l there/new\n\
         get there/new/b back\n\
         rm there/new/hard\n\
         -rm there/new/nothing\n\
         -get there/nothing\n\
         rm there/new/link\n\
         rm there/new/b\n\
         rmdir there/new\n";
    let batch = format!("cd {}\n{batch}", scene.folder().display());
    let done = scene
        .sftp(Way::Gateway, &["-R", "256"], &batch)
        .await
        .well();
    assert!(done.stdout.contains("hard"), "{done:?}");
    let (here, back) = (scene.path("here"), scene.path("back"));
    assert_eq!(std::fs::read(&here).unwrap(), std::fs::read(back).unwrap());

    let log = scene.log().await;
    let there = scene.path("there/new");
    let there = there.to_str().unwrap();
    let told: Vec<String> = log
        .iter()
        .map(|row| {
            let path = text(&row["path"]).replace(there, "NEW");
            let (op, result) = (text(&row["op"]), text(&row["result"]));
            match row["to"].as_str() {
                Some(to) => format!("{op} {path} -> {} {result}", to.replace(there, "NEW")),
                None => format!("{op} {path} {result}"),
            }
        })
        .collect();
    assert_eq!(
        told,
        [
            "mkdir NEW complete",
            "write NEW/a complete",
            "setstat NEW/a complete",
            "rename NEW/a -> NEW/b complete",
            "symlink NEW/link -> b complete",
            "hardlink NEW/b -> NEW/hard complete",
            "read NEW/b complete",
            "remove NEW/hard complete",
            "remove NEW/nothing failed",
            "remove NEW/link complete",
            "remove NEW/b complete",
            "rmdir NEW complete",
        ],
        "{log:#?}"
    );
    let hash = sha256sum(&here).await;
    for (row, direction) in [(1, "up"), (6, "down")] {
        assert_eq!(log[row]["sha256"], hash.as_str());
        assert_eq!(log[row]["direction"], direction);
        assert_eq!(log[row]["bytes"], 300_000);
    }
    assert_eq!(log[8]["detail"], "no such file");

    // Whoever has the rows can hold them against the audit.
    let closed = |event: &Value| event["event"]["kind"] == "files.close";
    let event = scene.gateway.audit_event(closed).await;
    let detail = &event["event"]["detail"];
    assert_eq!(detail["rows"], 12);
    assert_eq!(detail["changes"], 10);
    let session = scene.newest_session().await;
    let url = format!("{}/api/v1/sessions/{session}/files", scene.gateway.url());
    let root = root_by_hand(&scene, &url).await;
    assert_eq!(detail["root"], root.as_str());

    let shown = on_the_command_line(&scene, &session).await;
    assert!(
        shown.contains("PATH") && shown.contains("293.0 KiB"),
        "{shown}"
    );
    assert!(shown.contains("failed: no such file"), "{shown}");
}

async fn on_the_command_line(scene: &Scene, session: &str) -> String {
    let arguments = ["sessions", "files", session];
    let files = scene.gateway.doorward(&scene.alice.token, &arguments);
    seen(files).await.well().stdout
}

/// As `docs/ssh.md` tells an auditor to do it.
async fn root_by_hand(scene: &Scene, url: &str) -> String {
    let script = format!(
        "curl -sS --fail --cacert {} -H 'authorization: Bearer {}' {url} \
         | python3 -c 'import json,sys\n\
for row in json.load(sys.stdin)[\"items\"]: print(json.dumps(row, separators=(\",\", \":\"), ensure_ascii=False))' \
         | sha256sum",
        scene.gateway.ca().display(),
        scene.alice.token
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]);
    let said = seen(shell).await.well().stdout;
    said.split(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn adversarial_27_trees_move_as_they_do_directly() {
    let scene = granted(&["sftp-read", "sftp-write", "scp-up", "scp-down"]).await;
    let root = scene.path("tree");
    make_tree(&root);
    let base = scene.folder().display().to_string();
    for (mover, protocol) in [("sftp", ""), ("scp", "-s"), ("scp", "-O")] {
        for up in [true, false] {
            let name = format!("{mover}{protocol}-{}", if up { "up" } else { "down" });
            let mut ends = Vec::new();
            for way in [Way::Direct, Way::Gateway] {
                let to = match way {
                    Way::Direct => format!("{base}/{name}-direct"),
                    Way::Gateway => format!("{base}/{name}-gateway"),
                };
                std::fs::create_dir(&to).unwrap();
                let done = if mover == "sftp" {
                    let verb = if up { "put" } else { "get" };
                    let options = ["-R", "256", "-B", "262144"];
                    // OpenSSH itself cannot send packets of that size.
                    let options = if up { &options[..2] } else { &options[..] };
                    let batch = format!("-{verb} -r {base}/tree {to}\n");
                    scene.sftp(way, options, &batch).await
                } else {
                    let (from, to) = match up {
                        true => (format!("{base}/tree"), format!("127.0.0.1:{to}/")),
                        false => (format!("127.0.0.1:{base}/tree"), to.clone()),
                    };
                    scene.scp(way, &[protocol, "-r", &from, &to]).await
                };
                ends.push((
                    done.status,
                    done.stderr.replace(&to, "TO"),
                    tree(Path::new(&to)),
                ));
            }
            let (direct, gateway) = (&ends[0], &ends[1]);
            assert_eq!(
                direct.2.keys().collect::<Vec<_>>(),
                gateway.2.keys().collect::<Vec<_>>(),
                "{name}"
            );
            assert!(direct.2 == gateway.2, "{name}: contents differ");
            assert_eq!((direct.0, &direct.1), (gateway.0, &gateway.1), "{name}");
            let log = scene.log().await;
            let (op, below) = match up {
                true => ("write", format!("{base}/{name}-gateway/tree")),
                false => ("read", format!("{base}/tree")),
            };
            holds_the_tree(&log, &root, op, &below).await;
        }
    }
}

#[tokio::test]
async fn adversarial_28_read_only_reads_and_nothing_else() {
    let scene = granted(&["sftp-read"]).await;
    std::fs::write(scene.path("old"), b"as it was").unwrap();
    let before = tree(&scene.folder());
    let batch = "-put old new\n-put old old\n-rm old\n-rename old moved\n-mkdir new\n-ln old new\n\
                 -ln -s old new\n-chmod 600 old\nls\nget old back\n";
    let batch = format!("cd {}\n{batch}", scene.folder().display());
    let done = scene.sftp(Way::Gateway, &[], &batch).await.well();
    assert!(done.stderr.contains("Permission denied"), "{done:?}");
    assert!(
        done.stderr.contains("does not allow sftp-write"),
        "the person reads why: {done:?}"
    );
    let mut after = tree(&scene.folder());
    assert_eq!(after.remove("back"), Some(Some(b"as it was".to_vec())));
    assert_eq!(after, before);
    scene.file_refused("not-capable").await;
    let log = scene.log().await;
    let refused = log.iter().filter(|row| row["result"] == "refused").count();
    assert_eq!(refused, 8, "{log:#?}");
    assert_eq!(log.last().unwrap()["op"], "read");
    assert_eq!(log.last().unwrap()["result"], "complete");
}

#[tokio::test]
async fn write_only_writes_and_reads_nothing() {
    let scene = granted(&["sftp-write"]).await;
    std::fs::write(scene.path("secret"), b"not yours").unwrap();
    let batch = "-get secret back\nls\nput secret copy\n";
    let batch = format!("cd {}\n{batch}", scene.folder().display());
    let done = scene.sftp(Way::Gateway, &[], &batch).await.well();
    assert!(done.stderr.contains("does not allow sftp-read"), "{done:?}");
    assert!(!scene.path("back").exists());
    assert_eq!(std::fs::read(scene.path("copy")).unwrap(), b"not yours");
    let log = scene.log().await;
    let told: Vec<_> = log
        .iter()
        .map(|row| (text(&row["op"]), text(&row["result"])))
        .collect();
    assert_eq!(
        told,
        [("read", "refused"), ("write", "complete")]
            .map(|(op, result)| (op.to_owned(), result.to_owned()))
    );
}

#[tokio::test]
async fn scp_goes_the_way_that_is_allowed_and_runs_nothing_else() {
    let scene = granted(&["scp-up"]).await;
    std::fs::write(scene.path("file"), b"content").unwrap();
    let base = scene.folder().display().to_string();
    let remote = |path: &str| format!("127.0.0.1:{base}/{path}");
    scene
        .scp(Way::Gateway, &["-O", "file", &remote("copy")])
        .await
        .well();
    assert_eq!(std::fs::read(scene.path("copy")).unwrap(), b"content");
    let log = scene.log().await;
    assert_eq!(log.len(), 1, "{log:#?}");
    assert_eq!(
        text(&log[0]["sha256"]),
        sha256sum(&scene.path("file")).await
    );

    let down = scene
        .scp(Way::Gateway, &["-O", &remote("file"), "back"])
        .await;
    assert_ne!(down.status, Some(0));
    assert!(down.stderr.contains("does not allow scp-down"), "{down:?}");
    let by_sftp = scene.scp(Way::Gateway, &["file", &remote("other")]).await;
    assert!(
        by_sftp.stderr.contains("does not allow sftp-"),
        "{by_sftp:?}"
    );
    for command in [
        format!("scp -t {base}; touch {base}/evil"),
        format!("scp -t $(touch {base}/evil)"),
        format!("scp -t {base}\ntouch {base}/evil"),
        format!("touch {base}/evil"),
    ] {
        let done = scene.seen(&["-o", "LogLevel=ERROR", &command]).await;
        assert_eq!(done.status, Some(77), "{command}: {done:?}");
    }
    assert!(!scene.path("evil").exists());
}

#[tokio::test]
async fn what_is_resumed_is_told_so() {
    let scene = granted(BOTH).await;
    let whole = noise(400_000, 3);
    std::fs::write(scene.path("whole"), &whole).unwrap();
    std::fs::write(scene.path("half"), &whole[..150_000]).unwrap();
    std::fs::write(scene.path("far half"), &whole[..150_000]).unwrap();
    let batch = format!(
        "cd {0}\nreget whole half\nreput whole \"far half\"\n",
        scene.folder().display()
    );
    scene.sftp(Way::Gateway, &[], &batch).await.well();
    for name in ["half", "far half"] {
        assert!(std::fs::read(scene.path(name)).unwrap() == whole, "{name}");
    }
    let log = scene.log().await;
    assert_eq!(log.len(), 2, "{log:#?}");
    for row in &log {
        assert_eq!(row["result"], "partial", "{row}");
        assert_eq!(row["bytes"], 250_000, "{row}");
        assert_eq!(row["sha256"], Value::Null, "{row}");
        assert!(text(&row["detail"]).contains("in order"), "{row}");
    }
}

#[tokio::test]
async fn a_revoke_in_the_middle_is_logged_as_cut() {
    let scene = granted(BOTH).await;
    let id = scene.requested().await;
    let huge = std::fs::File::create(scene.path("huge")).unwrap();
    huge.set_len(1 << 34).unwrap();
    // Slow enough to be in the middle for long.
    let slowly = ["-l", "80000"];
    let batch = format!("get {}/huge back\n", scene.folder().display());
    let revoke = async {
        let part = async || {
            let back = std::fs::metadata(scene.path("back")).ok()?;
            (back.len() > 0).then_some(())
        };
        scene.gateway.eventually("a part of the file", part).await;
        scene.revoke(&id).await;
    };
    let (done, ()) = tokio::join!(scene.sftp(Way::Gateway, &slowly, &batch), revoke);
    assert_ne!(done.status, Some(0));
    let log = scene.log().await;
    assert_eq!(log.len(), 1, "{log:#?}");
    assert_eq!(log[0]["result"], "cut");
    assert!(log[0]["bytes"].as_u64().unwrap() > 0, "{log:#?}");
    let closed = |event: &Value| event["event"]["kind"] == "files.close";
    let event = scene.gateway.audit_event(closed).await;
    assert_eq!(event["event"]["detail"]["cut"], 1);
}
