//! The desk: `ssh alice@gateway`, line by line and one command at a time.

use serde_json::Value;

use crate::{
    people::Person,
    scene::{Scene, scene},
    seen::{Seen, fed},
    support::text,
    terminal::Terminal,
};

/// One command, without a terminal.
async fn run(scene: &Scene, person: &Person, name: &str, line: &str) -> Seen {
    scene.gateway.seen(person, name, &[line]).await
}

#[tokio::test]
async fn one_goes_from_nothing_to_a_session_and_back_with_ssh_alone() {
    let scene = scene().await;
    let (alice, bob) = (&scene.alice, &scene.bob);
    let said = run(&scene, alice, "alice", "targets").await.well();
    assert!(said.stdout.contains("db1"), "{}", said.stdout);
    let ask = "request db1 --ticket CHG1 --reason 'disk is full' --json";
    let said = run(&scene, alice, "alice", ask).await.well();
    let checkout: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(checkout["reason"], "disk is full", "a quoted word is one");
    let code = text(&checkout["code"]);
    let said = run(&scene, bob, "bob", "checkouts --waiting").await;
    assert!(said.stdout.contains(&code), "{}", said.stdout);
    run(&scene, bob, "bob", &format!("approve {code} -m ok"))
        .await
        .well();
    run(&scene, alice, "alice", &format!("wait {code}"))
        .await
        .well();
    scene.seen(&["true"]).await.well();
    run(&scene, alice, "alice", &format!("check-in {code}"))
        .await
        .well();
    assert_eq!(scene.checkouts().await[0]["status"], "checked-in");
}

#[tokio::test]
async fn the_desk_refuses_what_the_api_refuses_with_the_same_status() {
    let scene = scene().await;
    let id = scene.ask().await;
    let code = text(&scene.checkouts().await[0]["code"]);
    for (line, status, sentence) in [
        (format!("approve {code}"), 5, "right"),
        ("approve ZZZZZZ".to_owned(), 5, ""),
        ("request nowhere".to_owned(), 4, "no target nowhere"),
        ("request db1 --for 9h".to_owned(), 5, ""),
        ("wait QQQQ".to_owned(), 4, "no such check-out"),
        ("aprove x".to_owned(), 2, "approve"),
        ("request 'db1".to_owned(), 2, "quote"),
        ("serve".to_owned(), 2, ""),
        ("target add x y:22".to_owned(), 2, ""),
        (format!("wait {code} --timeout 1s"), 75, "still stands"),
    ] {
        let said = run(&scene, &scene.alice, "alice", &line).await;
        assert_eq!(said.status, Some(status), "{line}: {said:?}");
        assert!(said.stderr.contains(sentence), "{line}: {said:?}");
        assert_eq!(said.stdout, "", "{line}");
    }
    let help = run(&scene, &scene.alice, "alice", "help").await.well();
    assert!(help.stdout.contains("check-in"), "{}", help.stdout);
    let path = format!("/checkouts/{id}");
    let checkout = scene.gateway.get(&scene.gateway.root, &path).await;
    assert_eq!(checkout["status"], "requested");
}

#[tokio::test]
async fn at_a_terminal_lines_are_edited_completed_and_asked_for() {
    let scene = scene().await;
    let mut terminal = Terminal::ssh(&scene.gateway, &scene.alice, "alice", &[]);
    terminal.sees("`help` lists the commands").await;
    terminal.sees("alice@").await;
    terminal.types("targ\t\r").await;
    terminal.sees("127.0.0.1:").await;
    terminal.sees("alice@").await;
    terminal.types("request d\t\r").await;
    terminal.sees("Ticket: ").await;
    terminal.types("CHG1\r").await;
    terminal.sees("Reason: ").await;
    terminal.types("x; rm -rf / --json\r").await;
    terminal.sees("[1h]: ").await;
    terminal.types("\r").await;
    terminal.sees("Requested ").await;
    terminal.sees("Wait for the answer: wait ").await;
    let id = scene.requested().await;
    let reason = scene.checkouts().await[0]["reason"].clone();
    assert_eq!(reason, "x; rm -rf / --json", "an answer is no command");
    let code = text(&scene.checkouts().await[0]["code"]);
    terminal.types(&format!("wait {code}\r")).await;
    terminal.sees("root on db1 waits for an approver").await;
    terminal.types("\x03").await;
    terminal.sees("you stopped waiting").await;
    terminal.types("\x1b[A\r").await;
    terminal.sees("root on db1 waits for an approver").await;
    scene.answer(&id, "approve", "").await;
    terminal.sees(&format!("{code} is active")).await;
    terminal.sees("Connect: ssh -p ").await;
    terminal.sees("alice@").await;
    terminal.types("exit\r").await;
    assert_eq!(terminal.ends().await, 0);
    let mine = scene.gateway.eventually("the sign-out", async || {
        let tokens = scene.gateway.get(&scene.alice.token, "/me/tokens").await;
        (tokens["items"].as_array().unwrap().len() == 1).then_some(())
    });
    mine.await;
}

#[tokio::test]
async fn a_desk_ends_with_its_user() {
    let scene = scene().await;
    let mut terminal = Terminal::ssh(&scene.gateway, &scene.alice, "alice", &[]);
    terminal.sees("alice@").await;
    scene.gateway.disable("alice").await;
    assert_ne!(terminal.ends().await, 0);
    assert!(terminal.shown.contains("disabled"), "{}", terminal.shown);
}

#[tokio::test]
async fn what_others_wrote_moves_no_cursor_and_what_is_typed_cannot_either() {
    let scene = scene().await;
    let line = "request db1 --ticket CHG1 --reason $'\x1b]0;gone\x07' --json";
    let said = run(&scene, &scene.alice, "alice", line).await;
    assert_ne!(said.status, Some(0));
    assert!(!said.stderr.contains('\x1b') && !said.stdout.contains('\x1b'));
    let said = run(&scene, &scene.alice, "alice", "\x1b[2J\u{202e}").await;
    assert_eq!(said.status, Some(2));
    assert!(!said.stderr.contains('\x1b'), "{:?}", said.stderr);
    assert!(!said.stderr.contains('\u{202e}'), "{:?}", said.stderr);
}

#[tokio::test]
async fn a_script_runs_line_by_line_until_one_fails() {
    let scene = scene().await;
    let desk = scene.gateway.ssh_command(&scene.alice, "alice");
    let said = fed(desk, b"# what there is\ntargets\nnonsense\ntargets\n").await;
    assert_eq!(said.status, Some(2));
    assert_eq!(said.stdout.matches("db1").count(), 1, "{said:?}");
}
