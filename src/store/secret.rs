//! Sealed secrets, as bytes that mean nothing here. One row a field of an account.

use super::{
    Result, Source, StoreError, Tx,
    account::kind_text,
    meta::pass_gate,
    sql::{Row, hex, sql},
};
use crate::model::{ids::AccountId, target::SecretKind};

/// One sealed field as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    pub account: AccountId,
    /// The field's name in the vault: `password`, `ssh-key`.
    pub field: String,
    pub wrapped_key: Vec<u8>,
    pub ciphertext: Vec<u8>,
    /// Which key-encryption key wrapped it.
    pub kek_id: String,
}

const COLUMNS: &str = "account_id, field, wrapped_key, ciphertext, kek_id";

/// Gives an account its secret: these fields and no others. `NotFound` without the account.
pub async fn put(
    tx: &mut Tx,
    account: &AccountId,
    kind: SecretKind,
    fields: &[SealedRow],
) -> Result<()> {
    pass_gate(tx, "places").await?;
    let mark = sql(
        "marking an account's secret",
        "update account set secret_kind = $1 where id = $2",
    );
    let mark = mark.text(kind_text(kind)).text(account.as_str());
    if tx.run(mark).await? == 0 {
        return Err(StoreError::NotFound("account"));
    }
    let clear = sql(
        "replacing a secret",
        "delete from secret where account_id = $1",
    );
    tx.run(clear.text(account.as_str())).await?;
    for field in fields {
        let write = sql(
            "keeping a sealed secret",
            "insert into secret (account_id, field, wrapped_key, ciphertext, kek_id)
             values ($1, $2, $3, $4, $5)",
        );
        let write = write
            .text(account.as_str())
            .text(&field.field)
            .text(hex(&field.wrapped_key))
            .text(hex(&field.ciphertext))
            .text(&field.kek_id);
        tx.run(write).await?;
    }
    Ok(())
}

/// Writes the same secret wrapped anew, if it is still as it was read. `Conflict` if somebody
/// set another secret meanwhile, which needs no rewrapping.
pub async fn replace(tx: &mut Tx, before: &SealedRow, after: &SealedRow) -> Result<()> {
    let write = sql(
        "rewrapping a secret",
        "update secret set wrapped_key = $1, ciphertext = $2, kek_id = $3
         where account_id = $4 and field = $5 and wrapped_key = $6 and kek_id = $7",
    );
    let write = write
        .text(hex(&after.wrapped_key))
        .text(hex(&after.ciphertext))
        .text(&after.kek_id)
        .text(before.account.as_str())
        .text(&before.field)
        .text(hex(&before.wrapped_key))
        .text(&before.kek_id);
    tx.run_guarded(write).await
}

/// All sealed fields of one account.
pub async fn load(mut from: impl Source, account: &AccountId) -> Result<Vec<SealedRow>> {
    let query = sql(
        "reading a sealed secret",
        format!("select {COLUMNS} from secret where account_id = $1 order by field"),
    );
    let rows = from.rows(query.text(account.as_str())).await?;
    rows.iter().map(sealed).collect()
}

/// Some fields that are not wrapped by `kek_id` yet; none means that all are.
pub async fn wrapped_otherwise(
    mut from: impl Source,
    kek_id: &str,
    limit: usize,
) -> Result<Vec<SealedRow>> {
    let query = sql(
        "reading secrets to rewrap",
        format!(
            "select {COLUMNS} from secret where kek_id <> $1 order by account_id, field limit $2"
        ),
    );
    let rows = from.rows(query.text(kek_id).count(limit as u64)).await?;
    rows.iter().map(sealed).collect()
}

/// The key-encryption keys that something is still wrapped by.
pub async fn kek_ids(mut from: impl Source) -> Result<Vec<String>> {
    let query = sql(
        "reading which keys are in use",
        "select kek_id from secret union select kek_id from authority
         union select kek_id from totp
         union select kek_id from channel where kek_id is not null order by kek_id",
    );
    let rows = from.rows(query).await?;
    rows.iter().map(|row| row.text("kek_id")).collect()
}

fn sealed(row: &Row) -> Result<SealedRow> {
    Ok(SealedRow {
        account: row.parsed("account_id")?,
        field: row.text("field")?,
        wrapped_key: row.bytes("wrapped_key")?,
        ciphertext: row.bytes("ciphertext")?,
        kek_id: row.text("kek_id")?,
    })
}
