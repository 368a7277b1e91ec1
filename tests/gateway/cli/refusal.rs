//! What is said when the answer is no: one sentence, one exit code.

use serde_json::Value;

use super::{Line, scene};

#[tokio::test]
async fn every_refusal_is_one_sentence_with_its_exit_code() {
    let scene = scene().await;
    let code = scene.asked().await;
    let missing = scene.alice.file("missing.toml", "[[user]]\nname = \"x\"\n");
    let missing = missing.to_str().unwrap().to_owned();
    let alice: &[(&[&str], i32, &str)] = &[
        (
            &["request", "nowhere", "-r", "x", "-t", "y"],
            4,
            "no target nowhere",
        ),
        (
            &["request", "db1", "-t", "CHG1"],
            5,
            "a reason is required: add --reason",
        ),
        (
            &["request", "db1", "-r", "x"],
            5,
            "a ticket number is required: add --ticket",
        ),
        (
            &["request", "db1", "-r", "x", "-t", "y", "--for", "99h"],
            5,
            "too long",
        ),
        (
            &["request", "db1", "-r", "x", "-t", "y", "--reveal"],
            5,
            "does not reveal",
        ),
        (
            &["request", "db1", "-r", "x", "-t", "y", "--for", "soon"],
            2,
            "length of time",
        ),
        (
            &["request", "db1", "-r", "x", "-t", "y", "--from", "2h"],
            2,
            "--from needs an end",
        ),
        (&["request", "-oProxyCommand=x"], 2, "unexpected argument"),
        (&["approve", &code], 5, "approve"),
        (&["checkout", "ZZZZ"], 4, "no such check-out"),
        (&["checkout", "no/code"], 2, "not a check-out's code"),
        (&["aprove", &code], 2, "'approve'"),
        (&["extend", &code, "--for", "1h"], 5, "not active"),
        (&["reveal", &code], 5, ""),
        (&["user", "list"], 5, "right"),
        (&["audit", "list"], 5, "right"),
        (&["user", "remove", "bob"], 2, "add --yes"),
        (
            &["apply", "-f", &missing],
            2,
            "there is no key `user`: `users` is meant?",
        ),
        (&["target", "set", "db1"], 2, "nothing is to be changed"),
        (
            &["key", "add", "/etc/hostname/nothing"],
            2,
            "cannot be read",
        ),
        (
            &["config", "check", "--config", "/nowhere.toml"],
            2,
            "/nowhere.toml",
        ),
    ];
    for (arguments, exit, said) in alice {
        let outcome = scene.alice.run(arguments).await;
        assert_eq!(outcome.code, *exit, "{arguments:?}: {outcome:?}");
        assert_eq!(outcome.out, "", "{arguments:?}: nothing on standard output");
        assert!(outcome.err.contains(said), "{arguments:?}: {outcome:?}");
        // clap explains a slip on several lines; everything else is one.
        if !outcome.err.starts_with("error:") {
            assert_eq!(outcome.err.lines().count(), 1, "{arguments:?}: {outcome:?}");
            assert!(
                outcome.err.starts_with("doorward: "),
                "{arguments:?}: {outcome:?}"
            );
        }
    }
    let again = scene
        .root
        .run(&["target", "add", "db1", "127.0.0.1:2"])
        .await;
    assert_eq!(again.code, 6, "{again:?}");
    let last = scene.root.run(&["user", "disable", "root"]).await;
    assert_eq!(last.code, 6, "{last:?}");
    let mut lost = Line::stranger();
    lost.environment = vec![
        ("DOORWARD_SERVER", "https://127.0.0.1:1".to_owned()),
        ("DOORWARD_TOKEN", "dw_x".to_owned()),
    ];
    let lost = lost.run(&["checkouts"]).await;
    assert_eq!(lost.code, 7, "{lost:?}");
    assert!(
        lost.err.contains("cannot reach https://127.0.0.1:1"),
        "{lost:?}"
    );
}

#[tokio::test]
async fn programs_get_the_gateways_problem_on_standard_error() {
    let scene = scene().await;
    let outcome = scene
        .alice
        .run(&["request", "db1", "-r", "x", "--json"])
        .await;
    assert_eq!((outcome.code, outcome.out.as_str()), (5, ""));
    let problem: Value = serde_json::from_str(&outcome.err).unwrap();
    assert_eq!(problem["code"], "ticket-missing");
    assert_eq!(problem["exit"], 5);
    assert_eq!(problem["detail"], "a ticket number is required");
    // What fails on this side has the same form.
    let outcome = Line::stranger().run(&["checkouts", "--json"]).await;
    let problem: Value = serde_json::from_str(&outcome.err).unwrap();
    assert_eq!(problem["code"], "not-signed-in");
    assert_eq!(problem["exit"], 3);
}
