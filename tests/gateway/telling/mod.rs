//! People are told: by a mail server that wants TLS and a log-in (aiosmtpd), and by a webhook
//! whose receiver verifies with other people's library. Both are other processes.

mod server;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use self::server::Server;
use crate::{
    people::Person,
    sshd::Sshd,
    support::{Gateway, PASSWORD, outcome_of, text},
};

/// A gateway with a target, alice who asks, bob and carol who answer.
struct Stage {
    gateway: Gateway,
    _sshd: Sshd,
    alice: Person,
    bob: Person,
}

impl Stage {
    async fn set() -> Self {
        let (gateway, sshd) = tokio::join!(Gateway::start(), Sshd::start());
        sshd.enter(&gateway, "db1").await;
        let (alice, bob) = gateway.people().await;
        for name in ["alice", "bob", "root"] {
            let email = json!({ "email": format!("{name}@example.org") });
            gateway.patch(&format!("/users/{name}"), email).await;
        }
        let carol = json!({ "name": "carol", "roles": ["approver"], "password": PASSWORD,
            "email": "nobody@example.org" });
        gateway.post(&gateway.root, "/users", carol).await;
        Self {
            gateway,
            _sshd: sshd,
            alice,
            bob,
        }
    }

    /// A webhook that ends at `path`; answers its secret, which the receiver is told as well.
    async fn hook(&self, server: &Server, path: &str) -> Value {
        let channel = json!({
            "name": "soc", "kind": "webhook",
            "hook": { "url": format!("http://127.0.0.1:{}{path}", server.port) },
        });
        let made = self
            .gateway
            .post(&self.gateway.root, "/channels", channel)
            .await;
        server.tell_secret(&text(&made["secret"]));
        made
    }

    /// Until a delivery on `channel` is in that state.
    async fn delivery(&self, channel: &str, state: &str) -> Value {
        let path = format!("/deliveries?channel={channel}&state={state}");
        let found = async || self.gateway.list(&path).await.into_iter().next();
        self.gateway.eventually(&path, found).await
    }
}

#[tokio::test]
async fn a_request_goes_to_its_approvers_by_mail_and_the_answer_to_who_asked() {
    let stage = Stage::set().await;
    let Stage {
        gateway,
        alice,
        bob,
        ..
    } = &stage;
    let mail = Server::mail(gateway.dir.path(), "nobody@example.org").await;
    let channel = json!({
        "name": "mail", "kind": "email", "secret": "hunter2",
        "email": {
            "relay": format!("localhost:{}", mail.port), "security": "starttls",
            "login": "doorward", "from": "doorward@example.org", "ca": mail.authority(),
        },
    });
    let made = gateway.post(&gateway.root, "/channels", channel).await;
    assert!(
        made["has_secret"] == true && made["secret"].is_null(),
        "{made}"
    );

    let ask = json!({ "target": "db1", "ticket": "CHG0012345",
        "reason": "<b>disk</b> is full\nBcc: mallory@example.org" });
    let asked = gateway.post(&alice.token, "/checkouts", ask.clone()).await;
    let code = text(&asked["code"]);
    let link = format!("{}/checkouts/{code}", gateway.url());
    let sent = mail.line(|line| line["to"][0] == "bob@example.org").await;
    assert_eq!(sent["subject"], "alice asks for root@db1 for 1h", "{sent}");
    assert_eq!(sent["sender"], "doorward@example.org");
    assert_eq!(
        (&sent["tls"], &sent["login"]),
        (&json!(true), &json!("doorward"))
    );
    assert_eq!(sent["automatic"], "auto-generated");
    for (form, reason) in [
        ("text", "<b>disk</b> is full"),
        ("html", "&lt;b&gt;disk&lt;/b&gt; is full"),
    ] {
        let said = text(&sent[form]);
        assert!(said.contains(&link) && said.contains(reason), "{said}");
        assert!(said.contains("CHG0012345"), "{said}");
    }
    // Who answers the mail server's no is not asked again; the others are.
    let dead = stage.delivery("mail", "dead").await;
    assert_eq!(dead["recipient"], "nobody@example.org");
    assert!(text(&dead["error"]).contains("no such mailbox"), "{dead}");
    gateway
        .audit_event(|event| event["event"]["kind"] == "delivery.give-up")
        .await;

    // However often it is retried, it is one notice.
    for _ in 0..3 {
        gateway.post(&alice.token, "/checkouts", ask.clone()).await;
    }
    gateway.answer(bob, &code, "approve", "go ahead").await;
    let sent = mail.line(|line| line["to"][0] == "alice@example.org").await;
    assert_eq!(sent["subject"], "Approved: root@db1");
    assert!(text(&sent["text"]).contains("Message: go ahead"), "{sent}");
    gateway.answer(bob, &code, "revoke", "it is over").await;
    let revoked = |line: &Value| line["subject"] == "Your check-out of root@db1 was revoked by bob";
    let sent = mail.line(revoked).await;
    assert!(text(&sent["text"]).contains("it is over"), "{sent}");
    let to_bob = |line: &&Value| line["to"][0] == "bob@example.org";
    assert_eq!(mail.lines().iter().filter(to_bob).count(), 1);

    // A word that is wrong is said to be, and kept nowhere in the open.
    let wrong = json!({ "secret": "guess" });
    gateway.patch("/channels/mail", wrong).await;
    gateway
        .post(&gateway.root, "/channels/mail/test", Value::Null)
        .await;
    let tried = |it: &Value| it["event"] == "test" && it["state"] == "dead";
    let found = async || gateway.list("/deliveries").await.into_iter().find(&tried);
    let failed = gateway.eventually("the test's end", found).await;
    assert!(text(&failed["error"]).contains("535"), "{failed}");
    let everything = format!(
        "{} {:?} {:?}",
        gateway.log().join("\n"),
        gateway.list("/channels").await,
        gateway.list("/audit?limit=200").await
    );
    assert!(!everything.contains("hunter2"));
    // A password is for the server it was given for.
    let moved = json!({ "email": { "relay": "mail.example.net:587", "login": "doorward",
        "from": "doorward@example.org" } });
    let (status, answer) = gateway
        .call(&gateway.root, Method::PATCH, "/channels/mail", Some(moved))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
}

#[tokio::test]
async fn a_webhook_is_signed_and_tried_again_under_the_same_id_across_a_crash() {
    let mut stage = Stage::set().await;
    let hook = Server::hook(stage.gateway.dir.path()).await;
    stage.hook(&hook, "/fail-1").await;
    let asked = stage.gateway.ask(&stage.alice, "db1").await;
    let first = hook.line(|line| line["try"] == 1).await;
    let failed = async || {
        let waiting = stage.gateway.list("/deliveries?state=waiting").await;
        waiting.into_iter().find(|it| it["error"].is_string())
    };
    let failed = stage.gateway.eventually("the first failure", failed).await;
    assert!(text(&failed["error"]).contains("503"), "{failed}");
    // The outbox is in the store.
    stage.gateway.crash_and_restart().await;
    let last = hook.line(|line| line["try"] == 2).await;
    for line in [&first, &last] {
        assert_eq!(line["verified"], true, "{line}");
        assert_eq!(line["id"], first["id"]);
        let body = &line["body"];
        assert_eq!(body["type"], "checkout.requested", "{body}");
        assert_eq!(body["data"]["requester"], "alice", "{body}");
        assert_eq!(body["data"]["ticket"], "CHG0012345");
        let link = text(&body["link"]);
        assert!(link.ends_with(&format!("/checkouts/{}", text(&asked["code"]))));
        assert!(body["data"]["actor"].is_null());
    }
    let arrived = stage.delivery("soc", "delivered").await;
    assert_eq!(arrived["attempts"], 2, "{arrived}");
    let id = text(&asked["id"]);
    stage
        .gateway
        .answer(&stage.bob, &id, "deny", "not today")
        .await;
    let denied = hook
        .line(|line| line["body"]["type"] == "checkout.denied")
        .await;
    assert_eq!(denied["body"]["data"]["by"], "bob");
    assert_eq!(denied["body"]["data"]["message"], "not today");
}

#[tokio::test]
async fn a_dead_channel_delays_no_decision_and_no_other_channel() {
    let stage = Stage::set().await;
    let gateway = &stage.gateway;
    let hook = Server::hook(gateway.dir.path()).await;
    stage.hook(&hook, "/ok").await;
    for (name, path) in [("silent", "/never"), ("gone", "/gone"), ("moved", "/moved")] {
        let url = format!("http://127.0.0.1:{}{path}", hook.port);
        let channel = json!({ "name": name, "kind": "webhook", "hook": { "url": url } });
        gateway.post(&gateway.root, "/channels", channel).await;
    }
    for _ in 0..6 {
        let id = text(&gateway.ask(&stage.alice, "db1").await["id"]);
        gateway.answer(&stage.bob, &id, "deny", "").await;
    }
    let to_ok = |line: &&Value| line["path"] == "/ok";
    let all = async || (hook.lines().iter().filter(to_ok).count() == 12).then_some(());
    gateway
        .eventually("all on the channel that lives", all)
        .await;
    // All of it while the first tries on the silent one still wait for their answer.
    let silent = gateway.get(&gateway.root, "/channels/silent").await;
    assert_eq!(silent["waiting"], 12, "{silent}");
    let gone = stage.delivery("gone", "dead").await;
    assert!(text(&gone["error"]).contains("410"), "{gone}");
    let moved = async || {
        let channel = gateway.get(&gateway.root, "/channels/moved").await;
        (channel["failing"].as_u64()? > 0).then(|| text(&channel["error"]))
    };
    let moved = gateway.eventually("a failure", moved).await;
    assert!(moved.contains("302"), "{moved}");

    // An admin begins anew with what was given up.
    let path = format!("/deliveries/{}/retry", text(&gone["id"]));
    gateway.post(&gateway.root, &path, Value::Null).await;
    let retried =
        |line: &Value| line["path"] == "/gone" && line["id"] == gone["id"] && line["try"] == 2;
    hook.line(retried).await;
}

#[tokio::test]
async fn a_channel_leads_nowhere_it_is_not_meant_to() {
    let stage = Stage::set().await;
    let gateway = &stage.gateway;
    let own = gateway.admin.port();
    let hook = |url: &str| json!({ "name": "soc", "kind": "webhook", "hook": { "url": url } });
    for (url, refused) in [
        ("http://soc.example.org/", true),
        ("https://user:word@soc.example.org/", true),
        ("ftp://soc.example.org/", true),
        ("https://soc.example.org/", false),
    ] {
        let (status, answer) = gateway
            .call(&gateway.root, Method::POST, "/channels", Some(hook(url)))
            .await;
        let expected = match refused {
            true => StatusCode::UNPROCESSABLE_ENTITY,
            false => StatusCode::CREATED,
        };
        assert_eq!(status, expected, "{url}: {answer}");
    }
    // The gateway itself, and what machines of a cloud tell their neighbours.
    for url in [
        format!("https://localhost:{own}/api/v1/checkouts"),
        format!("https://127.0.0.1:{own}/api/v1/checkouts"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
    ] {
        let change = json!({ "hook": { "url": url } });
        gateway.patch("/channels/soc", change).await;
        let path = "/channels/soc/test";
        let test = gateway.post(&gateway.root, path, Value::Null).await;
        let path = format!("/deliveries/{}", text(&test["id"]));
        let ended = async || {
            let delivery = gateway.get(&gateway.root, &path).await;
            (delivery["state"] != "waiting").then_some(delivery)
        };
        let ended = gateway.eventually("the test's end", ended).await;
        assert_eq!(ended["state"], "dead");
        assert!(
            text(&ended["error"]).contains("allow_local"),
            "{url}: {ended}"
        );
    }
    // Who is no admin reads no channel and makes none.
    for method in [Method::GET, Method::POST] {
        let body = (method == Method::POST).then(|| hook("https://soc.example.org/"));
        let (status, _) = gateway
            .call(&stage.alice.token, method, "/channels", body)
            .await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
    let refused = gateway
        .audit_event(|event| outcome_of(event) == "not-allowed")
        .await;
    assert!(refused["event"]["kind"].is_string());
}

#[tokio::test]
async fn somebody_hears_of_what_they_subscribe_to_and_not_of_what_they_mute() {
    let stage = Stage::set().await;
    let Stage {
        gateway,
        alice,
        bob,
        ..
    } = &stage;
    let mail = Server::mail(gateway.dir.path(), "nobody@example.org").await;
    let channel = json!({
        "name": "mail", "kind": "email", "secret": "hunter2",
        "email": {
            "relay": format!("127.0.0.1:{}", mail.port), "login": "doorward",
            "from": "doorward@example.org", "ca": mail.authority(),
            "subscriptions": [{ "who": { "user": "root" }, "events": ["denied"], "targets": ["db1"] }],
        },
    });
    gateway.post(&gateway.root, "/channels", channel).await;
    let mute = json!({ "muted": ["denied"] });
    let chosen = gateway
        .must(&alice.token, Method::PUT, "/me/notices", mute)
        .await;
    assert_eq!(chosen["mail"], true, "{chosen}");
    let id = text(&gateway.ask(alice, "db1").await["id"]);
    mail.line(|line| line["to"][0] == "bob@example.org").await;
    gateway.answer(bob, &id, "deny", "").await;
    // Root could have answered and heard of it; that it is denied concerns alice alone.
    let denied = |line: &Value| line["subject"] == "alice's check-out of root@db1 is denied";
    let heard = mail.line(denied).await;
    assert_eq!(heard["to"], json!(["root@example.org"]));
    let id = text(&gateway.ask(alice, "db1").await["id"]);
    gateway.answer(bob, &id, "approve", "").await;
    let first = mail.line(|line| line["to"][0] == "alice@example.org").await;
    assert_eq!(first["subject"], "Approved: root@db1");
}

#[tokio::test]
async fn a_channel_is_added_tried_and_removed_in_a_terminal() {
    let stage = Stage::set().await;
    let gateway = &stage.gateway;
    let hook = Server::hook(gateway.dir.path()).await;
    let run = async |arguments: &[&str]| {
        let mut command = gateway.doorward(&gateway.root, arguments);
        let output = command.output().await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let url = format!("http://127.0.0.1:{}/ok", hook.port);
    let (code, said) = run(&["channel", "add", "soc", "--kind", "webhook", "--url", &url]).await;
    assert_eq!(code, Some(0), "{said}");
    let secret = said.split_whitespace().find(|it| it.starts_with("whsec_"));
    hook.tell_secret(secret.expect("it is shown once"));
    let (code, said) = run(&["channel", "test", "soc"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(hook.line(|_| true).await["verified"], true);
    let lost = [
        "channel",
        "add",
        "lost",
        "--kind",
        "webhook",
        "--url",
        "http://127.0.0.1:9/",
    ];
    assert_eq!(run(&lost).await.0, Some(0));
    let (code, said) = run(&["channel", "test", "lost"]).await;
    assert_eq!(code, Some(7), "{said}");
    assert!(said.contains("cannot be reached"), "{said}");
    let (_, said) = run(&["channel", "list"]).await;
    assert!(said.contains("lost") && said.contains("webhook"), "{said}");
    let (_, said) = run(&["channel", "deliveries", "--state", "dead"]).await;
    assert!(said.contains("lost") && !said.contains("soc"), "{said}");
    let (code, _) = run(&["channel", "remove", "lost", "--yes"]).await;
    assert_eq!(code, Some(0));
    assert_eq!(gateway.list("/channels").await.len(), 1);
}
