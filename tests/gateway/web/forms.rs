//! A target that wants its own form filled in: signed in to, kept, renewed and left again.

use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    Scene, Seen,
    apps::{App, Own},
    nginx::secret,
    scene, secret_is_nowhere, seen,
};

fn recipe() -> Value {
    json!({
        "by": "form", "page": "/login", "token": "csrfmiddlewaretoken",
        "fields": { "username": "{login}", "password": "{secret}" },
        "success": { "location": "/notes", "cookie": "sessionid" },
        "log_out": { "path": "/logout", "method": "post", "page": "/notes" },
    })
}

/// Django with a form and a CSRF token, entered with this recipe.
async fn notes(scene: &Scene, sign_in: Value) -> App {
    let own = Own::of("localhost");
    let app = App::start("notes.py", &own, &[]).await;
    let target = json!({
        "name": "other", "address": format!("127.0.0.1:{}", app.port), "host_keys": [own.pin],
        "web": { "tls": true, "host": format!("localhost:{}", app.port), "sign_in": sign_in },
    });
    scene.gateway.enter_web(target, secret()).await;
    app
}

/// Posts a note as the page of the application does.
async fn add(scene: &Scene, page: &Seen, text: &str) -> Seen {
    let token = page
        .body
        .split("csrfmiddlewaretoken\" value=\"")
        .nth(1)
        .unwrap();
    let token = token.split('"').next().unwrap();
    let origin = scene.url("other", "");
    let mut curl = scene.curl();
    curl.args(["-d", &format!("csrfmiddlewaretoken={token}&note={text}")])
        .args(["-H", &format!("Origin: {origin}")])
        .args(["-H", &format!("Referer: {origin}/notes")]);
    seen(curl, &scene.url("other", "/notes")).await
}

async fn left(scene: &Scene, app: &App) {
    let out = async || (app.noted("out ops") == 1).then_some(());
    scene.gateway.eventually("the log-out", out).await;
    let told = |event: &Value| event["event"]["kind"] == "web.sign-out";
    let event = scene.gateway.audit_event(told).await;
    assert!(event.to_string().contains("signed out of other"), "{event}");
    let closed = async || {
        let sessions = scene.sessions().await;
        sessions
            .iter()
            .all(|session| session["closed_at"].is_string())
            .then_some(())
    };
    scene.gateway.eventually("the session's end", closed).await;
}

#[tokio::test]
async fn a_form_is_filled_in_and_its_cookies_stay_in_the_gateway() {
    let scene = scene().await;
    let app = notes(&scene, recipe()).await;
    let id = scene.approved("other").await;
    let mut curl = scene.curl();
    curl.args([
        "-H",
        "Cookie: sessionid=planted; csrftoken=planted; lang=en",
    ]);
    let page = seen(curl, &scene.url("other", "/notes")).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.body.contains("Notes of ops"), "{page:?}");
    let head = page.head.to_lowercase();
    assert!(
        !head.contains("set-cookie") && !head.contains("sessionid"),
        "{head}"
    );
    assert_eq!(
        app.journal(),
        ["in ops", "GET notes ops '' csrftoken,lang,sessionid"]
    );

    // The application works unchanged, its own CSRF token included.
    let added = add(&scene, &page, "milk").await;
    assert_eq!(added.status, 200, "{added:?}");
    assert_eq!(app.noted("POST notes ops 'milk'"), 1, "{:?}", app.journal());
    // Eight at once use the one sign-in.
    let url = scene.url("other", "/notes");
    for page in futures::future::join_all((0..8).map(|_| seen(scene.curl(), &url))).await {
        assert_eq!(page.status, 200);
    }
    assert_eq!(app.noted("in ops"), 1);

    scene.revoke(&id).await;
    left(&scene, &app).await;
    assert_eq!(
        scene.get("other", "/notes").await.problem()["code"],
        "revoked"
    );
    secret_is_nowhere(&scene).await;
}

#[tokio::test]
async fn a_sign_in_that_lapses_is_renewed_once() {
    let scene = scene().await;
    let app = notes(&scene, recipe()).await;
    let id = scene.approved("other").await;
    let page = scene.get("other", "/notes").await;
    assert_eq!(page.status, 200);
    app.post("/forget").await;
    let page = scene.get("other", "/notes").await;
    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(app.noted("in ops"), 2, "{:?}", app.journal());

    app.post("/forget").await;
    let again = add(&scene, &page, "bread").await;
    // Django looks at the token first, which went with the old session or did not.
    assert!([503, 403].contains(&again.status), "{again:?}");
    let page = scene.get("other", "/notes").await;
    let added = add(&scene, &page, "bread").await;
    assert_eq!(added.status, 200, "{added:?}");
    assert_eq!(
        app.noted("POST notes ops 'bread'"),
        1,
        "{:?}",
        app.journal()
    );

    let path = format!("/checkouts/{id}/check-in");
    scene
        .gateway
        .post(&scene.alice.token, &path, json!({}))
        .await;
    left(&scene, &app).await;
}

#[tokio::test]
async fn a_sign_in_that_fails_is_named_and_not_tried_at_every_request() {
    let scene = scene().await;
    let app = notes(&scene, recipe()).await;
    scene.with_a_wrong_secret("other").await;
    scene.approved("other").await;
    for _ in 0..3 {
        let refused = scene.get("other", "/notes").await;
        assert_eq!(refused.status, 502, "{refused:?}");
        let problem = refused.problem();
        assert_eq!(problem["code"], "sign-in-failed", "{problem}");
        let why = "the gateway could not sign in to other: the target did not take the account's \
                   login and password";
        assert_eq!(problem["detail"], why);
    }
    assert_eq!(
        app.journal(),
        ["wrong"],
        "an account is not locked by a reload key"
    );

    // The command line takes a recipe from a file, and says what it does not know.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recipe.toml");
    let set = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let mut doorward = Command::new(env!("CARGO_BIN_EXE_doorward"));
        doorward
            .args(["target", "set", "other", "--form"])
            .arg(&file)
            .env("DOORWARD_SERVER", scene.gateway.url())
            .env("DOORWARD_TOKEN", &scene.gateway.root)
            .env("DOORWARD_CA", scene.gateway.ca())
            .env("HOME", folder.path());
        doorward.output()
    };
    let text = "page = \"/login\"\ntoken = \"csrf\"\nsuccess = { cookie = \"sid\" }\n\
                fields = { username = \"{login}\", password = \"{secret}\" }\n";
    let output = set(text).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let target = scene
        .gateway
        .get(&scene.gateway.root, "/targets/other")
        .await;
    assert_eq!(target["web"]["sign_in"]["by"], "form", "{target}");
    let output = set(&text.replace("success", "succes")).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("succes"),
        "{said}"
    );
}
