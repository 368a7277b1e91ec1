//! JupyterLab, as PyPI has it, in Chromium: a notebook whose cell runs over a WebSocket, with the
//! server's token put in by the gateway.

use std::{path::PathBuf, process::Stdio, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::{
    nginx::{SECRET, secret},
    sshd::free_port,
    support::{Gateway, text},
    window::{Window, holding},
};

/// WebDriver's names of two keys.
const SHIFT: &str = "\u{e008}";
const ENTER: &str = "\u{e007}";

/// A JupyterLab of the test's own, with one notebook.
struct Lab {
    port: u16,
    dir: TempDir,
    _child: Child,
}

/// Where `scripts/prerequisites peers` puts it.
fn python() -> PathBuf {
    let python =
        PathBuf::from(std::env::var("HOME").unwrap()).join(".cache/doorward/lab/bin/python");
    let missing = "JupyterLab is not installed; run: scripts/prerequisites peers";
    assert!(python.exists(), "{missing}");
    python
}

fn notebook() -> Value {
    let cell = |id: &str, source: &str| {
        json!({
            "cell_type": "code", "id": id, "execution_count": null, "metadata": {},
            "outputs": [], "source": source,
        })
    };
    let beats = "import time\nfor n in range(100000):\n    print('beat', n, flush=True)\n    \
                 time.sleep(0.1)";
    json!({
        "cells": [cell("sum", "print(6 * 7, 'from', 'the kernel')"), cell("beats", beats)],
        "metadata": { "kernelspec": {
            "display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3",
        } },
        "nbformat": 4, "nbformat_minor": 5,
    })
}

impl Lab {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("work")).unwrap();
        std::fs::write(dir.path().join("work/sum.ipynb"), notebook().to_string()).unwrap();
        // Somebody else may take the free port first: then another one is tried.
        for _ in 0..10 {
            let port = free_port().await;
            let said = std::fs::File::create(dir.path().join("said")).unwrap();
            let mut child = Command::new(python())
                .args(["-m", "jupyterlab", "--no-browser", "--allow-root"])
                .args(["--ip=127.0.0.1", "--ServerApp.port_retries=0"])
                .arg(format!("--port={port}"))
                // It would ask its maker's hosts.
                .arg("--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate")
                .current_dir(dir.path().join("work"))
                .env("JUPYTER_TOKEN", SECRET)
                .env("HOME", dir.path())
                .env("JUPYTER_PREFER_ENV_PATH", "1")
                .env_remove("JUPYTER_CONFIG_DIR")
                .env_remove("XDG_CONFIG_HOME")
                .stdin(Stdio::null())
                .stdout(said.try_clone().unwrap())
                .stderr(said)
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            for _ in 0..600 {
                if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                    return Self {
                        port,
                        dir,
                        _child: child,
                    };
                }
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        let said = std::fs::read_to_string(dir.path().join("said")).unwrap_or_default();
        panic!("JupyterLab does not start: {said}");
    }

    /// Ends its kernels, which are processes of their own, and then it.
    async fn end(self) {
        let url = format!("http://127.0.0.1:{}/api/shutdown", self.port);
        let client = reqwest::Client::new();
        let asked = client
            .post(url)
            .header("Authorization", format!("token {SECRET}"));
        let answer = asked.send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        let Self {
            mut _child, dir, ..
        } = self;
        let ended = tokio::time::timeout(crate::support::PATIENCE, _child.wait()).await;
        assert!(ended.is_ok(), "it ends");
        drop(dir);
    }
}

/// Runs the cell that is chosen, and goes to the next.
async fn run_cell(window: &Window) {
    let key = |kind: &str, value: &str| json!({ "type": kind, "value": value });
    let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": [
        key("keyDown", SHIFT), key("keyDown", ENTER), key("keyUp", ENTER), key("keyUp", SHIFT),
    ] }] });
    window.acts(actions).await;
}

#[tokio::test]
async fn p2_p3_p10_jupyterlab_runs_cells_until_the_check_out_is_revoked() {
    let (gateway, lab, window) = tokio::join!(Gateway::start(), Lab::start(), Window::open());
    let target = json!({
        "name": "lab", "address": format!("127.0.0.1:{}", lab.port),
        "web": { "tls": false, "sign_in": {
            "by": "header", "name": "Authorization", "template": "token {secret}",
        } },
    });
    gateway.enter_web(target, secret()).await;
    let (_, bob) = gateway.people().await;

    let port = gateway.web.port();
    let url = format!("https://lab.door.localhost:{port}/lab/tree/sum.ipynb");
    window.sign_in_and_ask(&url).await;
    let listed = gateway.get(&gateway.root, "/checkouts").await;
    let id = text(&listed["items"][0]["id"]);
    gateway.answer(&bob, &id, "approve", "").await;

    window
        .until(
            "the notebook",
            "return !!document.querySelector('.jp-Notebook .cm-content')",
        )
        .await;
    // What is run before is forgotten when the kernel is there.
    window.until_it_says("| Idle").await;
    window
        .press(".jp-Notebook .jp-Cell:first-child .cm-content")
        .await;
    run_cell(&window).await;
    window.until_it_says("42 from the kernel").await;
    run_cell(&window).await;
    window.until_it_says("beat 3").await;

    // A WebSocket of the same kernel whose end can be looked at from outside.
    let opened = window
        .promised(
            "const kernels=await (await fetch('/api/kernels')).json();\
             window.socket=new WebSocket(`wss://${location.host}/api/kernels/${kernels[0].id}/channels`);\
             window.heard=0;socket.onmessage=()=>heard++;\
             socket.onclose=(event)=>{window.ended=`${event.code} ${event.reason}`};\
             await new Promise((done,failed)=>{socket.onopen=done;socket.onerror=failed});\
             return kernels.length",
        )
        .await;
    assert_eq!(opened, 1, "one kernel");
    window.until("a beat", "return window.heard>2").await;
    let seen = [
        "return document.documentElement.outerHTML",
        "return JSON.stringify([localStorage,sessionStorage,document.cookie])",
        "return [...document.scripts].map((script)=>script.textContent).join()",
    ];
    for script in seen {
        let seen = window.run(script).await;
        assert!(!text(&seen).contains(SECRET), "{script}");
    }
    let config = window
        .promised("return await (await fetch('/lab')).text()")
        .await;
    let stars = format!("\"token\": \"{}\"", "*".repeat(SECRET.len()));
    assert!(text(&config).contains(&stars), "it says it: {config}");
    assert!(!text(&config).contains(SECRET), "{config}");

    gateway
        .answer(&bob, &id, "revoke", "maintenance is over")
        .await;
    let closed = window
        .until("the WebSocket's end", "return window.ended")
        .await;
    let why = text(&closed);
    assert!(
        why.starts_with("1008 Access ended: revoked by bob: maintenance is over"),
        "{why}"
    );
    window.go(&url).await;
    window
        .until_it_says("revoked by bob: maintenance is over")
        .await;

    let traffic = window.traffic().await;
    assert!(traffic.contains("/channels"), "it was listened to");
    assert!(!traffic.contains(SECRET), "in what it sent or got");
    let profile = window.close().await;
    let (looked_at, found) = holding(profile.path(), &[SECRET]);
    assert!(looked_at > 10, "there is a profile to look at");
    assert!(found.is_empty(), "{found:?}");
    lab.end().await;
}
