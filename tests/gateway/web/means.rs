//! Certificates and tokens: what a session signs in with beyond a password in each request.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Scene,
    apps::{App, Own},
    nginx::{Nginx, SECRET},
    scene, secret_is_nowhere, seen,
};

/// A client certificate of `authority`, as an account's secret.
fn issued(authority: &rcgen::CertifiedIssuer<'_, rcgen::KeyPair>, name: &str) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    let certificate = params.signed_by(&key, authority).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn authority(name: &str) -> rcgen::CertifiedIssuer<'static, rcgen::KeyPair> {
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap()
}

async fn enter(scene: &Scene, port: u16, pin: &str, sign_in: Value, secret: Value) -> Value {
    let target = json!({
        "name": "other", "address": format!("127.0.0.1:{port}"), "host_keys": [pin],
        "web": { "tls": true, "host": "localhost", "sign_in": sign_in },
    });
    scene.gateway.enter_web(target, secret).await
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_the_target_and_to_nobody_else() {
    let scene = scene().await;
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let own = Own::of("localhost");
    let nginx =
        Nginx::start_with_client_certificates(&own.certificate, &own.key, &ours.pem()).await;
    let (certificate, key) = issued(&ours, "ops");
    let secret = |value: &str| json!({ "kind": "client-certificate", "value": value });
    let sign_in = json!({ "by": "client-certificate" });
    let account = enter(
        &scene,
        nginx.port,
        &own.pin,
        sign_in,
        secret(&format!("{certificate}{key}")),
    )
    .await;
    assert_eq!(account["secret"], "client-certificate");

    // What does not fit is said when it is set.
    let (_, other_key) = issued(&ours, "ops");
    let path = format!("/accounts/{}/secret", account["id"].as_str().unwrap());
    for (wrong, why) in [
        (
            format!("{certificate}{other_key}"),
            "does not belong to the first certificate",
        ),
        (certificate.clone(), "the private key is expected in PEM"),
        ("hunter22".to_owned(), "the certificate is expected in PEM"),
    ] {
        let (root, body) = (&scene.gateway.root, secret(&wrong));
        let (status, problem) = scene
            .gateway
            .call(root, Method::PUT, &path, Some(body))
            .await;
        assert_eq!(status, 422, "{problem}");
        assert!(problem.to_string().contains(why), "{problem}");
    }

    scene.approved("other").await;
    for flag in ["--http1.1", "--http2"] {
        let mut curl = scene.curl();
        curl.arg(flag);
        let served = seen(curl, &scene.url("other", "/hello.txt")).await;
        assert_eq!(served.status, 200, "{served:?}\n{}", nginx.log());
    }
    assert!(nginx.log().contains("shown=CN=ops"), "{}", nginx.log());
    assert_eq!(nginx.log().lines().count(), 2);
    secret_is_nowhere(&scene).await;
    let key_line = key.lines().nth(1).unwrap();
    assert!(!scene.gateway.log().join("\n").contains(key_line));

    // One of another authority: the target's own no, and no way around it.
    let (certificate, key) = issued(&theirs, "ops");
    let body = secret(&format!("{certificate}{key}"));
    scene
        .gateway
        .must(&scene.gateway.root, Method::PUT, &path, body)
        .await;
    let sessions = scene.sessions().await;
    for session in sessions {
        let path = format!("/sessions/{}/kill", session["id"].as_str().unwrap());
        scene.gateway.post(&scene.bob.token, &path, json!({})).await;
    }
    let refused = scene.get("other", "/hello.txt").await;
    assert_eq!(refused.status, 400, "{refused:?}");
}

#[tokio::test]
async fn a_certificate_is_shown_over_tls_only_and_only_where_there_is_one() {
    let scene = scene().await;
    let root = &scene.gateway.root;
    let patch = json!({ "web": { "tls": false, "sign_in": { "by": "client-certificate" } } });
    let (status, problem) = scene
        .gateway
        .call(root, Method::PATCH, "/targets/wiki", Some(patch))
        .await;
    assert_eq!(status, 422, "{problem}");
    let own = Own::of("localhost");
    let nginx = Nginx::start_with_tls(&own.certificate, &own.key).await;
    let password = json!({ "kind": "password", "value": SECRET });
    let sign_in = json!({ "by": "client-certificate" });
    enter(&scene, nginx.port, &own.pin, sign_in, password).await;
    scene.approved("other").await;
    let refused = scene.get("other", "/hello.txt").await;
    assert_eq!(refused.status, 502, "{refused:?}");
    assert_eq!(refused.problem()["code"], "no-credential");
    assert_eq!(nginx.log(), "");
}

/// The API with its token's server, and what is told of it.
async fn api(scene: &Scene, seconds: &str, more: Value) -> App {
    let own = Own::of("localhost");
    let app = App::start("oauth.py", &own, &[seconds]).await;
    let mut sign_in = json!({
        "by": "client-credentials", "scope": "read",
        "token_url": format!("https://127.0.0.1:{}/oauth/token", app.port),
    });
    for (name, value) in more.as_object().unwrap() {
        sign_in[name] = value.clone();
    }
    let secret = json!({ "kind": "password", "value": SECRET });
    enter(scene, app.port, &own.pin, sign_in, secret).await;
    app
}

#[tokio::test]
async fn a_token_is_fetched_once_and_again_when_the_target_takes_it_no_more() {
    let scene = scene().await;
    let app = api(&scene, "600", json!({})).await;
    let id = scene.approved("other").await;
    assert_eq!(
        app.journal().len(),
        0,
        "nothing is fetched before it is needed"
    );
    let urls: Vec<_> = (0..8)
        .map(|n| scene.url("other", &format!("/api/{n}")))
        .collect();
    let gets = urls.iter().map(|url| seen(scene.curl(), url));
    for served in futures::future::join_all(gets).await {
        assert_eq!(served.status, 200, "{served:?}");
    }
    assert_eq!(
        app.noted("proof client_secret_basic"),
        1,
        "{:?}",
        app.journal()
    );
    assert_eq!(app.noted("gave "), 1, "{:?}", app.journal());

    app.post("/forget").await;
    let served = scene.get("other", "/api/again").await;
    assert_eq!(served.status, 200, "{served:?}");
    assert_eq!(app.noted("gave "), 2);

    // What has a body cannot be sent twice, and so it is asked for again.
    app.post("/forget").await;
    let post = || {
        let mut curl = scene.curl();
        curl.args(["--data-binary", "twelve bytes"]);
        curl
    };
    let url = scene.url("other", "/api/posted");
    let renewed = seen(post(), &url).await;
    assert_eq!(renewed.status, 503, "{renewed:?}");
    assert_eq!(renewed.problem()["code"], "sign-in-renewed");
    assert_eq!(seen(post(), &url).await.status, 200);
    assert_eq!(app.noted("POST posted 12"), 1, "{:?}", app.journal());

    let tokens: Vec<String> = app
        .journal()
        .iter()
        .filter_map(|line| Some(line.strip_prefix("gave ")?.split(' ').next()?.to_owned()))
        .collect();
    assert_eq!(tokens.len(), 3);
    scene.revoke(&id).await;
    secret_is_nowhere(&scene).await;
    let log = scene.gateway.log().join("\n");
    assert!(
        tokens.iter().all(|token| !log.contains(token)),
        "a token is in the log"
    );
}

#[tokio::test]
async fn a_token_is_replaced_before_it_expires() {
    let scene = scene().await;
    let app = api(&scene, "1", json!({ "proof": "body" })).await;
    scene.approved("other").await;
    scene
        .gateway
        .eventually("a second token", async || {
            let served = scene.get("other", "/api/a").await;
            assert_eq!(served.status, 200, "{served:?}");
            (app.noted("proof client_secret_post") > 1).then_some(())
        })
        .await;
}

#[tokio::test]
async fn who_gives_no_token_is_named_and_not_asked_at_every_request() {
    let scene = scene().await;
    let app = api(&scene, "600", json!({})).await;
    scene.with_a_wrong_secret("other").await;
    scene.approved("other").await;
    for _ in 0..3 {
        let refused = scene.get("other", "/api/a").await;
        assert_eq!(refused.status, 502, "{refused:?}");
        let problem = refused.problem();
        assert_eq!(problem["code"], "sign-in-failed", "{problem}");
        assert_eq!(
            problem["detail"],
            "the gateway could not sign in to other: the server of its token refused: invalid_client"
        );
    }
    assert_eq!(
        app.noted("asked"),
        1,
        "asked once in a while: {:?}",
        app.journal()
    );
    let failed = |event: &Value| event["event"]["kind"] == "web.sign-in";
    scene.gateway.audit_event(failed).await;
}

#[tokio::test]
async fn the_server_of_a_token_proves_what_is_pinned_or_hears_nothing() {
    let scene = scene().await;
    let pins = json!({ "pins": [Own::of("localhost").pin] });
    let app = api(&scene, "600", pins).await;
    scene.approved("other").await;
    let refused = scene.get("other", "/api/a").await;
    assert_eq!(refused.status, 502, "{refused:?}");
    let detail = refused.problem()["detail"].to_string();
    assert!(
        detail.contains("did not prove that it is the one that is pinned"),
        "{detail}"
    );
    assert_eq!(app.journal().len(), 0);
    for wrong in [
        json!({ "by": "client-credentials", "token_url": "http://127.0.0.1/token" }),
        json!({ "by": "client-credentials" }),
        json!({ "by": "client-credentials", "token_url": "https://a/token", "scope": "a\"b" }),
    ] {
        let patch = json!({ "web": { "tls": true, "sign_in": wrong } });
        let (status, problem) = scene
            .gateway
            .call(
                &scene.gateway.root,
                Method::PATCH,
                "/targets/other",
                Some(patch),
            )
            .await;
        assert_eq!(status, 422, "{problem}");
    }
}
