//! Files that go up and down over HTTP: in the file log by name, length and SHA-256, and in
//! the recording behind their request.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{Scene, enter, raw, scene, seen};
use crate::seen::seen as run;

fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}

/// The file log of the one session, once it has so many rows.
async fn rows(scene: &Scene, count: usize) -> Vec<Value> {
    let session = scene.sessions().await.remove(0);
    let path = format!("/sessions/{}/files", session["id"].as_str().unwrap());
    let rows = scene.gateway.eventually("the file log", async || {
        let rows = scene.gateway.list(&path).await;
        (rows.len() >= count).then_some(rows)
    });
    let rows = rows.await;
    assert_eq!(rows.len(), count, "{rows:?}");
    rows
}

fn row(rows: &[Value], path: &str) -> Value {
    let found = rows.iter().find(|row| row["path"] == path);
    found.unwrap_or_else(|| panic!("{path}: {rows:?}")).clone()
}

#[tokio::test]
async fn a_file_is_written_down_each_way_and_a_page_is_not() {
    let scene = scene().await;
    let id = scene.approved("wiki").await;
    let bytes: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
    std::fs::write(scene.nginx.dir.path().join("www/größe.bin"), &bytes).unwrap();
    let here = scene.gateway.dir.path().join("up.bin");
    std::fs::write(&here, &bytes).unwrap();
    for flag in ["--http1.1", "--http2"] {
        let mut up = scene.curl();
        up.args([flag, "-T"]).arg(&here);
        let path = format!("/upload/a%20{flag}.bin");
        assert_eq!(seen(up, &scene.url("wiki", &path)).await.status, 201);
    }
    let down = |more: &[&str]| {
        let mut curl = scene.curl();
        curl.args(["-o", "/dev/null", "-f"]).args(more);
        curl.arg(scene.url("wiki", "/gr%C3%B6%C3%9Fe.bin"));
        run(curl)
    };
    down(&[]).await.well();
    down(&["-r", "10-19"]).await.well();
    // A page, a text that is looked at, a question how long it is, and what is not there.
    scene.get("wiki", "/index.html").await;
    scene.get("wiki", "/hello.txt").await;
    scene.get("wiki", "/nothing.bin").await;
    let mut head = scene.curl();
    head.arg("--head");
    seen(head, &scene.url("wiki", "/gr%C3%B6%C3%9Fe.bin")).await;
    // To where nobody may write.
    let mut refused = scene.curl();
    refused.arg("-T").arg(&here);
    let refused = seen(refused, &scene.url("wiki", "/hello.txt")).await;
    assert!(refused.status >= 400, "{refused:?}");

    let rows = rows(&scene, 5).await;
    for flag in ["--http1.1", "--http2"] {
        let up = row(&rows, &format!("/upload/a {flag}.bin"));
        assert_eq!(
            (&up["op"], &up["direction"]),
            (&json!("write"), &json!("up"))
        );
        assert_eq!(up["bytes"], bytes.len(), "{up}");
        assert_eq!(up["sha256"], sha256(&bytes));
        assert_eq!(up["result"], "complete");
        assert!(up["recording"].is_string(), "{up}");
    }
    let down: Vec<_> = rows
        .iter()
        .filter(|row| row["path"] == "/größe.bin")
        .collect();
    assert_eq!(
        (down[0]["op"].as_str(), &down[0]["result"]),
        (Some("read"), &json!("complete"))
    );
    assert_eq!(down[0]["sha256"], sha256(&bytes));
    assert_eq!(
        (&down[1]["result"], &down[1]["bytes"]),
        (&json!("partial"), &json!(10))
    );
    assert_eq!(down[1]["sha256"], sha256(&bytes[10..20]));
    let refused = row(&rows, "/hello.txt");
    assert_eq!(refused["result"], "failed", "{refused}");

    scene.revoke(&id).await;
    let closed = |event: &Value| event["event"]["kind"] == "files.close";
    let closed = scene.gateway.audit_event(closed).await;
    assert_eq!(closed["event"]["detail"]["rows"], 5, "{closed}");
    let recording = scene.gateway.eventually("the recording", async || {
        let first = scene.gateway.list("/recordings").await.into_iter().next()?;
        first["finished_at"].is_string().then_some(first)
    });
    let recording = recording.await["id"].as_str().unwrap().to_owned();
    let played = scene
        .gateway
        .doorward(&scene.gateway.root, &["play", &recording]);
    let played = run(played).await.well().stdout;
    let line = format!(
        "file down /größe.bin, {} bytes, complete, SHA-256 {}",
        bytes.len(),
        sha256(&bytes)
    );
    assert!(played.contains(&line), "{played}");
}

#[tokio::test]
async fn a_form_with_files_is_taken_apart_and_a_name_is_the_targets() {
    let scene = scene().await;
    let port = raw::target(|mut stream| async move {
        loop {
            let (head, mut behind) = raw::head(&mut stream).await;
            let length = head.to_lowercase();
            let length = length.split("content-length: ").nth(1);
            let length: usize = length.map_or(0, |it| it.lines().next().unwrap().parse().unwrap());
            let mut piece = [0; 4096];
            while behind.len() < length {
                use tokio::io::AsyncReadExt;
                match stream.read(&mut piece).await {
                    Ok(count) if count > 0 => behind.extend_from_slice(&piece[..count]),
                    _ => return,
                }
            }
            let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/csv\r\n\
                          content-disposition: attachment; filename=\"report 7.csv\"\r\n\
                          content-length: 4\r\n\r\na,b\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
            if head.contains("/last") {
                return;
            }
        }
    })
    .await;
    enter(&scene.gateway, "other", port, json!({ "tls": false })).await;
    scene.approved("other").await;
    let (one, two) = (vec![7; 70_000], b"\r\n--no boundary".to_vec());
    for (name, bytes) in [("one", &one), ("two", &two)] {
        std::fs::write(scene.gateway.dir.path().join(name), bytes).unwrap();
    }
    let mut form = scene.curl();
    form.current_dir(scene.gateway.dir.path());
    form.args([
        "-H",
        "Expect:",
        "-F",
        "note=not a file",
        "-F",
        "f=@one;filename=a b.pdf",
    ]);
    form.args(["-F", "g=@two;filename=../two"]);
    let answered = seen(form, &scene.url("other", "/send?x=1")).await;
    assert_eq!(answered.status, 200, "{answered:?}");

    let rows = rows(&scene, 3).await;
    let named = |name: &str| rows.iter().find(|row| row["to"] == name).unwrap().clone();
    for (name, bytes) in [("a b.pdf", &one), ("two", &two)] {
        let row = named(name);
        assert_eq!(
            (&row["path"], &row["op"]),
            (&json!("/send"), &json!("write"))
        );
        assert_eq!(row["bytes"], bytes.len(), "{row}");
        assert_eq!(row["sha256"], sha256(bytes), "{row}");
    }
    let report = named("report 7.csv");
    assert_eq!(
        (&report["op"], &report["bytes"]),
        (&json!("read"), &json!(4))
    );
    assert_eq!(report["sha256"], sha256(b"a,b\n"));
}

#[tokio::test]
async fn what_a_revoke_cuts_is_written_down_as_far_as_it_came() {
    let scene = scene().await;
    let id = scene.approved("wiki").await;
    scene.nginx.file("long.bin", 500 << 20);
    let here = scene.gateway.dir.path().join("down.bin");
    let mut curl = scene.curl();
    curl.arg("-o").arg(&here);
    let url = scene.url("wiki", "/slow/long.bin");
    let download = curl.arg(&url).spawn().unwrap();
    let begun = scene.gateway.eventually("the download", async || {
        let length = here.metadata().ok()?.len();
        (length > 0).then_some(())
    });
    begun.await;
    scene.revoke(&id).await;
    drop(download);
    let rows = rows(&scene, 1).await;
    assert_eq!(rows[0]["result"], "cut", "{rows:?}");
    assert!(rows[0]["bytes"].as_u64().unwrap() < 500 << 20);
}
