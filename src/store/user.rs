//! The people, with their roles and groups, and their password hashes.
//! Keeps one admin at least; what a password must be is decided elsewhere.

use super::{
    Listing, Order, Page, Result, Source, StoreError, Tx,
    list::sorts,
    meta::pass_gate,
    select::Select,
    sql::{Row, Sql, sql},
    voucher,
};
use crate::model::{
    ids::{PersonId, UserId},
    name::{GroupName, UserName},
    principal::{Role, Roles},
    user::User,
};

const COLUMNS: &str = "u.id, u.name, u.full_name, u.email, u.requester, u.approver, u.auditor, \
    u.admin, u.person, u.disabled, u.created_at, \
    (select string_agg(g.name, ',') from group_member m join user_group g on g.id = m.group_id \
     where m.user_id = u.id) as group_names, \
    (select string_agg(v.person, ',') from voucher v where v.user_id = u.id) as vouchers";

sorts! {
    Name "name" Text("u.name");
    FullName "full_name" Text("u.full_name");
    CreatedAt "created_at" Number("u.created_at");
}

#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub role: Option<Role>,
    pub group: Option<GroupName>,
    pub disabled: Option<bool>,
    /// Part of the name, the full name or the address.
    pub text: Option<String>,
}

/// Adds a user. `Duplicate` if the name is taken; unknown groups are `NotFound`.
pub async fn insert(tx: &mut Tx, user: &User) -> Result<()> {
    let write = sql(
        "adding a user",
        "insert into users (id, name, full_name, email, requester, approver, auditor, admin,
             person, disabled, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    );
    let write = values(write.text(user.id.as_str()), user).time(user.created_at);
    tx.run(write).await?;
    voucher::made(tx, &user.id, &user.vouched_by).await?;
    join_groups(tx, user).await
}

/// Writes `after` over `before`, groups included. Who vouches for them is written only with
/// another person; else see `voucher`. `Conflict` if it is not as `before` any
/// more, `LastAdmin` if nobody who is not disabled would be an admin afterwards.
pub async fn update(tx: &mut Tx, before: &User, after: &User) -> Result<()> {
    as_before(tx, before).await?;
    let write = sql(
        "changing a user",
        "update users set name = $1, full_name = $2, email = $3, requester = $4, approver = $5,
             auditor = $6, admin = $7, person = $8, disabled = $9
         where id = $10",
    );
    let write = values(write, after).text(before.id.as_str());
    tx.run_guarded(write).await?;
    if before.person != after.person {
        voucher::moved(tx, &before.id, &after.vouched_by).await?;
    }
    if before.groups != after.groups {
        leave_groups(tx, &before.id).await?;
        join_groups(tx, after).await?;
    }
    keep_an_admin(tx).await
}

/// Removes a user, with keys, tokens and memberships. What they did stays in the history.
pub async fn delete(tx: &mut Tx, before: &User) -> Result<()> {
    as_before(tx, before).await?;
    let write = sql("removing a user", "delete from users where id = $1");
    tx.run_guarded(write.text(before.id.as_str())).await?;
    keep_an_admin(tx).await
}

pub async fn by_id(mut from: impl Source, id: &UserId) -> Result<User> {
    let query = sql("reading a user", select("where u.id = $1"));
    one(from.maybe_one(query.text(id.as_str())).await?)
}

pub async fn by_name(mut from: impl Source, name: &UserName) -> Result<User> {
    let query = sql("reading a user", select("where u.name = $1"));
    one(from.maybe_one(query.text(name.as_str())).await?)
}

/// Whose key it is. A key belongs to one user at most.
pub async fn by_key_fingerprint(mut from: impl Source, fingerprint: &str) -> Result<User> {
    let query = sql(
        "reading the user of an SSH key",
        select("join ssh_key k on k.user_id = u.id where k.fingerprint = $1"),
    );
    one(from.maybe_one(query.text(fingerprint)).await?)
}

/// All users of one human being.
pub async fn of_person(mut from: impl Source, person: &PersonId) -> Result<Vec<User>> {
    let query = sql(
        "reading the users of a person",
        select("where u.person = $1 order by u.name"),
    );
    let rows = from.rows(query.text(person.as_str())).await?;
    rows.iter().map(user).collect()
}

/// Everybody who is not disabled and is an approver or an admin.
pub async fn approver_candidates(mut from: impl Source) -> Result<Vec<User>> {
    let query = sql(
        "reading the approvers",
        select("where u.disabled = 0 and (u.approver = 1 or u.admin = 1) order by u.name"),
    );
    let rows = from.rows(query).await?;
    rows.iter().map(user).collect()
}

/// Admins who are not disabled.
pub async fn count_admins(mut from: impl Source) -> Result<u64> {
    let query = sql(
        "counting the admins",
        "select count(*) as admins from users where admin = 1 and disabled = 0",
    );
    from.one(query).await?.count("admins")
}

pub async fn list(
    from: impl Source,
    filter: &Filter,
    order: Order<Sort>,
    page: &Page,
) -> Result<Listing<User>> {
    let member = "u.id in (select m.user_id from group_member m \
        join user_group g on g.id = m.group_id where g.name";
    let mut select = Select::new("listing users", COLUMNS, "users u")
        .when(filter.disabled == Some(true), "u.disabled = 1")
        .when(filter.disabled == Some(false), "u.disabled = 0")
        .when(filter.role == Some(Role::Requester), "u.requester = 1")
        .when(filter.role == Some(Role::Approver), "u.approver = 1")
        .when(filter.role == Some(Role::Auditor), "u.auditor = 1")
        .when(filter.role == Some(Role::Admin), "u.admin = 1")
        .containing(
            &["u.name", "u.full_name", "coalesce(u.email, '')"],
            filter.text.as_deref(),
        );
    if let Some(group) = &filter.group {
        select = select.equal_within(member, group.as_str());
    }
    let by = (order.by.as_str(), order.by.column(), "u.id");
    select.page(from, by, order.descending, page, user).await
}

/// The hash to hold a password against; none if the user has no password.
pub async fn password_hash(mut from: impl Source, id: &UserId) -> Result<Option<String>> {
    let query = sql(
        "reading a password hash",
        "select password_hash from users where id = $1",
    );
    let row = from.maybe_one(query.text(id.as_str())).await?;
    row.ok_or(StoreError::NotFound("user"))?
        .maybe_text("password_hash")
}

/// Sets the hash, or takes the password away. Who set it for another vouches for them:
/// `voucher::given` writes that, in the same transaction.
pub async fn set_password(tx: &mut Tx, id: &UserId, hash: Option<&str>) -> Result<()> {
    let write = sql(
        "setting a password",
        "update users set password_hash = $1 where id = $2",
    );
    let write = write.maybe_text(hash).text(id.as_str());
    match tx.run(write).await? {
        0 => Err(StoreError::NotFound("user")),
        _ => Ok(()),
    }
}

/// Puts the changes of people in a row, then looks whether `before` still holds.
async fn as_before(tx: &mut Tx, before: &User) -> Result<()> {
    // INVARIANT: two admins who demote each other at once are counted one after the other.
    pass_gate(tx, "people").await?;
    match by_id(&mut *tx, &before.id).await {
        Ok(now) if now == *before => Ok(()),
        Ok(_) | Err(StoreError::NotFound(_)) => Err(StoreError::Conflict),
        Err(error) => Err(error),
    }
}

async fn keep_an_admin(tx: &mut Tx) -> Result<()> {
    match count_admins(&mut *tx).await? {
        0 => Err(StoreError::LastAdmin),
        _ => Ok(()),
    }
}

async fn leave_groups(tx: &mut Tx, id: &UserId) -> Result<()> {
    let write = sql(
        "changing memberships",
        "delete from group_member where user_id = $1",
    );
    tx.run(write.text(id.as_str())).await.map(drop)
}

async fn join_groups(tx: &mut Tx, user: &User) -> Result<()> {
    for group in &user.groups {
        let write = sql(
            "changing memberships",
            "insert into group_member (group_id, user_id)
             select id, $1 from user_group where name = $2",
        );
        let write = write.text(user.id.as_str()).text(group.as_str());
        if tx.run(write).await? == 0 {
            return Err(StoreError::NotFound("group"));
        }
    }
    Ok(())
}

/// Everything but the id and the time of making, in the order of both writes.
fn values(sql: Sql, user: &User) -> Sql {
    sql.text(user.name.as_str())
        .text(user.full_name.as_str())
        .maybe_text(user.email.as_deref())
        .flag(user.roles.contains(&Role::Requester))
        .flag(user.roles.contains(&Role::Approver))
        .flag(user.roles.contains(&Role::Auditor))
        .flag(user.roles.contains(&Role::Admin))
        .text(user.person.as_str())
        .flag(user.disabled)
}

fn select(rest: &str) -> String {
    format!("select {COLUMNS} from users u {rest}")
}

fn one(row: Option<Row>) -> Result<User> {
    user(&row.ok_or(StoreError::NotFound("user"))?)
}

pub(super) fn user(row: &Row) -> Result<User> {
    let mut roles = Roles::new();
    for role in Role::ALL {
        if row.flag(role.as_str())? {
            roles.insert(role);
        }
    }
    Ok(User {
        id: row.parsed("id")?,
        name: row.parsed("name")?,
        full_name: row.parsed("full_name")?,
        email: row.maybe_text("email")?,
        roles,
        groups: row.names("group_names")?.into_iter().collect(),
        person: row.parsed("person")?,
        vouched_by: row.names("vouchers")?.into_iter().collect(),
        disabled: row.flag("disabled")?,
        created_at: row.time("created_at")?,
    })
}
