//! A few facts of the installation, by name. No settings: those are configuration.

use super::{Result, Source, Tx, sql::sql};

/// Who this installation is, for ever.
pub const INSTALLATION: &str = "installation";

/// What is kept under `name`.
pub async fn read(mut from: impl Source, name: &str) -> Result<Option<String>> {
    let query = sql(
        "reading a fact of the installation",
        "select value from meta where name = $1",
    );
    let row = from.maybe_one(query.text(name)).await?;
    row.map(|row| row.text("value")).transpose()
}

/// Keeps `value` under `name`, whatever was there.
pub async fn write(tx: &mut Tx, name: &str, value: &str) -> Result<()> {
    let write = sql(
        "writing a fact of the installation",
        "insert into meta (name, value) values ($1, $2)
         on conflict (name) do update set value = excluded.value",
    );
    tx.run(write.text(name).text(value)).await.map(drop)
}

/// Keeps `value` under `name` unless something is there; answers what is there afterwards.
pub async fn write_once(tx: &mut Tx, name: &str, value: &str) -> Result<String> {
    let write = sql(
        "writing a fact of the installation",
        "insert into meta (name, value) values ($1, $2) on conflict (name) do nothing",
    );
    tx.run(write.text(name).text(value)).await?;
    let kept = read(&mut *tx, name).await?;
    Ok(kept.unwrap_or_else(|| value.to_owned()))
}

/// Lets only one transaction at a time past here, until it ends.
pub(super) async fn pass_gate(tx: &mut Tx, gate: &str) -> Result<()> {
    let pass = sql(
        "waiting for a turn",
        "update gate set passed = passed + 1 where name = $1",
    );
    tx.run_guarded(pass.text(gate)).await
}
