//! Somebody gets in, sees the target's screen, and is told when it is over.

use serde_json::json;

use super::{Client, SECRET, SHORT_SECRET, scene};
use crate::support::outcome_of;

/// What xfreerdp ends with where an administrator has ended the session.
const ADMINISTRATOR: i32 = 1;
/// Where its user has.
const LOGGED_OFF: i32 = 12;

#[tokio::test]
async fn a_desktop_is_seen_with_a_credential_nobody_held_and_a_revoke_ends_it() {
    let scene = scene().await;
    let shadow = scene.shadow().await;
    let checkout = scene.approved("win1").await;
    let secret = scene.secret(&checkout).await;
    let client = Client::start().await;
    let xfreerdp = client.open(&scene.gateway, "alice+win1", &secret);
    client.screen.shows_the_painting().await;
    let pid = xfreerdp.id().unwrap();

    let sessions = scene.gateway.list("/sessions?live=true").await;
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(sessions[0]["protocol"], "rdp");

    // P3: the whole memory of the client. That it is looked at at all, the other secret shows.
    let memory = memory(pid);
    assert!(holds(&memory, &secret), "its own secret is there");
    assert!(!holds(&memory, SECRET), "the target's is not");
    let log = scene.gateway.log().join("\n");
    assert!(!log.contains(SECRET) && !log.contains(&secret));

    let why = "maintenance is over";
    scene
        .gateway
        .answer(&scene.bob, &checkout, "revoke", why)
        .await;
    let code = client.ended(xfreerdp).await;
    assert_eq!(code, Some(ADMINISTRATOR), "{}", client.told());
    let closed = scene.gateway.closed_sessions().await;
    assert_eq!(closed.len(), 1, "it did not come back: {closed:?}");
    assert_eq!(closed[0]["outcome"], "revoked");
    assert!(
        closed[0]["bytes_out"].as_u64().unwrap() > 10_000,
        "{closed:?}"
    );

    // What was good for the check-out is good for nothing now.
    let again = client.open(&scene.gateway, "alice+win1", &secret);
    let code = client.ended(again).await;
    assert_ne!(code, Some(0));
    let refused = |event: &serde_json::Value| {
        event["event"]["kind"] == "user.sign-in" && outcome_of(event) == "sign-in"
    };
    scene.gateway.audit_event(refused).await;
    drop(shadow);
}

#[tokio::test]
async fn a_target_that_knows_tls_alone_gets_the_account_in_the_clients_place() {
    let scene = scene().await;
    let _xrdp = scene.xrdp().await;
    let checkout = scene.approved("win1").await;
    let secret = scene.secret(&checkout).await;
    let client = Client::start().await;
    let xfreerdp = client.open(&scene.gateway, "alice+win1", &secret);
    // What is shown is behind the account's password, which only the gateway has.
    client.screen.shows_the_painting().await;
    let memory = memory(xfreerdp.id().unwrap());
    assert!(holds(&memory, &secret) && !holds(&memory, SHORT_SECRET));
    scene
        .gateway
        .answer(&scene.alice, &checkout, "check-in", "")
        .await;
    let code = client.ended(xfreerdp).await;
    assert_eq!(code, Some(LOGGED_OFF), "{}", client.told());
    let closed = scene.gateway.closed_sessions().await;
    assert_eq!(closed[0]["outcome"], "checked-in");
}

#[tokio::test]
async fn the_code_of_a_check_out_is_a_name_too_and_a_domain_is_no_matter() {
    let scene = scene().await;
    let _shadow = scene.shadow().await;
    let asked = scene.gateway.ask(&scene.alice, "win1").await;
    let (id, code) = (&asked["id"], &asked["code"]);
    let (id, code) = (id.as_str().unwrap(), code.as_str().unwrap());
    scene.gateway.answer(&scene.bob, id, "approve", "").await;
    let secret = scene.secret(id).await;
    for user in [code.to_owned(), r"CORP\alice+svc@win1".to_owned()] {
        let client = Client::start().await;
        let xfreerdp = client.open(&scene.gateway, &user, &secret);
        client.screen.shows_the_painting().await;
        let live = scene.gateway.list("/sessions?live=true").await;
        let session = live[0]["id"].as_str().unwrap();
        let path = format!("/sessions/{session}/kill");
        scene.gateway.post(&scene.bob.token, &path, json!({})).await;
        let code = client.ended(xfreerdp).await;
        assert_eq!(code, Some(ADMINISTRATOR), "{user}: {}", client.told());
    }
}

#[tokio::test]
async fn the_command_line_starts_the_client_with_the_secret() {
    let scene = scene().await;
    let _shadow = scene.shadow().await;
    let checkout = scene.approved("win1").await;
    let client = Client::start().await;
    let mut command = scene
        .gateway
        .doorward(&scene.alice.token, &["rdp", "win1", "--open"]);
    let at = scene.gateway.rdp().to_string();
    command
        .env("DOORWARD_RDP", at)
        .env("DISPLAY", &client.screen.display)
        .kill_on_drop(true);
    let opened = command.spawn().unwrap();
    scene
        .gateway
        .eventually("a session", async || {
            let live = scene.gateway.list("/sessions?live=true").await;
            (!live.is_empty()).then_some(())
        })
        .await;
    scene
        .gateway
        .answer(&scene.bob, &checkout, "revoke", "")
        .await;
    // It tells that its client did not end as it should.
    assert_eq!(client.ended(opened).await, Some(1));
}

/// Everything that a process can read and write.
fn memory(pid: u32) -> Vec<u8> {
    use std::os::unix::fs::FileExt as _;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut all = Vec::new();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (Some(range), Some(rights)) = (words.next(), words.next()) else {
            continue;
        };
        let Some((from, to)) = range.split_once('-').filter(|_| rights.starts_with("rw")) else {
            continue;
        };
        let at = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let (from, to) = (at(from), at(to));
        let mut piece = vec![0; (to - from) as usize];
        // Some of it is a device, or has gone meanwhile.
        if memory.read_exact_at(&mut piece, from).is_ok() {
            all.extend(piece);
        }
    }
    assert!(all.len() > 1_000_000, "only {} bytes", all.len());
    all
}

/// As text of one byte a letter, or of two.
fn holds(memory: &[u8], text: &str) -> bool {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    [text.as_bytes(), &wide]
        .into_iter()
        .any(|needle| memchr::memmem::find(memory, needle).is_some())
}

#[tokio::test]
async fn the_graphics_pipeline_is_there_where_nothing_is_recorded_and_only_there() {
    let scene = scene().await;
    let _shadow = scene.shadow().await;
    for (recording, is_there) in [("off", true), ("required", false)] {
        let policy = json!({ "name": recording, "terms": { "recording": recording } });
        let gateway = &scene.gateway;
        gateway.post(&gateway.root, "/policies", policy).await;
        let path = "/targets/win1";
        gateway.patch(path, json!({ "policy": recording })).await;
        let checkout = scene.approved("win1").await;
        let secret = scene.secret(&checkout).await;
        let client = Client::start().await;
        let more = ["/gfx", "/log-level:DEBUG"];
        let xfreerdp = client.open_with(gateway, "alice+win1", &secret, &more);
        client.screen.shows_the_painting().await;
        let checked_in = gateway.answer(&scene.alice, &checkout, "check-in", "");
        checked_in.await;
        client.ended(xfreerdp).await;
        let told = client.told();
        let opened = told.contains("listener Microsoft::Windows::RDS::Graphics created");
        assert_eq!(opened, is_there, "{recording}:\n{told}");
    }
}
