//! The running gateways that share this database, and which of them is gone.

use super::{
    Result, Source, Tx,
    sql::{Row, sql},
};
use crate::model::{ids::NodeId, time::Timestamp};

/// One run of one gateway process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub id: NodeId,
    /// The same after a restart.
    pub name: String,
    pub started_at: Timestamp,
    /// Its last sign of life.
    pub seen_at: Timestamp,
}

const COLUMNS: &str = "id, name, started_at, seen_at";

/// Enters a node that starts.
pub async fn register(tx: &mut Tx, node: &Node) -> Result<()> {
    let write = sql(
        "entering a node",
        "insert into node (id, name, started_at, seen_at) values ($1, $2, $3, $4)",
    );
    let write = write
        .text(node.id.as_str())
        .text(&node.name)
        .time(node.started_at)
        .time(node.seen_at);
    tx.run(write).await.map(drop)
}

/// A sign of life. `Conflict` if the node was given up meanwhile: it must end its sessions.
pub async fn heartbeat(tx: &mut Tx, id: &NodeId, now: Timestamp) -> Result<()> {
    let write = sql(
        "giving a sign of life",
        "update node set seen_at = $1 where id = $2",
    );
    tx.run_guarded(write.time(now).text(id.as_str())).await
}

/// The nodes that are gone: earlier runs of `name`, and those silent since `silent_since`.
/// `but` is the one that asks.
pub async fn gone(
    mut from: impl Source,
    but: &NodeId,
    name: &str,
    silent_since: Timestamp,
) -> Result<Vec<Node>> {
    let query = sql(
        "reading which nodes are gone",
        format!(
            "select {COLUMNS} from node
             where id <> $1 and (name = $2 or seen_at < $3) order by id"
        ),
    );
    let query = query.text(but.as_str()).text(name).time(silent_since);
    from.rows(query).await?.iter().map(node).collect()
}

/// Strikes a node that is gone. `Conflict` if another node was faster, which then closes its
/// sessions: call this first, and `session::close_lost` in the same transaction.
pub async fn strike(tx: &mut Tx, id: &NodeId) -> Result<()> {
    let write = sql("striking a node", "delete from node where id = $1");
    tx.run_guarded(write.text(id.as_str())).await
}

/// All nodes, oldest first.
pub async fn list(mut from: impl Source) -> Result<Vec<Node>> {
    let query = sql(
        "listing nodes",
        format!("select {COLUMNS} from node order by started_at, id"),
    );
    from.rows(query).await?.iter().map(node).collect()
}

fn node(row: &Row) -> Result<Node> {
    Ok(Node {
        id: row.parsed("id")?,
        name: row.text("name")?,
        started_at: row.time("started_at")?,
        seen_at: row.time("seen_at")?,
    })
}
