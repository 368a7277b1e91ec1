//! Who is asking, in which roles, and how that was proven.
//!
//! A principal is only made from something verified: a password, a signature, a token.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    factor::FactorKind,
    ids::{CheckoutId, PersonId, TokenId, UserId},
    name::{GroupName, UserName},
    refusal::Refusal,
    time::{Span, Timestamp},
};

#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// May ask for check-outs and use them.
    Requester,
    /// May answer the requests of others, revoke and kill.
    Approver,
    /// May read everything, change nothing.
    Auditor,
    /// May change targets, accounts, policies and people.
    Admin,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Requester, Self::Approver, Self::Auditor, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requester => "requester",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a role: requester, approver, auditor or admin is expected")]
pub struct NotARole;

impl FromStr for Role {
    type Err = NotARole;
    fn from_str(text: &str) -> Result<Self, NotARole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(NotARole)
    }
}

pub type Roles = BTreeSet<Role>;

/// What a token may be used for; a person signed in by other means may do all their roles allow.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Look at what the user may see.
    Read,
    /// Ask for, extend, cancel and check in own check-outs.
    Request,
    /// Answer requests, revoke, kill.
    Approve,
    /// Change targets, accounts, policies, people.
    Admin,
    /// View an account's secret where a check-out allows it.
    Reveal,
}

impl Scope {
    pub const ALL: [Self; 5] = [
        Self::Read,
        Self::Request,
        Self::Approve,
        Self::Admin,
        Self::Reveal,
    ];
}

pub type Scopes = BTreeSet<Scope>;

/// How the identity was proven. Goes into every audit event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum Proof {
    Password,
    /// A password, and this besides.
    TwoFactors {
        second: FactorKind,
    },
    SshKey {
        fingerprint: String,
    },
    Token {
        token: TokenId,
    },
    /// The one-time secret of a check-out.
    OneTime {
        checkout: CheckoutId,
    },
    /// The one-time token of the first start.
    Bootstrap,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub user: UserId,
    pub name: UserName,
    /// The human being; several users may share one.
    pub person: PersonId,
    /// The people who made this user, or gave a credential that it still has.
    pub vouched_by: BTreeSet<PersonId>,
    pub roles: Roles,
    pub groups: BTreeSet<GroupName>,
    pub scopes: Scopes,
    pub proof: Proof,
    /// When a second factor was last shown, by whoever acts here.
    pub factor_at: Option<Timestamp>,
}

impl Principal {
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether they have shown a second factor within that time, where one is asked for.
    pub fn fresh(&self, within: Option<Span>, now: Timestamp) -> Result<(), Refusal> {
        let Some(within) = within else {
            return Ok(());
        };
        match self.factor_at {
            Some(shown) if shown > now.before(within) => Ok(()),
            _ => Err(Refusal::StepUp { within }),
        }
    }

    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}
