//! Somebody without a check-out asks in place, waits, and goes on: the real ssh in a terminal.

use serde_json::json;

use crate::{
    scene::{Scene, scene, scene_with},
    support::{PASSWORD, text},
    terminal::Terminal,
};

impl Scene {
    fn person(&self, login: &str, arguments: &[&str]) -> Terminal {
        Terminal::ssh(&self.gateway, &self.alice, login, arguments)
    }
}

/// Answers what the default policy asks.
async fn fills_in(terminal: &mut Terminal) {
    terminal
        .sees("You have no check-out for root on db1.")
        .await;
    terminal.sees("Ticket: ").await;
    terminal.types("CHG0012345\r").await;
    terminal.sees("Reason: ").await;
    terminal.types("disk is full\r").await;
    terminal.sees("For how long, up to 8h [1h]: ").await;
    terminal.types("\r").await;
    terminal
        .sees("root on db1 for 1h. bob or root may approve it.")
        .await;
    terminal.sees("/checkouts/").await;
    terminal.sees("waits for bob or root").await;
}

#[tokio::test]
async fn somebody_asks_in_the_terminal_waits_and_goes_on_into_the_same_session() {
    let scene = scene().await;
    let mut terminal = scene.person("alice+db1", &[]);
    fills_in(&mut terminal).await;
    terminal.sees("0:01  ").await;
    let id = scene.requested().await;
    scene.answer(&id, "approve", "go ahead").await;
    terminal.sees("Approved by bob until ").await;
    terminal.sees("bob: go ahead").await;
    terminal.types("echo $((6*7))$TERM; exit 3\r").await;
    terminal.sees("42xterm-256color").await;
    assert_eq!(terminal.ends().await, 3);
    let checkouts = scene.checkouts().await;
    assert_eq!(checkouts.len(), 1);
    assert_eq!(checkouts[0]["reason"], "disk is full");
    assert_eq!(checkouts[0]["ticket"], "CHG0012345");
}

#[tokio::test]
async fn a_wrong_answer_is_asked_again_and_a_no_is_told_with_its_message() {
    let scene = scene().await;
    scene
        .terms(json!({ "ticket_pattern": "CHG[0-9]{7}" }))
        .await;
    let mut terminal = scene.person("alice+db1", &[]);
    terminal.sees("Ticket (CHG[0-9]{7}): ").await;
    terminal.types("INC1\r").await;
    terminal
        .sees("does not have the required form CHG[0-9]{7}.")
        .await;
    terminal.sees("Ticket (CHG[0-9]{7}): ").await;
    // Edited as a line is.
    terminal.types("CHG001239\x7f45\r").await;
    terminal.sees("Reason: ").await;
    terminal.types("\r").await;
    terminal.sees("A reason is required.").await;
    terminal.sees("Reason: ").await;
    terminal.types("disk is full\r").await;
    terminal.types("9h\r").await;
    terminal.sees("9h is too long: 8h is the most.").await;
    terminal.types("30m\r").await;
    terminal.sees("waits for bob or root").await;
    let id = scene.requested().await;
    scene.answer(&id, "deny", "not during the fair").await;
    terminal
        .sees("was denied by bob: not during the fair")
        .await;
    assert_eq!(terminal.ends().await, 77);
    assert_eq!(scene.checkouts().await[0]["duration"], "30m");
    assert!(!scene.sshd.log().contains("Accepted"), "never reached");
}

#[tokio::test]
async fn ctrl_c_is_asked_about_and_cancels_the_request() {
    let scene = scene().await;
    let mut terminal = scene.person("alice+db1", &[]);
    fills_in(&mut terminal).await;
    terminal.types("\x03").await;
    terminal.sees("Cancel the request ").await;
    terminal.types("n\r").await;
    terminal.sees("waits for bob or root").await;
    assert_eq!(scene.checkouts().await[0]["status"], "requested");
    terminal.types("\x03").await;
    terminal.sees("Cancel the request ").await;
    terminal.types("y\r").await;
    terminal.sees("was cancelled by alice").await;
    assert_eq!(terminal.ends().await, 77);
    assert_eq!(scene.checkouts().await[0]["status"], "cancelled");
}

#[tokio::test]
async fn who_leaves_leaves_the_request_and_who_comes_back_joins_it() {
    let scene = scene().await;
    let mut first = scene.person("alice+db1", &[]);
    fills_in(&mut first).await;
    first.types("\x03").await;
    first.sees("Cancel the request ").await;
    first.types("\x03").await;
    first.sees("stays. Wait again: ssh -p ").await;
    assert_eq!(first.ends().await, 75);
    let mut second = scene.person("alice+root@db1", &[]);
    second.sees("Already requested ").await;
    second.sees("waits for bob or root").await;
    let mut third = scene.person("alice+db1", &[]);
    third.sees("Already requested ").await;
    let id = scene.requested().await;
    scene.answer(&id, "approve", "").await;
    for terminal in [&mut second, &mut third] {
        terminal.sees("Approved by bob").await;
        terminal.types("exit\r").await;
        assert_eq!(terminal.ends().await, 0);
    }
}

#[tokio::test]
async fn ctrl_c_at_a_question_asks_for_nothing() {
    let scene = scene().await;
    let mut terminal = scene.person("alice+db1", &[]);
    terminal.sees("Ticket: ").await;
    terminal.types("CHG1\x03").await;
    terminal.sees("Nothing was asked for.").await;
    assert_eq!(terminal.ends().await, 77);
    assert!(scene.checkouts().await.is_empty());
}

#[tokio::test]
async fn a_client_that_cannot_be_asked_gets_one_line_and_its_own_status_and_the_next_try_works() {
    let scene = scene().await;
    let batch = async || scene.seen(&["echo in"]).await;
    // A reason and a ticket are required, and there is nobody to ask.
    let refused = batch().await;
    assert_eq!(refused.status, Some(77));
    let advice = "alice@localhost request db1";
    assert!(refused.stderr.contains(advice), "{refused:?}");
    assert!(scene.checkouts().await.is_empty());
    // Nothing is required: it is asked for at once, and asked for once.
    scene
        .terms(json!({ "ticket": "optional", "reason": "none" }))
        .await;
    for _ in 0..2 {
        let waits = batch().await;
        assert_eq!(waits.status, Some(75), "{waits:?}");
        assert_eq!(waits.stdout, "");
        let said = waits
            .stderr
            .lines()
            .filter(|line| !line.starts_with("Warning"))
            .collect::<Vec<_>>();
        assert_eq!(said.len(), 1, "{said:?}");
        let code = text(&scene.checkouts().await[0]["code"]);
        assert!(said[0].starts_with(&format!(
            "Not yet: check-out {code} for db1 waits for bob or root"
        )));
        assert!(said[0].contains(&format!("/checkouts/{code})")), "{said:?}");
        assert!(said[0].ends_with(&format!(" wait {code}")), "{said:?}");
    }
    let id = scene.requested().await;
    scene.answer(&id, "approve", "").await;
    assert_eq!(batch().await.well().stdout, "in\n");
}

#[tokio::test]
async fn programs_that_try_again_and_again_make_one_request() {
    let scene = scene().await;
    scene
        .terms(json!({ "ticket": "none", "reason": "none" }))
        .await;
    let tries = (0..6).map(|_| scene.seen(&["true"]));
    for tried in futures::future::join_all(tries).await {
        assert_eq!(tried.status, Some(75), "{tried:?}");
    }
    scene.requested().await;
    let events = scene.gateway.list("/audit?limit=200").await;
    let asked = events
        .iter()
        .filter(|event| event["event"]["kind"] == "checkout.request");
    assert_eq!(asked.count(), 1);
}

#[tokio::test]
async fn a_terminal_that_nobody_sits_at_is_told_as_well() {
    let scene = scene().await;
    let told = scene.seen(&["-tt", "true"]).await;
    assert_eq!(told.status, Some(77));
    let sentence = "you have no active check-out for db1";
    assert!(told.stdout.contains(sentence), "{told:?}");
}

#[tokio::test]
async fn at_a_password_prompt_the_questions_follow_and_reach_a_command_too() {
    let scene = scene().await;
    let arguments = ["--", "echo in; echo $((6*7))"];
    let mut terminal = Terminal::with_password(&scene.gateway, "alice+db1", &arguments);
    terminal.sees("Password: ").await;
    terminal.types(&format!("{PASSWORD}\r")).await;
    terminal
        .sees("You have no check-out for root on db1.")
        .await;
    terminal.sees("Ticket: ").await;
    terminal.types("CHG1\r").await;
    terminal.sees("Reason: ").await;
    terminal.types("\r").await;
    terminal.sees("A reason is required.").await;
    terminal.sees("Reason: ").await;
    terminal.types("disk is full\r").await;
    terminal.sees("[1h]: ").await;
    terminal.types("2h\r").await;
    terminal.sees("for 2h. bob or root may approve it.").await;
    let id = scene.requested().await;
    scene.answer(&id, "approve", "").await;
    terminal.sees("42").await;
    assert_eq!(terminal.ends().await, 0);
    assert!(!terminal.shown.contains(PASSWORD));
}

#[tokio::test]
async fn with_a_key_the_questions_come_at_sign_in_where_the_operator_wants_it() {
    let scene = scene_with("ssh.ask_at_sign_in = true").await;
    // Batch mode gives up here; it is told how to ask all the same.
    let batch = scene.seen(&["true"]).await;
    assert_eq!(batch.status, Some(255), "{batch:?}");
    assert!(batch.stderr.contains("ask with: ssh -t -p "), "{batch:?}");
    let mut terminal = scene.person("alice+db1", &["--", "echo $((6*7))"]);
    terminal.sees("Ticket: ").await;
    terminal.types("CHG1\r").await;
    terminal.sees("Reason: ").await;
    terminal.types("disk is full\r").await;
    terminal.sees("[1h]: ").await;
    terminal.types("\r").await;
    terminal.sees("bob or root may approve it.").await;
    let id = scene.requested().await;
    scene.answer(&id, "approve", "").await;
    terminal.sees("42").await;
    assert_eq!(terminal.ends().await, 0);
    // With a check-out there is no further step.
    scene.seen(&["true"]).await.well();
}

#[tokio::test]
async fn answers_prove_nothing() {
    let scene = scene().await;
    // Questions of alice's are not for somebody else's name.
    let mut terminal = Terminal::with_password(&scene.gateway, "bob+db1", &[]);
    terminal.sees("Password: ").await;
    terminal.types("CHG1\r").await;
    terminal.sees("Password: ").await;
    assert!(!terminal.shown.contains("Ticket"));
    assert!(scene.checkouts().await.is_empty());
}

#[tokio::test]
async fn a_user_who_is_disabled_does_not_go_on_waiting() {
    let scene = scene().await;
    let mut terminal = scene.person("alice+db1", &[]);
    fills_in(&mut terminal).await;
    scene.gateway.disable("alice").await;
    assert_ne!(terminal.ends().await, 0);
    assert!(!scene.sshd.log().contains("Accepted"), "never reached");
}
