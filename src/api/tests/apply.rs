//! Applying a document: whole or not at all, and twice is as once.

use serde_json::{Value, json};

use super::House;
use crate::{model::principal::Role, store};

fn document() -> Value {
    json!({
        "groups": [{"name": "dba", "description": "databases", "members": ["bob"]}],
        "users": [
            {"name": "alice", "roles": ["requester"], "groups": ["dba"]},
            {"name": "bob", "roles": ["approver"],
             "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILOX86LQbdcCN6NsebNXgfA/ruPzeGKUTuL6sV3WFF/d"]},
        ],
        "policies": [{"name": "prod", "is_default": true, "terms": {"ticket": "optional"}}],
        "targets": [
            {"name": "db1", "address": "db1.example.org:22", "policy": "prod"},
            {"name": "db2", "address": "db2.example.org:22"},
        ],
        "accounts": [{"name": "root", "targets": ["db2", "db1"]}],
    })
}

fn actions(answer: &Value) -> Vec<(String, String)> {
    let changes = answer["changes"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    changes
        .iter()
        .filter(|change| change["action"] != "unchanged")
        .map(|change| (text(&change["action"]), text(&change["name"])))
        .collect()
}

#[tokio::test]
async fn twice_is_as_once_and_a_dry_run_is_nothing() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let dry = json!({"dry_run": true, "document": document()});
    let dry = house.post("/apply", &admin, dry).await.is(200);
    assert!(store::target::all(&house.store).await.unwrap().is_empty());
    assert_eq!(house.audited("target.create", "done").await, 0);

    let apply = json!({"document": document()});
    let done = house.post("/apply", &admin, apply.clone()).await.is(200);
    assert_eq!(actions(&done.json), actions(&dry.json));
    assert_eq!(actions(&done.json).len(), 7);
    let group = house.get("/groups/dba", &admin).await.is(200);
    assert_eq!(group.json["members"], json!(["alice", "bob"]));
    assert_eq!(house.audited("target.create", "done").await, 2);

    let again = house.post("/apply", &admin, apply).await.is(200);
    assert_eq!(actions(&again.json), [], "{}", again.text);
    assert_eq!(again.json["changes"].as_array().unwrap().len(), 7);
    assert_eq!(house.audited("target.create", "done").await, 2);
}

#[tokio::test]
async fn a_change_shows_its_fields() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    house
        .post("/apply", &admin, json!({"document": document()}))
        .await
        .is(200);
    let mut changed = document();
    changed["policies"][0]["terms"]["ticket"] = "required".into();
    changed["targets"][0]["address"] = "db1.example.net:22".into();
    changed["groups"][0]["members"] = json!([]);
    let answer = house
        .post("/apply", &admin, json!({"document": changed}))
        .await
        .is(200);
    let fields: Vec<_> = answer.json["changes"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|change| change["fields"].as_array().unwrap())
        .map(|field| {
            (
                field["field"].as_str().unwrap(),
                field["before"].clone(),
                field["after"].clone(),
            )
        })
        .collect();
    assert_eq!(
        fields,
        [
            ("terms.ticket", json!("optional"), json!("required")),
            ("members", json!(["alice", "bob"]), json!(["alice"])),
            (
                "address",
                json!("db1.example.org:22"),
                json!("db1.example.net:22")
            ),
        ],
    );
}

#[tokio::test]
async fn a_document_holds_as_a_whole_or_not_at_all() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let mut broken = document();
    broken["accounts"][0]["targets"] = json!(["db1", "nowhere"]);
    for dry_run in [true, false] {
        let body = json!({"dry_run": dry_run, "document": broken});
        house.post("/apply", &admin, body).await.is(404);
    }
    assert!(store::target::all(&house.store).await.unwrap().is_empty());
    assert_eq!(house.get("/users", &admin).await.names(), ["root"]);
    for (body, field) in [
        (
            json!({"document": {"users": [{"name": "x"}, {"name": "x"}]}}),
            "document.users",
        ),
        (
            json!({"document": {"targets": [{"name": "x"}]}}),
            "document.targets.address",
        ),
        (json!({"document": {"hosts": []}}), "document.hosts"),
    ] {
        let answer = house
            .post("/apply", &admin, body)
            .await
            .refused(422, "invalid");
        assert_eq!(answer.json["fields"][0]["field"], field, "{}", answer.text);
    }
}

#[tokio::test]
async fn only_what_is_pruned_goes_and_what_it_opened_ends() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    house
        .post("/apply", &admin, json!({"document": document()}))
        .await
        .is(200);
    let less = json!({
        "targets": [{"name": "db1"}],
        "accounts": [{"name": "root", "targets": ["db1"]}],
        "users": [{"name": "alice"}],
    });
    let kept = house
        .post("/apply", &admin, json!({"document": less}))
        .await
        .is(200);
    assert_eq!(
        actions(&kept.json),
        [("update".to_owned(), "root@db1".to_owned())]
    );
    let pruned = house
        .post("/apply", &admin, json!({"prune": true, "document": less}))
        .await
        .is(200);
    assert_eq!(
        actions(&pruned.json),
        [
            ("delete".to_owned(), "db2".to_owned()),
            ("delete".to_owned(), "bob".to_owned())
        ],
    );
    // Whoever applies it stays, named or not; so does what the document says nothing of.
    assert_eq!(house.get("/users", &admin).await.names(), ["alice", "root"]);
    assert_eq!(house.get("/groups", &admin).await.names(), ["dba"]);
}
