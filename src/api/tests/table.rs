//! Every route without a login, with a dead token, in the wrong role, with another's ids.
//!
//! The routes come out of the table itself. One that is not written down here fails, so that
//! whoever adds a route says what it may and tries it.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::{Value, json};

use super::House;
use crate::{
    api::{BASE, class::Class, openapi, routes},
    model::{
        ids::{NodeId, RecordingId, SessionId},
        principal::{Role, Scope},
        recording::Recording,
        session::SessionRow,
        target::Protocol,
        time::Span,
    },
    store,
    vault::entropy,
};

/// Method, path, class, and a body that fits.
const EXPECTED: &[(&str, &str, &str, &str)] = &[
    ("POST", "/sign-in", "open", r#"{"user":"x","password":"y"}"#),
    (
        "POST",
        "/sign-in/second",
        "open",
        r#"{"step":"x","code":"y"}"#,
    ),
    ("POST", "/sign-in/passkey", "open", r#"{"step":"x"}"#),
    ("POST", "/me/prove/passkey", "oneself", ""),
    ("POST", "/me/factors/passkeys/begin", "oneself", ""),
    (
        "POST",
        "/me/factors/passkeys",
        "oneself",
        r#"{"label":"x","client_data":"","authenticator_data":""}"#,
    ),
    ("DELETE", "/me/factors/passkeys/{id}", "oneself", ""),
    ("POST", "/sign-in/app", "open", r#"{"step":"x"}"#),
    (
        "POST",
        "/bootstrap",
        "open",
        r#"{"token":"x","user":"x","password":"y"}"#,
    ),
    ("POST", "/sign-out", "signed-in", ""),
    ("GET", "/me", "signed-in", ""),
    (
        "PUT",
        "/me/password",
        "oneself",
        r#"{"current":"x","new":"y"}"#,
    ),
    ("GET", "/me/ssh-keys", "signed-in", ""),
    ("POST", "/me/ssh-keys", "oneself", r#"{"public_key":"x"}"#),
    ("DELETE", "/me/ssh-keys/{fingerprint}", "oneself", ""),
    ("GET", "/me/tokens", "signed-in", ""),
    (
        "POST",
        "/me/tokens",
        "oneself",
        r#"{"label":"","scopes":["read"],"expires_in":"1d"}"#,
    ),
    ("DELETE", "/me/tokens/{id}", "oneself", ""),
    ("GET", "/me/sign-ins", "signed-in", ""),
    ("DELETE", "/me/sign-ins", "oneself", ""),
    ("POST", "/me/prove", "oneself", r#"{"code":"x"}"#),
    ("GET", "/me/factors", "signed-in", ""),
    ("POST", "/me/factors/app", "oneself", ""),
    ("PUT", "/me/factors/app", "oneself", r#"{"code":"x"}"#),
    ("DELETE", "/me/factors/app", "oneself", ""),
    ("POST", "/me/factors/recovery-codes", "oneself", ""),
    ("GET", "/users", "auditor", ""),
    ("POST", "/users", "admin", r#"{"name":"alice"}"#),
    ("GET", "/users/{name}", "auditor", ""),
    ("PATCH", "/users/{name}", "admin", "{}"),
    ("DELETE", "/users/{name}", "admin", ""),
    ("POST", "/users/{name}/disable", "admin", ""),
    ("POST", "/users/{name}/enable", "admin", ""),
    (
        "PUT",
        "/users/{name}/password",
        "admin",
        r#"{"new":"correct horse battery"}"#,
    ),
    ("GET", "/users/{name}/ssh-keys", "auditor", ""),
    ("POST", "/users/{name}/ssh-keys", "admin", KEY),
    (
        "DELETE",
        "/users/{name}/ssh-keys/{fingerprint}",
        "admin",
        "",
    ),
    ("GET", "/users/{name}/factors", "auditor", ""),
    ("DELETE", "/users/{name}/factors", "admin", ""),
    ("GET", "/users/{name}/sign-ins", "auditor", ""),
    ("DELETE", "/users/{name}/sign-ins", "admin", ""),
    ("GET", "/groups", "auditor", ""),
    (
        "POST",
        "/groups",
        "admin",
        r#"{"name":"g","members":["nobody"]}"#,
    ),
    ("GET", "/groups/{name}", "auditor", ""),
    ("PATCH", "/groups/{name}", "admin", "{}"),
    ("DELETE", "/groups/{name}", "admin", ""),
    ("GET", "/targets", "signed-in", ""),
    (
        "POST",
        "/targets",
        "admin",
        r#"{"name":"db1","address":"a:1"}"#,
    ),
    ("GET", "/targets/{name}", "signed-in", ""),
    ("PATCH", "/targets/{name}", "admin", "{}"),
    ("DELETE", "/targets/{name}", "admin", ""),
    ("GET", "/ssh", "signed-in", ""),
    ("GET", "/jwks", "open", ""),
    ("POST", "/host-keys/scan", "admin", r#"{"address":"a:1"}"#),
    ("GET", "/accounts", "auditor", ""),
    (
        "POST",
        "/accounts",
        "admin",
        r#"{"name":"root","targets":["db1"]}"#,
    ),
    ("GET", "/accounts/{id}", "auditor", ""),
    ("PATCH", "/accounts/{id}", "admin", "{}"),
    ("DELETE", "/accounts/{id}", "admin", ""),
    (
        "PUT",
        "/accounts/{id}/secret",
        "admin",
        r#"{"kind":"password","value":"x"}"#,
    ),
    ("GET", "/policies", "auditor", ""),
    ("POST", "/policies", "admin", r#"{"name":"strict"}"#),
    ("GET", "/policies/{name}", "auditor", ""),
    ("PUT", "/policies/{name}", "admin", "{}"),
    ("DELETE", "/policies/{name}", "admin", ""),
    (
        "POST",
        "/apply",
        "admin",
        r#"{"document":{"users":[{"name":"x"},{"name":"x"}]}}"#,
    ),
    ("GET", "/checkouts", "signed-in", ""),
    ("POST", "/checkouts", "requester", r#"{"target":"nowhere"}"#),
    (
        "POST",
        "/checkouts/grant",
        "approver",
        r#"{"user":"carol","target":"nowhere"}"#,
    ),
    ("GET", "/checkouts/{id}", "signed-in", ""),
    ("GET", "/checkouts/{id}/history", "signed-in", ""),
    ("POST", "/checkouts/{id}/approve", "approver", "{}"),
    ("POST", "/checkouts/{id}/deny", "approver", "{}"),
    ("POST", "/checkouts/{id}/revoke", "approver", "{}"),
    ("POST", "/checkouts/{id}/check-in", "party", "{}"),
    ("POST", "/checkouts/{id}/cancel", "requester", "{}"),
    (
        "POST",
        "/checkouts/{id}/extend",
        "requester",
        r#"{"duration":"1h"}"#,
    ),
    (
        "POST",
        "/checkouts/{id}/assign",
        "approver",
        r#"{"to":"bob"}"#,
    ),
    ("POST", "/checkouts/{id}/rdp", "requester", ""),
    ("POST", "/checkouts/{id}/desktop", "requester", ""),
    ("GET", "/checkouts/{id}/desktop", "requester", ""),
    ("POST", "/checkouts/{id}/reveal", "revealer", ""),
    ("GET", "/sessions", "signed-in", ""),
    ("GET", "/sessions/{id}", "signed-in", ""),
    ("GET", "/sessions/{id}/files", "signed-in", ""),
    ("POST", "/sessions/{id}/kill", "party", "{}"),
    ("GET", "/recordings", "signed-in", ""),
    ("GET", "/recordings/search", "signed-in", ""),
    ("GET", "/recordings/{id}", "signed-in", ""),
    ("GET", "/recordings/{id}/content", "signed-in", ""),
    ("GET", "/recordings/{id}/frames", "signed-in", ""),
    ("GET", "/recordings/{id}/still", "signed-in", ""),
    ("GET", "/recordings/{id}/export", "signed-in", ""),
    ("GET", "/recordings/{id}/verify", "signed-in", ""),
    ("GET", "/audit", "auditor", ""),
    ("GET", "/audit/verify", "auditor", ""),
    ("GET", "/audit/export", "auditor", ""),
    ("GET", "/events", "signed-in", ""),
    ("GET", "/openapi.json", "open", ""),
    ("GET", "/standing", "auditor", ""),
    ("GET", "/channels", "auditor", ""),
    (
        "POST",
        "/channels",
        "admin",
        r#"{"name":"soc","kind":"webhook","hook":{"url":"https://soc.example.org/"}}"#,
    ),
    ("GET", "/channels/{name}", "auditor", ""),
    ("PATCH", "/channels/{name}", "admin", "{}"),
    ("DELETE", "/channels/{name}", "admin", ""),
    ("POST", "/channels/{name}/test", "admin", ""),
    ("GET", "/deliveries", "auditor", ""),
    ("GET", "/deliveries/{id}", "auditor", ""),
    ("POST", "/deliveries/{id}/retry", "admin", ""),
    ("GET", "/me/notices", "signed-in", ""),
    ("PUT", "/me/notices", "oneself", r#"{"muted":[]}"#),
];

const KEY: &str = r#"{"public_key":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILOX86LQbdcCN6NsebNXgfA/ruPzeGKUTuL6sV3WFF/d"}"#;

fn body(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn method(text: &str) -> Method {
    text.parse().unwrap()
}

#[test]
fn every_route_is_written_down_with_its_class() {
    let served: BTreeSet<_> = routes::table()
        .iter()
        .map(|route| {
            let spec = route.spec();
            (spec.method.to_string(), spec.path, spec.class.name())
        })
        .collect();
    let expected: BTreeSet<_> = EXPECTED
        .iter()
        .map(|(method, path, class, _)| ((*method).to_owned(), *path, *class))
        .collect();
    let missing: Vec<_> = served.symmetric_difference(&expected).collect();
    assert!(
        missing.is_empty(),
        "in one and not in the other: {missing:#?}"
    );
}

#[test]
fn every_open_route_says_why() {
    for route in routes::table() {
        if let Class::Open { why } = route.spec().class {
            assert!(why.len() > 20, "{}", route.spec().path);
        }
    }
}

#[tokio::test]
async fn the_document_names_every_route_and_no_other() {
    let house = House::new().await;
    let answer = house
        .send(Method::GET, "/openapi.json", None, None)
        .await
        .is(200);
    assert_eq!(answer.json["openapi"], "3.1.0");
    let mut described = BTreeSet::new();
    for (path, item) in answer.json["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            described.insert((
                method.to_uppercase(),
                path.strip_prefix(BASE).unwrap().to_owned(),
            ));
        }
    }
    let served: BTreeSet<_> = EXPECTED
        .iter()
        .map(|(method, path, ..)| ((*method).to_owned(), (*path).to_owned()))
        .collect();
    assert_eq!(described, served);
    let schemas = &answer.json["components"]["schemas"];
    dangling(&answer.json, schemas);
    // A name without its parameters is the name of several things.
    for generic in ["BTreeSet", "BTreeMap", "Vec", "Option", "List"] {
        assert!(schemas.get(generic).is_none(), "{generic} is no noun");
    }
}

/// It is in the repository, so that the console can be built where no gateway runs.
#[test]
fn the_console_is_made_of_this_document() {
    let document = openapi::document(BASE, &routes::table());
    let served = document.to_pretty_json().unwrap() + "\n";
    let kept = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("web/openapi.json");
    if std::env::var_os("DOORWARD_WRITE").is_some() {
        std::fs::write(&kept, &served).unwrap();
    }
    let kept = std::fs::read_to_string(&kept).unwrap_or_default();
    // Not shown as a difference: both are thousands of lines.
    assert!(
        kept == served,
        "web/openapi.json is not what the gateway serves: `make openapi` writes it anew"
    );
}

/// Every reference leads to a schema that is there.
fn dangling(value: &Value, schemas: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                let name = reference.rsplit('/').next().unwrap();
                assert!(schemas.get(name).is_some(), "{reference} leads nowhere");
            }
            fields.values().for_each(|value| dangling(value, schemas));
        }
        Value::Array(items) => items.iter().for_each(|value| dangling(value, schemas)),
        _ => {}
    }
}

#[tokio::test]
async fn without_a_living_token_there_is_nothing() {
    let house = House::new().await;
    let (user, signed_out) = house.somebody("alice", &Role::ALL).await;
    house
        .post("/sign-out", &signed_out, json!({}))
        .await
        .is(204);
    let short = house
        .narrow_token(&user, Scope::ALL.into_iter().collect(), Span::minutes(1))
        .await;
    let (disabled, of_disabled) = house.somebody("eve", &Role::ALL).await;
    house.clock.advance(std::time::Duration::from_secs(61));
    let admin = house.token(&user).await;
    house
        .post("/users/eve/disable", &admin, json!({}))
        .await
        .is(200);
    assert!(!disabled.disabled, "as it was made");

    for (verb, path, class, fitting) in EXPECTED {
        let path = path.replace("{id}", "01ARZ3NDEKTSV4RRFFQ69G5FAV");
        let path = path.replace(['{', '}'], "");
        let tokens = [
            None,
            Some("junk"),
            Some("dw_0000000000000000000000000000000000000000000000000000"),
            Some(signed_out.as_str()),
            Some(short.as_str()),
            Some(of_disabled.as_str()),
        ];
        for token in tokens.into_iter().filter(|_| *class != "open") {
            let answer = house.send(method(verb), &path, token, body(fitting)).await;
            let answer = answer.refused(401, "unauthenticated");
            assert!(answer.headers.contains_key("www-authenticate"));
        }
    }
    assert!(house.audited("api.refuse", "unauthenticated").await > 0);
}

#[tokio::test]
async fn in_the_wrong_role_everything_is_forbidden_and_written_down() {
    let house = House::new().await;
    let mut tokens = Vec::new();
    for role in Role::ALL {
        tokens.push((role, house.somebody(role.as_str(), &[role]).await.1));
    }
    let mut forbidden = 0;
    for route in routes::table() {
        let spec = route.spec().clone();
        let roles = spec.class.roles();
        let (.., fitting) = EXPECTED.iter().find(|it| it.1 == spec.path).unwrap();
        for (role, token) in &tokens {
            if roles.is_empty() || roles.contains(role) {
                continue;
            }
            let path = spec.path.replace("{id}", "01ARZ3NDEKTSV4RRFFQ69G5FAV");
            let path = path.replace(['{', '}'], "");
            let answer = house
                .send(spec.method.clone(), &path, Some(token), body(fitting))
                .await;
            answer.refused(403, "not-allowed");
            forbidden += 1;
        }
    }
    assert!(forbidden > 80, "{forbidden}");
    assert_eq!(house.audited("api.refuse", "not-allowed").await, forbidden);
}

#[tokio::test]
async fn a_token_that_only_reads_changes_nothing() {
    let house = House::new().await;
    let user = house.user("alice", &Role::ALL).await;
    let token = house
        .narrow_token(&user, [Scope::Read].into_iter().collect(), Span::hours(1))
        .await;
    for (verb, path, class, fitting) in EXPECTED {
        let safe = *class == "open" || *verb == "GET" || *path == "/sign-out";
        if safe {
            continue;
        }
        let path = path.replace("{id}", "01ARZ3NDEKTSV4RRFFQ69G5FAV");
        let path = path.replace(['{', '}'], "");
        let answer = house
            .send(method(verb), &path, Some(&token), body(fitting))
            .await;
        answer.refused(403, "not-allowed");
    }
}

#[tokio::test]
async fn what_belongs_to_another_is_not_there() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let (alice, of_alice) = house.somebody("alice", &[Role::Requester]).await;
    let (_, carol) = house.somebody("carol", &[Role::Requester]).await;
    let (_, dave) = house.somebody("dave", &[Role::Approver]).await;
    // Only members of `dba` may answer, and dave is none.
    house
        .post("/groups", &admin, json!({"name": "dba"}))
        .await
        .is(201);
    house
        .post(
            "/groups",
            &admin,
            json!({"name": "ops", "members": ["alice"]}),
        )
        .await
        .is(201);
    let terms = json!({"approvals": [{"votes": 1, "groups": ["dba"]}], "requesters": ["ops"],
        "self_approval": "always", "grant_without_request": true});
    house.place(&admin, terms).await;
    let asked = json!({"target": "db1", "reason": "disk", "ticket": "CHG1"});
    let asked = house.post("/checkouts", &of_alice, asked).await.is(201);
    let checkout = asked.json["id"].as_str().unwrap().to_owned();
    let (session, recording) = house.live_session(&alice, &asked.json).await;
    let tokens = house.get("/me/tokens", &of_alice).await;
    let token = tokens.json["items"][0]["id"].as_str().unwrap().to_owned();

    let mut tried = 0;
    for (verb, path, class, fitting) in EXPECTED.iter().filter(|it| it.1.contains('{')) {
        let noun = path.split('/').nth(1).unwrap();
        let id = match noun {
            "checkouts" => checkout.as_str(),
            "sessions" => session.as_str(),
            "recordings" => recording.as_str(),
            "me" => token.as_str(),
            _ => "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        };
        let known = if noun == "targets" && *class == "signed-in" {
            "db1"
        } else {
            "nobody"
        };
        let path = path
            .replace("{id}", id)
            .replace("{name}", known)
            .replace("{fingerprint}", "SHA256:nothing");
        let by = match *class {
            "admin" | "auditor" => &admin,
            "approver" => &dave,
            _ => &carol,
        };
        let answer = house
            .send(method(verb), &path, Some(by), body(fitting))
            .await;
        assert_eq!(answer.status, 404, "{verb} {path}: {}", answer.text);
        assert_eq!(answer.json["code"], "not-found", "{verb} {path}");
        tried += 1;
    }
    assert!(tried > 30, "{tried}");

    // In lists as well; and an unknown one is told in the same words.
    for list in ["/checkouts", "/sessions", "/recordings", "/targets"] {
        for token in [&carol, &dave] {
            let answer = house.get(list, token).await.is(200);
            assert_eq!(answer.json["items"], json!([]), "{list}");
        }
        let answer = house.get(list, &of_alice).await.is(200);
        assert_eq!(answer.json["items"].as_array().unwrap().len(), 1, "{list}");
    }
    let foreign = house
        .get(&format!("/checkouts/{checkout}"), &carol)
        .await
        .is(404);
    let invented = house
        .get("/checkouts/01ARZ3NDEKTSV4RRFFQ69G5FAV", &carol)
        .await
        .is(404);
    let nonsense = house.get("/checkouts/%20x", &carol).await.is(404);
    assert_eq!(foreign.text, invented.text);
    assert_eq!(foreign.text, nonsense.text);
}

impl House {
    /// Makes the check-out active and puts a session and a recording under it.
    async fn live_session(
        &self,
        user: &crate::model::user::User,
        checkout: &Value,
    ) -> (String, String) {
        let id = checkout["id"].as_str().unwrap().parse().unwrap();
        let mut found = store::checkout::by_id(&self.store, &id).await.unwrap();
        let version = found.version;
        let now = self.clock.now();
        let grant = crate::model::checkout::Window {
            starts_at: now,
            ends_at: now + Span::hours(1),
        };
        found.state = crate::model::checkout::State::Active { grant };
        found.version += 1;
        let session = SessionRow {
            id: SessionId::new(now, entropy()),
            checkout: found.id.clone(),
            user: user.id.clone(),
            target: found.target.clone(),
            account: found.account.clone(),
            protocol: Protocol::Ssh,
            node: NodeId::new(now, entropy()),
            peer: "192.0.2.9:1".to_owned(),
            client: "OpenSSH".to_owned(),
            opened_at: now,
            closed_at: None,
            outcome: None,
            message: String::new(),
            bytes_in: 0,
            bytes_out: 0,
        };
        let recording = Recording {
            id: RecordingId::new(now, entropy()),
            session: session.id.clone(),
            checkout: found.id.clone(),
            kind: "terminal".to_owned(),
            file: "one.cast".to_owned(),
            started_at: now,
            finished_at: None,
            bytes: 0,
            root: None,
            failure: None,
            keep_until: None,
            deleted_at: None,
        };
        let mut tx = self.store.begin().await.unwrap();
        store::checkout::update(&mut tx, &found, version)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let mut tx = self.store.begin().await.unwrap();
        let opened = store::session::open(&mut tx, &session, None).await.unwrap();
        assert_eq!(opened, store::session::Opening::Opened);
        let key = store::recording::KeyRow {
            wrapped_key: vec![1],
            kek_id: "other".to_owned(),
        };
        store::recording::insert(&mut tx, &recording, &key)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        (session.id.to_string(), recording.id.to_string())
    }
}
