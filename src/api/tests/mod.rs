//! The endpoint in this process, on a database of its own: no socket, no TLS, all the rest.

mod apply;
mod checkouts;
mod console;
mod desktop;
mod events;
mod factors;
mod people;
mod places;
mod server;
mod session;
mod sight;
mod table;
mod vouching;

use std::{collections::BTreeSet, net::SocketAddr, num::NonZeroU32};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tower::ServiceExt as _;

use super::{Api, BASE, Parts, auth::Peer, scan::Scanner};
use crate::{
    clock::Clock,
    config::{Config, LimitsConfig, RecordingConfig, SecretSource, VaultConfig},
    identity::{Identity, SignInTerms},
    kill::Switchboard,
    lifecycle::Lifecycle,
    model::{
        factor::SecondFactorRule,
        ids::NodeId,
        ids::{PersonId, UserId},
        principal::{Role, Scope, Scopes},
        time::Span,
        user::User,
    },
    recording::{Archive, Recordings},
    session::{Gate, GateParts, reveal::Revealer},
    store::{self, Store},
    vault::{Vault, entropy},
};

/// A gateway without doors: the endpoint and what it works with.
pub struct House {
    pub api: Api,
    pub store: Store,
    pub clock: Clock,
    router: Router,
    folder: TempDir,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Value,
}

impl House {
    pub async fn new() -> Self {
        Self::where_second_factors_are(SecondFactorRule::Optional).await
    }

    pub async fn where_second_factors_are(rule: SecondFactorRule) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("doorward.db").display());
        let store = Store::open(&url).await.unwrap();
        let clock = Clock::manual("2030-01-07T09:00:00Z".parse().unwrap());
        let switchboard = Switchboard::new();
        let lifecycle = Lifecycle::new(store.clone(), clock.clone(), switchboard.clone());
        let key = SecretSource::File(folder.path().join("vault.key"));
        let vault = Vault::open(&VaultConfig { key }).unwrap();
        let many = NonZeroU32::new(100_000).unwrap();
        let limits = LimitsConfig {
            sign_ins_per_address: many,
            sign_ins_per_account: many,
            requests_per_user: many,
            body_kb: NonZeroU32::new(64).unwrap(),
            ..LimitsConfig::default()
        };
        let sign_in = SignInTerms {
            per_address: many,
            per_name: many,
            rule,
        };
        let identity = Identity::new(store.clone(), clock.clone(), vault.seeds(), sign_in);
        let recordings = RecordingConfig {
            dir: folder.path().to_owned(),
            ..RecordingConfig::default()
        };
        let recordings = Recordings::open(&recordings, vault.recording_keys(), clock.clone());
        let archive = Archive::new(&recordings);
        let (clerk, _) = mpsc::unbounded_channel();
        let local = ([127, 0, 0, 1], 8443).into();
        let ways_in = Config::default().ways_in(local, local, local, Some(local));
        let gate = Gate::new(
            GateParts {
                store: store.clone(),
                clock: clock.clone(),
                vault: vault.clone(),
                identity: identity.clone(),
                lifecycle: lifecycle.clone(),
                switchboard,
                recordings,
                node: NodeId::new(clock.now(), entropy()),
                metrics: Default::default(),
                ways_in: ways_in.clone(),
                own_ports: Vec::new(),
                warn_before: Vec::new(),
                bind_certificates: true,
            },
            clerk,
        );
        let api = Api::new(Parts {
            store: store.clone(),
            clock: clock.clone(),
            identity,
            lifecycle,
            revealer: Revealer::new(gate),
            sealer: vault.seal_only(),
            limits,
            ways_in,
            archive,
            audit_key: "00".repeat(32).parse().unwrap(),
            ssh: Default::default(),
            identity_keys: Default::default(),
            desktops: crate::api::desktop::Desktops::new(|_, _| async {}),
            scanner: Scanner::new(|_| async { Err::<Vec<_>, _>("nobody looks here") }),
            closing: Default::default(),
        });
        Self {
            router: api.router(),
            api,
            store,
            clock,
            folder,
        }
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Somebody with these roles; no password, which takes its time to hash.
    pub async fn user(&self, name: &str, roles: &[Role]) -> User {
        let now = self.clock.now();
        let id = UserId::new(now, entropy());
        let user = User {
            person: PersonId::from(&id),
            id,
            name: name.parse().unwrap(),
            full_name: Default::default(),
            email: None,
            roles: roles.iter().copied().collect(),
            groups: BTreeSet::new(),
            vouched_by: Default::default(),
            disabled: false,
            created_at: now,
        };
        let mut tx = self.store.begin().await.unwrap();
        store::user::insert(&mut tx, &user).await.unwrap();
        tx.commit().await.unwrap();
        user
    }

    /// A token of theirs as after a sign-in.
    pub async fn token(&self, user: &User) -> String {
        self.narrow_token(user, Scope::ALL.into_iter().collect(), Span::hours(1))
            .await
    }

    pub async fn narrow_token(&self, user: &User, scopes: Scopes, lifetime: Span) -> String {
        let by = user.principal(crate::model::principal::Proof::Password);
        let label = "test".parse().unwrap();
        let issued = self.api.identity().issue(&by, label, scopes, lifetime);
        issued.await.unwrap().secret.reveal().to_owned()
    }

    /// Somebody with these roles, and a token of theirs.
    pub async fn somebody(&self, name: &str, roles: &[Role]) -> (User, String) {
        let user = self.user(name, roles).await;
        let token = self.token(&user).await;
        (user, token)
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(Method::GET, path, Some(token), None).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(token), Some(body)).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{BASE}{path}"));
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.request(request.body(body).unwrap()).await
    }

    pub async fn request(&self, mut request: Request) -> Answer {
        let peer: SocketAddr = "192.0.2.1:50000".parse().unwrap();
        request.extensions_mut().insert(Peer(peer));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let headers = response.headers().clone();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX);
        let text = String::from_utf8(bytes.await.unwrap().to_vec()).unwrap();
        Answer {
            status,
            headers,
            json: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    /// The kinds of audit events, with the outcome, oldest first.
    pub async fn audit(&self) -> Vec<(String, String)> {
        let filter = store::audit::Filter {
            after: Some(0),
            ..Default::default()
        };
        let records = store::audit::list(&self.store, &filter, 10_000)
            .await
            .unwrap();
        let events = records.iter().map(|record| {
            let event: Value = serde_json::from_str(&record.body).unwrap();
            let outcome = match &event["outcome"] {
                Value::String(done) => done.clone(),
                other => other["refused"].as_str().unwrap().to_owned(),
            };
            (event["kind"].as_str().unwrap().to_owned(), outcome)
        });
        events.collect()
    }

    /// How often that was written down.
    pub async fn audited(&self, kind: &str, outcome: &str) -> usize {
        let wanted = (kind.to_owned(), outcome.to_owned());
        self.audit()
            .await
            .into_iter()
            .filter(|it| *it == wanted)
            .count()
    }

    /// A target `db1` with an account `root` under a policy of these terms.
    pub async fn place(&self, admin: &str, terms: Value) {
        let policy = json!({"name": "strict", "terms": terms});
        self.post("/policies", admin, policy).await.is(201);
        let target = json!({"name": "db1", "address": "10.0.0.7:22", "policy": "strict"});
        self.post("/targets", admin, target).await.is(201);
        let secret = json!({"kind": "password", "value": "hunter2"});
        let account = json!({"name": "root", "targets": ["db1"], "secret": secret});
        self.post("/accounts", admin, account).await.is(201);
    }
}

impl Answer {
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        let answer = self.is(status);
        assert_eq!(
            answer.headers[header::CONTENT_TYPE],
            "application/problem+json"
        );
        assert_eq!(answer.json["code"], code, "{}", answer.text);
        answer
    }

    pub fn names(&self) -> Vec<&str> {
        let items = self.json["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["name"].as_str().unwrap())
            .collect()
    }
}
