//! What is written down for the auditor, and how one link holds the next.
//!
//! The hash of a record covers its number, the hash before it and its body to the byte.
//! Computing it is the business of `crate::audit`; here is only what it is computed over.

use serde::{Deserialize, Serialize};

use super::{
    ids::{AccountId, CheckoutId, SessionId, TargetId, UserId},
    principal::{Principal, Proof},
    time::Timestamp,
};

/// One thing that happened or was refused. `kind` is `noun.verb`: `checkout.approve`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditEvent {
    pub at: Timestamp,
    pub kind: String,
    pub outcome: AuditOutcome,
    pub actor: Actor,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub checkout: Option<CheckoutId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<TargetId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account: Option<AccountId>,
    /// One sentence for people.
    pub message: String,
    /// What else belongs to it. Never a secret.
    #[serde(skip_serializing_if = "serde_json::Value::is_null", default)]
    pub detail: serde_json::Value,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuditOutcome {
    Done,
    /// Refused, with the refusal's code.
    Refused(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    User {
        id: UserId,
        name: String,
        proof: Proof,
    },
    /// Somebody who has not proven who they are.
    Nobody {
        claimed: String,
        peer: String,
    },
    Gateway,
}

impl From<&Principal> for Actor {
    fn from(by: &Principal) -> Self {
        Self::User {
            id: by.user.clone(),
            name: by.name.to_string(),
            proof: by.proof.clone(),
        }
    }
}

impl AuditEvent {
    /// Something that was done.
    pub fn done(at: Timestamp, kind: &str, actor: Actor, message: impl Into<String>) -> Self {
        Self {
            at,
            kind: kind.to_owned(),
            outcome: AuditOutcome::Done,
            actor,
            user: None,
            checkout: None,
            session: None,
            target: None,
            account: None,
            message: message.into(),
            detail: serde_json::Value::Null,
        }
    }

    /// Something that was refused, with the sentence the person was told.
    pub fn refused(
        at: Timestamp,
        kind: &str,
        actor: Actor,
        refusal: &super::refusal::Refusal,
    ) -> Self {
        Self {
            outcome: AuditOutcome::Refused(refusal.code().to_owned()),
            ..Self::done(at, kind, actor, refusal.to_string())
        }
    }

    pub fn about_user(mut self, user: &UserId) -> Self {
        self.user = Some(user.clone());
        self
    }

    pub fn about_checkout(mut self, checkout: &super::checkout::Checkout) -> Self {
        self.checkout = Some(checkout.id.clone());
        self.target = Some(checkout.target.clone());
        self.account = Some(checkout.account.clone());
        self.user = Some(checkout.requester.clone());
        self
    }

    pub fn about_session(mut self, session: &SessionId) -> Self {
        self.session = Some(session.clone());
        self
    }

    pub fn about_row(mut self, session: &super::session::SessionRow) -> Self {
        self.session = Some(session.id.clone());
        self.checkout = Some(session.checkout.clone());
        self.user = Some(session.user.clone());
        self.target = Some(session.target.clone());
        self.account = Some(session.account.clone());
        self
    }

    pub fn about_target(mut self, target: &TargetId) -> Self {
        self.target = Some(target.clone());
        self
    }

    pub fn about_account(mut self, account: &AccountId) -> Self {
        self.account = Some(account.clone());
        self
    }

    pub fn with(mut self, detail: serde_json::Value) -> Self {
        self.detail = detail;
        self
    }
}

/// One link of the chain, as it is stored. `body` is the event's JSON to the byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Counts from 1 without a hole.
    pub seq: i64,
    pub at: Timestamp,
    pub body: String,
    pub previous: [u8; 32],
    pub hash: [u8; 32],
}

/// A signature of the gateway over the newest link, so that a cut tail is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub seq: i64,
    pub at: Timestamp,
    pub hash: [u8; 32],
    /// Ed25519 over `checkpoint_text`.
    pub signature: Vec<u8>,
}

impl Checkpoint {
    /// The bytes that are signed.
    pub fn text(seq: i64, at: Timestamp, hash: &[u8; 32]) -> String {
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        format!(
            "doorward audit checkpoint v1\n{seq}\n{}\n{hash}\n",
            at.millis()
        )
    }
}
