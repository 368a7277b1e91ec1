//! A statement with its values, and a row with its columns: the only words spoken with sqlx.
//! Knows text and whole numbers, because both databases know them by the same names.

use std::{borrow::Cow, fmt::Display, str::FromStr, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    Arguments, AssertSqlSafe, Executor, Row as _,
    any::{AnyArguments, AnyRow},
};

use super::{Result, Store, StoreError, Tx};
use crate::model::time::Timestamp;

/// Longest wait for one answer. A server that is cut off sends none, and no error either.
/// Longer than what either database waits for a lock by itself, so that theirs comes first.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What the database answers to one thing asked of it, with its error named or its silence.
pub(super) async fn answered<T>(
    doing: &'static str,
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T> {
    match tokio::time::timeout(ANSWER_WITHIN, asked).await {
        Ok(answer) => answer.map_err(|source| StoreError::database(doing, source)),
        Err(_) => Err(StoreError::Silent { doing }),
    }
}

/// Where a read comes from: `&Store` for what is committed, `&mut Tx` for what this
/// transaction sees.
pub trait Source: Send {
    fn rows(&mut self, sql: Sql) -> impl Future<Output = Result<Vec<Row>>> + Send;

    fn maybe_one(&mut self, sql: Sql) -> impl Future<Output = Result<Option<Row>>> + Send {
        async { Ok(self.rows(sql).await?.into_iter().next()) }
    }

    /// The row of a query that always has one.
    fn one(&mut self, sql: Sql) -> impl Future<Output = Result<Row>> + Send {
        async move {
            let doing = sql.doing;
            let row = self.maybe_one(sql).await?;
            row.ok_or(StoreError::Database {
                doing,
                source: sqlx::Error::RowNotFound,
            })
        }
    }
}

impl Source for &Store {
    async fn rows(&mut self, sql: Sql) -> Result<Vec<Row>> {
        sql.rows(&self.pool).await
    }
}

impl Source for &mut Tx {
    async fn rows(&mut self, sql: Sql) -> Result<Vec<Row>> {
        let rows = sql.rows(&mut *self.inner).await;
        self.failed |= rows.is_err();
        rows
    }
}

impl Tx {
    /// Runs a write; answers how many rows it touched.
    pub(super) async fn run(&mut self, sql: Sql) -> Result<u64> {
        let Sql {
            doing,
            text,
            arguments,
        } = sql;
        let query = sqlx::query_with(AssertSqlSafe(text), arguments);
        let done = answered(doing, self.inner.execute(query)).await;
        self.failed |= done.is_err();
        Ok(done?.rows_affected())
    }

    /// Runs a write that must touch a row; none means that somebody else was faster.
    pub(super) async fn run_guarded(&mut self, sql: Sql) -> Result<()> {
        match self.run(sql).await? {
            0 => Err(StoreError::Conflict),
            _ => Ok(()),
        }
    }
}

/// A statement and the values of its `$1`, `$2` …, in order.
pub struct Sql {
    doing: &'static str,
    text: Cow<'static, str>,
    arguments: AnyArguments,
}

/// `doing` completes "database failed while …".
pub(super) fn sql(doing: &'static str, text: impl Into<Cow<'static, str>>) -> Sql {
    Sql {
        doing,
        text: text.into(),
        arguments: AnyArguments::default(),
    }
}

impl Sql {
    pub(super) fn text(self, value: impl ToString) -> Self {
        self.maybe_text(Some(value))
    }

    pub(super) fn maybe_text(mut self, value: Option<impl ToString>) -> Self {
        // PostgreSQL's text holds no NUL. Nothing that is kept has one; a search might.
        let value = value.map(|value| value.to_string().replace('\0', "\u{fffd}"));
        let added = self.arguments.add(value);
        added.expect("text always encodes");
        self
    }

    pub(super) fn number(self, value: i64) -> Self {
        self.maybe_number(Some(value))
    }

    pub(super) fn maybe_number(mut self, value: Option<i64>) -> Self {
        let added = self.arguments.add(value);
        added.expect("a whole number always encodes");
        self
    }

    pub(super) fn count(self, value: u64) -> Self {
        self.number(i64::try_from(value).unwrap_or(i64::MAX))
    }

    pub(super) fn flag(self, value: bool) -> Self {
        self.number(i64::from(value))
    }

    pub(super) fn time(self, value: Timestamp) -> Self {
        self.number(value.millis())
    }

    pub(super) fn maybe_time(self, value: Option<Timestamp>) -> Self {
        self.maybe_number(value.map(Timestamp::millis))
    }

    pub(super) fn json(self, value: &impl Serialize) -> Self {
        let text = serde_json::to_string(value);
        self.text(text.expect("our own types have text keys and always serialise"))
    }

    /// Nothing is the empty text, for columns that came later than their rows.
    pub(super) fn json_or_empty(self, value: Option<&impl Serialize>) -> Self {
        match value {
            Some(value) => self.json(value),
            None => self.text(""),
        }
    }

    /// `$n` for the next value.
    pub(super) fn next_place(&self) -> String {
        format!("${}", self.arguments.len() + 1)
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.to_mut().push_str(text);
    }

    async fn rows<'c>(self, executor: impl sqlx::any::AnyExecutor<'c>) -> Result<Vec<Row>> {
        let Self {
            doing,
            text,
            arguments,
        } = self;
        let query = sqlx::query_with(AssertSqlSafe(text), arguments);
        let rows = answered(doing, executor.fetch_all(query)).await?;
        Ok(rows.into_iter().map(Row).collect())
    }
}

/// One row; every reading names its column.
pub struct Row(AnyRow);

impl Row {
    pub(super) fn maybe_text(&self, column: &str) -> Result<Option<String>> {
        self.0
            .try_get(column)
            .map_err(|error| StoreError::unreadable(column, error))
    }

    pub(super) fn text(&self, column: &str) -> Result<String> {
        present(column, self.maybe_text(column)?)
    }

    pub(super) fn maybe_number(&self, column: &str) -> Result<Option<i64>> {
        self.0
            .try_get(column)
            .map_err(|error| StoreError::unreadable(column, error))
    }

    pub(super) fn number(&self, column: &str) -> Result<i64> {
        present(column, self.maybe_number(column)?)
    }

    pub(super) fn count(&self, column: &str) -> Result<u64> {
        let number = self.number(column)?;
        u64::try_from(number).map_err(|error| StoreError::unreadable(column, error))
    }

    pub(super) fn flag(&self, column: &str) -> Result<bool> {
        Ok(self.number(column)? != 0)
    }

    pub(super) fn time(&self, column: &str) -> Result<Timestamp> {
        self.number(column).map(Timestamp::from_millis)
    }

    pub(super) fn maybe_time(&self, column: &str) -> Result<Option<Timestamp>> {
        Ok(self.maybe_number(column)?.map(Timestamp::from_millis))
    }

    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T> {
        present(column, self.maybe_parsed(column)?)
    }

    pub(super) fn maybe_parsed<T: FromStr<Err: Display>>(&self, column: &str) -> Result<Option<T>> {
        let parsed = self.maybe_text(column)?.map(|text| text.parse());
        parsed
            .transpose()
            .map_err(|error| StoreError::unreadable(column, error))
    }

    /// Names joined with commas by `string_agg`; null is none.
    pub(super) fn names<T: FromStr<Err: Display> + Ord>(&self, column: &str) -> Result<Vec<T>> {
        let text = self.maybe_text(column)?.unwrap_or_default();
        let names = text.split(',').filter(|name| !name.is_empty());
        let names: std::result::Result<Vec<T>, _> = names.map(str::parse).collect();
        let mut names = names.map_err(|error| StoreError::unreadable(column, error))?;
        names.sort();
        Ok(names)
    }

    pub(super) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T> {
        present(column, self.maybe_json(column)?)
    }

    pub(super) fn maybe_json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>> {
        let value = self
            .maybe_text(column)?
            .map(|text| serde_json::from_str(&text));
        value
            .transpose()
            .map_err(|error| StoreError::unreadable(column, error))
    }

    pub(super) fn json_unless_empty<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>> {
        match self.text(column)?.is_empty() {
            true => Ok(None),
            false => self.json(column).map(Some),
        }
    }

    pub(super) fn bytes(&self, column: &str) -> Result<Vec<u8>> {
        let text = self.text(column)?;
        data_encoding::HEXLOWER
            .decode(text.as_bytes())
            .map_err(|error| StoreError::unreadable(column, error))
    }

    pub(super) fn hash(&self, column: &str) -> Result<[u8; 32]> {
        <[u8; 32]>::try_from(self.bytes(column)?)
            .map_err(|bytes| StoreError::unreadable(column, format!("{} bytes", bytes.len())))
    }
}

fn present<T>(column: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| StoreError::unreadable(column, "it is empty"))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
