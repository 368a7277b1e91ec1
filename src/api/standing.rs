//! How the gateway does: its nodes, its database, the room for recordings, the audit chain, and
//! whether people are told.
//!
//! For auditors and admins. Reads; an orchestrator asks `/readyz` at the metrics endpoint.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, error::Problem};
use crate::{
    model::{ids::NodeId, time::Timestamp},
    store,
};

/// A node that was silent for longer is told to be.
const SILENT: std::time::Duration = std::time::Duration::from_secs(5);

#[derive(Serialize, ToSchema)]
pub struct Standing {
    version: &'static str,
    now: Timestamp,
    nodes: Vec<NodeView>,
    recordings: Room,
    audit: Chain,
    notices: Notices,
}

/// One running gateway that shares this database.
#[derive(Serialize, ToSchema)]
pub struct NodeView {
    id: NodeId,
    /// The machine and the data folder; the same after a restart.
    name: String,
    started_at: Timestamp,
    /// Its last sign of life.
    seen_at: Timestamp,
    /// Whether it has been silent for some seconds: what is open there ends when it is given up.
    silent: bool,
    sessions: usize,
}

/// Room for recordings on the node that answers.
#[derive(Serialize, ToSchema)]
pub struct Room {
    /// None where it cannot be told.
    free_bytes: Option<u64>,
    /// Below it no new recording begins, and no session that must be recorded.
    reserve_bytes: u64,
}

#[derive(Serialize, ToSchema)]
pub struct Chain {
    /// The newest event.
    newest: i64,
    /// The newest that is signed.
    signed: Option<i64>,
    signed_at: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
pub struct Notices {
    channels: u64,
    /// Channels on which the newest try failed.
    failing: Vec<String>,
    /// Notices that were given up, on all channels.
    dead: u64,
}

pub async fn show(State(api): State<Api>) -> Result<Json<Standing>, Problem> {
    let store = api.store();
    let now = api.now();
    let mut nodes = Vec::new();
    for node in store::node::list(store).await? {
        nodes.push(NodeView {
            silent: now.since(node.seen_at) > SILENT,
            sessions: store::session::open_on_node(store, &node.id).await?.len(),
            id: node.id,
            name: node.name,
            started_at: node.started_at,
            seen_at: node.seen_at,
        });
    }
    let checkpoint = store::audit::newest_checkpoint(store).await?;
    let mut notices = Notices {
        channels: 0,
        failing: Vec::new(),
        dead: 0,
    };
    for channel in store::channel::list(store).await? {
        if channel.disabled {
            continue;
        }
        let standing = store::channel::standing(store, &channel.id).await?;
        notices.channels += 1;
        notices.dead += standing.dead;
        if standing.failing > 0 {
            notices.failing.push(channel.name.to_string());
        }
    }
    let (free_bytes, reserve_bytes) = api.archive().room();
    Ok(Json(Standing {
        version: env!("CARGO_PKG_VERSION"),
        now,
        nodes,
        recordings: Room {
            free_bytes,
            reserve_bytes,
        },
        audit: Chain {
            newest: store::audit::head(store).await?.0,
            signed: checkpoint.as_ref().map(|it| it.seq),
            signed_at: checkpoint.map(|it| it.at),
        },
        notices,
    }))
}
