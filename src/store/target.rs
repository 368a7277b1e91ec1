//! The machines behind the gateway, with the identity each must prove.

use super::{
    Listing, Order, Page, Result, Source, StoreError, Tx,
    list::sorts,
    meta::pass_gate,
    policy,
    select::Select,
    sql::{Row, Sql, sql},
};
use crate::model::{
    ids::TargetId,
    name::{PolicyName, TargetName},
    target::{Protocol, Target},
};

const COLUMNS: &str = "t.id, t.name, t.protocol, t.address, t.host_keys, p.name as policy, \
    t.description, t.labels, t.disabled, t.web, t.rdp, t.created_at";
const FROM: &str = "target t left join policy p on p.id = t.policy_id";

sorts! {
    Name "name" Text("t.name");
    Address "address" Text("t.address");
    Protocol "protocol" Text("t.protocol");
    CreatedAt "created_at" Number("t.created_at");
}

#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub protocol: Option<Protocol>,
    pub policy: Option<PolicyName>,
    pub disabled: Option<bool>,
    /// Part of the name, the address, the description or a label.
    pub text: Option<String>,
}

/// Adds a target. `Duplicate` if the name is taken; an unknown policy is `NotFound`.
pub async fn insert(tx: &mut Tx, target: &Target) -> Result<()> {
    pass_gate(tx, "places").await?;
    let write = sql(
        "adding a target",
        "insert into target (id, created_at, name, protocol, address, host_keys, policy_id,
             description, labels, disabled, web, rdp)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    );
    let write = write.text(target.id.as_str()).time(target.created_at);
    let write = values(tx, write, target).await?;
    tx.run(write).await.map(drop)
}

/// Writes `after` over `before`. `Conflict` if it is not as `before` any more.
pub async fn update(tx: &mut Tx, before: &Target, after: &Target) -> Result<()> {
    as_before(tx, before).await?;
    let write = sql(
        "changing a target",
        "update target set name = $1, protocol = $2, address = $3, host_keys = $4,
             policy_id = $5, description = $6, labels = $7, disabled = $8, web = $9, rdp = $10
         where id = $11",
    );
    let write = values(tx, write, after).await?.text(before.id.as_str());
    tx.run_guarded(write).await
}

/// Removes a target; its accounts stay, on whatever other targets they are.
pub async fn delete(tx: &mut Tx, before: &Target) -> Result<()> {
    as_before(tx, before).await?;
    let write = sql("removing a target", "delete from target where id = $1");
    tx.run_guarded(write.text(before.id.as_str())).await
}

pub async fn by_id(mut from: impl Source, id: &TargetId) -> Result<Target> {
    let query = sql("reading a target", select("where t.id = $1"));
    one(from.maybe_one(query.text(id.as_str())).await?)
}

pub async fn by_name(mut from: impl Source, name: &TargetName) -> Result<Target> {
    let query = sql("reading a target", select("where t.name = $1"));
    one(from.maybe_one(query.text(name.as_str())).await?)
}

/// All targets by name.
pub async fn all(mut from: impl Source) -> Result<Vec<Target>> {
    let query = sql("listing targets", select("order by t.name"));
    from.rows(query).await?.iter().map(target).collect()
}

pub async fn list(
    from: impl Source,
    filter: &Filter,
    order: Order<Sort>,
    page: &Page,
) -> Result<Listing<Target>> {
    let select = Select::new("listing targets", COLUMNS, FROM)
        .equal("t.protocol", filter.protocol.map(Protocol::as_str))
        .equal("p.name", filter.policy.as_ref().map(PolicyName::as_str))
        .when(filter.disabled == Some(true), "t.disabled = 1")
        .when(filter.disabled == Some(false), "t.disabled = 0")
        .containing(
            &["t.name", "t.address", "t.description", "t.labels"],
            filter.text.as_deref(),
        );
    let by = (order.by.as_str(), order.by.column(), "t.id");
    select.page(from, by, order.descending, page, target).await
}

async fn as_before(tx: &mut Tx, before: &Target) -> Result<()> {
    pass_gate(tx, "places").await?;
    match by_id(&mut *tx, &before.id).await {
        Ok(now) if now == *before => Ok(()),
        Ok(_) | Err(StoreError::NotFound(_)) => Err(StoreError::Conflict),
        Err(error) => Err(error),
    }
}

/// Everything but the id and the time of making, in the order of both writes.
async fn values(tx: &mut Tx, sql: Sql, target: &Target) -> Result<Sql> {
    let policy = policy::id_of(tx, target.policy.as_ref()).await?;
    Ok(sql
        .text(target.name.as_str())
        .text(target.protocol.as_str())
        .text(target.address.to_string())
        .json(&target.host_keys)
        .maybe_text(policy)
        .text(target.description.as_str())
        .json(&target.labels)
        .flag(target.disabled)
        .json_or_empty(target.web.as_ref())
        .json_or_empty(target.rdp.as_ref()))
}

fn select(rest: &str) -> String {
    format!("select {COLUMNS} from {FROM} {rest}")
}

fn one(row: Option<Row>) -> Result<Target> {
    target(&row.ok_or(StoreError::NotFound("target"))?)
}

fn target(row: &Row) -> Result<Target> {
    Ok(Target {
        id: row.parsed("id")?,
        name: row.parsed("name")?,
        protocol: row.parsed("protocol")?,
        address: row.parsed("address")?,
        host_keys: row.json("host_keys")?,
        policy: row.maybe_parsed("policy")?,
        description: row.parsed("description")?,
        labels: row.json("labels")?,
        disabled: row.flag("disabled")?,
        web: row.json_unless_empty("web")?,
        rdp: row.json_unless_empty("rdp")?,
        created_at: row.time("created_at")?,
    })
}
