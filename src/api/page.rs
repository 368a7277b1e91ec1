//! Long lists in pages: how many, in which order, and where the next page begins.
//!
//! A cursor names the last item of a page by its place in the order, so that what is added or
//! removed meanwhile neither repeats an item nor hides one. It is opaque and holds no secret.

use std::{borrow::Cow, cmp::Ordering};

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, Ref, RefOr, Schema,
        schema::{ArrayBuilder, SchemaType, Type},
    },
};

use super::{error::Problem, query::Params};

pub const DEFAULT: usize = 50;
pub const MOST: usize = 200;

/// The parameters every list takes, as the table of routes declares them.
pub const PARAMS: &[(&str, &str)] = &[
    ("limit", "how many items, 1 to 200; 50 if left out"),
    ("cursor", "next of the page before"),
    ("sort", "a field; -field for the other direction"),
];

/// One page of a list.
#[derive(Debug, Serialize)]
pub struct List<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

/// Written out, because the derived one leaves out what the items refer to.
impl<T: ToSchema> PartialSchema for List<T> {
    fn schema() -> RefOr<Schema> {
        let item = RefOr::<Schema>::Ref(Ref::from_schema_name(T::name()));
        let next = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some("Give it as cursor to read on; null on the last page."));
        ObjectBuilder::new()
            .property("items", ArrayBuilder::new().items(item))
            .property("next", next)
            .required("items")
            .required("next")
            .into()
    }
}

impl<T: ToSchema> ToSchema for List<T> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}List", T::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

/// What one page was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub limit: usize,
    pub sort: String,
    pub descending: bool,
    pub after: Option<After>,
}

/// The place of the last item of the page before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    pub key: String,
    pub id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    s: String,
    k: String,
    i: String,
}

impl Page {
    /// `sorts` are the fields the list can be ordered by; the first is the order if none is asked.
    /// A leading `-` there means that newest or largest come first by default.
    pub fn read(params: &Params, sorts: &[&str]) -> Result<Self, Problem> {
        let limit = match params.read::<usize>("limit")? {
            None => DEFAULT,
            Some(limit) if (1..=MOST).contains(&limit) => limit,
            Some(_) => return Err(Problem::invalid("limit", "1 to 200 is expected")),
        };
        let fields = || sorts.iter().map(|sort| sort.trim_start_matches('-'));
        let sort = params
            .text("sort")
            .unwrap_or(sorts.first().copied().unwrap_or_default());
        let field = sort.trim_start_matches('-');
        if !fields().any(|known| known == field) {
            let known: Vec<_> = fields().collect();
            return Err(Problem::invalid(
                "sort",
                format!("one of {} is expected, or -field", known.join(", ")),
            ));
        }
        let after = params
            .text("cursor")
            .map(|text| Self::place(text, sort))
            .transpose()?;
        Ok(Self {
            limit,
            sort: field.to_owned(),
            descending: sort.starts_with('-'),
            after,
        })
    }

    fn place(text: &str, sort: &str) -> Result<After, Problem> {
        let wrong = || Problem::invalid("cursor", "next of the page before is expected");
        let bytes = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| wrong())?;
        let cursor: Cursor = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        if cursor.s != sort {
            return Err(Problem::invalid(
                "cursor",
                "it belongs to another order: keep sort the same from page to page",
            ));
        }
        Ok(After {
            key: cursor.k,
            id: cursor.i,
        })
    }

    /// The cursor that reads on after an item with this key and id.
    pub fn next(&self, key: &str, id: &str) -> String {
        let direction = if self.descending { "-" } else { "" };
        let cursor = Cursor {
            s: format!("{direction}{}", self.sort),
            k: key.to_owned(),
            i: id.to_owned(),
        };
        let json = serde_json::to_vec(&cursor).expect("three strings are JSON");
        BASE64URL_NOPAD.encode(&json)
    }

    /// This page of a list that is held as a whole. `key` is the value an item is ordered by,
    /// written so that text order is its order; `id` tells equal ones apart.
    pub fn cut<T>(
        &self,
        mut items: Vec<T>,
        key: impl Fn(&T, &str) -> String,
        id: impl Fn(&T) -> String,
    ) -> List<T> {
        let order = |a: (&str, &str), b: (&str, &str)| -> Ordering {
            if self.descending {
                b.cmp(&a)
            } else {
                a.cmp(&b)
            }
        };
        let place = |item: &T| (key(item, &self.sort), id(item));
        items.sort_by_cached_key(&place);
        if self.descending {
            items.reverse();
        }
        if let Some(after) = &self.after {
            items.retain(|item| {
                let (key, id) = place(item);
                order((&key, &id), (&after.key, &after.id)) == Ordering::Greater
            });
        }
        let more = items.len() > self.limit;
        items.truncate(self.limit);
        let next = items.last().filter(|_| more).map(|item| {
            let (key, id) = place(item);
            self.next(&key, &id)
        });
        List { items, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARED: &[&str] = &["limit", "cursor", "sort"];

    fn page(query: &str) -> Result<Page, Problem> {
        Page::read(
            &crate::api::query::tests::params(query, DECLARED).unwrap(),
            &["name", "-age"],
        )
    }

    fn people() -> Vec<(&'static str, u32)> {
        vec![("c", 30), ("a", 30), ("d", 20), ("b", 40), ("e", 20)]
    }

    fn walk(sort: &str) -> Vec<&'static str> {
        let mut names = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = page(&format!("limit=2&sort={sort}&cursor={cursor}")).unwrap();
            let list = page.cut(
                people(),
                |person, field| match field {
                    "age" => format!("{:09}", person.1),
                    _ => person.0.to_owned(),
                },
                |person| person.0.to_owned(),
            );
            names.extend(list.items.iter().map(|person| person.0));
            match list.next {
                Some(next) => cursor = next,
                None => return names,
            }
        }
    }

    #[test]
    fn pages_join_to_the_whole_list_in_order() {
        assert_eq!(walk("name"), ["a", "b", "c", "d", "e"]);
        assert_eq!(walk("-name"), ["e", "d", "c", "b", "a"]);
        assert_eq!(walk("age"), ["d", "e", "a", "c", "b"]);
        assert_eq!(walk("-age"), ["b", "c", "a", "e", "d"]);
    }

    #[test]
    fn what_cannot_be_a_page_is_refused() {
        for query in [
            "limit=0",
            "limit=201",
            "limit=-1",
            "sort=secret",
            "cursor=%21",
            "cursor=e30",
        ] {
            assert_eq!(page(query).unwrap_err().code(), "invalid", "{query}");
        }
        let list = page("limit=1&sort=name").unwrap().cut(
            people(),
            |person, _| person.0.to_owned(),
            |person| person.0.to_owned(),
        );
        let other_order = format!("sort=age&cursor={}", list.next.unwrap());
        assert!(page(&other_order).is_err());
    }

    #[test]
    fn the_first_order_is_the_default() {
        let page = page("").unwrap();
        assert_eq!((page.sort.as_str(), page.descending), ("name", false));
    }
}
