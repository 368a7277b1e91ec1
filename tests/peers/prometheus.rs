//! Prometheus, as Debian has it, in Chromium: its own page asks it by script, with a password
//! that the gateway puts in.

use std::{process::Stdio, time::Duration};

use serde_json::json;
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::{
    nginx::{SECRET, basic, secret},
    sshd::free_port,
    support::{Gateway, text},
    window::{Window, holding},
};

/// `SECRET`, as Prometheus keeps it.
const HASHED: &str = "$2b$05$t7O3j2QQFHQZIOtujXEISOwFIfxtX9la5Y9hHyrHKnDUE2/OSIQuy";

/// One of the test's own that watches itself.
struct Prometheus {
    port: u16,
    _dir: TempDir,
    _child: Child,
}

impl Prometheus {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let users = format!("basic_auth_users:\n  ops: {HASHED}\n");
        std::fs::write(dir.path().join("users.yml"), users).unwrap();
        // Somebody else may take the free port first: then another one is tried.
        for _ in 0..10 {
            let port = free_port().await;
            let watched = json!({
                "global": { "scrape_interval": "1s" },
                "scrape_configs": [{
                    "job_name": "itself",
                    "basic_auth": { "username": "ops", "password": SECRET },
                    "static_configs": [{ "targets": [format!("127.0.0.1:{port}")] }],
                }],
            });
            // Every JSON is YAML.
            std::fs::write(dir.path().join("watched.yml"), watched.to_string()).unwrap();
            let said = std::fs::File::create(dir.path().join("said")).unwrap();
            let mut child = Command::new("prometheus")
                .args(["--config.file=watched.yml", "--web.config.file=users.yml"])
                .arg("--storage.tsdb.path=data")
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .current_dir(dir.path())
                .stdin(Stdio::null())
                .stdout(said.try_clone().unwrap())
                .stderr(said)
                .kill_on_drop(true)
                .spawn()
                .expect("Prometheus is installed: scripts/prerequisites peers");
            for _ in 0..600 {
                if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                    return Self {
                        port,
                        _dir: dir,
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
        panic!("Prometheus does not start: {said}");
    }
}

#[tokio::test]
async fn p2_p3_chromium_asks_prometheus_until_the_check_out_is_revoked() {
    let (gateway, prometheus, window) =
        tokio::join!(Gateway::start(), Prometheus::start(), Window::open());
    let target = json!({
        "name": "metrics",
        "address": format!("127.0.0.1:{}", prometheus.port),
        "web": { "tls": false, "sign_in": { "by": "basic" } },
    });
    gateway.enter_web(target, secret()).await;
    let (_, bob) = gateway.people().await;

    let root = format!("https://metrics.door.localhost:{}", gateway.web.port());
    window.sign_in_and_ask(&root).await;
    let listed = gateway.get(&gateway.root, "/checkouts").await;
    let id = text(&listed["items"][0]["id"]);
    gateway.answer(&bob, &id, "approve", "").await;

    // Its first page leads to another.
    window.until_it_says("Prometheus").await;
    let here = window.url().await;
    assert!(here.starts_with(&format!("{root}/")), "{here}");
    // It was asked a second after it had begun to watch, so until there is an answer.
    let mut said = String::new();
    for _ in 0..60 {
        let asks = format!("{root}/classic/graph?g0.expr=up&g0.tab=1");
        window.go(&asks).await;
        said = window.until_it_says("Total time series").await;
        if said.contains("job=\"itself\"") {
            break;
        }
    }
    assert!(said.contains("up{"), "{said}");
    let answered = window
        .promised("return await (await fetch('/api/v1/query?query=up')).json()")
        .await;
    assert_eq!(answered["status"], "success", "{answered}");
    let html = window
        .run("return document.documentElement.outerHTML")
        .await;

    gateway
        .answer(&bob, &id, "revoke", "maintenance is over")
        .await;
    let refused = window
        .promised("return (await fetch('/api/v1/query?query=up')).status")
        .await;
    assert_eq!(refused, 403);
    window.go(&root).await;
    window
        .until_it_says("revoked by bob: maintenance is over")
        .await;

    let traffic = window.traffic().await;
    assert!(traffic.contains("/api/v1/query"), "it was listened to");
    let basic = basic();
    for needle in [SECRET, &basic] {
        assert!(!traffic.contains(needle), "in what it sent or got");
        assert!(!html.to_string().contains(needle), "on the page");
    }
    let profile = window.close().await;
    let (looked_at, found) = holding(profile.path(), &[SECRET, &basic]);
    assert!(looked_at > 10, "there is a profile to look at");
    assert!(found.is_empty(), "{found:?}");
}
