//! A `select` that is put together: conditions, order, one page.
//! The text of its parts is ours; what people give only ever becomes a value.

use super::{
    Listing, NotACursor, Page, Result, Source,
    checkout::Reader,
    list::{Column, Cursor, Key},
    sql::{Row, Sql, sql},
};
use crate::model::time::Timestamp;

/// What is searched for beyond this many characters is not looked at.
const LONGEST_SEARCH: usize = 200;

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

    /// Only of check-outs that `reader` may see; none sees all. `table` is how the check-out's
    /// row is called, with a dot, or empty.
    pub(super) fn readable(mut self, table: &str, reader: Option<&Reader>) -> Self {
        if let Some(reader) = reader {
            let (condition, sql) = reader.condition(table, self.sql);
            self.conditions.push(condition);
            self.sql = sql;
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

    pub(super) fn equal_number(mut self, column: &str, number: Option<i64>) -> Self {
        if let Some(number) = number {
            let place = self.sql.next_place();
            self.conditions.push(format!("{column} = {place}"));
            self.sql = self.sql.number(number);
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
