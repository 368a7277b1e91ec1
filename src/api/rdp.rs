//! How the holder of a check-out comes in by RDP.
//!
//! `session` admits, derives the one-time secret and writes it down; here it only goes out.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroize;

use super::{Api, auth::Caller, body::At, error::Problem, sight};
use crate::model::{target::Address, time::Timestamp};

/// Wiped once it is sent.
#[derive(Serialize, ToSchema)]
pub struct RdpWay {
    #[schema(value_type = String)]
    address: Address,
    /// The user name for the client, without a domain.
    login: String,
    /// The password for the client. It is the check-out's, and ends with it.
    secret: String,
    ends_at: Timestamp,
}

impl Drop for RdpWay {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

pub async fn show(
    State(api): State<Api>,
    caller: Caller,
    At(named): At<String>,
) -> Result<Json<RdpWay>, Problem> {
    let by = &caller.principal;
    let id = sight::checkout(&api, by, &named).await?.id;
    let shown = api.revealer().one_time(by, &id).await;
    let way = shown.map_err(|refusal| Problem::from(refusal).already_audited())?;
    Ok(Json(RdpWay {
        address: way.address,
        login: way.login,
        secret: way.secret.expose(str::to_owned),
        ends_at: way.ends_at,
    }))
}
