//! The admin endpoint over its real socket: TLS, HTTP/2, bounds, streams, and what it cuts.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use reqwest::{Method, StatusCode, Version};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    scene::{Scene, scene},
    seen::{ended, shown, within},
    support::{Gateway, PASSWORD, PATIENCE, text},
};

fn client(gateway: &Gateway) -> reqwest::ClientBuilder {
    let pem = std::fs::read(gateway.ca()).unwrap();
    reqwest::Client::builder()
        .tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem).unwrap())
        .resolve("localhost", gateway.admin)
        .timeout(PATIENCE)
}

#[tokio::test]
async fn adversarial_42_nothing_answers_without_a_login() {
    let gateway = Gateway::start().await;
    let document = gateway.get("", "/openapi.json").await;
    let mut open = BTreeSet::new();
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.strip_prefix("/api/v1").unwrap();
        for verb in item.as_object().unwrap().keys() {
            let method: Method = verb.to_uppercase().parse().unwrap();
            let address = path.replace(['{', '}'], "");
            tried += 1;
            for token in ["", "dw_0000000000000000000000000000000000000000000"] {
                let (status, answer) = gateway.call(token, method.clone(), &address, None).await;
                match status {
                    StatusCode::UNAUTHORIZED => {
                        assert_eq!(answer["code"], "unauthenticated", "{method} {path}");
                    }
                    // So many guesses from one address are slowed; without one it is not.
                    StatusCode::TOO_MANY_REQUESTS if !token.is_empty() => {
                        assert_eq!(answer["code"], "rate-limited", "{method} {path}");
                    }
                    _ => {
                        open.insert(format!("{method} {path}"));
                    }
                }
            }
        }
    }
    assert!(tried > 60, "{tried}");
    // The second half of a sign-in is shown what the first half gave out, and refuses the rest.
    let expected = [
        "GET /jwks",
        "GET /openapi.json",
        "POST /bootstrap",
        "POST /sign-in",
        "POST /sign-in/app",
        "POST /sign-in/passkey",
        "POST /sign-in/second",
    ];
    assert_eq!(open, expected.map(str::to_owned).into());
}

#[tokio::test]
async fn a_target_that_one_may_not_ask_for_is_told_as_one_that_is_not_there() {
    let scene = scene().await;
    let gateway = &scene.gateway;
    let dba = json!({ "name": "dba" });
    gateway.post(&gateway.root, "/groups", dba).await;
    scene.under(json!({ "requesters": ["dba"] })).await;
    let mut told = Vec::new();
    for target in ["db1", "db9"] {
        let ask = json!({ "target": target, "reason": "disk is full", "ticket": "CHG0012345" });
        let token = &scene.alice.token;
        let (status, answer) = gateway
            .call(token, Method::POST, "/checkouts", Some(ask))
            .await;
        told.push((status, answer.to_string().replace(target, "TARGET")));
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn it_speaks_http_2_and_1_over_tls_and_nothing_in_clear() {
    let gateway = Gateway::start().await;
    let url = format!("{}/api/v1/openapi.json", gateway.url());
    let two = client(&gateway)
        .build()
        .unwrap()
        .get(&url)
        .send()
        .await
        .unwrap();
    assert_eq!(two.version(), Version::HTTP_2);
    assert_eq!(two.headers()["x-content-type-options"], "nosniff");
    assert_eq!(two.headers()["cache-control"], "no-store");
    let one = client(&gateway)
        .http1_only()
        .build()
        .unwrap()
        .get(&url)
        .send()
        .await
        .unwrap();
    assert_eq!(one.version(), Version::HTTP_11);

    let mut clear = TcpStream::connect(gateway.admin).await.unwrap();
    clear
        .write_all(b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut told = Vec::new();
    // An alert or a reset; never an answer.
    within("the end", clear.read_to_end(&mut told)).await.ok();
    assert!(!told.starts_with(b"HTTP/"), "{told:?}");
}

#[tokio::test]
async fn who_says_nothing_is_not_waited_for() {
    let gateway = Gateway::start().await;
    let mut silent = TcpStream::connect(gateway.admin).await.unwrap();
    let mut told = Vec::new();
    within("the end", silent.read_to_end(&mut told)).await.ok();
    assert!(told.is_empty());
    gateway.get(&gateway.root, "/me").await;
}

#[tokio::test]
async fn adversarial_43_guessing_is_slowed_and_others_are_not_locked_out() {
    let gateway = Gateway::start_with("limits.sign_ins_per_account = 4").await;
    for name in ["alice", "bob"] {
        let user = json!({"name": name, "roles": ["requester"], "password": PASSWORD});
        gateway.post(&gateway.root, "/users", user).await;
    }
    let sign_in = async |user: &str, password: &str| {
        let body = json!({"user": user, "password": password});
        gateway.call("", Method::POST, "/sign-in", Some(body)).await
    };
    let mut slowed = None;
    for _ in 0..8 {
        let (status, answer) = sign_in("alice", "guess").await;
        if status == StatusCode::TOO_MANY_REQUESTS {
            slowed = Some(answer);
            break;
        }
        assert_eq!(answer["code"], "sign-in-failed");
    }
    assert_eq!(slowed.expect("it is slowed")["code"], "rate-limited");
    // Also with the right password, so that a guess tells nothing while it is slowed.
    assert_eq!(
        sign_in("alice", PASSWORD).await.0,
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(sign_in("bob", PASSWORD).await.0, StatusCode::OK);
}

#[tokio::test]
async fn watchers_are_told_and_let_go_when_the_gateway_stops() {
    let mut gateway = Gateway::start().await;
    let url = format!("{}/api/v1/events", gateway.url());
    let client = client(&gateway).build().unwrap();
    let response = client
        .get(url)
        .bearer_auth(&gateway.root)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut events = response.bytes_stream();
    gateway
        .post(&gateway.root, "/groups", json!({"name": "dba"}))
        .await;
    let first = within("an event", events.next()).await.unwrap();
    assert_eq!(first.unwrap(), "event: group\ndata: {\"id\":\"dba\"}\n\n");
    let status = gateway.terminate().await;
    assert!(status.success(), "{status}");
    // The rest of the stream, which ends.
    let rest = async { while let Some(Ok(_)) = events.next().await {} };
    within("the end", rest).await;
}

#[tokio::test]
async fn adversarial_44_a_disabled_user_loses_sessions_and_tokens() {
    let scene = scene().await;
    let Scene { gateway, alice, .. } = &scene;
    scene.approved().await;
    let live = scene.live().await;
    gateway.disable("alice").await;
    let told = ended(live).await.stderr;
    assert!(told.contains("Access ended: "), "{told}");
    let (status, _) = gateway.call(&alice.token, Method::GET, "/me", None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let (status, answer) = gateway
        .call(
            &gateway.root,
            Method::POST,
            "/users/root/disable",
            Some(json!({})),
        )
        .await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::CONFLICT, &json!("last-admin"))
    );
}

#[tokio::test]
async fn one_session_is_killed_with_a_word_and_its_recording_is_played() {
    let scene = scene().await;
    let (gateway, bob) = (&scene.gateway, &scene.bob);
    let carol = gateway.person("carol", &["requester"]).await;
    let asked = gateway.ask(&scene.alice, "db1").await;
    // A check-out answers to its code as to its id.
    let code = text(&asked["code"]);
    scene.answer(&code, "approve", "").await;
    let live = scene.ssh(&["echo to-be-seen; sleep 600"]).spawn();
    let mut live = live.unwrap();
    shown(&mut live, 11).await;
    let sessions = gateway.get(&bob.token, "/sessions?live=true").await;
    let id = text(&sessions["items"][0]["id"]);
    assert_eq!(sessions["items"][0]["user_name"], "alice");
    let kill = format!("/sessions/{id}/kill");
    let (status, _) = gateway
        .call(&carol.token, Method::POST, &kill, Some(json!({})))
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    gateway
        .post(&bob.token, &kill, json!({"message": "wrong host"}))
        .await;
    let told = ended(live).await.stderr;
    assert!(
        told.contains("this session was closed by bob: wrong host"),
        "{told}"
    );
    let path = format!("/checkouts/{}", text(&asked["id"]));
    let checkout = gateway.get(&scene.alice.token, &path).await;
    assert_eq!(checkout["status"], "active", "its check-out lives on");

    let recording = gateway
        .eventually("the recording", async || {
            let list = gateway.get(&bob.token, "/recordings").await;
            let finished = list["items"][0]["finished_at"].is_string();
            finished.then(|| text(&list["items"][0]["id"]))
        })
        .await;
    let content = format!("/recordings/{recording}/content");
    let played = gateway.get(&bob.token, &content).await;
    let Value::String(played) = played else {
        panic!("asciicast is lines: {played}")
    };
    assert!(played.starts_with("{\"version\":2"), "{played}");
    assert!(played.contains("to-be-seen"), "{played}");
    let (status, _) = gateway
        .call(&carol.token, Method::GET, &content, None)
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    gateway
        .audit_event(|event| {
            event["event"]["kind"] == "recording.view"
                && event["event"]["actor"]["user"]["name"] == "bob"
        })
        .await;
}

#[tokio::test]
async fn operators_ask_beside_the_endpoint() {
    let gateway = Gateway::start().await;
    let client = reqwest::Client::new();
    let ask = async |path: &str| {
        let url = format!("http://{}{path}", gateway.metrics);
        let response = client.get(url).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    };
    assert_eq!(ask("/healthz").await.0, StatusCode::OK);
    assert_eq!(ask("/readyz").await.0, StatusCode::OK);
    let (status, metrics) = ask("/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(metrics.contains("# EOF"), "{metrics}");
    let (status, _) = gateway
        .call(&gateway.root, Method::GET, "/../metrics", None)
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
