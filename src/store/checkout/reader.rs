//! Who may read a check-out, as a column that lists are filtered by.
//!
//! INVARIANT: says the same as `Checkout::may_end` does of people without the role admin. What a
//! list does not show it also does not count, sort or make cursors of.

use std::collections::BTreeSet;

use super::{
    super::{Result, Source as _, Store, sql::Sql},
    checkout, select, sql,
};
use crate::model::{
    checkout::Checkout,
    ids::{PersonId, UserId},
    name::{GroupName, UserName},
    principal::{Principal, Role},
};

/// Somebody who does not see everything, as a list is filtered for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    user: UserId,
    name: UserName,
    person: PersonId,
    /// The groups they answer for; none where they answer nothing.
    answers_for: Option<BTreeSet<GroupName>>,
}

impl From<&Principal> for Reader {
    fn from(by: &Principal) -> Self {
        Self {
            user: by.user.clone(),
            name: by.name.clone(),
            person: by.person.clone(),
            answers_for: by.is(Role::Approver).then(|| by.groups.clone()),
        }
    }
}

impl Reader {
    /// The condition that holds for what they may see, with its values. `table` is how the
    /// check-out's row is called, with a dot, or empty.
    pub(in crate::store) fn condition(&self, table: &str, mut sql: Sql) -> (String, Sql) {
        let mut any = Vec::new();
        for (column, own) in [
            ("requester", self.user.as_str()),
            ("granted_by", self.name.as_str()),
        ] {
            any.push(format!("{table}{column} = {}", sql.next_place()));
            sql = sql.text(own);
        }
        let mut words = vec![person(&self.person)];
        if let Some(groups) = &self.answers_for {
            words.push(EVERY_APPROVER.to_owned());
            words.extend(groups.iter().map(group));
        }
        for word in words {
            let place = sql.next_place();
            any.push(format!("{table}readers like {place} escape '\\'"));
            // The names of groups may hold the one sign that stands for any letter.
            sql = sql.text(format!("% {} %", word.replace('_', "\\_")));
        }
        (format!("({})", any.join(" or ")), sql)
    }
}

const EVERY_APPROVER: &str = "any";

fn group(name: &GroupName) -> String {
    format!("group:{name}")
}

fn person(id: &PersonId) -> String {
    format!("person:{}", id.as_str())
}

/// The column: never empty.
pub(super) fn readers(checkout: &Checkout) -> String {
    let mut words: BTreeSet<String> = match checkout.terms.groups_asked() {
        Some(groups) => groups.into_iter().map(group).collect(),
        None => BTreeSet::from([EVERY_APPROVER.to_owned()]),
    };
    words.extend(checkout.votes.iter().map(|vote| person(&vote.person)));
    let words: Vec<_> = words.into_iter().collect();
    format!(" {} ", words.join(" "))
}

/// Fills in what is missing on rows from before there was such a column.
pub(in crate::store) async fn enter_missing(store: &Store) -> Result<()> {
    const AT_ONCE: u64 = 200;
    let mut last = String::new();
    loop {
        let query = sql(
            "reading check-outs without readers",
            select("where readers = '' and id > $1 order by id limit $2"),
        );
        let mut from = store;
        let rows = from.rows(query.text(&last).count(AT_ONCE)).await?;
        let Some(newest) = rows.last() else {
            return Ok(());
        };
        last = newest.text("id")?;
        let mut tx = store.begin().await?;
        // One that cannot be read is shown to nobody, and keeps nobody else from starting.
        for found in rows.iter().filter_map(|row| checkout(row).ok()) {
            let write = sql(
                "entering the readers of a check-out",
                "update checkout set readers = $1 where id = $2 and readers = ''",
            );
            let write = write.text(readers(&found)).text(found.id.as_str());
            tx.run(write).await?;
        }
        tx.commit().await?;
    }
}
