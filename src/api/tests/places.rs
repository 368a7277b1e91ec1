//! Targets, accounts and policies by the API, and the secrets that go in and never out.

use axum::http::Method;
use serde_json::{Value, json};

use super::House;
use crate::{model::principal::Role, store};

#[tokio::test]
async fn a_secret_goes_in_and_never_comes_out() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &Role::ALL).await;
    house.place(&admin, json!({})).await;
    let accounts = house.get("/accounts", &admin).await.is(200);
    let id = accounts.json["items"][0]["id"].as_str().unwrap();
    assert_eq!(accounts.json["items"][0]["secret"], "password");
    let again = json!({"kind": "password", "value": "hunter3"});
    let path = format!("/accounts/{id}/secret");
    house
        .send(Method::PUT, &path, Some(&admin), Some(again))
        .await
        .is(204);

    let key = json!({"kind": "ssh-key", "value": "not a key"});
    let answer = house
        .send(Method::PUT, &path, Some(&admin), Some(key))
        .await;
    assert_eq!(
        answer.refused(422, "invalid").json["fields"][0]["field"],
        "value"
    );
    let phrase = json!({"kind": "password", "value": "x", "passphrase": "hunter4"});
    let answer = house
        .send(Method::PUT, &path, Some(&admin), Some(phrase))
        .await;
    answer.refused(422, "invalid");

    let mut everything = String::new();
    for path in [
        "/accounts",
        "/targets",
        "/audit?limit=200",
        "/audit/export",
        "/checkouts",
    ] {
        everything.push_str(&house.get(path, &admin).await.is(200).text);
    }
    assert!(everything.contains("set the secret of account root@db1"));
    assert!(!everything.contains("hunter"), "{everything}");
    let mut database = Vec::new();
    for file in ["doorward.db", "doorward.db-wal"] {
        database.extend(std::fs::read(house.folder().join(file)).unwrap());
    }
    let holds = |text: &str| {
        database
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(holds("root"));
    assert!(!holds("hunter"));
}

#[tokio::test]
async fn what_is_gone_ends_what_it_opened() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let (_, alice) = house.somebody("alice", &[Role::Requester]).await;
    house
        .place(&admin, json!({"approvals": [], "exclusive": false}))
        .await;
    let open = async || {
        let ask = json!({"target": "db1", "reason": "disk", "ticket": "CHG1"});
        let asked = house.post("/checkouts", &alice, ask).await.is(201);
        assert_eq!(asked.json["status"], "active");
        asked.json["code"].as_str().unwrap().to_owned()
    };
    let status = async |code: &str| {
        let answer = house
            .get(&format!("/checkouts/{code}"), &alice)
            .await
            .is(200);
        answer.json["status"].as_str().unwrap().to_owned()
    };
    let patch = async |path: &str, body: Value| {
        house
            .send(Method::PATCH, path, Some(&admin), Some(body))
            .await
            .is(200);
    };
    let accounts = house.get("/accounts", &admin).await;
    let account = format!(
        "/accounts/{}",
        accounts.json["items"][0]["id"].as_str().unwrap()
    );

    let code = open().await;
    patch("/targets/db1", json!({"disabled": true})).await;
    assert_eq!(status(&code).await, "revoked");
    let ask = json!({"target": "db1", "reason": "disk", "ticket": "CHG1"});
    house
        .post("/checkouts", &alice, ask)
        .await
        .refused(409, "target-disabled");
    patch("/targets/db1", json!({"disabled": false})).await;

    let code = open().await;
    patch(&account, json!({"disabled": true})).await;
    assert_eq!(status(&code).await, "revoked");
    patch(&account, json!({"disabled": false})).await;

    let code = open().await;
    patch(&account, json!({"targets": []})).await;
    assert_eq!(status(&code).await, "revoked");
    patch(&account, json!({"targets": ["db1"]})).await;

    let code = open().await;
    house
        .send(Method::DELETE, "/targets/db1", Some(&admin), None)
        .await
        .is(204);
    assert_eq!(status(&code).await, "revoked");
    house.get("/targets/db1", &admin).await.is(404);
}

#[tokio::test]
async fn people_see_the_targets_they_may_ask_for_and_what_it_takes() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let (_, alice) = house.somebody("alice", &[Role::Requester]).await;
    let (_, bob) = house.somebody("bob", &[Role::Requester]).await;
    let members = json!({"name": "ops", "members": ["alice"]});
    house.post("/groups", &admin, members).await.is(201);
    let terms = json!({"requesters": ["ops"], "ticket_pattern": "CHG\\d+", "reason": "optional"});
    house.place(&admin, terms).await;
    let seen = house.get("/targets", &alice).await.is(200);
    assert_eq!(seen.names(), ["db1"]);
    let form = &seen.json["items"][0]["accounts"][0];
    assert_eq!(form["name"], "root");
    assert_eq!(form["reason"], "optional");
    assert_eq!(form["ticket"], "required");
    assert_eq!(form["ticket_pattern"], "CHG\\d+");
    assert_eq!(form["may_ask"], true);
    assert_eq!(house.get("/targets", &bob).await.is(200).names(), [""; 0]);
    assert_eq!(house.get("/targets", &admin).await.is(200).names(), ["db1"]);
    assert_eq!(
        house
            .get("/targets?q=10.0.0.7", &admin)
            .await
            .is(200)
            .names(),
        ["db1"]
    );
    assert_eq!(
        house.get("/targets?q=db2", &admin).await.is(200).names(),
        [""; 0]
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_named() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    for (path, body, field) in [
        (
            "/policies",
            json!({"name": "p", "terms": {"maximum_duration": "1m"}}),
            "terms.durations",
        ),
        (
            "/policies",
            json!({"name": "p", "terms": {"ticket_pattern": "("}}),
            "terms.ticket_pattern",
        ),
        (
            "/policies",
            json!({"name": "p", "terms": {"approval": []}}),
            "terms.approval",
        ),
        ("/targets", json!({"name": "DB1", "address": "a:1"}), "name"),
        (
            "/targets",
            json!({"name": "db1", "address": "a"}),
            "address",
        ),
        (
            "/targets",
            json!({"name": "db1", "address": "a:1", "host_keys": ["x"]}),
            "host_keys[0]",
        ),
        (
            "/targets",
            json!({"name": "db1", "address": "a:1", "labels": ["\u{1b}"]}),
            "labels",
        ),
        (
            "/accounts",
            json!({"name": "root", "targets": [], "login": "a b"}),
            "login",
        ),
        (
            "/users",
            json!({"name": "alice", "email": "alice"}),
            "email",
        ),
        (
            "/users",
            json!({"name": "alice", "password": "short"}),
            "password",
        ),
        (
            "/users",
            json!({"name": "alice", "roles": ["king"]}),
            "roles[0]",
        ),
    ] {
        let answer = house.post(path, &admin, body).await.refused(422, "invalid");
        assert_eq!(answer.json["fields"][0]["field"], field, "{}", answer.text);
    }
    assert!(store::target::all(&house.store).await.unwrap().is_empty());
    let twice = json!({"name": "db1", "address": "a:1"});
    house.post("/targets", &admin, twice.clone()).await.is(201);
    house
        .post("/targets", &admin, twice)
        .await
        .refused(409, "already-there");
}

#[tokio::test]
async fn a_web_target_says_how_it_is_spoken_to_and_what_it_must_prove() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let pin = format!("sha256//{}", data_encoding::BASE64.encode(&[7; 32]));
    let ssh_key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBGnbcHlQjWlqhpNtRZwOKHdjnIcRDMqHDlw0+ABnHvm";
    let web = json!({"tls": true, "sign_in": {"by": "basic"}});
    for (body, field) in [
        (json!({"protocol": "web"}), "web"),
        (json!({"protocol": "ssh", "web": web}), "web"),
        (json!({"web": {"tls": true, "port": 1}}), "web.port"),
        (json!({"web": web, "host_keys": [ssh_key]}), "host_keys[0]"),
        (json!({"host_keys": [pin]}), "host_keys[0]"),
        (
            json!({"web": web, "host_keys": ["@cert-authority AAAA"]}),
            "host_keys[0]",
        ),
    ] {
        let mut whole = json!({"name": "wiki", "address": "a:1"});
        for (key, value) in body.as_object().unwrap() {
            whole[key] = value.clone();
        }
        let answer = house.post("/targets", &admin, whole).await;
        let answer = answer.refused(422, "invalid");
        assert_eq!(answer.json["fields"][0]["field"], field, "{}", answer.text);
    }
    let body = json!({"name": "wiki", "address": "a:443", "web": web, "host_keys": [pin]});
    let made = house.post("/targets", &admin, body).await.is(201);
    assert_eq!(made.json["protocol"], "web");
    assert_eq!(made.json["web"]["path"], "/");
    let change = json!({"web": {"tls": false, "path": "/w"}, "host_keys": []});
    let path = "/targets/wiki";
    let changed = house.send(Method::PATCH, path, Some(&admin), Some(change));
    let changed = changed.await.is(200);
    assert_eq!(changed.json["web"]["path"], "/w/");
    assert_eq!(changed.json["web"]["sign_in"]["by"], "none");
    let document = json!({"document": {"targets": [
        {"name": "wiki", "web": {"tls": true, "sign_in": {"by": "bearer"}}},
        {"name": "grafana", "address": "g:3000", "web": {"tls": false}},
    ]}});
    house.post("/apply", &admin, document).await.is(200);
    let shown = house.get("/targets/grafana", &admin).await.is(200);
    assert_eq!(shown.json["protocol"], "web");
    let shown = house.get(path, &admin).await.is(200);
    assert_eq!(shown.json["web"]["sign_in"]["by"], "bearer");
    let wrong = json!({"document": {"targets": [{"name": "wiki", "protocol": "ssh"}]}});
    let turned = house.post("/apply", &admin, wrong).await.is(200);
    assert_eq!(
        turned.json["changes"][0]["action"], "update",
        "{}",
        turned.text
    );
    let shown = house.get(path, &admin).await.is(200);
    assert!(shown.json["web"].is_null(), "{}", shown.text);
}

#[tokio::test]
async fn one_policy_is_the_default_and_one_in_use_stays() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    house.place(&admin, json!({})).await;
    let remove = async |name: &str| {
        let path = format!("/policies/{name}");
        house.send(Method::DELETE, &path, Some(&admin), None).await
    };
    remove("strict").await.refused(409, "in-use");
    remove("default").await.refused(409, "in-use");
    let put = json!({"is_default": true, "terms": {"ticket": "none"}});
    house
        .send(Method::PUT, "/policies/strict", Some(&admin), Some(put))
        .await
        .is(200);
    let policies = house.get("/policies", &admin).await.is(200);
    let defaults: Vec<_> = policies.json["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|policy| policy["is_default"] == true)
        .map(|policy| policy["name"].as_str().unwrap())
        .collect();
    assert_eq!(defaults, ["strict"]);
    remove("default").await.is(204);
}
