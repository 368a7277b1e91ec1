//! Chromium at an application with a log-in form and a CSRF token, to which the gateway signs in.

use serde_json::json;

use crate::{
    apps::{App, Own},
    nginx::{SECRET, secret},
    support::{Gateway, text},
    window::{Window, holding},
};

#[tokio::test]
async fn p3_chromium_uses_an_application_behind_a_form_and_never_sees_the_form() {
    let own = Own::of("localhost");
    let (gateway, app, window) = tokio::join!(
        Gateway::start(),
        App::start("notes.py", &own, &[]),
        Window::open(),
    );
    let target = json!({
        "name": "notes", "address": format!("127.0.0.1:{}", app.port), "host_keys": [own.pin],
        "web": { "tls": true, "host": format!("localhost:{}", app.port), "sign_in": {
            "by": "form", "page": "/login", "token": "csrfmiddlewaretoken",
            "fields": { "username": "{login}", "password": "{secret}" },
            "success": { "location": "/notes", "cookie": "sessionid" },
            "log_out": { "path": "/logout", "method": "post", "page": "/notes" },
        } },
    });
    gateway.enter_web(target, secret()).await;
    let (_, bob) = gateway.people().await;

    let url = format!("https://notes.door.localhost:{}/notes", gateway.web.port());
    window.sign_in_and_ask(&url).await;
    let listed = gateway.get(&gateway.root, "/checkouts").await;
    let id = text(&listed["items"][0]["id"]);
    gateway.answer(&bob, &id, "approve", "").await;
    window.until_it_says("Notes of ops").await;
    assert_eq!(window.url().await, url);

    // Its own form, with its own CSRF token, as its page has it.
    window.write("input[name=note]", "milk").await;
    window.press("form:not([action]) button").await;
    let added = async || (app.noted("POST notes ops 'milk'") == 1).then_some(());
    gateway.eventually("the note", added).await;
    window.until_it_says("Notes of ops").await;
    assert_eq!(app.noted("in ops"), 1, "{:?}", app.journal());
    let cookies = window.cookies().await;
    assert!(
        !cookies.is_empty() && cookies.iter().all(|it| it.starts_with("__Host-doorward")),
        "the target's stay in the gateway: {cookies:?}"
    );

    gateway
        .answer(&bob, &id, "revoke", "maintenance is over")
        .await;
    window.go(&url).await;
    window
        .until_it_says("revoked by bob: maintenance is over")
        .await;
    let out = async || (app.noted("out ops") == 1).then_some(());
    gateway.eventually("the log-out", out).await;
    let traffic = window.traffic().await;
    assert!(traffic.contains("/notes"), "it was listened to");
    assert!(!traffic.contains(SECRET), "in what it sent or got");
    let profile = window.close().await;
    let (looked_at, found) = holding(profile.path(), &[SECRET]);
    assert!(looked_at > 10, "there is a profile to look at");
    assert!(found.is_empty(), "{found:?}");
}
