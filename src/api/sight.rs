//! What a principal may see. What they may not is told as not there.

use super::{Api, error::Problem};
use crate::{
    model::{
        checkout::Checkout,
        principal::{Principal, Role, Scope},
    },
    store::{self, StoreError, checkout::Reader},
};

/// Auditors and admins read everything.
pub fn reads_everything(by: &Principal) -> bool {
    by.may(Scope::Read) && (by.is(Role::Auditor) || by.is(Role::Admin))
}

/// Its holder, whoever may answer or end it, whoever did, and those who read everything.
pub fn sees(by: &Principal, checkout: &Checkout) -> bool {
    // Reading is no use of a right, so a token that only reads sees what its user may answer.
    let whole = Principal {
        scopes: Scope::ALL.into_iter().collect(),
        ..by.clone()
    };
    checkout.requester == by.user
        || reads_everything(by)
        || checkout.may_end(&whole)
        || checkout.granted_by.as_ref() == Some(&by.name)
}

/// As whom lists are filtered; none for those who see every check-out.
pub fn reader(by: &Principal) -> Option<Reader> {
    let everything = reads_everything(by) || by.is(Role::Admin);
    (!everything).then(|| Reader::from(by))
}

/// The check-out that an id or a code names, if the caller may see it.
pub async fn checkout(api: &Api, by: &Principal, named: &str) -> Result<Checkout, Problem> {
    let found = match store::checkout::by_id_or_code(api.store(), named).await {
        Ok(found) => Some(found).filter(|found| sees(by, found)),
        Err(StoreError::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    found.ok_or_else(|| Problem::not_found("check-out"))
}
