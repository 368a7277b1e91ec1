//! The people who use the gateway, as the store keeps them; groups and tokens beside them.

use std::{collections::BTreeSet, net::IpAddr};

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
            factor_at: None,
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
    /// Where somebody signed in from; a token that was made for a program has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// When they last showed there who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven_at: Option<Timestamp>,
    /// When they did so with a second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor_at: Option<Timestamp>,
}

impl Token {
    /// Of somebody who has just shown who they are, from there.
    pub fn proven_by(&mut self, by: &Principal, peer: IpAddr) {
        self.peer = Some(peer.to_string());
        self.proven_at = Some(self.created_at);
        self.factor_at = by.factor_at;
    }

    /// Whether a person signed in with it; others are programs'.
    pub fn is_sign_in(&self) -> bool {
        self.peer.is_some()
    }
}
