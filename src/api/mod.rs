//! The admin endpoint: `/api/v1`, made out of one table of routes.
//!
//! Reads requests, asks `lifecycle`, `identity` and `store`, answers in JSON. Seals secrets and
//! never unseals one; decides nothing about a check-out.

mod accounts;
mod apply;
mod audit;
mod auth;
mod body;
mod channels;
mod checkouts;
mod class;
mod console;
mod csv;
mod deliveries;
pub mod desktop;
mod diff;
mod error;
mod events;
mod factors;
mod files;
mod groups;
mod guard;
pub mod health;
mod jwks;
mod keys;
mod limits;
mod me;
mod notices;
mod openapi;
mod page;
mod passkeys;
mod policies;
mod query;
mod rdp;
mod recordings;
mod reveal;
mod room;
mod route;
mod routes;
pub mod scan;
mod secret_text;
pub mod server;
mod sessions;
mod sight;
mod sign_in;
mod sign_ins;
pub mod ssh;
mod standing;
mod targets;
#[cfg(test)]
mod tests;
mod users;
mod write;

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderName, HeaderValue},
};
use tokio_util::sync::CancellationToken;
use tower_http::{catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer};
use tracing::warn;

pub use self::auth::Peer;
use self::{auth::Caller, error::Problem, limits::Limits};
use crate::{
    audit::{self as chain, PublicKey},
    clock::Clock,
    config::LimitsConfig,
    identity::{Identity, second::Site},
    lifecycle::Lifecycle,
    model::{audit::AuditEvent, time::Timestamp, ways_in::WaysIn, web::KeySet},
    recording::Archive,
    session::reveal::Revealer,
    store::{Store, Tx},
    vault::Sealer,
};

/// Where every route begins.
pub const BASE: &str = "/api/v1";

/// What the endpoint works with.
pub struct Parts {
    pub store: Store,
    pub clock: Clock,
    pub identity: Identity,
    pub lifecycle: Lifecycle,
    pub sealer: Sealer,
    pub revealer: Revealer,
    pub limits: LimitsConfig,
    /// What people are told when they ask where the gateway is.
    pub ways_in: WaysIn,
    pub archive: Archive,
    /// Whose signature proves the audit chain.
    pub audit_key: PublicKey,
    /// How desktops open in browsers.
    pub desktops: desktop::Desktops,
    /// How the gateway looks at the host keys of a server.
    pub scanner: scan::Scanner,
    /// What people configure their ssh from.
    pub ssh: ssh::SshFacts,
    /// What web targets verify with who is there.
    pub identity_keys: KeySet,
    /// Ends the event streams, so that the drain need not wait for them.
    pub closing: CancellationToken,
}

/// The endpoint. Cloning it shares it.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    parts: Parts,
    limits: Limits,
    document: String,
}

impl Api {
    pub fn new(parts: Parts) -> Self {
        let document = openapi::document(BASE, &routes::table());
        let document = document.to_json().expect("the document is JSON");
        let limits = Limits::new(&parts.limits);
        Self(Arc::new(Inner {
            parts,
            limits,
            document,
        }))
    }

    /// Every route of the table behind its guard, and what is said to the rest.
    pub fn router(&self) -> Router {
        let mut routes = Router::new();
        for route in routes::table() {
            routes = route.mount(routes, self);
        }
        let routes = routes
            .method_not_allowed_fallback(async || Problem::method_not_allowed())
            .fallback(async || Problem::no_such_route());
        let mut router = Router::new()
            .nest(BASE, routes)
            .fallback(async || Problem::no_such_route())
            .layer(CatchPanicLayer::custom(panicked));
        for (name, value) in HEADERS {
            let name = HeaderName::from_static(name);
            let value = HeaderValue::from_static(value);
            // Overriding: no handler makes them weaker.
            router = router.layer(SetResponseHeaderLayer::overriding(name, value));
        }
        let console = console::router(self).layer(CatchPanicLayer::custom(panicked));
        router.merge(console).with_state(self.clone())
    }

    pub fn store(&self) -> &Store {
        &self.0.parts.store
    }

    pub fn identity(&self) -> &Identity {
        &self.0.parts.identity
    }

    pub fn lifecycle(&self) -> &Lifecycle {
        &self.0.parts.lifecycle
    }

    pub fn now(&self) -> Timestamp {
        self.0.parts.clock.now()
    }

    fn sealer(&self) -> &Sealer {
        &self.0.parts.sealer
    }

    fn revealer(&self) -> &Revealer {
        &self.0.parts.revealer
    }

    fn ways_in(&self) -> &WaysIn {
        &self.0.parts.ways_in
    }

    fn desktops(&self) -> &desktop::Desktops {
        &self.0.parts.desktops
    }

    fn limits(&self) -> &Limits {
        &self.0.limits
    }

    fn closing(&self) -> &CancellationToken {
        &self.0.parts.closing
    }

    fn archive(&self) -> &Archive {
        &self.0.parts.archive
    }

    fn audit_key(&self) -> &PublicKey {
        &self.0.parts.audit_key
    }

    fn document(&self) -> &str {
        &self.0.document
    }

    /// Whose passkeys they are.
    fn site(&self) -> Site {
        Site::of(&self.ways_in().console)
    }

    /// The most a body may hold.
    fn body_limit(&self) -> usize {
        self.0.parts.limits.body_kb.get() as usize * 1024
    }

    /// Who a token belongs to, now.
    async fn recognise(&self, secret: &str) -> Result<Caller, Problem> {
        Caller::found(self.identity().token(secret).await)
    }

    /// Whose browser it is, by the cookie it got here.
    async fn recognise_browser(&self, secret: &str) -> Result<Caller, Problem> {
        let console = &self.ways_in().console;
        Caller::found(self.identity().cookie(secret, console).await)
    }

    /// Ends a transaction with its audit event: what is not audited does not happen.
    async fn commit(&self, mut tx: Tx, event: &AuditEvent) -> Result<(), Problem> {
        chain::append(&mut tx, event).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Writes down what stands alone, such as a refusal.
    async fn note(&self, event: AuditEvent) {
        if let Err(error) = self.try_note(&event).await {
            warn!(
                kind = event.kind,
                code = error.code(),
                "Audit event not written"
            );
        }
    }

    async fn try_note(&self, event: &AuditEvent) -> Result<(), Problem> {
        let tx = self.store().begin().await?;
        self.commit(tx, event).await
    }
}

/// On every answer. The API answers programs: nothing it sends is to be kept, guessed at,
/// framed or run.
const HEADERS: [(&str, &str); 6] = [
    ("strict-transport-security", "max-age=31536000"),
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
];

fn panicked(_: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    use axum::response::IntoResponse as _;

    Problem::fault("answering", &std::io::Error::other("a handler panicked")).into_response()
}
