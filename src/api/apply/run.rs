//! One run over a document: the transaction, what holds so far, and what is to be told.

use serde::Serialize;

use super::{Action, NounChange};
use crate::{
    api::{
        Api, accounts,
        diff::{self, FieldChange},
        error::Problem,
        targets, users,
    },
    audit,
    model::{
        audit::AuditEvent,
        ids::{AccountId, TargetId, UserId},
        policy::Policy,
        principal::Principal,
        target::{Account, Target},
        user::{Group, User},
    },
    store::{self, Order, Page, Tx},
};

pub struct Run<'a> {
    pub api: &'a Api,
    pub by: &'a Principal,
    pub tx: Tx,
    /// What the transaction has made true so far.
    pub now: Nouns,
    pub changes: Vec<NounChange>,
    events: Vec<AuditEvent>,
    follow: Vec<Follow>,
}

pub struct Nouns {
    pub users: Vec<User>,
    pub groups: Vec<Group>,
    pub policies: Vec<Policy>,
    pub targets: Vec<Target>,
    pub accounts: Vec<Account>,
}

/// What has to end once the change is written down.
pub enum Follow {
    /// As it was, and as it is.
    User(Box<(User, User)>),
    UserGone(UserId, String),
    Target(Target),
    TargetGone(TargetId, String),
    Account(Account),
    AccountGone(AccountId, String),
}

impl<'a> Run<'a> {
    pub async fn begin(api: &'a Api, by: &'a Principal) -> Result<Self, Problem> {
        let store = api.store();
        // Read before: each write is refused if what it changes is not as it was read.
        let now = Nouns {
            users: all_users(store).await?,
            groups: store::group::list(store).await?,
            policies: store::policy::list(store).await?,
            targets: store::target::all(store).await?,
            accounts: store::account::all(store).await?,
        };
        Ok(Self {
            api,
            by,
            tx: store.begin().await?,
            now,
            changes: Vec::new(),
            events: Vec::new(),
            follow: Vec::new(),
        })
    }

    pub fn created<T: Serialize>(&mut self, noun: &'static str, name: &str, it: &T) {
        self.tell(noun, name, Action::Create, diff::all_fields(it));
    }

    pub fn updated<T: Serialize>(&mut self, noun: &'static str, name: &str, was: &T, is: &T) {
        self.tell(noun, name, Action::Update, diff::fields(was, is));
    }

    pub fn unchanged(&mut self, noun: &'static str, name: &str) {
        self.changes.push(NounChange {
            noun,
            name: name.to_owned(),
            action: Action::Unchanged,
            fields: Vec::new(),
        });
    }

    pub fn deleted(&mut self, noun: &'static str, name: &str) {
        self.tell(noun, name, Action::Delete, Vec::new());
    }

    pub fn tell(
        &mut self,
        noun: &'static str,
        name: &str,
        action: Action,
        fields: Vec<FieldChange>,
    ) {
        let event = self
            .api
            .changed(self.by, noun, action.as_str(), name, &fields);
        self.events.push(event);
        // Two steps about one noun are one change to whoever reads the answer.
        let known = self
            .changes
            .iter_mut()
            .find(|change| change.noun == noun && change.name == name);
        match known {
            Some(known) => {
                if known.action == Action::Unchanged {
                    known.action = action;
                }
                known.fields.extend(fields);
            }
            None => self.changes.push(NounChange {
                noun,
                name: name.to_owned(),
                action,
                fields,
            }),
        }
    }

    pub fn follow(&mut self, follow: Follow) {
        self.follow.push(follow);
    }

    pub async fn undo(self) -> Result<Vec<NounChange>, Problem> {
        self.tx.rollback().await?;
        Ok(self.changes)
    }

    pub async fn commit(self) -> Result<Vec<NounChange>, Problem> {
        let Self {
            api,
            by,
            mut tx,
            changes,
            events,
            follow,
            ..
        } = self;
        for event in &events {
            audit::append(&mut tx, event).await?;
        }
        tx.commit().await?;
        for change in &changes {
            if change.action != Action::Unchanged {
                api.announce(change.noun, &change.name);
            }
        }
        for step in follow {
            step.take(api, by).await?;
        }
        Ok(changes)
    }
}

impl Follow {
    async fn take(self, api: &Api, by: &Principal) -> Result<(), Problem> {
        let lifecycle = api.lifecycle();
        match self {
            Self::User(change) => users::follow(api, by, &change.0, &change.1).await?,
            Self::UserGone(id, why) => drop(lifecycle.withdraw_user(&id, &why).await?),
            Self::Target(target) => targets::follow(api, by, &target).await?,
            Self::TargetGone(id, why) => drop(lifecycle.withdraw_target(&id, &why).await?),
            Self::Account(account) => accounts::follow(api, by, &account).await?,
            Self::AccountGone(id, why) => drop(lifecycle.withdraw_account(&id, &why).await?),
        }
        Ok(())
    }
}

async fn all_users(store: &store::Store) -> Result<Vec<User>, Problem> {
    let mut users = Vec::new();
    let mut page = Page::of(Page::LARGEST);
    let order = || Order::ascending(store::user::Sort::Name);
    loop {
        let filter = store::user::Filter::default();
        let listing = store::user::list(store, &filter, order(), &page).await?;
        users.extend(listing.items);
        match listing.next {
            Some(next) => page = page.after(Some(next)),
            None => return Ok(users),
        }
    }
}
