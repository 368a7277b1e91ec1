//! Users and groups of a document. A membership can be told from either side.

use std::collections::BTreeSet;

use super::{
    GroupEntry, UserEntry,
    run::{Follow, Run},
};
use crate::{
    api::{diff::FieldChange, error::Problem, keys::NewKey, users, write},
    model::{
        ids::{GroupId, PersonId, UserId},
        name::{GroupName, UserName},
        user::{Group, SshKey, User},
    },
    store::{self, voucher::Credential},
    vault::entropy,
};

impl Run<'_> {
    /// Groups that are not there yet, empty: users name them before they name users.
    pub async fn new_groups(&mut self, entries: &[GroupEntry]) -> Result<(), Problem> {
        for entry in entries {
            if self.now.groups.iter().any(|group| group.name == entry.name) {
                continue;
            }
            let group = Group {
                id: GroupId::new(self.api.now(), entropy()),
                name: entry.name.clone(),
                description: entry.description.clone().unwrap_or_default(),
                members: BTreeSet::new(),
            };
            store::group::insert(&mut self.tx, &group).await?;
            self.created("group", group.name.as_str(), &group);
            self.now.groups.push(group);
        }
        Ok(())
    }

    pub async fn users(&mut self, entries: &[UserEntry]) -> Result<(), Problem> {
        for entry in entries {
            let before = self.now.users.iter().find(|user| user.name == entry.name);
            let before = before.cloned();
            let after = self.user(entry, before.as_ref())?;
            match &before {
                None => {
                    store::user::insert(&mut self.tx, &after).await?;
                    self.created("user", after.name.as_str(), &after);
                }
                Some(before) if *before != after => {
                    store::user::update(&mut self.tx, before, &after).await?;
                    self.updated("user", after.name.as_str(), before, &after);
                }
                Some(_) => self.unchanged("user", after.name.as_str()),
            }
            self.enter(before, after.clone());
            if let Some(keys) = &entry.ssh_keys {
                self.ssh_keys(after, keys).await?;
            }
        }
        Ok(())
    }

    fn user(&self, entry: &UserEntry, before: Option<&User>) -> Result<User, Problem> {
        let mut user = match before {
            Some(before) => before.clone(),
            None => {
                let now = self.api.now();
                let id = UserId::new(now, entropy());
                User {
                    person: PersonId::from(&id),
                    id,
                    name: entry.name.clone(),
                    full_name: Default::default(),
                    email: None,
                    roles: Default::default(),
                    groups: Default::default(),
                    vouched_by: BTreeSet::from([self.by.person.clone()]),
                    disabled: false,
                    created_at: now,
                }
            }
        };
        if let Some(full_name) = &entry.full_name {
            user.full_name = full_name.clone();
        }
        if let Some(email) = &entry.email {
            user.email = Some(write::email(email)?);
        }
        if let Some(roles) = &entry.roles {
            user.roles = roles.clone();
        }
        if let Some(groups) = &entry.groups {
            user.groups = groups.clone();
        }
        if let Some(disabled) = entry.disabled {
            user.disabled = disabled;
        }
        match &entry.person {
            None => Ok(user),
            Some(name) if before.is_none() => Ok(User {
                person: self.person(name)?,
                ..user
            }),
            Some(name) => users::rehomed(user, self.person(name)?, self.by),
        }
    }

    fn person(&self, name: &UserName) -> Result<PersonId, Problem> {
        let known = self.now.users.iter().find(|user| user.name == *name);
        known.map(|user| user.person.clone()).ok_or_else(|| {
            let why = format!("there is no user {name}: name them further up");
            Problem::invalid("document.users.person", why)
        })
    }

    /// Exactly these keys.
    async fn ssh_keys(&mut self, user: User, wanted: &[String]) -> Result<(), Problem> {
        let now = self.api.now();
        let wanted: Vec<SshKey> = wanted
            .iter()
            .map(|line| NewKey::of(line).read(now))
            .collect::<Result<_, _>>()?;
        let held = store::ssh_key::of_user(&mut self.tx, &user.id).await?;
        let has = |keys: &[SshKey], key: &SshKey| {
            keys.iter()
                .any(|other| other.fingerprint == key.fingerprint)
        };
        let mut fields = Vec::new();
        for key in held.iter().filter(|key| !has(&wanted, key)) {
            store::ssh_key::delete(&mut self.tx, &user.id, &key.fingerprint).await?;
            fields.push(FieldChange {
                field: "ssh_keys".to_owned(),
                before: key.fingerprint.clone().into(),
                after: serde_json::Value::Null,
            });
        }
        for key in wanted.iter().filter(|key| !has(&held, key)) {
            store::ssh_key::insert(&mut self.tx, &user.id, key).await?;
            let given = Credential::Key(&key.fingerprint);
            users::vouch(&mut self.tx, &user, given, self.by).await?;
            fields.push(FieldChange {
                field: "ssh_keys".to_owned(),
                before: serde_json::Value::Null,
                after: key.fingerprint.clone().into(),
            });
        }
        if fields.is_empty() {
            return Ok(());
        }
        self.tell("user", user.name.as_str(), super::Action::Update, fields);
        // With keys also those go and come who gave them.
        let vouched = store::user::by_id(&mut self.tx, &user.id).await?;
        if vouched != user {
            self.enter(Some(user), vouched);
        }
        Ok(())
    }

    pub async fn groups(
        &mut self,
        entries: &[GroupEntry],
        users: &[UserEntry],
    ) -> Result<(), Problem> {
        for entry in entries {
            let before = self.group(&entry.name)?;
            let mut after = before.clone();
            if let Some(description) = &entry.description {
                after.description = description.clone();
            }
            if let Some(members) = &entry.members {
                let names_it = |user: &&UserEntry| {
                    let groups = user.groups.as_ref();
                    groups.is_some_and(|groups| groups.contains(&entry.name))
                };
                let themselves = users.iter().filter(names_it).map(|user| user.name.clone());
                after.members = members.iter().cloned().chain(themselves).collect();
            }
            if before == after {
                let told = self
                    .changes
                    .iter()
                    .any(|change| change.noun == "group" && change.name == after.name.as_str());
                if !told {
                    self.unchanged("group", after.name.as_str());
                }
                continue;
            }
            store::group::update(&mut self.tx, &before, &after).await?;
            self.updated("group", after.name.as_str(), &before, &after);
            for user in &mut self.now.users {
                if after.members.contains(&user.name) {
                    user.groups.insert(after.name.clone());
                } else {
                    user.groups.remove(&after.name);
                }
            }
            let slot = self
                .now
                .groups
                .iter_mut()
                .find(|group| group.id == after.id);
            *slot.expect("it was found above") = after;
        }
        Ok(())
    }

    fn group(&self, name: &GroupName) -> Result<Group, Problem> {
        let known = self.now.groups.iter().find(|group| group.name == *name);
        known.cloned().ok_or_else(|| Problem::not_found("group"))
    }

    pub async fn prune_users(&mut self, entries: Option<&[UserEntry]>) -> Result<(), Problem> {
        let Some(entries) = entries else {
            return Ok(());
        };
        for user in self.now.users.clone() {
            let named = entries.iter().any(|entry| entry.name == user.name);
            // Whoever applies the document is still needed to correct it.
            if named || user.id == self.by.user {
                continue;
            }
            store::user::delete(&mut self.tx, &user).await?;
            self.deleted("user", user.name.as_str());
            let why = format!("{} removed the user {}", self.by.name, user.name);
            self.follow(Follow::UserGone(user.id.clone(), why));
            for group in &mut self.now.groups {
                group.members.remove(&user.name);
            }
            self.now.users.retain(|other| other.id != user.id);
        }
        Ok(())
    }

    pub async fn prune_groups(&mut self, entries: Option<&[GroupEntry]>) -> Result<(), Problem> {
        let Some(entries) = entries else {
            return Ok(());
        };
        for group in self.now.groups.clone() {
            if entries.iter().any(|entry| entry.name == group.name) {
                continue;
            }
            store::group::delete(&mut self.tx, &group).await?;
            self.deleted("group", group.name.as_str());
        }
        Ok(())
    }

    /// Makes `after` what holds, in the user and in the groups.
    fn enter(&mut self, before: Option<User>, after: User) {
        for group in &mut self.now.groups {
            if after.groups.contains(&group.name) {
                group.members.insert(after.name.clone());
            } else {
                group.members.remove(&after.name);
            }
        }
        self.now.users.retain(|user| user.id != after.id);
        self.now.users.push(after.clone());
        if let Some(before) = before {
            self.follow(Follow::User(Box::new((before, after))));
        }
    }
}
