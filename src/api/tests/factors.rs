//! Second factors: a password alone opens nothing where there is one, a code opens once, and
//! what is lost is taken away.

use serde_json::{Value, json};

use super::{
    Answer, House,
    console::{Console, PASSWORD},
};
use crate::{
    identity::second::code_of,
    model::{principal::Role, time::Span},
};

/// An authenticator app: what somebody's phone does.
struct App(String);

impl App {
    fn code(&self, house: &House) -> String {
        code_of(&self.0, house.clock.now())
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

impl House {
    async fn signs_in(&self, password: &str) -> Answer {
        let body = json!({ "user": "alice", "password": password });
        self.open("/sign-in", body).await
    }

    async fn open(&self, path: &str, body: Value) -> Answer {
        let body = Some(body);
        self.send(axum::http::Method::POST, path, None, body).await
    }

    async fn second(&self, half: &Answer, code: &str) -> Answer {
        let body = json!({ "step": half.json["step"], "code": code });
        self.open("/sign-in/second", body).await
    }

    /// Alice with an app, her recovery codes, and the token of the sign-in she made it in.
    async fn with_app(&self) -> (App, Vec<String>, String) {
        let token = text(&self.signs_in(PASSWORD).await.is(200).json["token"]);
        let offer = self
            .post("/me/factors/app", &token, json!({}))
            .await
            .is(200);
        let app = App(text(&offer.json["secret"]));
        let body = Some(json!({ "code": app.code(self) }));
        let put = axum::http::Method::PUT;
        let made = self.send(put, "/me/factors/app", Some(&token), body).await;
        let codes = made.is(200).json["recovery_codes"].clone();
        let codes = codes.as_array().unwrap().iter().map(text).collect();
        self.clock.advance(Span::seconds(60).duration());
        (app, codes, token)
    }

    async fn delete(&self, path: &str, token: &str) -> Answer {
        let delete = axum::http::Method::DELETE;
        self.send(delete, path, Some(token), None).await
    }
}

#[tokio::test]
async fn adversarial_43_a_code_makes_a_sign_in_whole_and_only_once() {
    let Console { house, .. } = Console::new().await;
    let (app, codes, _) = house.with_app().await;
    assert_eq!(codes.len(), 10);

    let half = house.signs_in(PASSWORD).await.is(202);
    assert_eq!(half.json["factors"], json!(["app", "recovery-code"]));
    assert!(half.json["token"].is_null(), "{}", half.text);
    let code = app.code(&house);
    let whole = house.second(&half, &code).await.is(200);
    let me = house.get("/me", &text(&whole.json["token"])).await;
    assert_eq!(me.is(200).json["name"], "alice");

    // The same code in the same step, on any node: the store knows.
    let again = house.signs_in(PASSWORD).await.is(202);
    house.second(&again, &code).await.refused(401, "wrong-code");
    // And half a sign-in is made whole once.
    house.clock.advance(Span::seconds(30).duration());
    let next = app.code(&house);
    house
        .second(&half, &next)
        .await
        .refused(401, "sign-in-over");
    house.second(&again, &next).await.is(200);
    assert_eq!(house.audited("user.sign-in", "second-factor").await, 1);
}

#[tokio::test]
async fn the_step_alone_opens_nothing_and_ends_by_itself() {
    let Console { house, .. } = Console::new().await;
    let (app, ..) = house.with_app().await;
    let half = house.signs_in(PASSWORD).await.is(202);
    let step = text(&half.json["step"]);
    house
        .get("/me", &step)
        .await
        .refused(401, "unauthenticated");
    let body = json!({ "step": step });
    let offered = house.open("/sign-in/app", body).await;
    offered.refused(409, "already-there");
    house.clock.advance(Span::minutes(11).duration());
    let code = app.code(&house);
    house
        .second(&half, &code)
        .await
        .refused(401, "sign-in-over");
    let made_up = json!({ "step": "dws_x", "code": code });
    let made_up = house.open("/sign-in/second", made_up).await;
    made_up.refused(401, "sign-in-failed");
}

#[tokio::test]
async fn a_recovery_code_stands_in_once() {
    let Console { house, .. } = Console::new().await;
    let (_, codes, _) = house.with_app().await;
    let half = house.signs_in(PASSWORD).await.is(202);
    let typed = codes[3].to_uppercase().replace('-', " ");
    let whole = house.second(&half, &typed).await.is(200);
    let token = text(&whole.json["token"]);
    let held = house.get("/me/factors", &token).await.is(200);
    assert_eq!(held.json["recovery_codes"], 9);
    assert!(!held.text.contains(&codes[4]));
    let half = house.signs_in(PASSWORD).await.is(202);
    house
        .second(&half, &codes[3])
        .await
        .refused(401, "wrong-code");
    assert_eq!(house.audited("factor.recover", "done").await, 1);

    // New ones end the old ones.
    let made = house.post("/me/factors/recovery-codes", &token, json!({}));
    let made = made.await.is(201).json["recovery_codes"].clone();
    house
        .second(&half, &codes[4])
        .await
        .refused(401, "wrong-code");
    house.second(&half, &text(&made[0])).await.is(200);
}

#[tokio::test]
async fn adversarial_43_guessing_is_slowed_by_user_and_the_owner_is_heard_again() {
    let Console { house, .. } = Console::new().await;
    let (app, ..) = house.with_app().await;
    let half = house.signs_in(PASSWORD).await.is(202);
    let code = app.code(&house);
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..6 {
        house.second(&half, wrong).await.refused(401, "wrong-code");
    }
    // Not even the right one is heard now, also from a sign-in that begins anew.
    house
        .second(&half, &code)
        .await
        .refused(429, "rate-limited");
    let half = house.signs_in(PASSWORD).await.is(202);
    house
        .second(&half, &code)
        .await
        .refused(429, "rate-limited");
    house.clock.advance(Span::seconds(31).duration());
    house.second(&half, &app.code(&house)).await.is(200);
    // Whoever was right is held nothing against.
    let half = house.signs_in(PASSWORD).await.is(202);
    house.second(&half, wrong).await.refused(401, "wrong-code");
    house.second(&half, wrong).await.refused(401, "wrong-code");
}

#[tokio::test]
async fn who_must_have_one_sets_it_up_before_they_are_signed_in() {
    let Console { house, .. } = Console::where_all_must().await;
    let half = house.signs_in(PASSWORD).await.is(202);
    assert_eq!(half.json["factors"], json!([]));
    house
        .second(&half, "123456")
        .await
        .refused(409, "second-factor");
    let offer = house.open("/sign-in/app", json!({ "step": half.json["step"] }));
    let offer = offer.await.is(200);
    assert!(text(&offer.json["uri"]).starts_with("otpauth://totp/Doorward%20"));
    assert!(offer.json["qr"]["size"].as_i64().unwrap() > 30);
    let app = App(text(&offer.json["secret"]));
    house.second(&half, "1").await.refused(401, "wrong-code");
    let whole = house.second(&half, &app.code(&house)).await.is(200);
    assert_eq!(whole.json["recovery_codes"].as_array().unwrap().len(), 10);
    let token = text(&whole.json["token"]);
    assert_eq!(house.audited("factor.add", "done").await, 1);
    // What they must have they do not take away.
    let kept = house.delete("/me/factors/app", &token).await;
    kept.refused(409, "second-factor");
}

#[tokio::test]
async fn a_browser_that_was_left_open_changes_no_factor() {
    let Console { house, .. } = Console::new().await;
    let (app, _, token) = house.with_app().await;
    house.clock.advance(Span::minutes(10).duration());
    for (path, body) in [("/me/factors/recovery-codes", json!({}))] {
        house
            .post(path, &token, body)
            .await
            .refused(403, "prove-again");
    }
    let kept = house.delete("/me/factors/app", &token).await;
    kept.refused(403, "prove-again");
    // A password proves too little for whoever has a factor.
    let password = json!({ "password": PASSWORD });
    let little = house.post("/me/prove", &token, password).await;
    little.refused(422, "invalid");
    let wrong = house.post("/me/prove", &token, json!({ "code": "1" }));
    wrong.await.refused(422, "invalid");
    let code = json!({ "code": app.code(&house) });
    house.post("/me/prove", &token, code).await.is(204);
    house.delete("/me/factors/app", &token).await.is(204);
    house.signs_in(PASSWORD).await.is(200);
    for (kind, times) in [("user.prove", 2), ("factor.remove", 1)] {
        assert_eq!(house.audited(kind, "done").await, times, "{kind}");
    }
}

#[tokio::test]
async fn the_token_of_a_program_shows_nothing_and_sets_nothing_up() {
    let Console { house, alice } = Console::new().await;
    let program = house.token(&alice).await;
    let app = house.post("/me/factors/app", &program, json!({})).await;
    app.refused(403, "prove-again");
    let proof = json!({ "password": PASSWORD });
    let proof = house.post("/me/prove", &program, proof).await;
    proof.refused(403, "program");
}

#[tokio::test]
async fn an_admin_takes_away_what_somebody_has_lost_and_ends_where_they_are() {
    let Console { house, .. } = Console::new().await;
    let (_, _, token) = house.with_app().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let held = house.get("/users/alice/factors", &admin).await.is(200);
    assert!(held.json["app"].is_string());
    let there = house.get("/users/alice/sign-ins", &admin).await.is(200);
    assert_eq!(there.json["items"].as_array().unwrap().len(), 1);
    house.delete("/users/alice/factors", &admin).await.is(204);
    house
        .get("/me", &token)
        .await
        .refused(401, "unauthenticated");
    house.signs_in(PASSWORD).await.is(200);
    assert_eq!(house.audited("factor.reset", "done").await, 1);
}

#[tokio::test]
async fn signing_out_everywhere_ends_every_sign_in_and_no_program() {
    let Console { house, alice } = Console::new().await;
    let program = house.token(&alice).await;
    let one = text(&house.signs_in(PASSWORD).await.is(200).json["token"]);
    house.clock.advance(Span::seconds(1).duration());
    let two = text(&house.signs_in(PASSWORD).await.is(200).json["token"]);
    let listed = house.get("/me/sign-ins", &two).await.is(200);
    let items = listed.json["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!(items[0]["peer"], "192.0.2.1");
    assert_eq!(items[0]["this_one"], true);
    assert_eq!(items[1]["this_one"], false);
    house.delete("/me/sign-ins", &two).await.is(204);
    for token in [&one, &two] {
        house
            .get("/me", token)
            .await
            .refused(401, "unauthenticated");
    }
    house.get("/me", &program).await.is(200);
    assert_eq!(house.audited("user.sign-out", "done").await, 1);
}

#[tokio::test]
async fn a_sign_in_is_seen_where_it_is_used() {
    let Console { house, .. } = Console::new().await;
    let token = text(&house.signs_in(PASSWORD).await.is(200).json["token"]);
    let seen = async || {
        let listed = house.get("/me/sign-ins", &token).await.is(200);
        text(&listed.json["items"][0]["last_seen_at"])
    };
    let first = seen().await;
    house.clock.advance(Span::minutes(6).duration());
    house.get("/me", &token).await.is(200);
    assert!(seen().await > first);
}

#[tokio::test]
async fn p3_nothing_of_a_factor_is_written_down() {
    let Console { house, .. } = Console::new().await;
    let (app, codes, _) = house.with_app().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let audit = house.get("/audit?limit=200", &admin).await.is(200).text;
    let spelled = codes[0].replace('-', "");
    for secret in [&app.0, &codes[0], &spelled] {
        assert!(!audit.contains(secret.as_str()));
    }
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(house.folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            kept.extend(std::fs::read(path).unwrap());
        }
    }
    assert!(
        memchr::memmem::find(&kept, b"recovery_code").is_some(),
        "it was looked into"
    );
    for secret in [&app.0, &codes[0], &spelled] {
        assert!(memchr::memmem::find(&kept, secret.as_bytes()).is_none());
    }
}

#[tokio::test]
async fn a_yes_and_a_look_at_a_secret_ask_for_a_fresh_second_factor() {
    let Console { house, .. } = Console::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let roles = Some(json!({ "roles": ["approver"] }));
    let patch = axum::http::Method::PATCH;
    house
        .send(patch, "/users/alice", Some(&admin), roles)
        .await
        .is(200);
    let (_, carol) = house.somebody("carol", &[Role::Requester]).await;
    let terms = json!({
        "reveal": "on-checkout", "approve_factor_within": "5m", "reveal_factor_within": "5m",
    });
    house.place(&admin, terms).await;
    let ask = json!({
        "target": "db1", "reason": "disk full", "ticket": "CHG0012345", "asked": "reveal",
    });
    let id = text(&house.post("/checkouts", &carol, ask).await.is(201).json["id"]);
    let approve = format!("/checkouts/{id}/approve");

    // A sign-in with a password alone, and one whose factor is too old.
    let alone = text(&house.signs_in(PASSWORD).await.is(200).json["token"]);
    let no = house.post(&approve, &alone, json!({})).await;
    no.refused(403, "step-up");
    let (app, _, token) = house.with_app().await;
    house.clock.advance(Span::minutes(5).duration());
    let no = house.post(&approve, &token, json!({})).await;
    no.refused(403, "step-up");
    assert_eq!(house.audited("checkout.approve", "step-up").await, 2);
    let code = json!({ "code": app.code(&house) });
    house.post("/me/prove", &token, code).await.is(204);
    house.post(&approve, &token, json!({})).await.is(200);

    // Whoever holds it has no factor at all; nor has a program.
    let reveal = format!("/checkouts/{id}/reveal");
    let no = house.post(&reveal, &carol, json!({})).await;
    no.refused(403, "step-up");
    assert_eq!(house.audited("credential.reveal", "step-up").await, 1);
    // What is safe asks for nothing.
    let revoke = format!("/checkouts/{id}/revoke");
    house.post(&revoke, &alone, json!({})).await.is(200);
}
