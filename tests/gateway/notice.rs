//! Warned before the end, extended without a drop.

use std::time::Duration;

use serde_json::json;

use crate::{scene::scene_with, seen::ended, terminal::Terminal};

#[tokio::test]
async fn somebody_is_warned_in_a_line_or_in_the_title_and_an_extension_needs_no_new_session() {
    // The check-out lasts fifty seconds, so warnings come at fourteen, twenty-two and thirty.
    let scene = scene_with(r#"ssh.warn_before = ["36s", "28s", "20s"]"#).await;
    scene
        .terms(json!({
            "minimum_duration": "1s", "default_duration": "50s", "maximum_duration": "2h",
            "duration_presets": [],
        }))
        .await;
    let id = scene.approved().await;
    let mut terminal = Terminal::ssh(&scene.gateway, &scene.alice, "alice+db1", &[]);
    let quiet = scene.ssh(&["sleep 24; echo out"]).spawn().unwrap();
    terminal.sees("\r\n*** Check-out ").await;
    terminal.sees(" ends in 36s, at ").await;
    // A full-screen program has the screen.
    terminal
        .types("printf '\\033[?1049h'; sleep 11; printf '\\033[?1049l'\r")
        .await;
    terminal.sees("\x1b[?1049h").await;
    terminal.sees("\x1b]2;Check-out ").await;
    terminal.sees(" ends in 28s, at ").await;
    let extend = json!({ "duration": "1h", "reason": "not done" });
    let path = format!("/checkouts/{id}/extend");
    scene.gateway.post(&scene.alice.token, &path, extend).await;
    scene.answer(&id, "approve", "").await;
    terminal
        .sees("\r\n*** Extended: this session ends at ")
        .await;
    // Well behind the end that there was.
    terminal.watches(Duration::from_secs(22)).await;
    terminal.types("echo $((7*9)); exit 4\r").await;
    terminal.sees("63").await;
    assert_eq!(terminal.ends().await, 4);
    let quiet = ended(quiet).await;
    assert_eq!(quiet.stdout, "out\n");
    assert!(!quiet.stderr.contains("***"), "{quiet:?}");
}
