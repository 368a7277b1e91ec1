//! Chromium, as people use it: signs in, asks, waits, sees the page, is cut off, reads why. And
//! what it keeps and sends holds nothing of the target's.

use serde_json::json;

use crate::{
    nginx::{Nginx, SECRET, basic, secret},
    support::{Gateway, PASSWORD, text},
    window::{Window, holding},
};

#[tokio::test]
async fn p3_p10_chromium_signs_in_asks_is_served_cut_off_and_told_why() {
    let (gateway, nginx, window) = tokio::join!(Gateway::start(), Nginx::start(), Window::open());
    gateway.enter_web(nginx.target("wiki"), secret()).await;
    let (_, bob) = gateway.people().await;

    let url = format!(
        "https://wiki.door.localhost:{}/index.html?x=1",
        gateway.web.port()
    );
    window.go(&url).await;
    window.until_it_says("Sign in").await;
    assert!(
        !window.url().await.contains("wiki.door.localhost:"),
        "on the console's host"
    );
    window.write("#user", "alice").await;
    window.write("#password", "wrong").await;
    window.press("button").await;
    window.until_it_says("do not open anything").await;
    window.write("#password", PASSWORD).await;
    window.press("button").await;
    window.until_it_says("Ask for wiki").await;
    assert_eq!(window.url().await, url);

    window.write("#ticket", "CHG0012345").await;
    window.write("#reason", "look it up").await;
    window.press("form[action='/.doorward/ask'] button").await;
    let waits = window.until_it_says("may approve it").await;
    assert!(waits.contains("CHG0012345"), "{waits}");
    let listed = gateway.get(&gateway.root, "/checkouts").await;
    let id = text(&listed["items"][0]["id"]);
    gateway.answer(&bob, &id, "approve", "").await;
    // Nobody touches the window: it goes on by itself.
    window.until_it_says("the wiki").await;
    assert_eq!(window.url().await, url);
    assert_eq!(
        window.run("return document.cookie").await,
        "",
        "no script sees a cookie"
    );
    let html = window
        .run("return document.documentElement.outerHTML")
        .await;

    gateway
        .answer(&bob, &id, "revoke", "maintenance is over")
        .await;
    window.go(&url).await;
    window
        .until_it_says("revoked by bob: maintenance is over")
        .await;
    window
        .press("form[action='/.doorward/sign-out'] button")
        .await;
    window.until_it_says("Signed out").await;
    window.go(&url).await;
    window.until_it_says("Password").await;

    let traffic = window.traffic().await;
    assert!(
        traffic.contains("/.doorward/enter?code=dwh_"),
        "it was listened to"
    );
    let basic = basic();
    for needle in [SECRET, &basic] {
        assert!(!traffic.contains(needle), "in what it sent or got");
        assert!(!html.to_string().contains(needle), "on the page");
    }
    let profile = window.close().await;
    let (looked_at, found) = holding(profile.path(), &[SECRET, &basic]);
    assert!(looked_at > 10, "there is a profile to look at");
    assert!(found.is_empty(), "{found:?}");
    let log = nginx.log();
    assert!(
        log.lines()
            .any(|line| line.starts_with("ops GET /index.html?x=1 200")),
        "{log}"
    );
    assert!(log.lines().all(|line| line.ends_with("cookie=-")), "{log}");
}

#[tokio::test]
async fn chromium_shows_how_long_access_lasts_and_that_it_is_over() {
    let (gateway, nginx, window) = tokio::join!(Gateway::start(), Nginx::start(), Window::open());
    gateway.enter_web(nginx.target("wiki"), secret()).await;
    gateway.under("wiki", json!({ "page_banner": true })).await;
    let (alice, bob) = gateway.people().await;
    let id = gateway.check_out(&alice, &bob, "wiki").await;
    let port = gateway.web.port();
    window
        .go(&format!("https://wiki.door.localhost:{port}/index.html"))
        .await;
    window.until_it_says("Sign in").await;
    window.write("#user", "alice").await;
    window.write("#password", PASSWORD).await;
    window.press("button").await;
    window.until_it_says("the wiki").await;
    let says = |text: &str| {
        format!(
            "return document.querySelector('doorward-banner')?.shadowRoot?.textContent\
             .includes('{text}') ?? false"
        )
    };
    let running = says("Access ends in");
    window.until("how long it lasts", &running).await;
    gateway.answer(&bob, &id, "revoke", "over").await;
    // Looks when somebody comes back to the window, else four times a minute.
    window
        .run("document.dispatchEvent(new Event('visibilitychange'))")
        .await;
    let over = says("Access has ended");
    window.until("that it is over", &over).await;
}
