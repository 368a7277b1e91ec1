//! The code that opens a desktop in a browser: for one sign-in, one check-out, once.

use axum::http::{Method, header};
use serde_json::json;

use super::{House, Request};
use crate::{
    api::BASE,
    identity::SignInError,
    model::{
        ids::{CheckoutId, TokenId},
        principal::Role,
        time::Span,
    },
};

async fn token_of(house: &House, secret: &str) -> TokenId {
    let (_, token) = house.api.identity().token(secret).await.unwrap();
    token.id
}

#[tokio::test]
async fn a_code_opens_one_desktop_once_for_the_sign_in_it_was_made_for() {
    let house = House::new().await;
    let identity = house.api.identity();
    let (_, alice) = house.somebody("alice", &[Role::Requester]).await;
    let (_, other) = house.somebody("bob", &[Role::Requester]).await;
    let (alice, other) = (
        token_of(&house, &alice).await,
        token_of(&house, &other).await,
    );
    let checkout = |fill| CheckoutId::new(house.clock.now(), [fill; 10]);
    let (mine, another) = (checkout(1), checkout(2));
    let peer = [192, 0, 2, 1].into();
    let code = async || identity.desktop_code(&alice, &mine).await.unwrap();
    let take = async |code: &str, by: &TokenId, of: &CheckoutId| {
        identity.take_desktop_code(code, by, of, peer).await
    };

    let good = code().await;
    assert!(take(good.reveal(), &alice, &mine).await.is_ok());
    let again = take(good.reveal(), &alice, &mine).await;
    assert!(matches!(again, Err(SignInError::Refused)));

    // Whatever it is shown for, it is spent.
    for (by, of) in [(&other, &mine), (&alice, &another)] {
        let code = code().await;
        assert!(take(code.reveal(), by, of).await.is_err());
        assert!(take(code.reveal(), &alice, &mine).await.is_err());
    }
    let late = code().await;
    house.clock.advance(Span::minutes(2).duration());
    assert!(take(late.reveal(), &alice, &mine).await.is_err());
    assert!(take("dwh_guess", &alice, &mine).await.is_err());
    // Nor does it lead to the host of a target.
    let elsewhere = code().await;
    let entered = identity.enter(elsewhere.reveal(), "desktop", Some("dwn_x"), peer);
    assert!(entered.await.is_err());
    assert!(house.audited("user.sign-in", "sign-in").await >= 6);
}

#[tokio::test]
async fn a_desktop_is_of_rdp_and_opens_from_a_page_of_the_console_alone() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let (_, alice) = house.somebody("alice", &[Role::Requester]).await;
    let terms = json!({"self_approval": "always", "approvals": []});
    house.place(&admin, terms).await;
    let asked = json!({"target": "db1", "reason": "disk", "ticket": "CHG1"});
    let asked = house.post("/checkouts", &alice, asked).await.is(201);
    let code = asked.json["code"].as_str().unwrap();
    let path = format!("/checkouts/{code}/desktop");
    let refused = house.post(&path, &alice, json!({})).await;
    assert_eq!(refused.json["code"], "other-protocol", "{}", refused.text);

    for (origin, status) in [
        (None, 403),
        (Some("https://evil.example"), 403),
        (Some("https://localhost"), 422),
    ] {
        let mut request = Request::builder()
            .method(Method::GET)
            .uri(format!("{BASE}{path}"))
            .header(header::HOST, "localhost")
            .header(header::AUTHORIZATION, format!("Bearer {alice}"));
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        let request = request.body(axum::body::Body::empty()).unwrap();
        house.request(request).await.is(status);
    }
}
