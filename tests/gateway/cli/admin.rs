//! Keeping places, rules and people, one by one and from a file.

use super::{ASK, Line, scene};
use crate::support::text;

#[tokio::test]
async fn an_admin_keeps_places_and_rules() {
    let scene = scene().await;
    let root = &scene.root;
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBGnbcHlQjWlqhpNtRZwOKHdjnIcRDMqHDlw0+ABnHvm";
    let scanned = format!("# host\n[web1]:2222 {key}\n");
    let added = root
        .feed(
            &[
                "target",
                "add",
                "web1",
                "web1.example.org:22",
                "--host-keys",
                "-",
                "--label",
                "x",
            ],
            &scanned,
        )
        .await;
    assert_eq!(
        (added.code, added.out.as_str()),
        (0, "Added target web1.\n"),
        "{added:?}"
    );
    let unpinned = root
        .run(&["target", "add", "web2", "web2.example.org:22"])
        .await;
    assert!(
        unpinned.err.contains("No host key is pinned"),
        "{unpinned:?}"
    );
    let shown = root.must(&["target", "show", "web1"]).await;
    assert!(
        shown.contains(key) && shown.contains("web1.example.org:22"),
        "{shown}"
    );
    root.must(&["target", "set", "web1", "--description", "the first"])
        .await;
    root.must(&["target", "disable", "web1"]).await;
    let listed = root.must(&["target", "list"]).await;
    assert!(
        listed.contains("disabled") && listed.contains("no host key"),
        "{listed}"
    );
    root.must(&["target", "enable", "web1"]).await;
    assert_eq!(
        root.json(&["target", "show", "web1"]).await["disabled"],
        false
    );

    let rules = root.file(
        "rules.toml",
        "description = \"d\"\n[terms]\nticket = \"optional\"\n",
    );
    let rules = rules.to_str().unwrap();
    assert_eq!(
        root.must(&["policy", "set", "easy", "-f", rules]).await,
        "Made policy easy.\n"
    );
    assert_eq!(
        root.must(&["policy", "set", "easy", "-f", rules]).await,
        "Changed policy easy.\n"
    );
    let toml = root.must(&["policy", "show", "easy", "--toml"]).await;
    let again = root.file("again.toml", &toml);
    root.must(&["policy", "set", "easy", "-f", again.to_str().unwrap()])
        .await;
    assert_eq!(root.must(&["policy", "show", "easy", "--toml"]).await, toml);
    let default = text(
        &root.json(&["policy", "list"]).await["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|policy| policy["is_default"] == true)
            .unwrap()["name"],
    );
    root.must(&["policy", "default", "easy"]).await;
    assert_eq!(
        root.json(&["policy", "show", "easy"]).await["is_default"],
        true
    );
    root.must(&["policy", "default", &default]).await;
    root.must(&["target", "set", "web1", "--policy", "easy"])
        .await;
    assert_eq!(
        root.run(&["policy", "remove", "easy", "--yes"]).await.code,
        6
    );
    root.must(&["target", "set", "web1", "--no-policy"]).await;
    root.must(&["policy", "remove", "easy", "--yes"]).await;

    root.feed(
        &[
            "account",
            "add",
            "deploy",
            "-t",
            "web1",
            "--secret-file",
            "-",
        ],
        "hunter2\n",
    )
    .await;
    let listed = root.must(&["account", "list"]).await;
    assert!(
        listed.contains("deploy") && !listed.contains("hunter2"),
        "{listed}"
    );
    root.must(&[
        "account",
        "set",
        "deploy@web1",
        "--login",
        "deployer",
        "-t",
        "web1",
        "-t",
        "db1",
    ])
    .await;
    let sealed = root
        .feed(
            &["account", "set-secret", "deploy", "--secret-file", "-"],
            "other\n",
        )
        .await;
    assert_eq!(
        sealed.out, "Sealed a new secret for deploy.\n",
        "{sealed:?}"
    );
    assert_eq!(
        root.json(&["account", "show", "deploy"]).await["login"],
        "deployer"
    );
    root.must(&["account", "disable", "deploy"]).await;
    root.must(&["account", "enable", "deploy"]).await;
    root.must(&["account", "remove", "deploy", "-y"]).await;
    root.must(&["target", "remove", "web2", "-y"]).await;
    assert_eq!(root.run(&["target", "show", "web2"]).await.code, 4);
}

#[tokio::test]
async fn an_admin_keeps_people() {
    let scene = scene().await;
    let root = &scene.root;
    let added = root
        .feed(
            &[
                "user",
                "add",
                "dan",
                "--role",
                "requester",
                "--full-name",
                "Dan D",
                "--password-stdin",
            ],
            "a long enough password\n",
        )
        .await;
    assert_eq!(added.out, "Added user dan.\n", "{added:?}");
    root.must(&[
        "group",
        "add",
        "dba",
        "--member",
        "alice",
        "--description",
        "Databases",
    ])
    .await;
    root.must(&["group", "join", "dba", "dan", "bob"]).await;
    root.must(&["group", "leave", "dba", "bob"]).await;
    let group = root.json(&["group", "show", "dba"]).await;
    assert_eq!(group["members"], serde_json::json!(["alice", "dan"]));
    assert!(root.must(&["group", "list"]).await.contains("alice, dan"));
    root.must(&[
        "user",
        "set",
        "dan",
        "--role",
        "requester",
        "--role",
        "auditor",
    ])
    .await;
    let shown = root.must(&["user", "show", "dan"]).await;
    assert!(
        shown.contains("Dan D") && shown.contains("requester, auditor"),
        "{shown}"
    );

    let public = scene.alice_person.key.with_extension("key.pub");
    let alice_key = std::fs::read_to_string(public).unwrap();
    let mine = scene.alice.must(&["key", "list"]).await;
    let fingerprint = mine
        .split_whitespace()
        .find(|w| w.starts_with("SHA256:"))
        .unwrap();
    scene.alice.must(&["key", "remove", fingerprint]).await;
    let added = scene
        .alice
        .feed(&["key", "add", "-", "--comment", "laptop"], &alice_key)
        .await;
    assert_eq!(
        added.out,
        format!("Added key {fingerprint}.\n"),
        "{added:?}"
    );
    let private = scene
        .alice
        .run(&["key", "add", scene.alice_person.key.to_str().unwrap()])
        .await;
    assert_eq!(private.code, 2, "{private:?}");
    root.must(&["user", "key", "list", "alice"]).await;
    root.must(&["user", "key", "remove", "alice", fingerprint])
        .await;
    let added = root
        .feed(&["user", "key", "add", "alice", "-"], &alice_key)
        .await;
    assert_eq!(added.code, 0, "{added:?}");

    let made = scene
        .alice
        .run(&["token", "create", "ci", "--scope", "read", "--for", "1d"])
        .await;
    assert_eq!(made.code, 0, "{made:?}");
    let token = made.out.trim().to_owned();
    assert!(
        token.starts_with("dw_") && !made.err.contains(&token),
        "{made:?}"
    );
    let program = Line::of(&scene.gateway, &token);
    program.must(&["checkouts"]).await;
    assert_eq!(program.run(&ASK).await.code, 5, "a token that only reads");
    let id = {
        let tokens = scene.alice.json(&["token", "list"]).await;
        let found = tokens["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|t| t["label"] == "ci");
        text(&found.unwrap()["id"])
    };
    assert!(!scene.alice.must(&["token", "list"]).await.contains(&token));
    scene.alice.must(&["token", "revoke", &id]).await;
    assert_eq!(program.run(&["checkouts"]).await.code, 3);

    let reset = root
        .feed(
            &["user", "password", "dan", "--password-stdin"],
            "another password\n",
        )
        .await;
    assert_eq!(reset.code, 0, "{reset:?}");
    root.must(&["user", "disable", "alice"]).await;
    assert_eq!(scene.alice.run(&["whoami"]).await.code, 3);
    root.must(&["user", "enable", "alice"]).await;
    root.must(&["user", "remove", "dan", "--yes"]).await;
    root.must(&["group", "remove", "dba", "--yes"]).await;
}

#[tokio::test]
async fn a_document_is_applied_once_and_then_changes_nothing() {
    let scene = scene().await;
    let root = &scene.root;
    root.file("s", "hunter2\n");
    let document = format!(
        "[[groups]]\nname = \"ops\"\n[[users]]\nname = \"erin\"\nroles = [\"requester\"]\n\
         groups = [\"ops\"]\n[[policies]]\nname = \"short\"\n[policies.terms]\n\
         maximum_duration = \"2h\"\nduration_presets = [\"30m\"]\n[[targets]]\nname = \"app1\"\n\
         address = \"app1.example.org:22\"\npolicy = \"short\"\n[[accounts]]\nname = \"svc\"\n\
         targets = [\"app1\"]\nsecret = {{ file = {:?} }}\n",
        root.home.path().join("s")
    );
    let file = root.file("access.toml", &document);
    let file = file.to_str().unwrap();

    let plan = root.must(&["apply", "-f", file, "--dry-run"]).await;
    for line in [
        "+ group ops",
        "+ user erin",
        "+ policy short",
        "+ target app1",
        "secret: sealed",
    ] {
        assert!(plan.contains(line), "{line}: {plan}");
    }
    assert!(plan.ends_with("would change.\n"), "{plan}");
    assert_eq!(
        root.run(&["target", "show", "app1"]).await.code,
        4,
        "a dry run changes nothing"
    );

    let applied = root.must(&["apply", "-f", file]).await;
    assert!(
        applied.contains("+ target app1") && applied.ends_with("changed.\n"),
        "{applied}"
    );
    assert_eq!(
        root.json(&["account", "show", "svc"]).await["secret"],
        "password"
    );
    assert_eq!(
        root.must(&["apply", "-f", file]).await,
        "Nothing to change.\n"
    );

    let changed = document.replace("app1.example.org:22", "app1.example.org:2022");
    root.file("access.toml", &changed);
    let diff = root.must(&["apply", "-f", file, "--dry-run"]).await;
    assert!(diff.contains("~ target app1"), "{diff}");
    assert!(
        diff.contains("address: app1.example.org:22 → app1.example.org:2022"),
        "{diff}"
    );
    assert!(!diff.contains("hunter2"));

    let prune = root.run(&["apply", "-f", file, "--prune"]).await;
    assert_eq!(prune.code, 2, "removing asks first: {prune:?}");
    root.must(&["target", "show", "db1"]).await;
    let json = root.json(&["apply", "-f", file, "--dry-run"]).await;
    assert!(json["changes"].is_array(), "{json}");
}
