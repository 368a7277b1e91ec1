//! Whoever had a hand in an approver's credentials is not answered by that approver.

use axum::http::Method;
use serde_json::{Value, json};

use super::House;
use crate::{model::principal::Role, store};

const PASSWORD: &str = "correct horse battery staple";
const KEYS: [&str; 2] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILOX86LQbdcCN6NsebNXgfA/ruPzeGKUTuL6sV3WFF/d",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ",
];

/// Two admins, of whom ann also asks; ann has made an approver whose password she knows.
struct Scene {
    house: House,
    ann: String,
    ben: String,
    checkout: String,
}

async fn scene() -> Scene {
    let house = House::new().await;
    let (_, ann) = house.somebody("ann", &[Role::Admin, Role::Requester]).await;
    let (_, ben) = house.somebody("ben", &[Role::Admin]).await;
    house.place(&ann, json!({})).await;
    let puppet = json!({"name": "puppet", "roles": ["approver"], "password": PASSWORD});
    house.post("/users", &ann, puppet).await.is(201);
    let body = json!({"target": "db1", "reason": "disk full", "ticket": "CHG1"});
    let asked = house.post("/checkouts", &ann, body).await.is(201);
    let checkout = asked.json["id"].as_str().unwrap().to_owned();
    Scene {
        house,
        ann,
        ben,
        checkout,
    }
}

impl Scene {
    /// A token as the puppet gets it now, whoever plays it.
    async fn puppet(&self) -> String {
        let name = "puppet".parse().unwrap();
        let user = store::user::by_name(&self.house.store, &name).await;
        self.house.token(&user.unwrap()).await
    }

    async fn password(&self, by: &str) {
        let body = Some(json!({"new": "another horse battery staple"}));
        let path = "/users/puppet/password";
        let set = self.house.send(Method::PUT, path, Some(by), body);
        set.await.is(204);
    }

    async fn key(&self, by: &str, path: &str, key: &str) -> String {
        let body = json!({"public_key": key});
        let added = self.house.post(path, by, body).await.is(201);
        added.json["fingerprint"].as_str().unwrap().to_owned()
    }

    async fn remove_key(&self, fingerprint: &str) {
        let escaped = fingerprint.replace('/', "%2F").replace('+', "%2B");
        let path = format!("/users/puppet/ssh-keys/{escaped}");
        let removed = self
            .house
            .send(Method::DELETE, &path, Some(&self.ben), None);
        removed.await.is(204);
    }

    async fn votes(&self) -> (u16, Value) {
        let path = format!("/checkouts/{}/approve", self.checkout);
        let answer = self
            .house
            .post(&path, &self.puppet().await, json!({}))
            .await;
        (answer.status.as_u16(), answer.json["code"].clone())
    }

    async fn refused(&self) {
        assert_eq!(self.votes().await, (403, json!("vouched-by-requester")));
    }
}

#[tokio::test]
async fn another_s_key_does_not_make_up_for_a_known_password() {
    let it = scene().await;
    it.refused().await;
    it.key(&it.ben, "/users/puppet/ssh-keys", KEYS[0]).await;
    it.refused().await;
    // Nor does what anybody can do who knows the password.
    let own = Some(json!({"current": PASSWORD, "new": "my own horse battery staple"}));
    let puppet = it.puppet().await;
    let changed = it
        .house
        .send(Method::PUT, "/me/password", Some(&puppet), own);
    changed.await.is(204);
    it.refused().await;
    it.password(&it.ben).await;
    assert_eq!(it.votes().await.0, 200);
}

#[tokio::test]
async fn each_credential_counts_until_it_is_gone() {
    let it = scene().await;
    let given = it.key(&it.ann, "/users/puppet/ssh-keys", KEYS[0]).await;
    // Whoever knows the password gives the puppet a key of its own.
    let own = it.key(&it.puppet().await, "/me/ssh-keys", KEYS[1]).await;
    it.password(&it.ben).await;
    it.refused().await;
    it.remove_key(&given).await;
    it.refused().await;
    it.remove_key(&own).await;
    assert_eq!(it.votes().await.0, 200);
}

#[tokio::test]
async fn keys_of_a_document_are_vouched_for_by_who_applies_it() {
    let it = scene().await;
    it.password(&it.ben).await;
    let users = json!({"users": [{"name": "puppet", "ssh_keys": [KEYS[0]]}]});
    let apply = json!({"document": users});
    it.house
        .post("/apply", &it.ann, apply.clone())
        .await
        .is(200);
    it.refused().await;
    let again = it.house.post("/apply", &it.ben, apply).await.is(200);
    assert_eq!(again.json["changes"][0]["action"], "unchanged");
    it.refused().await;
    let none = json!({"document": {"users": [{"name": "puppet", "ssh_keys": []}]}});
    it.house.post("/apply", &it.ben, none).await.is(200);
    assert_eq!(it.votes().await.0, 200);
}
