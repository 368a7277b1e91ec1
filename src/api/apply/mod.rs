//! Makes the gateway hold what a document says: users, groups, policies, targets, accounts.
//!
//! The whole document is one transaction, so that it holds or changes nothing. A dry run is
//! the same transaction, undone. What a document does not say stays as it is.

mod people;
mod places;
mod run;

use std::collections::BTreeSet;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::run::Run;
use super::{Api, auth::Caller, body::Body, diff::FieldChange, error::Problem};
use crate::model::{
    name::{AccountName, GroupName, PolicyName, TargetName, UserName},
    policy::Terms,
    principal::{Role, Roles},
    rdp::Rdp,
    target::{Address, Protocol},
    text::Text,
    web::Web,
};

/// A document for some hundred people and targets.
pub const LARGEST: usize = 2 * 1024 * 1024;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// Only say what would change.
    #[serde(default)]
    dry_run: bool,
    /// Remove what the document does not name, of the nouns it names any of.
    #[serde(default)]
    prune: bool,
    document: Document,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    users: Option<Vec<UserEntry>>,
    groups: Option<Vec<GroupEntry>>,
    policies: Option<Vec<PolicyEntry>>,
    targets: Option<Vec<TargetEntry>>,
    accounts: Option<Vec<AccountEntry>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserEntry {
    name: UserName,
    full_name: Option<Text>,
    email: Option<String>,
    #[schema(value_type = Option<std::collections::BTreeSet<Role>>)]
    roles: Option<Roles>,
    groups: Option<BTreeSet<GroupName>>,
    person: Option<UserName>,
    disabled: Option<bool>,
    /// All keys of the user, OpenSSH's one-line form.
    ssh_keys: Option<Vec<String>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GroupEntry {
    name: GroupName,
    description: Option<Text>,
    /// All members, beside the users of this document that name the group themselves.
    members: Option<BTreeSet<UserName>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PolicyEntry {
    name: PolicyName,
    description: Option<Text>,
    is_default: Option<bool>,
    /// The whole terms: a setting that is left out has its default.
    terms: Option<Terms>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TargetEntry {
    name: TargetName,
    protocol: Option<Protocol>,
    /// Needed for a target that is not there yet.
    address: Option<Address>,
    host_keys: Option<Vec<String>>,
    web: Option<Web>,
    rdp: Option<Rdp>,
    policy: Option<PolicyName>,
    description: Option<Text>,
    labels: Option<Vec<String>>,
    disabled: Option<bool>,
}

/// The account of this name that is on one of these targets already, or a new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AccountEntry {
    name: AccountName,
    targets: Vec<TargetName>,
    login: Option<String>,
    policy: Option<PolicyName>,
    description: Option<Text>,
    disabled: Option<bool>,
}

/// What applying did, or would do.
#[derive(Serialize, ToSchema)]
pub struct Applied {
    changes: Vec<NounChange>,
}

#[derive(Serialize, ToSchema)]
pub struct NounChange {
    /// `user`, `group`, `policy`, `target` or `account`.
    noun: &'static str,
    name: String,
    action: Action,
    fields: Vec<FieldChange>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Create,
    Update,
    Delete,
    Unchanged,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Unchanged => "leave",
        }
    }
}

pub async fn apply(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<Apply>,
) -> Result<Json<Applied>, Problem> {
    let document = body.document;
    named_once(
        "users",
        document.users.iter().flatten().map(|it| it.name.as_str()),
    )?;
    named_once(
        "groups",
        document.groups.iter().flatten().map(|it| it.name.as_str()),
    )?;
    named_once(
        "policies",
        document
            .policies
            .iter()
            .flatten()
            .map(|it| it.name.as_str()),
    )?;
    named_once(
        "targets",
        document.targets.iter().flatten().map(|it| it.name.as_str()),
    )?;

    let mut run = Run::begin(&api, &caller.principal).await?;
    // In the order they refer to each other.
    run.policies(document.policies.as_deref().unwrap_or_default())
        .await?;
    run.new_groups(document.groups.as_deref().unwrap_or_default())
        .await?;
    run.users(document.users.as_deref().unwrap_or_default())
        .await?;
    run.groups(
        document.groups.as_deref().unwrap_or_default(),
        document.users.as_deref().unwrap_or_default(),
    )
    .await?;
    run.targets(document.targets.as_deref().unwrap_or_default())
        .await?;
    run.accounts(document.accounts.as_deref().unwrap_or_default())
        .await?;
    if body.prune {
        run.prune_accounts(document.accounts.as_deref()).await?;
        run.prune_targets(document.targets.as_deref()).await?;
        run.prune_policies(document.policies.as_deref()).await?;
        run.prune_users(document.users.as_deref()).await?;
        run.prune_groups(document.groups.as_deref()).await?;
    }
    let changes = if body.dry_run {
        run.undo().await?
    } else {
        run.commit().await?
    };
    Ok(Json(Applied { changes }))
}

fn named_once<'a>(noun: &'static str, names: impl Iterator<Item = &'a str>) -> Result<(), Problem> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Problem::invalid(
                format!("document.{noun}"),
                format!("{name} is named twice"),
            ));
        }
    }
    Ok(())
}
