//! The people who use the gateway, as the store keeps them; groups and tokens beside them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    ids::{GroupId, PersonId, TokenId, UserId},
    name::{GroupName, UserName},
    principal::{Principal, Proof, Role, Roles, Scope, Scopes},
    text::Text,
    time::Timestamp,
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct User {
    pub id: UserId,
    pub name: UserName,
    pub full_name: Text,
    pub email: Option<String>,
    #[schema(value_type = BTreeSet<Role>)]
    pub roles: Roles,
    pub groups: BTreeSet<GroupName>,
    pub person: PersonId,
    /// The people who made this user, or gave a credential that it still has.
    #[serde(default)]
    pub vouched_by: BTreeSet<PersonId>,
    pub disabled: bool,
    pub created_at: Timestamp,
}

impl User {
    /// The user as somebody who signed in by `proof`, with all scopes.
    pub fn principal(&self, proof: Proof) -> Principal {
        self.scoped_principal(proof, Scope::ALL.into_iter().collect())
    }

    /// The user as somebody whose proof reaches only as far as `scopes`.
    pub fn scoped_principal(&self, proof: Proof, scopes: Scopes) -> Principal {
        Principal {
            user: self.id.clone(),
            name: self.name.clone(),
            person: self.person.clone(),
            vouched_by: self.vouched_by.clone(),
            roles: self.roles.clone(),
            groups: self.groups.clone(),
            scopes,
            proof,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Group {
    pub id: GroupId,
    pub name: GroupName,
    pub description: Text,
    pub members: BTreeSet<UserName>,
}

/// A public key a user signs in with. The text is OpenSSH's one-line form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SshKey {
    pub fingerprint: String,
    pub public_key: String,
    pub comment: Text,
    pub added_at: Timestamp,
}

/// An API token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Token {
    pub id: TokenId,
    pub user: UserId,
    pub label: Text,
    #[schema(value_type = BTreeSet<Scope>)]
    pub scopes: Scopes,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    /// The host whose cookie it is; a token of a program has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The sign-in it came out of, and ends with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TokenId>,
}
