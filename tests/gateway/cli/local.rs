//! What runs on the gateway's own machine: evidence, keys, configuration.

use super::{ASK, Line, scene};
use crate::support::text;

#[tokio::test]
async fn the_chain_is_checked_by_the_gateway_on_its_machine_and_anywhere() {
    let scene = scene().await;
    let code = scene.active().await;
    let listed = scene
        .root
        .must(&["audit", "list", "--checkout", &code])
        .await;
    assert!(
        listed.starts_with("NUMBER") && listed.contains("checkout.approve"),
        "{listed}"
    );
    let refused = scene
        .root
        .json(&["audit", "list", "--refused", "--limit", "3"])
        .await;
    assert!(refused["items"].is_array());
    let said = scene.root.must(&["audit", "verify"]).await;
    assert!(said.starts_with("The audit log is whole: "), "{said}");

    let config = scene.gateway.config().to_str().unwrap().to_owned();
    let here = Line::stranger();
    let said = here.must(&["audit", "verify", "--config", &config]).await;
    assert!(said.contains("is whole"), "{said}");
    let key = here.must(&["audit", "key", "--config", &config]).await;
    let export = here.home.path().join("audit.jsonl");
    let export = export.to_str().unwrap();
    scene.root.must(&["audit", "export", "-o", export]).await;
    assert_eq!(
        scene
            .root
            .run(&["audit", "export", "-o", export])
            .await
            .code,
        6
    );
    here.must(&["audit", "verify-file", export, "--key", key.trim()])
        .await;

    let whole = std::fs::read_to_string(export).unwrap();
    let changed = whole.replacen("disk is full", "disk was full", 1);
    assert_ne!(whole, changed);
    let changed = here.file("changed.jsonl", &changed);
    let broken = here
        .run(&[
            "audit",
            "verify-file",
            changed.to_str().unwrap(),
            "--key",
            key.trim(),
        ])
        .await;
    assert_eq!(broken.code, 9, "{broken:?}");
    assert!(broken.err.contains("was changed"), "{broken:?}");
}

#[tokio::test]
async fn the_vaults_key_is_changed_while_the_gateway_runs() {
    let scene = scene().await;
    let easy = scene
        .root
        .file("reveal.toml", "[terms]\nreveal = \"on-checkout\"\n");
    scene
        .root
        .must(&["policy", "set", "open", "-f", easy.to_str().unwrap()])
        .await;
    scene
        .root
        .must(&["target", "set", "db1", "--policy", "open"])
        .await;
    let config = scene.gateway.config().to_str().unwrap().to_owned();
    let before = std::fs::read_to_string(scene.gateway.data().join("vault.key")).unwrap();
    let done = Line::stranger()
        .json(&["vault", "rekey", "--config", &config])
        .await;
    // The account's secret, the authority that signs for targets, and the key that tells web
    // targets who is there.
    assert_eq!(done["rewrapped"], 3, "{done}");
    assert_eq!(done["retired"].as_array().unwrap().len(), 1, "{done}");
    let after = std::fs::read_to_string(scene.gateway.data().join("vault.key")).unwrap();
    assert_ne!(before, after);

    let ask = [&ASK[..], &["--reveal"]].concat();
    let code = text(&scene.alice.json(&ask).await["code"]);
    scene.bob.must(&["approve", &code]).await;
    let secret = scene.alice.run(&["reveal", &code]).await;
    assert_eq!(
        (secret.code, secret.out.as_str()),
        (0, "not to be seen\n"),
        "{secret:?}"
    );
    assert!(!secret.err.contains("not to be seen"), "{secret:?}");
    let not_hers = scene.bob.run(&["reveal", &code]).await;
    assert_ne!(not_hers.code, 0, "{not_hers:?}");
    let noted = scene
        .root
        .json(&["audit", "list", "--kind", "vault.rekey"])
        .await;
    assert_eq!(noted["items"].as_array().unwrap().len(), 1, "{noted}");
}

#[tokio::test]
async fn a_wrong_configuration_is_named_with_the_nearest_right_key() {
    let line = Line::stranger();
    let file = line.file(
        "doorward.toml",
        "[ssh]\nlissten = \"127.0.0.1:2222\"\n[log]\nlevel = \"loud\"\n",
    );
    let file = file.to_str().unwrap();
    let outcome = line.run(&["config", "check", "--config", file]).await;
    assert_eq!(outcome.code, 2, "{outcome:?}");
    assert!(
        outcome.err.contains("ssh.lissten") && outcome.err.contains("ssh.listen"),
        "{outcome:?}"
    );
    assert!(
        outcome.err.contains("log.level"),
        "everything that is wrong is said: {outcome:?}"
    );
    let good = line.file("good.toml", "[ssh]\nlisten = \"127.0.0.1:2022\"\n");
    let shown = line
        .must(&["config", "check", "--config", good.to_str().unwrap()])
        .await;
    let row = shown
        .lines()
        .find(|row| row.starts_with("ssh.listen"))
        .unwrap();
    assert!(
        row.contains("127.0.0.1:2022") && row.contains("good.toml:2"),
        "{row}"
    );
}

#[tokio::test]
async fn a_database_is_migrated_but_never_made_by_looking() {
    let line = Line::stranger();
    let data = line.home.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let config = line.file("doorward.toml", &format!("data.dir = {data:?}\n"));
    let config = config.to_str().unwrap();
    let looked = line.run(&["audit", "verify", "--config", config]).await;
    assert_eq!(looked.code, 4, "{looked:?}");
    assert!(!data.join("doorward.db").exists());
    assert_eq!(
        line.must(&["migrate", "--config", config]).await,
        "The database is up to date.\n"
    );
    assert!(data.join("doorward.db").exists());
}

#[tokio::test]
async fn shells_get_completions_for_every_verb() {
    let line = Line::stranger();
    for shell in ["bash", "zsh", "fish"] {
        let script = line.must(&["completions", shell]).await;
        for verb in ["check-in", "revoke", "recordings"] {
            assert!(script.contains(verb), "{shell} {verb}");
        }
    }
}
