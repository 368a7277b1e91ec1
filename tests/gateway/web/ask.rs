//! Asked and waited in place: the form at the target's own address, the wait, and what is said
//! when it is over.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::{
    Scene, Seen, scene, secret_is_nowhere, seen,
    way::{Browser, hidden, location},
    within,
};
use crate::support::text;

/// A form of the ask page, sent from this origin.
async fn ask(browser: &Browser<'_>, origin: &str, fields: &[(&str, &str)]) -> Seen {
    let url = browser.scene.url("wiki", "/.doorward/ask");
    browser.send(origin, &url, fields).await
}

async fn checkouts(scene: &Scene) -> Vec<Value> {
    let page = scene.gateway.get(&scene.gateway.root, "/checkouts").await;
    page["items"].as_array().unwrap().clone()
}

const FIELDS: [(&str, &str); 4] = [
    ("to", "/hello.txt?a=1"),
    ("ticket", "CHG0012345"),
    ("reason", "look it up"),
    ("duration", "30m"),
];

#[tokio::test]
async fn asked_in_place_waited_for_and_gone_on_to_the_address_that_was_opened() {
    let scene = scene().await;
    let browser = Browser::new(&scene);
    let (own, url) = (scene.url("wiki", ""), scene.url("wiki", "/hello.txt?a=1"));
    browser.sign_in(&url).await;
    let page = browser.open(&url).await;
    assert_eq!(page.status, 403, "{page:?}");
    assert!(page.body.contains("<h1>Ask for wiki</h1>"), "{page:?}");
    assert_eq!(hidden(&page, "to"), "/hello.txt?a=1");
    for field in ["ticket", "reason", "duration"] {
        assert!(page.body.contains(&format!("name=\"{field}\"")), "{field}");
    }
    assert!(page.body.contains("up to 8h") && page.body.contains("value=\"1h\""));
    assert!(
        page.head.to_lowercase().contains("form-action 'self'"),
        "{page:?}"
    );

    // What the policy does not take comes back with what was written.
    let mut without = FIELDS;
    without[1] = ("ticket", "");
    without[2] = ("reason", "<b>look</b>");
    let again = ask(&browser, &own, &without).await;
    assert_eq!(again.status, 422, "{again:?}");
    assert!(again.body.contains("role=\"alert\""), "{again:?}");
    assert!(again.body.contains("&lt;b&gt;look&lt;/b&gt;"), "{again:?}");
    assert!(checkouts(&scene).await.is_empty());

    assert_eq!(location(&ask(&browser, &own, &FIELDS).await), url);
    let asked = checkouts(&scene).await;
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0]["ticket"], "CHG0012345");
    assert_eq!(asked[0]["duration"], "30m");
    let (id, code) = (text(&asked[0]["id"]), text(&asked[0]["code"]));
    let waits = browser.open(&url).await;
    assert_eq!(waits.status, 403);
    assert!(
        waits
            .body
            .contains(&format!("Waiting for an answer: {code}")),
        "{waits:?}"
    );
    assert!(
        waits.body.contains("bob or root may approve it."),
        "{waits:?}"
    );
    assert!(
        waits.body.contains("http-equiv=\"refresh\""),
        "without a script too"
    );

    // Asked again, from this window or another: joined.
    assert_eq!(location(&ask(&browser, &own, &FIELDS).await), url);
    assert_eq!(checkouts(&scene).await.len(), 1);

    // The page hears of the answer, and then the address is what it was.
    let (_, events) = waits.body.split_once("data-events=\"").unwrap();
    let events = events.split_once('"').unwrap().0.replace("&amp;", "&");
    let mut curl = browser.curl();
    curl.arg("--no-buffer").arg(scene.url("wiki", &events));
    let mut listening = curl.stdout(Stdio::piped()).spawn().unwrap();
    let mut heard = String::new();
    let mut stdout = listening.stdout.take().unwrap();
    scene.approve(&id).await;
    within("word of it", stdout.read_to_string(&mut heard))
        .await
        .unwrap();
    assert!(heard.contains("event: changed"), "{heard}");
    within("curl", listening.wait()).await.unwrap();
    let served = browser.open(&url).await;
    assert_eq!(
        (served.status, &*served.body),
        (200, "hello from the wiki\n")
    );

    // Revoked: by whom, why, and the form to ask again.
    scene.revoke(&id).await;
    let ended = browser.open(&url).await;
    assert_eq!(ended.status, 403);
    assert!(
        ended.body.contains("revoked by bob: maintenance is over"),
        "{ended:?}"
    );
    assert!(ended.body.contains(&code) && ended.body.contains("name=\"ticket\""));
    secret_is_nowhere(&scene).await;
}

#[tokio::test]
async fn p10_what_became_of_a_request_is_said_where_it_is_asked_again() {
    let scene = scene().await;
    let browser = Browser::new(&scene);
    let (own, url) = (scene.url("wiki", ""), scene.url("wiki", "/hello.txt?a=1"));
    browser.sign_in(&url).await;
    ask(&browser, &own, &FIELDS).await;
    let asked = checkouts(&scene).await.remove(0);
    let path = format!("/checkouts/{}/deny", text(&asked["id"]));
    let body = json!({ "message": "not on a <Friday>" });
    scene.gateway.post(&scene.bob.token, &path, body).await;
    let denied = browser.open(&url).await;
    let says = format!(
        "Your request {} was denied by bob: not on a &lt;Friday&gt;.",
        text(&asked["code"])
    );
    assert!(denied.body.contains(&says), "{denied:?}");
    assert!(denied.body.contains("name=\"ticket\""), "{denied:?}");

    ask(&browser, &own, &FIELDS).await;
    let waits = browser.open(&url).await;
    let code = hidden(&waits, "checkout");
    let back = scene.url("wiki", "/.doorward/cancel");
    let fields = [("checkout", &*code), ("account", "ops")];
    assert_eq!(
        browser
            .send("https://evil.example", &back, &fields)
            .await
            .status,
        403
    );
    browser.send(&own, &back, &fields).await;
    let cancelled = browser.open(&url).await;
    assert!(
        cancelled.body.contains("was taken back by alice"),
        "{cancelled:?}"
    );
    assert_eq!(scene.nginx.log(), "", "the target was never contacted");
}

#[tokio::test]
async fn only_the_gateways_own_page_asks_and_it_leads_nowhere_else() {
    let scene = scene().await;
    let browser = Browser::new(&scene);
    let (own, url) = (scene.url("wiki", ""), scene.url("wiki", "/hello.txt"));
    browser.sign_in(&url).await;
    for origin in [
        "null",
        "https://evil.example",
        &scene.url("other", ""),
        &browser.console(),
    ] {
        let refused = ask(&browser, origin, &FIELDS).await;
        assert_eq!(refused.status, 403, "{origin}");
        assert!(
            refused.body.contains("another page has sent this")
                || refused.body.contains("Another page has sent this")
        );
    }
    for to in [
        "",
        "hello.txt",
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example",
        "/a\r\nSet-Cookie: x=1",
        "/.doorward/sign-out",
        "@evil.example/",
    ] {
        let mut fields = FIELDS;
        fields[0] = ("to", to);
        let refused = ask(&browser, &own, &fields).await;
        assert_eq!(refused.status, 400, "{to}: {refused:?}");
    }
    let doubled: Vec<_> = FIELDS.into_iter().chain([("reason", "another")]).collect();
    assert_eq!(ask(&browser, &own, &doubled).await.status, 400);
    assert!(checkouts(&scene).await.is_empty());
    // A program goes on being told what it can do.
    let mut curl = browser.curl();
    curl.args(["-H", "Accept: application/json"]);
    assert_eq!(seen(curl, &url).await.problem()["code"], "no-checkout");
    // Nobody hears of what is not theirs.
    let events = scene.url("wiki", "/.doorward/events?checkout=7K3F");
    let strange = seen(scene.strange_curl(), &events).await;
    assert_eq!(strange.status, 401);
}

#[tokio::test]
async fn where_there_are_several_accounts_the_page_asks_which() {
    let scene = scene().await;
    let secret = json!({ "kind": "password", "value": "another-One-77" });
    let second = json!({ "name": "reader", "targets": ["wiki"], "secret": secret });
    scene
        .gateway
        .post(&scene.gateway.root, "/accounts", second)
        .await;
    let browser = Browser::new(&scene);
    let (own, url) = (scene.url("wiki", ""), scene.url("wiki", "/hello.txt"));
    browser.sign_in(&url).await;
    let page = browser.open(&url).await;
    assert!(page.body.contains("Which account on wiki?"), "{page:?}");
    assert!(page.body.contains("<option>ops</option>"), "{page:?}");
    let choose = scene.url("wiki", "/.doorward/account");
    let fields = [("to", "/hello.txt"), ("account", "ops")];
    assert_eq!(browser.send("null", &choose, &fields).await.status, 403);
    assert_eq!(location(&browser.send(&own, &choose, &fields).await), url);
    let page = browser.open(&url).await;
    assert_eq!(hidden(&page, "account"), "ops");
    let mut fields = FIELDS.to_vec();
    fields.push(("account", "ops"));
    ask(&browser, &own, &fields).await;
    let asked = checkouts(&scene).await.remove(0);
    assert_eq!(asked["account_name"], "ops", "{asked}");
    scene.approve(&text(&asked["id"])).await;
    assert_eq!(browser.open(&url).await.status, 200);
    let log = scene.nginx.log();
    assert!(log.trim_end().ends_with("cookie=-"), "{log}");
}

#[tokio::test]
async fn who_may_not_ask_is_told_no_and_not_asked() {
    let scene = scene().await;
    scene.with_other().await;
    scene
        .gateway
        .must(
            &scene.gateway.root,
            reqwest::Method::PATCH,
            "/targets/other",
            json!({ "disabled": true }),
        )
        .await;
    let browser = Browser::new(&scene);
    for target in ["other", "nowhere"] {
        let url = scene.url(target, "/");
        let page = match target {
            "other" => {
                browser.sign_in(&url).await;
                browser.open(&url).await
            }
            _ => {
                let to = location(&browser.open(&url).await);
                let code = location(&browser.open(&to).await);
                browser.open(&code).await;
                browser.open(&url).await
            }
        };
        assert_eq!(page.status, 403, "{page:?}");
        assert!(!page.body.contains("name=\"ticket\""), "{page:?}");
        assert!(
            page.body
                .contains(&format!("no active check-out for {target}")),
            "{page:?}"
        );
    }
}
