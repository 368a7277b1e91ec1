//! Watching: everybody hears of what they may see, and of nothing once they are gone.

use axum::{
    body::{Body, BodyDataStream},
    extract::Request,
    http::header,
};
use futures::StreamExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use super::House;
use crate::{api::BASE, model::principal::Role};

struct Watcher(BodyDataStream);

impl Watcher {
    async fn of(house: &House, token: &str) -> Self {
        let request = Request::get(format!("{BASE}/events"))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty());
        let response = house
            .router
            .clone()
            .oneshot(request.unwrap())
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "text/event-stream"
        );
        Self(response.into_body().into_data_stream())
    }

    /// The next event; none once the stream has ended.
    async fn next(&mut self) -> Option<String> {
        let bytes = self.0.next().await?.unwrap();
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn somebody_watches_so_often_and_no_more() {
    let house = House::new().await;
    let (user, root) = house.somebody("root", &[Role::Admin]).await;
    let (_, bob) = house.somebody("bob", &[Role::Approver]).await;
    // Whichever of their tokens it is.
    let other = house.token(&user).await;
    let mut watchers = Vec::new();
    for number in 0..10 {
        let token = if number % 2 == 0 { &root } else { &other };
        watchers.push(Watcher::of(&house, token).await);
    }
    house.get("/events", &other).await.refused(409, "too-many");
    Watcher::of(&house, &bob).await;
    watchers.pop();
    watchers.push(Watcher::of(&house, &root).await);
    // One whose token is taken back ends, and what it held is free.
    let gone = house.api.recognise(&other).await.unwrap().token;
    let path = format!("/me/tokens/{}", gone.as_str());
    let back = house.send(axum::http::Method::DELETE, &path, Some(&root), None);
    back.await.is(204);
    house
        .post("/groups", &root, json!({"name": "dba"}))
        .await
        .is(201);
    let mut ended = 0;
    for watcher in &mut watchers {
        ended += usize::from(watcher.next().await.is_none());
    }
    assert_eq!(ended, 4);
}

#[tokio::test]
async fn each_hears_of_what_they_may_see_until_they_may_no_more() {
    let house = House::new().await;
    let (_, admin) = house.somebody("root", &[Role::Admin]).await;
    let (_, alice) = house.somebody("alice", &[Role::Requester]).await;
    let (_, carol) = house.somebody("carol", &[Role::Requester]).await;
    house.place(&admin, json!({})).await;
    let mut of_alice = Watcher::of(&house, &alice).await;
    let mut of_carol = Watcher::of(&house, &carol).await;
    let mut of_admin = Watcher::of(&house, &admin).await;

    let ask = json!({"target": "db1", "reason": "disk", "ticket": "CHG1"});
    let asked = house.post("/checkouts", &alice, ask).await.is(201);
    let id = asked.json["id"].as_str().unwrap();
    let told = format!("event: checkout\ndata: {{\"id\":\"{id}\",\"state\":\"requested\"}}\n\n");
    assert_eq!(of_alice.next().await.unwrap(), told);
    assert_eq!(of_admin.next().await.unwrap(), told);

    // Carol hears of herself and nothing of alice; then her stream ends with her user.
    let patch = json!({"full_name": "Carol"});
    let patched = house.send(
        axum::http::Method::PATCH,
        "/users/carol",
        Some(&admin),
        Some(patch),
    );
    patched.await.is(200);
    assert_eq!(
        of_carol.next().await.unwrap(),
        "event: user\ndata: {\"id\":\"carol\"}\n\n"
    );
    house
        .post("/users/carol/disable", &admin, json!({}))
        .await
        .is(200);
    assert_eq!(of_carol.next().await, None);

    // Signed out is gone as well, at the next change.
    house.post("/sign-out", &alice, json!({})).await.is(204);
    house
        .post("/groups", &admin, json!({"name": "g"}))
        .await
        .is(201);
    assert_eq!(of_alice.next().await, None);
    house.api.closing().cancel();
    let mut last = of_admin.next().await;
    while last.is_some() {
        last = of_admin.next().await;
    }
}
