//! Check-outs by the API: from the request to the end, and the lists people work from.

use axum::{
    body::Body,
    extract::Request,
    http::{Method, header},
};
use serde_json::{Value, json};

use super::House;
use crate::{api::BASE, model::principal::Role, store};

fn ask() -> Value {
    json!({"target": "db1", "reason": "disk full", "ticket": "CHG0012345"})
}

struct People {
    house: House,
    admin: String,
    alice: String,
    bob: String,
}

async fn people(terms: Value) -> People {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let (_, alice) = house.somebody("alice", &[Role::Requester]).await;
    let (_, bob) = house.somebody("bob", &[Role::Approver]).await;
    house.place(&admin, terms).await;
    People {
        house,
        admin,
        alice,
        bob,
    }
}

#[tokio::test]
async fn a_check_out_is_asked_for_approved_extended_and_revoked() {
    let People {
        house,
        alice,
        bob,
        admin,
    } = people(json!({})).await;
    let asked = house.post("/checkouts", &alice, ask()).await.is(201);
    let id = asked.json["id"].as_str().unwrap().to_owned();
    assert_eq!(asked.json["status"], "requested");
    // A retry joins it.
    let again = house.post("/checkouts", &alice, ask()).await.is(200);
    assert_eq!(again.json["id"], id.as_str());

    let waiting = house.get("/checkouts?view=waiting", &bob).await.is(200);
    assert_eq!(waiting.json["items"][0]["id"], id.as_str());
    assert_eq!(waiting.json["items"][0]["may_approve"], true);
    let none = house.get("/checkouts?view=waiting", &alice).await.is(200);
    assert_eq!(none.json["items"], json!([]));

    let path = |verb: &str| format!("/checkouts/{id}/{verb}");
    house
        .post(&path("approve"), &alice, json!({}))
        .await
        .refused(403, "not-allowed");
    let too_long = json!({"duration": "9h"});
    house
        .post(&path("approve"), &bob, too_long)
        .await
        .refused(422, "too-long");
    let yes = json!({"duration": "30m", "message": "go on"});
    let active = house.post(&path("approve"), &bob, yes).await.is(200);
    assert_eq!(active.json["status"], "active");
    assert_eq!(active.json["votes"][0]["message"], "go on");

    let more = json!({"duration": "1h", "reason": "still full"});
    house.post(&path("extend"), &alice, more).await.is(200);
    let longer = house.post(&path("approve"), &bob, json!({})).await.is(200);
    assert_eq!(
        longer.json["state"]["grant"]["ends_at"],
        "2030-01-07T10:30:00.000Z"
    );

    let why = json!({"message": "maintenance is over"});
    let ended = house.post(&path("revoke"), &bob, why).await.is(200);
    assert_eq!(ended.json["status"], "revoked");
    house
        .post(&path("revoke"), &bob, json!({}))
        .await
        .refused(409, "already-ended");
    house
        .post(&path("extend"), &alice, json!({"duration": "1h"}))
        .await
        .refused(409, "already-ended");

    let history = house.get(&path("history"), &alice).await.is(200);
    let kinds: Vec<_> = history.json["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["event"]["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "checkout.request",
            "checkout.approve",
            "checkout.approve",
            "checkout.extend",
            "checkout.approve",
            "checkout.revoke",
            "checkout.revoke",
            "checkout.extend",
        ],
    );
    house.get("/audit/verify", &admin).await.is(200);
}

#[tokio::test]
async fn bad_requests_are_told_in_one_sentence_and_written_down_once() {
    let terms = json!({"ticket_pattern": "CHG\\d{7}", "reveal": "never"});
    let People { house, alice, .. } = people(terms).await;
    for (change, status, code) in [
        (json!({"ticket": "INC1"}), 422, "ticket-format"),
        (json!({"ticket": null}), 422, "ticket-missing"),
        (json!({"reason": "  "}), 422, "reason-missing"),
        (json!({"duration": "9d"}), 422, "too-long"),
        (json!({"target": "db9"}), 404, "no-such-target"),
        (json!({"target": "../../etc"}), 404, "no-such-target"),
        (json!({"account": "nobody"}), 404, "no-such-account"),
        (json!({"asked": "reveal"}), 422, "reveal-not-allowed"),
        (
            json!({"asked": {"set": "read-only"}}),
            422,
            "no-such-permission-set",
        ),
        (json!({"reason": "a\u{1b}[2J"}), 422, "invalid"),
        (json!({"ticket": "CHG 1"}), 422, "invalid"),
        (json!({"duration": "soon"}), 422, "invalid"),
        (
            json!({"window": {"starts_at": "now", "ends_at": "later"}}),
            422,
            "invalid",
        ),
        (json!({"asked": "everything"}), 422, "invalid"),
    ] {
        let mut body = ask();
        for (field, value) in change.as_object().unwrap() {
            body[field] = value.clone();
        }
        let kind = if code == "invalid" {
            "api.refuse"
        } else {
            "checkout.request"
        };
        let before = house.audited(kind, code).await;
        let answer = house
            .post("/checkouts", &alice, body)
            .await
            .refused(status, code);
        assert!(
            answer.json["detail"].as_str().unwrap().len() > 10,
            "{}",
            answer.text
        );
        assert_eq!(house.audited(kind, code).await, before + 1, "{change}");
    }
    let all = house.get("/checkouts", &alice).await.is(200);
    assert_eq!(all.json["items"], json!([]));
}

#[tokio::test]
async fn nobody_answers_their_own() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let (_, both) = house
        .somebody("carol", &[Role::Requester, Role::Approver])
        .await;
    house.place(&admin, json!({})).await;
    let asked = house.post("/checkouts", &both, ask()).await.is(201);
    let path = format!(
        "/checkouts/{}/approve",
        asked.json["code"].as_str().unwrap()
    );
    house
        .post(&path, &both, json!({}))
        .await
        .refused(403, "self-approval");
    // Nor by a second user of the same person.
    let second = json!({"name": "carol2", "roles": ["approver"], "person": "carol"});
    house.post("/users", &admin, second).await.is(201);
    let second = store::user::by_name(&house.store, &"carol2".parse().unwrap())
        .await
        .unwrap();
    let second = house.token(&second).await;
    house
        .post(&path, &second, json!({}))
        .await
        .refused(403, "self-approval");
}

#[tokio::test]
async fn a_grant_needs_no_request_and_a_handover_another_approver() {
    let People {
        house,
        alice,
        bob,
        admin,
    } = people(json!({})).await;
    let (_, eve) = house.somebody("eve", &[Role::Approver]).await;
    let mut body = ask();
    body["user"] = "alice".into();
    let granted = house.post("/checkouts/grant", &bob, body).await.is(201);
    assert_eq!(granted.json["status"], "active");
    assert_eq!(granted.json["granted_by"], "bob");
    let code = granted.json["code"].as_str().unwrap();
    let done = house
        .post(&format!("/checkouts/{code}/check-in"), &alice, json!({}))
        .await
        .is(200);
    assert_eq!(done.json["status"], "checked-in");

    let asked = house.post("/checkouts", &alice, ask()).await.is(201);
    let path = |verb: &str| format!("/checkouts/{}/{verb}", asked.json["id"].as_str().unwrap());
    house
        .post(&path("assign"), &bob, json!({"to": "alice"}))
        .await
        .refused(422, "approver-unfit");
    house
        .post(&path("assign"), &bob, json!({"to": "eve"}))
        .await
        .is(200);
    house
        .post(&path("approve"), &bob, json!({}))
        .await
        .refused(403, "asked-of-another");
    house
        .post(&path("deny"), &eve, json!({"message": "not now"}))
        .await
        .is(200);
    let seen = house.get(&path(""), &admin).await;
    assert_eq!(seen.status, 404, "a trailing slash is another address");
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_cut() {
    let People {
        house, alice, bob, ..
    } = people(json!({"approvals": []})).await;
    for ticket in ["CHG1", "CHG2", "CHG3", "INC4"] {
        let mut body = ask();
        body["ticket"] = ticket.into();
        house.post("/checkouts", &alice, body).await.is(201);
        house.clock.advance(std::time::Duration::from_secs(1));
    }
    let tickets = async |query: &str| -> Vec<String> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let answer = house
                .get(&format!("/checkouts?{query}{cursor}"), &alice)
                .await
                .is(200);
            for item in answer.json["items"].as_array().unwrap() {
                all.push(item["ticket"].as_str().unwrap().to_owned());
            }
            match answer.json["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    };
    assert_eq!(tickets("limit=1").await, ["INC4", "CHG3", "CHG2", "CHG1"]);
    assert_eq!(
        tickets("limit=3&sort=ticket").await,
        ["CHG1", "CHG2", "CHG3", "INC4"]
    );
    assert_eq!(tickets("q=inc").await, ["INC4"]);
    assert_eq!(tickets("state=active,ended&limit=2").await.len(), 4);
    assert_eq!(tickets("state=ended").await, [""; 0]);
    assert_eq!(
        tickets("since=2030-01-07T09:00:02Z&sort=ticket").await,
        ["CHG3", "INC4"]
    );
    house
        .get("/checkouts?state=gone", &alice)
        .await
        .refused(422, "invalid");
    house
        .get("/checkouts?view=theirs", &alice)
        .await
        .refused(422, "invalid");
    house
        .get("/checkouts?sort=terms", &alice)
        .await
        .refused(422, "invalid");
    house
        .get("/checkouts?cursor=abc", &alice)
        .await
        .refused(422, "invalid");
    // What was never put to the vote is nobody's to answer, but anybody's to end who could have.
    let seen = house.get("/checkouts", &bob).await.is(200);
    assert_eq!(seen.json["items"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_spreadsheet_gets_text_and_no_formula() {
    let People { house, alice, .. } = people(json!({"permission_sets": {"look": ["shell"]}})).await;
    let mut body = ask();
    body["reason"] = "=cmd|' /C calc'!A0".into();
    house.post("/checkouts", &alice, body).await.is(201);
    let mut second = ask();
    second["asked"] = json!({"set": "look"});
    house.post("/checkouts", &alice, second).await.is(201);
    let by_query = house
        .get("/checkouts?format=csv&limit=1&sort=requested_at", &alice)
        .await
        .is(200);
    let request = Request::get(format!("{BASE}/checkouts?sort=requested_at"))
        .header(header::AUTHORIZATION, format!("Bearer {alice}"))
        .header(header::ACCEPT, "text/csv")
        .body(Body::empty());
    let by_header = house.request(request.unwrap()).await.is(200);
    assert_eq!(by_query.text, by_header.text);
    assert!(
        by_query.headers[header::CONTENT_TYPE]
            .to_str()
            .unwrap()
            .starts_with("text/csv")
    );
    let lines: Vec<_> = by_query.text.split("\r\n").collect();
    assert_eq!(
        lines.len(),
        4,
        "a head, two rows whatever the limit, a last line end"
    );
    assert!(lines[0].starts_with("\"code\",\"status\""));
    // Both may have been asked for within one millisecond, so either may come first.
    assert!(
        by_query.text.contains("\"'=cmd|' /C calc'!A0\""),
        "{}",
        by_query.text
    );
}

#[tokio::test]
async fn a_secret_is_shown_to_its_holder_where_the_policy_says_so() {
    let People {
        house,
        alice,
        bob,
        admin,
    } = people(json!({"reveal": "on-checkout"})).await;
    let mut body = ask();
    body["asked"] = "reveal".into();
    let asked = house.post("/checkouts", &alice, body).await.is(201);
    let path = |verb: &str| format!("/checkouts/{}/{verb}", asked.json["code"].as_str().unwrap());
    house
        .post(&path("reveal"), &alice, json!({}))
        .await
        .refused(409, "still-waiting");
    house.post(&path("approve"), &bob, json!({})).await.is(200);
    let shown = house.post(&path("reveal"), &alice, json!({})).await.is(200);
    assert_eq!(
        shown.json,
        json!({"login": "root", "kind": "password", "secret": "hunter2"})
    );
    house
        .post(&path("reveal"), &admin, json!({}))
        .await
        .refused(403, "not-allowed");
    assert_eq!(house.audited("credential.reveal", "done").await, 1);
    house.post(&path("revoke"), &bob, json!({})).await.is(200);
    house
        .post(&path("reveal"), &alice, json!({}))
        .await
        .refused(404, "no-checkout");

    // A check-out for use shows nothing.
    let asked = house.post("/checkouts", &alice, ask()).await.is(201);
    let path = |verb: &str| format!("/checkouts/{}/{verb}", asked.json["code"].as_str().unwrap());
    house.post(&path("approve"), &bob, json!({})).await.is(200);
    house
        .post(&path("reveal"), &alice, json!({}))
        .await
        .refused(403, "asked-for-other");
}

#[tokio::test]
async fn who_would_hold_an_account_alone_waits_for_those_who_share_it() {
    let People {
        house,
        admin,
        alice,
        bob,
    } = people(json!({})).await;
    let (_, dora) = house.somebody("dora", &[Role::Requester]).await;
    let requested = async |token: &str| {
        let asked = house.post("/checkouts", token, ask()).await.is(201);
        format!("/checkouts/{}", asked.json["id"].as_str().unwrap())
    };
    let first = requested(&alice).await;
    let approve = async |path: &str| {
        house
            .post(&format!("{path}/approve"), &bob, json!({}))
            .await
    };
    approve(&first).await.is(200);
    // The policy changes under her.
    let exclusive = json!({"description": "", "is_default": false, "terms": {"exclusive": true}});
    house
        .send(
            Method::PUT,
            "/policies/strict",
            Some(&admin),
            Some(exclusive),
        )
        .await
        .is(200);
    let second = requested(&dora).await;
    let refused = approve(&second).await.refused(409, "account-taken");
    assert!(
        refused.text.contains("held by alice until"),
        "{}",
        refused.text
    );
    assert_eq!(house.audited("checkout.approve", "account-taken").await, 1);
    house
        .post(&format!("{first}/check-in"), &alice, json!({}))
        .await
        .is(200);
    approve(&second).await.is(200);
}
