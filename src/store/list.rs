//! Lists: pages, orders, and a cursor that goes on exactly behind the last item shown.
//! Never counts a whole table and never skips rows by number.

use std::{fmt, str::FromStr};

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::{
    Result, StoreError,
    sql::{Row, Sql},
};

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

/// The place behind one item: its sort key and its id. Opaque to whoever carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(super) order: String,
    pub(super) key: Key,
    pub(super) id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Key {
    Number(i64),
    Text(String),
}

impl Key {
    pub(super) fn of(row: &Row, column: &Column) -> Result<Self> {
        match column {
            Column::Text(_) => row.text("sort_key").map(Self::Text),
            Column::Number(_) => row.number("sort_key").map(Self::Number),
        }
    }

    pub(super) fn bound(&self, sql: Sql, column: &Column) -> Result<Sql> {
        match (self, column) {
            (Self::Text(text), Column::Text(_)) => Ok(sql.text(text)),
            (Self::Number(number), Column::Number(_)) => Ok(sql.number(*number)),
            _ => Err(StoreError::from(NotACursor)),
        }
    }
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
    pub(super) fn expression(&self) -> &'static str {
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
