//! The privileged identities on the targets. On one target an account's name is unique.
//! Their secrets are in `secret`, sealed.

use super::{
    Listing, Order, Page, Result, Source, StoreError, Tx,
    list::sorts,
    meta::pass_gate,
    policy,
    select::Select,
    sql::{Row, sql},
};
use crate::model::{
    ids::{AccountId, TargetId},
    name::{PolicyName, TargetName},
    target::{Account, SecretKind},
};

const COLUMNS: &str = "a.id, a.name, a.login, p.name as policy, a.secret_kind, a.description, \
    a.disabled, a.created_at, \
    (select string_agg(t.name, ',') from account_target l join target t on t.id = l.target_id \
     where l.account_id = a.id) as target_names";
const FROM: &str = "account a left join policy p on p.id = a.policy_id";

sorts! {
    Name "name" Text("a.name");
    Login "login" Text("a.login");
    CreatedAt "created_at" Number("a.created_at");
}

#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub target: Option<TargetName>,
    pub policy: Option<PolicyName>,
    pub disabled: Option<bool>,
    /// Part of the name, the log-in or the description.
    pub text: Option<String>,
}

/// Adds an account, without a secret. `Duplicate` if a target has one of that name already;
/// an unknown target or policy is `NotFound`.
pub async fn insert(tx: &mut Tx, account: &Account) -> Result<()> {
    pass_gate(tx, "places").await?;
    let policy = policy::id_of(tx, account.policy.as_ref()).await?;
    let write = sql(
        "adding an account",
        "insert into account (id, name, login, policy_id, description, disabled, created_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
    );
    let write = write
        .text(account.id.as_str())
        .text(account.name.as_str())
        .text(&account.login)
        .maybe_text(policy)
        .text(account.description.as_str())
        .flag(account.disabled)
        .time(account.created_at);
    tx.run(write).await?;
    link(tx, account).await
}

/// Writes `after` over `before`, targets included, the secret apart. `Conflict` if it is not
/// as `before` any more.
pub async fn update(tx: &mut Tx, before: &Account, after: &Account) -> Result<()> {
    as_before(tx, before).await?;
    let policy = policy::id_of(tx, after.policy.as_ref()).await?;
    let write = sql(
        "changing an account",
        "update account set name = $1, login = $2, policy_id = $3, description = $4,
             disabled = $5
         where id = $6",
    );
    let write = write
        .text(after.name.as_str())
        .text(&after.login)
        .maybe_text(policy)
        .text(after.description.as_str())
        .flag(after.disabled)
        .text(before.id.as_str());
    tx.run_guarded(write).await?;
    let unlink = sql(
        "changing the targets of an account",
        "delete from account_target where account_id = $1",
    );
    tx.run(unlink.text(before.id.as_str())).await?;
    link(tx, after).await
}

/// Removes an account and its sealed secret.
pub async fn delete(tx: &mut Tx, before: &Account) -> Result<()> {
    as_before(tx, before).await?;
    let write = sql("removing an account", "delete from account where id = $1");
    tx.run_guarded(write.text(before.id.as_str())).await
}

pub async fn by_id(mut from: impl Source, id: &AccountId) -> Result<Account> {
    let query = sql("reading an account", select("where a.id = $1"));
    let row = from.maybe_one(query.text(id.as_str())).await?;
    account(&row.ok_or(StoreError::NotFound("account"))?)
}

/// The accounts on one target, by name.
pub async fn on_target(mut from: impl Source, target: &TargetId) -> Result<Vec<Account>> {
    let query = sql(
        "reading the accounts of a target",
        select(
            "where a.id in (select account_id from account_target where target_id = $1) order by a.name",
        ),
    );
    let rows = from.rows(query.text(target.as_str())).await?;
    rows.iter().map(account).collect()
}

/// All accounts by name.
pub async fn all(mut from: impl Source) -> Result<Vec<Account>> {
    let query = sql("listing accounts", select("order by a.name, a.id"));
    from.rows(query).await?.iter().map(account).collect()
}

pub async fn list(
    from: impl Source,
    filter: &Filter,
    order: Order<Sort>,
    page: &Page,
) -> Result<Listing<Account>> {
    let mut select = Select::new("listing accounts", COLUMNS, FROM)
        .equal("p.name", filter.policy.as_ref().map(PolicyName::as_str))
        .when(filter.disabled == Some(true), "a.disabled = 1")
        .when(filter.disabled == Some(false), "a.disabled = 0")
        .containing(
            &["a.name", "a.login", "a.description"],
            filter.text.as_deref(),
        );
    if let Some(target) = &filter.target {
        let on_it = "a.id in (select l.account_id from account_target l \
            join target t on t.id = l.target_id where t.name";
        select = select.equal_within(on_it, target.as_str());
    }
    let by = (order.by.as_str(), order.by.column(), "a.id");
    select.page(from, by, order.descending, page, account).await
}

async fn as_before(tx: &mut Tx, before: &Account) -> Result<()> {
    pass_gate(tx, "places").await?;
    // The order of the targets says nothing.
    let mut before = before.clone();
    before.targets.sort();
    match by_id(&mut *tx, &before.id).await {
        Ok(now) if now == before => Ok(()),
        Ok(_) | Err(StoreError::NotFound(_)) => Err(StoreError::Conflict),
        Err(error) => Err(error),
    }
}

async fn link(tx: &mut Tx, account: &Account) -> Result<()> {
    for target in &account.targets {
        let write = sql(
            "changing the targets of an account",
            "insert into account_target (account_id, target_id, account_name)
             select $1, id, $2 from target where name = $3",
        );
        let write = write
            .text(account.id.as_str())
            .text(account.name.as_str())
            .text(target.as_str());
        if tx.run(write).await? == 0 {
            return Err(StoreError::NotFound("target"));
        }
    }
    Ok(())
}

fn select(rest: &str) -> String {
    format!("select {COLUMNS} from {FROM} {rest}")
}

fn account(row: &Row) -> Result<Account> {
    Ok(Account {
        id: row.parsed("id")?,
        name: row.parsed("name")?,
        login: row.text("login")?,
        targets: row.names("target_names")?,
        policy: row.maybe_parsed("policy")?,
        secret: match row.maybe_text("secret_kind")?.as_deref() {
            None => None,
            Some("password") => Some(SecretKind::Password),
            Some("ssh-key") => Some(SecretKind::SshKey),
            Some("client-certificate") => Some(SecretKind::ClientCertificate),
            Some("ssh-ca") => Some(SecretKind::SshCa),
            Some(other) => return Err(StoreError::unreadable("secret_kind", other)),
        },
        description: row.parsed("description")?,
        disabled: row.flag("disabled")?,
        created_at: row.time("created_at")?,
    })
}

pub(super) fn kind_text(kind: SecretKind) -> &'static str {
    match kind {
        SecretKind::Password => "password",
        SecretKind::SshKey => "ssh-key",
        SecretKind::ClientCertificate => "client-certificate",
        SecretKind::SshCa => "ssh-ca",
    }
}
