//! The named rules. Exactly one policy is the default, from the first migration on.

use super::{
    Result, Source, StoreError, Tx,
    meta::pass_gate,
    sql::{Row, sql},
};
use crate::model::{name::PolicyName, policy::Policy};

const COLUMNS: &str = "p.id, p.name, p.description, p.is_default, p.terms";

/// Adds a policy. If it is the default, the one before is not any more.
pub async fn insert(tx: &mut Tx, policy: &Policy) -> Result<()> {
    pass_gate(tx, "places").await?;
    if policy.is_default {
        clear_default(tx).await?;
    }
    let write = sql(
        "adding a policy",
        "insert into policy (id, name, description, is_default, terms)
         values ($1, $2, $3, $4, $5)",
    );
    let write = write
        .text(policy.id.as_str())
        .text(policy.name.as_str())
        .text(policy.description.as_str())
        .flag(policy.is_default)
        .json(&policy.terms);
    tx.run(write).await.map(drop)
}

/// Writes `after` over `before`. `Conflict` if it is not as `before` any more, `InUse` if
/// nothing would be the default afterwards: make another one the default instead.
pub async fn update(tx: &mut Tx, before: &Policy, after: &Policy) -> Result<()> {
    as_before(tx, before).await?;
    match (before.is_default, after.is_default) {
        (true, false) => return Err(NO_DEFAULT),
        (false, true) => clear_default(tx).await?,
        (true, true) | (false, false) => {}
    }
    let write = sql(
        "changing a policy",
        "update policy set name = $1, description = $2, is_default = $3, terms = $4
         where id = $5",
    );
    let write = write
        .text(after.name.as_str())
        .text(after.description.as_str())
        .flag(after.is_default)
        .json(&after.terms)
        .text(before.id.as_str());
    tx.run_guarded(write).await
}

/// Removes a policy that nothing refers to and that is not the default.
pub async fn delete(tx: &mut Tx, before: &Policy) -> Result<()> {
    as_before(tx, before).await?;
    if before.is_default {
        return Err(NO_DEFAULT);
    }
    let write = sql("removing a policy", "delete from policy where id = $1");
    match tx.run_guarded(write.text(before.id.as_str())).await {
        Err(error) if error.is_foreign_key() => Err(StoreError::InUse {
            what: "this policy",
            by: "a target or an account",
        }),
        done => done,
    }
}

pub async fn by_name(mut from: impl Source, name: &PolicyName) -> Result<Policy> {
    let query = sql("reading a policy", select("where p.name = $1"));
    let row = from.maybe_one(query.text(name.as_str())).await?;
    policy(&row.ok_or(StoreError::NotFound("policy"))?)
}

/// The policy of whatever names none.
pub async fn default(mut from: impl Source) -> Result<Policy> {
    let query = sql(
        "reading the default policy",
        select("where p.is_default = 1"),
    );
    policy(&from.one(query).await?)
}

/// All policies by name.
pub async fn list(mut from: impl Source) -> Result<Vec<Policy>> {
    let query = sql("listing policies", select("order by p.name"));
    from.rows(query).await?.iter().map(policy).collect()
}

const NO_DEFAULT: StoreError = StoreError::InUse {
    what: "the default policy",
    by: "everything that names no policy",
};

async fn as_before(tx: &mut Tx, before: &Policy) -> Result<()> {
    pass_gate(tx, "places").await?;
    let query = sql("reading a policy", select("where p.id = $1"));
    let mut from = &mut *tx;
    match from.maybe_one(query.text(before.id.as_str())).await? {
        Some(row) if policy(&row)? == *before => Ok(()),
        _ => Err(StoreError::Conflict),
    }
}

async fn clear_default(tx: &mut Tx) -> Result<()> {
    let write = sql(
        "changing the default policy",
        "update policy set is_default = 0 where is_default = 1",
    );
    tx.run(write).await.map(drop)
}

/// The id of a policy named in another noun.
pub(super) async fn id_of(tx: &mut Tx, name: Option<&PolicyName>) -> Result<Option<String>> {
    match name {
        None => Ok(None),
        Some(name) => {
            let policy = by_name(&mut *tx, name).await?;
            Ok(Some(policy.id.into()))
        }
    }
}

fn select(rest: &str) -> String {
    format!("select {COLUMNS} from policy p {rest}")
}

fn policy(row: &Row) -> Result<Policy> {
    Ok(Policy {
        id: row.parsed("id")?,
        name: row.parsed("name")?,
        description: row.parsed("description")?,
        is_default: row.flag("is_default")?,
        terms: row.json("terms")?,
    })
}
