//! What somebody may not see is not told of: not by a list's end, not by a refusal.

use serde_json::{Value, json};

use super::House;
use crate::{
    model::{
        ids::{NodeId, RecordingId, SessionId},
        principal::Role,
        recording::Recording,
        session::SessionRow,
        target::Protocol,
    },
    store::{self, recording::KeyRow, session::Opening},
    vault::entropy,
};

/// A house with a target `secretdb` that only the group `vault` answers for and asks for, and
/// with check-outs there: alice's, answered by carol, of whom both are in the group.
struct Hidden {
    house: House,
    admin: String,
    alice: String,
    carol: String,
    /// An approver, and somebody without any role; neither is in the group.
    bob: String,
    dave: String,
}

async fn hidden() -> Hidden {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let (_, alice) = house.somebody("alice", &[Role::Requester]).await;
    let (_, carol) = house.somebody("carol", &[Role::Approver]).await;
    let (_, bob) = house
        .somebody("bob", &[Role::Approver, Role::Requester])
        .await;
    let (_, dave) = house.somebody("dave", &[]).await;
    let group = json!({"name": "vault", "members": ["alice", "carol"]});
    house.post("/groups", &admin, group).await.is(201);
    let terms = json!({
        "requesters": ["vault"],
        "approvals": [{"groups": ["vault"]}],
    });
    let policy = json!({"name": "prod", "terms": terms});
    house.post("/policies", &admin, policy).await.is(201);
    let target = json!({"name": "secretdb", "address": "10.0.0.9:22", "policy": "prod"});
    house.post("/targets", &admin, target).await.is(201);
    for name in ["root", "oracle"] {
        let secret = json!({"kind": "password", "value": "hunter2"});
        let account = json!({"name": name, "targets": ["secretdb"], "secret": secret});
        house.post("/accounts", &admin, account).await.is(201);
    }
    Hidden {
        house,
        admin,
        alice,
        carol,
        bob,
        dave,
    }
}

fn ask(account: &str, reason: &str) -> Value {
    json!({"target": "secretdb", "account": account, "reason": reason, "ticket": "CHG1"})
}

impl Hidden {
    /// Two check-outs with a recorded session under each.
    async fn busy(&self) {
        for account in ["root", "oracle"] {
            let body = ask(account, "breach of customer ACME");
            let asked = self.house.post("/checkouts", &self.alice, body).await;
            let id = asked.is(201).json["id"].as_str().unwrap().to_owned();
            let path = format!("/checkouts/{id}/approve");
            self.house.post(&path, &self.carol, json!({})).await.is(200);
            self.session(&id).await;
        }
    }

    async fn session(&self, checkout: &str) {
        let store = &self.house.store;
        let checkout = store::checkout::by_id_or_code(store, checkout);
        let checkout = checkout.await.unwrap();
        let now = self.house.clock.now();
        let session = SessionRow {
            id: SessionId::new(now, entropy()),
            checkout: checkout.id,
            user: checkout.requester,
            target: checkout.target,
            account: checkout.account,
            protocol: Protocol::Ssh,
            node: NodeId::new(now, entropy()),
            peer: String::new(),
            client: String::new(),
            opened_at: now,
            closed_at: None,
            outcome: None,
            message: String::new(),
            bytes_in: 0,
            bytes_out: 0,
        };
        let mut tx = store.begin().await.unwrap();
        let opening = store::session::open(&mut tx, &session, None).await.unwrap();
        assert_eq!(opening, Opening::Opened);
        let recording = Recording {
            id: RecordingId::new(now, entropy()),
            session: session.id,
            checkout: session.checkout,
            kind: "terminal".to_owned(),
            file: String::new(),
            started_at: now,
            finished_at: None,
            bytes: 0,
            root: None,
            failure: None,
            keep_until: None,
            deleted_at: None,
        };
        let key = KeyRow {
            wrapped_key: Vec::new(),
            kek_id: "none".to_owned(),
        };
        store::recording::insert(&mut tx, &recording, &key)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
}

const LISTS: [&str; 5] = [
    "/checkouts?limit=1&sort=-reason",
    "/checkouts?limit=1&target=secretdb&q=ACME",
    "/checkouts?limit=1&view=waiting",
    "/sessions?limit=1",
    "/recordings?limit=1",
];

#[tokio::test]
async fn a_list_ends_for_a_stranger_as_if_nothing_was_there() {
    let it = hidden().await;
    it.busy().await;
    for path in LISTS {
        for stranger in [&it.bob, &it.dave] {
            let list = it.house.get(path, stranger).await.is(200);
            assert_eq!(list.json, json!({"items": [], "next": null}), "{path}");
        }
    }
    // It is there for those who may know.
    for reader in [&it.alice, &it.carol, &it.admin] {
        for path in [
            "/checkouts?limit=1",
            "/sessions?limit=1",
            "/recordings?limit=1",
        ] {
            let list = it.house.get(path, reader).await.is(200);
            assert_eq!(list.json["items"].as_array().unwrap().len(), 1, "{path}");
            assert!(list.json["next"].is_string(), "{path}: {}", list.text);
        }
    }
}

#[tokio::test]
async fn a_list_shows_what_is_shown_by_itself() {
    let it = hidden().await;
    it.busy().await;
    // Who answered still sees it, also when they answer nothing any more.
    let alone = json!({"members": ["alice"]});
    it.house
        .send(
            axum::http::Method::PATCH,
            "/groups/vault",
            Some(&it.admin),
            Some(alone),
        )
        .await
        .is(200);
    let (_, erin) = it.house.somebody("erin", &[Role::Approver]).await;
    let open = json!({"name": "open", "terms": {}});
    it.house.post("/policies", &it.admin, open).await.is(201);
    let change = json!({"policy": "open"});
    it.house
        .send(
            axum::http::Method::PATCH,
            "/targets/secretdb",
            Some(&it.admin),
            Some(change),
        )
        .await
        .is(200);
    it.house
        .post("/checkouts", &it.bob, ask("root", "disk full"))
        .await
        .is(201);
    let all = it.house.get("/checkouts", &it.admin).await.is(200);
    let ids: Vec<_> = all.json["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 3);
    for (who, sees) in [(&it.carol, 3), (&erin, 1), (&it.bob, 1), (&it.dave, 0)] {
        let list = it.house.get("/checkouts", who).await.is(200);
        assert_eq!(list.json["next"], Value::Null);
        let listed = list.json["items"].as_array().unwrap();
        assert_eq!(listed.len(), sees, "{}", list.text);
        for id in &ids {
            let shown = it.house.get(&format!("/checkouts/{id}"), who).await;
            let listed = listed.iter().any(|item| item["id"] == id.as_str());
            assert_eq!(shown.status == 200, listed, "{}", shown.text);
        }
    }
}

#[tokio::test]
async fn asking_finds_out_no_names() {
    let it = hidden().await;
    let answers = async |who: &str, path: &str, extra: Value| {
        let mut told = Vec::new();
        for target in ["secretdb", "nothing"] {
            for account in [json!(null), json!("root")] {
                let mut body = json!({"target": target, "account": account, "reason": "x"});
                for (field, value) in extra.as_object().unwrap() {
                    body[field] = value.clone();
                }
                let answer = it.house.post(path, who, body).await;
                let answer = answer.refused(404, "no-such-target");
                told.push(answer.text.replace(target, "TARGET"));
            }
        }
        told.dedup();
        assert_eq!(told.len(), 1, "{told:?}");
    };
    answers(&it.bob, "/checkouts", json!({})).await;
    // Nor does giving: not to one who may not ask there, not by one who answers nothing there.
    answers(&it.carol, "/checkouts/grant", json!({"user": "bob"})).await;
    answers(&it.bob, "/checkouts/grant", json!({"user": "bob"})).await;
    let body = json!({"target": "secretdb", "account": "root", "user": "alice", "reason": "x"});
    it.house
        .post("/checkouts/grant", &it.bob, body)
        .await
        .refused(404, "no-such-target");
    // Whoever may ask is told which accounts there are.
    let body = json!({"target": "secretdb", "reason": "x"});
    let answer = it.house.post("/checkouts", &it.alice, body).await;
    let answer = answer.refused(422, "which-account");
    assert!(answer.text.contains("oracle, root"), "{}", answer.text);
}

#[tokio::test]
async fn nobody_chooses_who_answers_their_own() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let (_, both) = house
        .somebody("carol", &[Role::Requester, Role::Approver])
        .await;
    let (_, bob) = house.somebody("bob", &[Role::Approver]).await;
    house.user("eve", &[Role::Approver]).await;
    house.place(&admin, json!({"approver_choice": false})).await;
    let body = json!({"target": "db1", "reason": "disk full", "ticket": "CHG1"});
    let asked = house.post("/checkouts", &both, body).await.is(201);
    let path = format!("/checkouts/{}/assign", asked.json["id"].as_str().unwrap());
    house
        .post(&path, &both, json!({"to": "eve"}))
        .await
        .refused(403, "self-approval");
    house.post(&path, &bob, json!({"to": "eve"})).await.is(200);
}
