//! Groups of users.

use super::{
    Result, Source, StoreError, Tx,
    meta::pass_gate,
    sql::{Row, sql},
};
use crate::model::{name::GroupName, user::Group};

const COLUMNS: &str = "g.id, g.name, g.description, \
    (select string_agg(u.name, ',') from group_member m join users u on u.id = m.user_id \
     where m.group_id = g.id) as member_names";

/// Adds a group. Unknown members are `NotFound`.
pub async fn insert(tx: &mut Tx, group: &Group) -> Result<()> {
    let write = sql(
        "adding a group",
        "insert into user_group (id, name, description) values ($1, $2, $3)",
    );
    let write = write
        .text(group.id.as_str())
        .text(group.name.as_str())
        .text(group.description.as_str());
    tx.run(write).await?;
    add_members(tx, group).await
}

/// Writes `after` over `before`, members included. `Conflict` if it is not as `before` any more.
pub async fn update(tx: &mut Tx, before: &Group, after: &Group) -> Result<()> {
    as_before(tx, before).await?;
    let write = sql(
        "changing a group",
        "update user_group set name = $1, description = $2 where id = $3",
    );
    let write = write
        .text(after.name.as_str())
        .text(after.description.as_str())
        .text(before.id.as_str());
    tx.run_guarded(write).await?;
    if before.members == after.members {
        return Ok(());
    }
    let clear = sql(
        "changing members",
        "delete from group_member where group_id = $1",
    );
    tx.run(clear.text(before.id.as_str())).await?;
    add_members(tx, after).await
}

pub async fn delete(tx: &mut Tx, before: &Group) -> Result<()> {
    as_before(tx, before).await?;
    let write = sql("removing a group", "delete from user_group where id = $1");
    tx.run_guarded(write.text(before.id.as_str())).await
}

pub async fn by_name(mut from: impl Source, name: &GroupName) -> Result<Group> {
    let query = sql("reading a group", select("where g.name = $1"));
    let row = from.maybe_one(query.text(name.as_str())).await?;
    group(&row.ok_or(StoreError::NotFound("group"))?)
}

/// All groups by name.
pub async fn list(mut from: impl Source) -> Result<Vec<Group>> {
    let query = sql("listing groups", select("order by g.name"));
    from.rows(query).await?.iter().map(group).collect()
}

async fn as_before(tx: &mut Tx, before: &Group) -> Result<()> {
    pass_gate(tx, "people").await?;
    let query = sql("reading a group", select("where g.id = $1"));
    let mut from = &mut *tx;
    match from.maybe_one(query.text(before.id.as_str())).await? {
        Some(row) if group(&row)? == *before => Ok(()),
        _ => Err(StoreError::Conflict),
    }
}

async fn add_members(tx: &mut Tx, group: &Group) -> Result<()> {
    for member in &group.members {
        let write = sql(
            "changing members",
            "insert into group_member (group_id, user_id)
             select $1, id from users where name = $2",
        );
        let write = write.text(group.id.as_str()).text(member.as_str());
        if tx.run(write).await? == 0 {
            return Err(StoreError::NotFound("user"));
        }
    }
    Ok(())
}

fn select(rest: &str) -> String {
    format!("select {COLUMNS} from user_group g {rest}")
}

fn group(row: &Row) -> Result<Group> {
    Ok(Group {
        id: row.parsed("id")?,
        name: row.parsed("name")?,
        description: row.parsed("description")?,
        members: row.names("member_names")?.into_iter().collect(),
    })
}
