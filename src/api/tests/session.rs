//! The console's cookie: what begins it, what it opens, from which pages, and what ends it.

use axum::{
    body::Body,
    extract::Request,
    http::{Method, header},
};
use serde_json::{Value, json};

use super::{
    Answer,
    console::{Console, OWN, PASSWORD},
};
use crate::{api::BASE, model::principal::Role};

/// What a browser says of a request beside the cookie.
type Says<'a> = &'a [(&'static str, &'a str)];

const OWN_PAGE: Says = &[("origin", OWN), ("sec-fetch-site", "same-origin")];

impl Console {
    async fn browse(
        &self,
        method: Method,
        path: &str,
        cookie: &str,
        says: Says<'_>,
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "door.example.org");
        if !cookie.is_empty() {
            request = request.header(header::COOKIE, cookie);
        }
        for (name, value) in says {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.house.request(request.body(body).unwrap()).await
    }

    async fn begin(&self, password: &str, says: Says<'_>) -> Answer {
        let body = json!({ "user": " alice ", "password": password });
        self.browse(Method::POST, "/session", "", says, Some(body))
            .await
    }

    async fn read(&self, path: &str, cookie: &str, says: Says<'_>) -> Answer {
        let path = format!("{BASE}{path}");
        self.browse(Method::GET, &path, cookie, says, None).await
    }

    async fn make_token(&self, cookie: &str, says: Says<'_>) -> Answer {
        let body = json!({ "label": "x", "scopes": ["read"], "expires_in": "1d" });
        let path = format!("{BASE}/me/tokens");
        self.browse(Method::POST, &path, cookie, says, Some(body))
            .await
    }
}

/// The cookie of an answer, as a browser sends it back.
#[track_caller]
fn cookie(answer: &Answer) -> String {
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_right_password_begins_it_and_no_script_sees_it() {
    let console = Console::new().await;
    let begun = console.begin(PASSWORD, OWN_PAGE).await.is(204);
    assert_eq!(begun.text, "");
    let set = begun.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(set.starts_with("__Host-doorward-console=dwc_"), "{set}");
    for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(set.contains(attribute), "{attribute}");
    }
    assert!(!set.to_lowercase().contains("domain"));
    assert_eq!(begun.headers[header::CACHE_CONTROL], "no-store");

    let me = console.read("/me", &cookie(&begun), OWN_PAGE).await.is(200);
    assert_eq!(me.json["name"], "alice");
    // The same cookie is the sign-in for web targets.
    let page = console.get("/sign-in", &cookie(&begun)).await.is(200);
    assert!(page.text.contains("signed in as alice"), "{}", page.text);
    assert_eq!(console.house.audited("user.sign-in", "done").await, 1);
}

#[tokio::test]
async fn what_is_wrong_begins_nothing() {
    let console = Console::new().await;
    let wrong = console.begin("guess", OWN_PAGE).await;
    let wrong = wrong.refused(401, "sign-in-failed");
    assert!(!wrong.headers.contains_key(header::SET_COOKIE));
    assert_eq!(console.house.audited("user.sign-in", "sign-in").await, 1);
    for says in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", OWN), ("sec-fetch-site", "same-site")],
    ] {
        let refused = console.begin(PASSWORD, says).await;
        let refused = refused.refused(403, "cross-origin");
        assert!(!refused.headers.contains_key(header::SET_COOKIE));
    }
    // A form of another site could send this type without being asked first.
    let form = Request::post("/session")
        .header(header::HOST, "door.example.org")
        .header(header::ORIGIN, OWN)
        .header(header::CONTENT_TYPE, "text/plain")
        .body(Body::from(
            json!({ "user": "alice", "password": PASSWORD }).to_string(),
        ));
    console.house.request(form.unwrap()).await.is(415);
}

#[tokio::test]
async fn adversarial_32_only_a_page_of_the_console_changes_anything_with_it() {
    let console = Console::new().await;
    let cookie = console.signed_in().await;
    for says in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "https://wiki.door.localhost:8444")],
        &[("origin", "null")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("origin", OWN), ("sec-fetch-site", "cross-site")],
    ] {
        let refused = console.make_token(&cookie, says).await;
        refused.refused(403, "cross-origin");
    }
    let refused = console.house.audited("api.refuse", "cross-origin").await;
    assert_eq!(refused, 7, "whose browser was made to ask is written down");
    console.make_token(&cookie, OWN_PAGE).await.is(201);
    let site = &[("sec-fetch-site", "same-origin")];
    console.make_token(&cookie, site).await.is(201);
}

#[tokio::test]
async fn what_another_page_asks_for_is_not_even_read() {
    let console = Console::new().await;
    let cookie = console.signed_in().await;
    for says in [
        &[("sec-fetch-site", "same-site")][..],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "https://wiki.door.localhost:8444")],
    ] {
        let read = console.read("/me", &cookie, says).await;
        read.refused(403, "cross-origin");
    }
    for says in [&[][..], &[("sec-fetch-site", "none")], OWN_PAGE] {
        console.read("/me", &cookie, says).await.is(200);
    }
}

#[tokio::test]
async fn whoever_shows_a_token_is_a_program() {
    let console = Console::new().await;
    let cookie = console.signed_in().await;
    let token = console.house.token(&console.alice).await;
    let bearer = format!("Bearer {token}");
    // Programs come from nowhere, and what a browser says is not asked of them.
    let says = [
        ("authorization", &*bearer),
        ("origin", "https://evil.example"),
    ];
    console.make_token("", &says).await.is(201);
    // A token that opens nothing is not made good by a cookie.
    let says = [("authorization", "Bearer dw_x"), ("origin", OWN)];
    let dead = console.read("/me", &cookie, &says).await;
    dead.refused(401, "unauthenticated");
    // Nor is a cookie a token, or a token a cookie.
    let (name, secret) = cookie.split_once('=').unwrap();
    console.house.get("/me", secret).await.is(401);
    let swapped = format!("{name}={token}");
    console.read("/me", &swapped, OWN_PAGE).await.is(401);
    let doubled = format!("{cookie}; {cookie}");
    console.read("/me", &doubled, OWN_PAGE).await.is(401);
}

#[tokio::test]
async fn adversarial_44_it_ends_with_the_sign_out_the_user_and_the_password() {
    let console = Console::new().await;
    let end = async |cookie: &str, says| {
        let end = console.browse(Method::DELETE, "/session", cookie, says, None);
        end.await
    };
    let begin = async || cookie(&console.begin(PASSWORD, OWN_PAGE).await.is(204));
    let (here, there) = (begin().await, begin().await);
    end(&here, &[("origin", "https://evil.example")])
        .await
        .refused(403, "cross-origin");
    console.read("/me", &here, OWN_PAGE).await.is(200);
    let gone = end(&here, OWN_PAGE).await.is(204);
    let set = gone.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(
        set.contains("Max-Age=0") && set.contains("HttpOnly"),
        "{set}"
    );
    console.read("/me", &here, OWN_PAGE).await.is(401);
    console.read("/me", &there, OWN_PAGE).await.is(200);
    // Once more is no fault.
    end(&here, OWN_PAGE).await.is(204);
    assert_eq!(console.house.audited("user.sign-out", "done").await, 1);

    let third = begin().await;
    let change = json!({ "current": PASSWORD, "new": "another long battery staple" });
    let path = format!("{BASE}/me/password");
    console
        .browse(Method::PUT, &path, &third, OWN_PAGE, Some(change))
        .await
        .is(204);
    console.read("/me", &there, OWN_PAGE).await.is(401);
    console.read("/me", &third, OWN_PAGE).await.is(200);

    let (_, root) = console.house.somebody("root", &[Role::Admin]).await;
    let disabled = console.house.post("/users/alice/disable", &root, json!({}));
    disabled.await.is(200);
    console.read("/me", &third, OWN_PAGE).await.is(401);
}

#[tokio::test]
async fn it_is_over_after_half_a_day() {
    let console = Console::new().await;
    let cookie = console.signed_in().await;
    console
        .house
        .clock
        .advance(std::time::Duration::from_secs(12 * 3_600 + 1));
    console.read("/me", &cookie, OWN_PAGE).await.is(401);
}

#[tokio::test]
async fn its_roles_are_those_of_the_person_now() {
    let console = Console::new().await;
    let cookie = console.signed_in().await;
    console.read("/audit", &cookie, OWN_PAGE).await.is(403);
    let (_, root) = console.house.somebody("root", &[Role::Admin]).await;
    let roles = json!({ "roles": ["auditor"] });
    let path = "/users/alice";
    let patched = console
        .house
        .send(Method::PATCH, path, Some(&root), Some(roles));
    patched.await.is(200);
    console.read("/audit", &cookie, OWN_PAGE).await.is(200);
}

#[tokio::test]
async fn every_page_runs_only_what_the_gateway_itself_sends() {
    let console = Console::new().await;
    let paths = [
        "/",
        "/checkouts/7K3F",
        "/admin/targets",
        "/recordings/01X",
        "/checkouts/7K3F/desktop",
    ];
    for path in paths {
        let page = console.get(path, "").await.is(200);
        let policy = page.headers[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        let wasm = policy.contains("'wasm-unsafe-eval'");
        let runs_it = path.starts_with("/recordings/") || path.ends_with("/desktop");
        assert!(!wasm || runs_it, "{path}");
        assert!(!policy.contains("data:") || path.ends_with("/desktop"));
        let rest = policy.replace("'wasm-unsafe-eval'", "");
        assert!(
            !rest.contains("unsafe") && !rest.contains("http"),
            "{policy}"
        );
        assert_eq!(page.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(page.headers[header::X_FRAME_OPTIONS], "DENY");
        assert!(!page.text.contains("__STYLE_NONCE__"));
        // A number of its own for each answer, and nothing inline beside what it names.
        let again = console.get(path, "").await.is(200);
        let again = again.headers[header::CONTENT_SECURITY_POLICY].clone();
        assert_eq!(policy.contains("'nonce-"), again != policy);
        assert!(!page.text.contains("<script>") && !page.text.contains("onclick"));
    }
    for path in [
        "/assets/x.js",
        "/nowhere",
        "/assets/../index.html",
        "/index.html",
    ] {
        console.get(path, "").await.refused(404, "not-found");
    }
}
