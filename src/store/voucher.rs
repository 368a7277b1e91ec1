//! Who vouches for a user: whoever gave them a credential that they still have, credential by
//! credential. What that forbids is decided in the model.
//!
//! INVARIANT: a row goes only with the credential it is about, or when somebody else gives
//! that one anew. `made` goes with the first credential that anybody gives.

use std::collections::BTreeSet;

use super::{Result, Source, Tx, sql::sql};
use crate::model::ids::{PersonId, UserId};

/// What somebody can have had a hand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential<'a> {
    Password,
    /// An SSH key, by its fingerprint.
    Key(&'a str),
}

impl Credential<'_> {
    fn column(self) -> String {
        match self {
            Self::Password => "password".to_owned(),
            Self::Key(fingerprint) => format!("key:{fingerprint}"),
        }
    }
}

/// `by` has given this credential to somebody else.
pub async fn given(
    tx: &mut Tx,
    user: &UserId,
    credential: Credential<'_>,
    by: &PersonId,
) -> Result<()> {
    replace(tx, user, "made", &BTreeSet::new()).await?;
    let by = BTreeSet::from([by.clone()]);
    replace(tx, user, &credential.column(), &by).await
}

/// Somebody who signed in by their password has given themselves a key: whoever knew the
/// password could have been the one.
pub async fn inherited(tx: &mut Tx, user: &UserId, fingerprint: &str) -> Result<()> {
    let query = sql(
        "reading who vouches for a password",
        "select person from voucher where user_id = $1 and credential = 'password'",
    );
    let mut from = &mut *tx;
    let rows = from.rows(query.text(user.as_str())).await?;
    let people: Result<_> = rows.iter().map(|row| row.parsed("person")).collect();
    let key = Credential::Key(fingerprint).column();
    replace(tx, user, &key, &people?).await
}

/// The key is gone, and with it who gave it.
pub(super) async fn forget_key(tx: &mut Tx, user: &UserId, fingerprint: &str) -> Result<()> {
    let key = Credential::Key(fingerprint).column();
    replace(tx, user, &key, &BTreeSet::new()).await
}

pub(super) async fn made(tx: &mut Tx, user: &UserId, by: &BTreeSet<PersonId>) -> Result<()> {
    replace(tx, user, "made", by).await
}

pub(super) async fn moved(tx: &mut Tx, user: &UserId, by: &BTreeSet<PersonId>) -> Result<()> {
    replace(tx, user, "moved", by).await
}

async fn replace(
    tx: &mut Tx,
    user: &UserId,
    credential: &str,
    people: &BTreeSet<PersonId>,
) -> Result<()> {
    let write = sql(
        "replacing who vouches for a credential",
        "delete from voucher where user_id = $1 and credential = $2",
    );
    tx.run(write.text(user.as_str()).text(credential)).await?;
    for person in people {
        let write = sql(
            "entering who vouches for a credential",
            "insert into voucher (user_id, credential, person) values ($1, $2, $3)",
        );
        let write = write
            .text(user.as_str())
            .text(credential)
            .text(person.as_str());
        tx.run(write).await?;
    }
    Ok(())
}
