//! People by the API: sign-in, credentials, and what ends when somebody is disabled.

use std::time::Duration;

use axum::{
    body::Body,
    extract::Request,
    http::{Method, header},
};
use serde_json::json;

use super::House;
use crate::{
    api::BASE,
    model::principal::{Role, Scope},
    store,
};

const PASSWORD: &str = "correct horse battery staple";

#[tokio::test]
async fn wrong_unknown_and_disabled_are_one_answer() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    for name in ["alice", "bob"] {
        let user = json!({"name": name, "roles": ["requester"], "password": PASSWORD});
        house.post("/users", &admin, user).await.is(201);
    }
    house
        .post("/users/bob/disable", &admin, json!({}))
        .await
        .is(200);
    let sign_in = async |user: &str, password: &str| {
        let body = json!({"user": user, "password": password});
        house.send(Method::POST, "/sign-in", None, Some(body)).await
    };
    let right = sign_in("alice", PASSWORD).await.is(200);
    assert!(right.json["token"].as_str().unwrap().starts_with("dw_"));
    assert_eq!(right.json["user"]["name"], "alice");
    let wrong = sign_in("alice", "wrong")
        .await
        .refused(401, "sign-in-failed");
    for (user, password) in [("bob", PASSWORD), ("nobody", PASSWORD), ("-oX\u{1b}", "x")] {
        let answer = sign_in(user, password).await;
        assert_eq!(answer.status, wrong.status);
        assert_eq!(answer.text, wrong.text, "{user}");
    }
    let token = right.json["token"].as_str().unwrap();
    let me = house.get("/me", token).await.is(200);
    assert_eq!(me.json["name"], "alice");
    assert_eq!(
        me.json["scopes"].as_array().unwrap().len(),
        Scope::ALL.len()
    );
    assert_eq!(house.audited("user.sign-in", "done").await, 1);
}

/// Whoever disables a user may hang up at any moment: either nothing was done, or all of it.
#[tokio::test]
async fn what_was_begun_is_done_whole_though_the_caller_hangs_up() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    house.place(&admin, json!({"approvals": []})).await;
    let mut disabled = 0;
    for patience in 0..40 {
        let name = format!("alice{patience}");
        let (_, alice) = house.somebody(&name, &[Role::Requester]).await;
        let ask = json!({"target": "db1", "reason": "disk", "ticket": "CHG1"});
        let asked = house.post("/checkouts", &alice, ask).await.is(201);
        let code = asked.json["code"].as_str().unwrap();
        let path = format!("/users/{name}/disable");
        let disabling = house.post(&path, &admin, json!({}));
        let patience = Duration::from_micros(patience * 250);
        // Hung up, mostly.
        drop(tokio::time::timeout(patience, disabling).await);
        let both = async || {
            let user = house.get(&format!("/users/{name}"), &admin).await.is(200);
            let path = format!("/checkouts/{code}");
            let checkout = house.get(&path, &admin).await.is(200);
            (
                user.json["disabled"] == true,
                checkout.json["status"].clone(),
            )
        };
        let settled = tokio::time::timeout(Duration::from_secs(60), async {
            // What goes on needs a moment to show that it does.
            tokio::time::sleep(Duration::from_millis(30)).await;
            while both().await == (true, json!("active")) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        settled.await.expect("a disabled user's check-out ends");
        disabled += usize::from(both().await.0);
    }
    assert!(disabled > 0, "every call was too early to count");
}

#[tokio::test]
async fn a_disabled_user_has_nothing_any_more() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let (_, alice) = house.somebody("alice", &[Role::Requester]).await;
    house.place(&admin, json!({"approvals": []})).await;
    let ask = json!({"target": "db1", "reason": "disk", "ticket": "CHG1"});
    let asked = house.post("/checkouts", &alice, ask).await.is(201);
    assert_eq!(asked.json["status"], "active");
    let code = asked.json["code"].as_str().unwrap();

    house
        .post("/users/alice/disable", &admin, json!({}))
        .await
        .is(200);
    house
        .get("/me", &alice)
        .await
        .refused(401, "unauthenticated");
    let ended = house
        .get(&format!("/checkouts/{code}"), &admin)
        .await
        .is(200);
    assert_eq!(ended.json["status"], "revoked");
    assert!(
        ended.text.contains("root disabled the user alice"),
        "{}",
        ended.text
    );
    // Once more is no fault, and nobody comes back by being enabled.
    house
        .post("/users/alice/disable", &admin, json!({}))
        .await
        .is(200);
    house
        .post("/users/alice/enable", &admin, json!({}))
        .await
        .is(200);
    let still = house
        .get(&format!("/checkouts/{code}"), &admin)
        .await
        .is(200);
    assert_eq!(still.json["status"], "revoked");
    assert_eq!(house.audited("user.update", "done").await, 2);
}

#[tokio::test]
async fn who_loses_the_role_loses_what_it_opened() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let (_, alice) = house.somebody("alice", &[Role::Requester]).await;
    house.place(&admin, json!({"approvals": []})).await;
    let ask = json!({"target": "db1", "reason": "disk", "ticket": "CHG1"});
    house.post("/checkouts", &alice, ask).await.is(201);
    let patch = json!({"roles": ["auditor"]});
    house
        .send(Method::PATCH, "/users/alice", Some(&admin), Some(patch))
        .await
        .is(200);
    let mine = house.get("/checkouts?view=mine", &alice).await.is(200);
    assert_eq!(mine.json["items"][0]["status"], "revoked");
}

#[tokio::test]
async fn the_last_admin_stays_one() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &Role::ALL).await;
    let patch = json!({"roles": ["requester"]});
    let answer = house
        .send(Method::PATCH, "/users/root", Some(&admin), Some(patch))
        .await;
    answer.refused(409, "last-admin");
    house
        .post("/users/root/disable", &admin, json!({}))
        .await
        .refused(409, "last-admin");
    house
        .send(Method::DELETE, "/users/root", Some(&admin), None)
        .await
        .refused(409, "last-admin");
    let prune = json!({"prune": true, "document": {"users": [{"name": "root", "roles": []}]}});
    house
        .post("/apply", &admin, prune)
        .await
        .refused(409, "last-admin");
    house.get("/users/root", &admin).await.is(200);
    assert_eq!(house.audited("api.refuse", "last-admin").await, 4);
}

#[tokio::test]
async fn who_sets_another_s_credential_vouches_for_them() {
    let house = House::new().await;
    let (root, admin) = house.somebody("root", &[Role::Admin]).await;
    house.user("alice", &[Role::Requester]).await;
    let password = json!({"new": PASSWORD});
    house
        .send(
            Method::PUT,
            "/users/alice/password",
            Some(&admin),
            Some(password),
        )
        .await
        .is(204);
    let alice = store::user::by_name(&house.store, &"alice".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(alice.vouched_by, [root.person.clone()].into());
    let made = house
        .post("/users", &admin, json!({"name": "bob", "person": "alice"}))
        .await
        .is(201);
    assert_eq!(made.json["person"], alice.person.as_str());
    assert_eq!(made.json["vouched_by"], json!([root.person.as_str()]));
    // One's own does not: there is nobody else who knows it.
    let own = json!({"new": PASSWORD});
    house
        .send(Method::PUT, "/users/root/password", Some(&admin), Some(own))
        .await
        .is(204);
    let root = store::user::by_name(&house.store, &"root".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(root.vouched_by, [].into());
}

#[tokio::test]
async fn tokens_that_are_over_go_when_others_are_made() {
    let house = House::new().await;
    let (alice, old) = house.somebody("alice", &[Role::Requester]).await;
    house.clock.advance(std::time::Duration::from_secs(3_600));
    house.get("/me", &old).await.is(401);
    let token = house.token(&alice).await;
    let held = house.get("/me/tokens", &token).await.is(200);
    assert_eq!(held.json["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_new_password_ends_other_sign_ins_and_no_program() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let user = json!({"name": "alice", "roles": ["requester"], "password": PASSWORD});
    house.post("/users", &admin, user).await.is(201);
    let alice = store::user::by_name(&house.store, &"alice".parse().unwrap())
        .await
        .unwrap();
    let here = house.token(&alice).await;
    let elsewhere = house.token(&alice).await;
    let program = json!({"label": "ci", "scopes": ["read"], "expires_in": "30d"});
    let program = house.post("/me/tokens", &here, program).await.is(201);
    let program = program.json["token"].as_str().unwrap();

    let wrong = json!({"current": "wrong", "new": "another good password"});
    let answer = house
        .send(Method::PUT, "/me/password", Some(&here), Some(wrong))
        .await;
    assert_eq!(
        answer.refused(422, "invalid").json["fields"][0]["field"],
        "current"
    );
    let right = json!({"current": PASSWORD, "new": "another good password"});
    house
        .send(Method::PUT, "/me/password", Some(&here), Some(right))
        .await
        .is(204);
    house.get("/me", &here).await.is(200);
    house.get("/me", program).await.is(200);
    house.get("/me", &elsewhere).await.is(401);
}

#[tokio::test]
async fn a_narrow_token_makes_no_wider_one() {
    let house = House::new().await;
    let user = house.user("alice", &Role::ALL).await;
    let scopes = Scope::ALL
        .into_iter()
        .filter(|scope| *scope != Scope::Reveal)
        .collect();
    let narrow = house
        .narrow_token(&user, scopes, crate::model::time::Span::hours(1))
        .await;
    let wide = json!({"label": "x", "scopes": ["reveal"], "expires_in": "1d"});
    house
        .post("/me/tokens", &narrow, wide)
        .await
        .refused(403, "not-allowed");
    for (body, field) in [
        (
            json!({"label": "", "scopes": ["read"], "expires_in": "1d"}),
            "label",
        ),
        (
            json!({"label": "x", "scopes": [], "expires_in": "1d"}),
            "scopes",
        ),
        (
            json!({"label": "x", "scopes": ["read"], "expires_in": "0s"}),
            "expires_in",
        ),
        (
            json!({"label": "x", "scopes": ["read"], "expires_in": "9000d"}),
            "expires_in",
        ),
        (
            json!({"label": "x", "scopes": ["root"], "expires_in": "1d"}),
            "scopes[0]",
        ),
    ] {
        let full = house.token(&user).await;
        let answer = house
            .post("/me/tokens", &full, body)
            .await
            .refused(422, "invalid");
        assert_eq!(answer.json["fields"][0]["field"], field);
    }
}

#[tokio::test]
async fn a_key_belongs_to_one_user() {
    let house = House::new().await;
    let (_, alice) = house.somebody("alice", &[Role::Requester]).await;
    let (_, bob) = house.somebody("bob", &[Role::Requester]).await;
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILOX86LQbdcCN6NsebNXgfA/ruPzeGKUTuL6sV3WFF/d alice@laptop";
    let added = house
        .post("/me/ssh-keys", &alice, json!({"public_key": key}))
        .await
        .is(201);
    assert_eq!(added.json["comment"], "alice@laptop");
    house
        .post("/me/ssh-keys", &bob, json!({"public_key": key}))
        .await
        .refused(409, "already-there");
    let wrong = house.post(
        "/me/ssh-keys",
        &bob,
        json!({"public_key": "-----BEGIN OPENSSH PRIVATE KEY-----"}),
    );
    assert_eq!(
        wrong.await.refused(422, "invalid").json["fields"][0]["field"],
        "public_key"
    );
    let fingerprint = added.json["fingerprint"]
        .as_str()
        .unwrap()
        .replace('/', "%2F")
        .replace('+', "%2B");
    let path = format!("/me/ssh-keys/{fingerprint}");
    house
        .send(Method::DELETE, &path, Some(&bob), None)
        .await
        .is(404);
    house
        .send(Method::DELETE, &path, Some(&alice), None)
        .await
        .is(204);
}

#[tokio::test]
async fn what_is_sent_is_bounded_and_strict() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let send = async |kind: &str, body: String| {
        let request = Request::post(format!("{BASE}/groups"))
            .header(header::AUTHORIZATION, format!("Bearer {admin}"))
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(body));
        house.request(request.unwrap()).await
    };
    send("text/plain", "{}".to_owned())
        .await
        .refused(415, "wants-json");
    send("application/json", "{".to_owned())
        .await
        .refused(400, "not-json");
    let deep = "[".repeat(100_000);
    send("application/json", deep).await.is(413);
    let large = json!({"name": "g", "description": "x".repeat(70_000)}).to_string();
    send("application/json", large)
        .await
        .refused(413, "too-large");
    let unknown = json!({"name": "g", "colour": "red"}).to_string();
    let answer = send("application/json", unknown)
        .await
        .refused(422, "invalid");
    assert_eq!(answer.json["fields"][0]["field"], "colour");
    let hostile = json!({"name": "g", "description": "a\u{202e}b"}).to_string();
    let answer = send("application/json; charset=utf-8", hostile)
        .await
        .refused(422, "invalid");
    assert_eq!(answer.json["fields"][0]["field"], "description");
    house
        .get("/users?nmae=alice", &admin)
        .await
        .refused(422, "invalid");
    house
        .get("/nothing", &admin)
        .await
        .refused(404, "not-found");
    house
        .send(Method::DELETE, "/users", Some(&admin), None)
        .await
        .refused(405, "method-not-allowed");
}

#[tokio::test]
async fn every_answer_is_inert() {
    let house = House::new().await;
    for path in ["/me", "/openapi.json", "/nothing"] {
        let answer = house.send(Method::GET, path, None, None).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("strict-transport-security", "max-age=31536000"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
        ] {
            assert_eq!(answer.headers[name], value, "{path}");
        }
    }
}

#[tokio::test]
async fn a_second_account_does_not_become_another_human_being() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let (alice, of_alice) = house
        .somebody("alice", &[Role::Admin, Role::Requester])
        .await;
    house.user("bob", &[Role::Approver]).await;
    let second = json!({"name": "alice2", "roles": ["approver"], "person": "alice"});
    house.post("/users", &admin, second).await.is(201);
    let change = |name: &str| (format!("/users/{name}"), json!({"person": "bob"}));
    for name in ["alice2", "alice"] {
        let (path, body) = change(name);
        let answer = house
            .send(Method::PATCH, &path, Some(&of_alice), Some(body))
            .await;
        answer.refused(422, "invalid");
        let users = json!({"users": [{"name": name, "person": "bob"}]});
        let apply = house.post("/apply", &of_alice, json!({"document": users}));
        apply.await.refused(422, "invalid");
    }
    // Somebody else can, and vouches for it.
    let (path, body) = change("alice2");
    let moved = house
        .send(Method::PATCH, &path, Some(&admin), Some(body))
        .await
        .is(200);
    assert_ne!(moved.json["person"], alice.person.as_str());
    let root = store::user::by_name(&house.store, &"root".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(moved.json["vouched_by"], json!([root.person.as_str()]));
}
