//! How targets are reached by SSH: what a client has to know and to trust.
//!
//! Public keys and names only, the same for everybody who may ask.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;

/// What `ssh` is configured from.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct SshFacts {
    /// What people call the gateway; its host certificate holds for these.
    pub names: Vec<String>,
    /// What stands behind a target's name where it is a host name: `door`.
    pub domain: String,
    /// Whose signature the host certificates of the gateway and of every target's name bear.
    pub host_authority: String,
    /// Whom targets are to trust for accounts of kind `ssh-ca`.
    pub user_authority: String,
    /// The gateway's own host keys.
    pub host_keys: Vec<String>,
}

pub async fn show(State(api): State<Api>) -> Json<SshFacts> {
    Json(api.0.parts.ssh.clone())
}
