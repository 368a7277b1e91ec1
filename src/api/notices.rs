//! What somebody does not want to be told by mail: their own choice, for themselves.
//!
//! Says too whether mail reaches them at all.

use std::collections::BTreeSet;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Api, auth::Caller, body::Body, error::Problem};
use crate::{
    model::{
        audit::{Actor, AuditEvent},
        notice::{ChannelKind, Event},
    },
    store,
};

#[derive(Serialize, ToSchema)]
pub struct Choice {
    muted: BTreeSet<Event>,
    /// Where mail goes; none means that none does.
    email: Option<String>,
    /// Whether the gateway sends mail at all.
    mail: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewChoice {
    muted: BTreeSet<Event>,
}

pub async fn show(State(api): State<Api>, caller: Caller) -> Result<Json<Choice>, Problem> {
    choice(&api, &caller).await.map(Json)
}

pub async fn set(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<NewChoice>,
) -> Result<Json<Choice>, Problem> {
    let by = &caller.principal;
    let mut tx = api.store().begin().await?;
    store::notice::mute(&mut tx, &by.user, &body.muted).await?;
    let message = match body.muted.is_empty() {
        true => format!("{} is told everything by mail", by.name),
        false => format!("{} is not told everything by mail", by.name),
    };
    let event = AuditEvent::done(api.now(), "user.mute", Actor::from(by), message)
        .about_user(&by.user)
        .with(json!({ "muted": body.muted }));
    api.commit(tx, &event).await?;
    choice(&api, &caller).await.map(Json)
}

async fn choice(api: &Api, caller: &Caller) -> Result<Choice, Problem> {
    let by = &caller.principal;
    let user = store::user::by_id(api.store(), &by.user).await?;
    let channels = store::channel::list(api.store()).await?;
    let sends = |kind: ChannelKind, disabled: bool| kind == ChannelKind::Email && !disabled;
    Ok(Choice {
        muted: store::notice::muted(api.store(), &by.user).await?,
        email: user.email,
        mail: channels.iter().any(|it| sends(it.kind, it.disabled)),
    })
}
