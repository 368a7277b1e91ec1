//! Lists: filter, sort and a cursor that goes on exactly behind the last item shown.
//! Never counts a whole table and never skips rows by number.

use std::{fmt, str::FromStr};

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::{
    Result, Source, StoreError,
    sql::{Row, Sql, sql},
};
use crate::model::time::Timestamp;

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Clamped to 1 to 200.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
}

impl Page {
    pub const LARGEST: usize = 200;

    pub fn of(limit: usize) -> Self {
        Self {
            limit,
            cursor: None,
        }
    }

    pub fn after(self, cursor: Option<Cursor>) -> Self {
        Self { cursor, ..self }
    }
}

impl Default for Page {
    fn default() -> Self {
        Self::of(50)
    }
}

/// One page, and where the next begins if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    pub items: Vec<T>,
    pub next: Option<Cursor>,
}

/// By which field, in which direction. Written `field` or `-field`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order<S> {
    pub by: S,
    pub descending: bool,
}

impl<S> Order<S> {
    pub fn ascending(by: S) -> Self {
        Self {
            by,
            descending: false,
        }
    }

    pub fn descending(by: S) -> Self {
        Self {
            by,
            descending: true,
        }
    }
}

impl<S: FromStr> FromStr for Order<S> {
    type Err = S::Err;
    fn from_str(text: &str) -> Result<Self, S::Err> {
        match text.strip_prefix('-') {
            Some(field) => field.parse().map(Self::descending),
            None => text.parse().map(Self::ascending),
        }
    }
}

/// What is searched for beyond this many characters is not looked at.
const LONGEST_SEARCH: usize = 200;

/// The place behind one item: its sort key and its id. Opaque to whoever carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    order: String,
    key: Key,
    id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Key {
    Number(i64),
    Text(String),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this cursor does not belong to this list; start again without it")]
pub struct NotACursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = (&self.order, &self.key, &self.id);
        let text = serde_json::to_vec(&parts).map_err(|_| fmt::Error)?;
        f.write_str(&BASE64URL_NOPAD.encode(&text))
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;
    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let text = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| NotACursor)?;
        let (order, key, id) = serde_json::from_slice(&text).map_err(|_| NotACursor)?;
        Ok(Self { order, key, id })
    }
}

/// What a list can be sorted by: never null, one type, known to the schema.
pub(super) enum Column {
    Text(&'static str),
    Number(&'static str),
}

impl Column {
    fn expression(&self) -> &'static str {
        match self {
            Self::Text(expression) | Self::Number(expression) => expression,
        }
    }
}

/// Declares what a list can be sorted by: variant, name in the API, column.
macro_rules! sorts {
    ($($(#[$doc:meta])* $variant:ident $name:literal $column:expr;)*) => {
        /// What this list can be sorted by.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Sort {
            $($(#[$doc])* $variant,)*
        }

        impl Sort {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            fn column(self) -> $crate::store::list::Column {
                // Not every list has both kinds.
                #[allow(unused_imports)]
                use $crate::store::list::Column::{Number, Text};
                match self {
                    $(Self::$variant => $column,)*
                }
            }
        }

        /// The list cannot be sorted by that.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[error("this list cannot be sorted by that: {} is expected", Sort::ALL.iter().map(|sort| sort.as_str()).collect::<Vec<_>>().join(", "))]
        pub struct NotASort;

        impl std::str::FromStr for Sort {
            type Err = NotASort;
            fn from_str(text: &str) -> std::result::Result<Self, NotASort> {
                Self::ALL.iter().copied().find(|sort| sort.as_str() == text).ok_or(NotASort)
            }
        }
    };
}
pub(super) use sorts;

/// A `select` that grows conditions and ends in a page.
pub(super) struct Select {
    columns: &'static str,
    from: &'static str,
    conditions: Vec<String>,
    sql: Sql,
}

impl Select {
    pub(super) fn new(doing: &'static str, columns: &'static str, from: &'static str) -> Self {
        Self {
            columns,
            from,
            conditions: Vec::new(),
            sql: sql(doing, ""),
        }
    }

    /// A condition without a value.
    pub(super) fn when(mut self, wanted: bool, condition: &str) -> Self {
        if wanted {
            self.conditions.push(condition.to_owned());
        }
        self
    }

    pub(super) fn equal(mut self, column: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            let place = self.sql.next_place();
            self.conditions.push(format!("{column} = {place}"));
            self.sql = self.sql.text(value);
        }
        self
    }

    /// `equal` inside a subselect that `opening` begins and this closes.
    pub(super) fn equal_within(mut self, opening: &str, value: &str) -> Self {
        let place = self.sql.next_place();
        self.conditions.push(format!("{opening} = {place})"));
        self.sql = self.sql.text(value);
        self
    }

    pub(super) fn since_time(mut self, column: &str, since: Option<Timestamp>) -> Self {
        if let Some(since) = since {
            let place = self.sql.next_place();
            self.conditions.push(format!("{column} >= {place}"));
            self.sql = self.sql.time(since);
        }
        self
    }

    pub(super) fn until_time(mut self, column: &str, until: Option<Timestamp>) -> Self {
        if let Some(until) = until {
            let place = self.sql.next_place();
            self.conditions.push(format!("{column} < {place}"));
            self.sql = self.sql.time(until);
        }
        self
    }

    pub(super) fn above(mut self, column: &str, number: Option<i64>) -> Self {
        if let Some(number) = number {
            let place = self.sql.next_place();
            self.conditions.push(format!("{column} > {place}"));
            self.sql = self.sql.number(number);
        }
        self
    }

    pub(super) fn below(mut self, column: &str, number: Option<i64>) -> Self {
        if let Some(number) = number {
            let place = self.sql.next_place();
            self.conditions.push(format!("{column} < {place}"));
            self.sql = self.sql.number(number);
        }
        self
    }

    /// Text that begins with `start`, as it is.
    pub(super) fn beginning(mut self, column: &str, start: Option<&str>) -> Self {
        if let Some(start) = start {
            let place = self.sql.next_place();
            let length = start.chars().count();
            self.conditions
                .push(format!("substr({column}, 1, {length}) = {place}"));
            self.sql = self.sql.text(start);
        }
        self
    }

    /// One of several values; none given means any.
    pub(super) fn one_of<T: ToString>(
        mut self,
        column: &str,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        let mut places = Vec::new();
        for value in values {
            places.push(self.sql.next_place());
            self.sql = self.sql.text(value);
        }
        if !places.is_empty() {
            let places = places.join(", ");
            self.conditions.push(format!("{column} in ({places})"));
        }
        self
    }

    /// Text that is part of any of the columns, whatever the case of its letters, as far as
    /// the database knows their cases: SQLite does of A to Z.
    pub(super) fn containing(mut self, columns: &[&str], text: Option<&str>) -> Self {
        let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
            return self;
        };
        let mut pattern = String::from("%");
        for letter in text.chars().take(LONGEST_SEARCH) {
            if matches!(letter, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern.push('%');
        let place = self.sql.next_place();
        let any: Vec<_> = columns
            .iter()
            .map(|column| format!("lower({column}) like lower({place}) escape '\\'"))
            .collect();
        self.conditions.push(format!("({})", any.join(" or ")));
        self.sql = self.sql.text(pattern);
        self
    }

    /// The first rows of the list, where the caller brings its own cursor.
    pub(super) async fn first(
        mut self,
        mut from: impl Source,
        order: &str,
        limit: usize,
    ) -> Result<Vec<Row>> {
        let place = self.sql.next_place();
        let text = format!("{} order by {order} limit {place}", self.text(""));
        self.sql.push(&text);
        let limit = limit.clamp(1, Page::LARGEST);
        from.rows(self.sql.count(limit as u64)).await
    }

    /// One page of the list, each row made into an item.
    pub(super) async fn page<T>(
        mut self,
        mut from: impl Source,
        (name, column, id): (&str, Column, &str),
        descending: bool,
        page: &Page,
        item: impl Fn(&Row) -> Result<T>,
    ) -> Result<Listing<T>> {
        let (direction, beyond) = if descending {
            ("desc", "<")
        } else {
            ("asc", ">")
        };
        let order = format!("{direction} {name}");
        let key = column.expression();
        if let Some(cursor) = &page.cursor {
            if cursor.order != order {
                return Err(NotACursor.into());
            }
            let first = self.sql.next_place();
            self.sql = cursor.key.bound(self.sql, &column)?;
            let second = self.sql.next_place();
            self.sql = cursor.key.bound(self.sql, &column)?;
            let third = self.sql.next_place();
            self.sql = self.sql.text(&cursor.id);
            self.conditions.push(format!(
                "({key} {beyond} {first} or ({key} = {second} and {id} {beyond} {third}))"
            ));
        }
        let limit = page.limit.clamp(1, Page::LARGEST);
        let place = self.sql.next_place();
        let text = format!(
            "{} order by {key} {direction}, {id} {direction} limit {place}",
            self.text(&format!(", {key} as sort_key, {id} as sort_id")),
        );
        self.sql.push(&text);
        // One more than asked tells whether there is a next page.
        let mut rows = from.rows(self.sql.count(limit as u64 + 1)).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = match rows.last() {
            Some(last) if more => Some(Cursor {
                order,
                key: Key::of(last, &column)?,
                id: last.text("sort_id")?,
            }),
            _ => None,
        };
        let items = rows.iter().map(item).collect::<Result<_>>()?;
        Ok(Listing { items, next })
    }

    fn text(&self, more_columns: &str) -> String {
        let mut text = format!("select {}{more_columns} from {}", self.columns, self.from);
        if !self.conditions.is_empty() {
            text.push_str(" where ");
            text.push_str(&self.conditions.join(" and "));
        }
        text
    }
}

impl Key {
    fn of(row: &Row, column: &Column) -> Result<Self> {
        match column {
            Column::Text(_) => row.text("sort_key").map(Self::Text),
            Column::Number(_) => row.number("sort_key").map(Self::Number),
        }
    }

    fn bound(&self, sql: Sql, column: &Column) -> Result<Sql> {
        match (self, column) {
            (Self::Text(text), Column::Text(_)) => Ok(sql.text(text)),
            (Self::Number(number), Column::Number(_)) => Ok(sql.number(*number)),
            _ => Err(StoreError::from(NotACursor)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_foreign_text_is_none() {
        let cursor = Cursor {
            order: "desc requested_at".to_owned(),
            key: Key::Number(-5),
            id: "X".to_owned(),
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "!", "bnVsbA", "e30"] {
            assert_eq!(text.parse::<Cursor>(), Err(NotACursor), "{text}");
        }
    }
}
