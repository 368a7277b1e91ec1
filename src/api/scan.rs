//! Looking at the host keys of a server, for an admin to compare and pin.
//!
//! The gateway looks, because it is the gateway that reaches targets. Pins nothing.

use std::{fmt::Display, sync::Arc};

use axum::{Json, extract::State};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use super::{Api, auth::Caller, body::Body, error::Problem};
use crate::model::{
    audit::{Actor, AuditEvent},
    target::{Address, Shown},
};

/// Looks at once: each is several connections out of the gateway.
const AT_ONCE: usize = 4;

type Looking = BoxFuture<'static, Result<Vec<Shown>, String>>;

/// How the gateway looks; what is wrong is said in a sentence.
#[derive(Clone)]
pub struct Scanner {
    look: Arc<dyn Fn(Address) -> Looking + Send + Sync>,
    room: Arc<Semaphore>,
}

impl Scanner {
    pub fn new<F, E>(look: impl Fn(Address) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Vec<Shown>, E>> + Send + 'static,
        E: Display,
    {
        let look = move |address| {
            let looking = look(address);
            Box::pin(async move { looking.await.map_err(|error| error.to_string()) }) as Looking
        };
        Self {
            look: Arc::new(look),
            room: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewScan {
    /// `db1.example.org:22`.
    #[schema(value_type = String)]
    address: Address,
}

#[derive(Serialize, ToSchema)]
pub struct Scanned {
    #[schema(value_type = String)]
    address: Address,
    host_keys: Vec<Shown>,
}

pub async fn scan(
    State(api): State<Api>,
    caller: Caller,
    Body(NewScan { address }): Body<NewScan>,
) -> Result<Json<Scanned>, Problem> {
    let Scanner { look, room } = &api.0.parts.scanner;
    let Ok(_room) = room.try_acquire() else {
        return Err(Problem::conflict(
            "busy",
            "other servers are being looked at; try again shortly",
        ));
    };
    let by = &caller.principal;
    let looked = look(address.clone()).await;
    let (message, seen) = match &looked {
        Ok(shown) => {
            let seen: Vec<_> = shown.iter().map(|key| key.fingerprint.as_str()).collect();
            (
                format!("{} looked at the host keys of {address}", by.name),
                seen,
            )
        }
        Err(why) => (
            format!("{} looked at the host keys of {address}: {why}", by.name),
            Vec::new(),
        ),
    };
    let event = AuditEvent::done(api.now(), "target.scan", Actor::from(by), message)
        .with(serde_json::json!({ "address": address, "seen": seen }));
    let tx = api.store().begin().await?;
    api.commit(tx, &event).await?;
    match looked {
        Ok(host_keys) => Ok(Json(Scanned { address, host_keys })),
        Err(why) => Err(Problem::conflict("no-host-key", why)),
    }
}
