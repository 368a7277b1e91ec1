//! Policies, targets and accounts of a document.

use super::{
    AccountEntry, PolicyEntry, TargetEntry,
    run::{Follow, Run},
};
use crate::{
    api::{accounts, error::Problem, keys, policies, targets, write},
    model::{
        ids::{AccountId, PolicyId, TargetId},
        policy::{Policy, Terms},
        target::{Account, Protocol, Target},
    },
    store,
    vault::entropy,
};

impl Run<'_> {
    pub async fn policies(&mut self, entries: &[PolicyEntry]) -> Result<(), Problem> {
        for entry in entries {
            if let Some(terms) = &entry.terms {
                policies::check(terms)?;
            }
            let before = self.now.policies.iter().find(|it| it.name == entry.name);
            let before = before.cloned();
            let after = policy(entry, before.as_ref(), self.api.now());
            match &before {
                None => {
                    store::policy::insert(&mut self.tx, &after).await?;
                    self.created("policy", after.name.as_str(), &after);
                }
                Some(before) if *before != after => {
                    store::policy::update(&mut self.tx, before, &after).await?;
                    self.updated("policy", after.name.as_str(), before, &after);
                }
                Some(_) => self.unchanged("policy", after.name.as_str()),
            }
            self.now.policies.retain(|other| other.id != after.id);
            if after.is_default {
                // The store lets there be one.
                for other in &mut self.now.policies {
                    other.is_default = false;
                }
            }
            self.now.policies.push(after);
        }
        Ok(())
    }

    pub async fn targets(&mut self, entries: &[TargetEntry]) -> Result<(), Problem> {
        for entry in entries {
            let before = self.now.targets.iter().find(|it| it.name == entry.name);
            let before = before.cloned();
            let after = target(entry, before.as_ref(), self.api.now())?;
            match &before {
                None => {
                    store::target::insert(&mut self.tx, &after).await?;
                    self.created("target", after.name.as_str(), &after);
                }
                Some(before) if *before != after => {
                    store::target::update(&mut self.tx, before, &after).await?;
                    self.updated("target", after.name.as_str(), before, &after);
                }
                Some(_) => self.unchanged("target", after.name.as_str()),
            }
            self.now.targets.retain(|other| other.id != after.id);
            self.now.targets.push(after.clone());
            self.follow(Follow::Target(after));
        }
        Ok(())
    }

    pub async fn accounts(&mut self, entries: &[AccountEntry]) -> Result<(), Problem> {
        for entry in entries {
            let before = self.account(entry)?;
            let after = account(entry, before.as_ref(), self.api.now())?;
            let name = accounts::place(&after);
            match &before {
                None => {
                    store::account::insert(&mut self.tx, &after).await?;
                    self.created("account", &name, &after);
                }
                Some(before) if *before != after => {
                    store::account::update(&mut self.tx, before, &after).await?;
                    self.updated("account", &name, before, &after);
                }
                Some(_) => self.unchanged("account", &name),
            }
            self.now.accounts.retain(|other| other.id != after.id);
            self.now.accounts.push(after.clone());
            self.follow(Follow::Account(after));
        }
        Ok(())
    }

    /// The account an entry means.
    fn account(&self, entry: &AccountEntry) -> Result<Option<Account>, Problem> {
        let mut meant = self
            .now
            .accounts
            .iter()
            .filter(|account| is_of(entry, account));
        let first = meant.next().cloned();
        if meant.next().is_some() {
            let why = format!("several accounts {} are on these targets", entry.name);
            return Err(Problem::invalid("document.accounts.targets", why));
        }
        Ok(first)
    }

    pub async fn prune_accounts(
        &mut self,
        entries: Option<&[AccountEntry]>,
    ) -> Result<(), Problem> {
        let Some(entries) = entries else {
            return Ok(());
        };
        for account in self.now.accounts.clone() {
            if entries.iter().any(|entry| is_of(entry, &account)) {
                continue;
            }
            store::account::delete(&mut self.tx, &account).await?;
            self.deleted("account", &accounts::place(&account));
            let why = format!("{} removed the account {}", self.by.name, account.name);
            self.follow(Follow::AccountGone(account.id.clone(), why));
            self.now.accounts.retain(|other| other.id != account.id);
        }
        Ok(())
    }

    pub async fn prune_targets(&mut self, entries: Option<&[TargetEntry]>) -> Result<(), Problem> {
        let Some(entries) = entries else {
            return Ok(());
        };
        for target in self.now.targets.clone() {
            if entries.iter().any(|entry| entry.name == target.name) {
                continue;
            }
            store::target::delete(&mut self.tx, &target).await?;
            self.deleted("target", target.name.as_str());
            let why = format!("{} removed the target {}", self.by.name, target.name);
            self.follow(Follow::TargetGone(target.id, why));
        }
        Ok(())
    }

    pub async fn prune_policies(&mut self, entries: Option<&[PolicyEntry]>) -> Result<(), Problem> {
        let Some(entries) = entries else {
            return Ok(());
        };
        for policy in self.now.policies.clone() {
            // The default is never left out: something must rule where nothing is named.
            if policy.is_default || entries.iter().any(|entry| entry.name == policy.name) {
                continue;
            }
            store::policy::delete(&mut self.tx, &policy).await?;
            self.deleted("policy", policy.name.as_str());
        }
        Ok(())
    }
}

fn is_of(entry: &AccountEntry, account: &Account) -> bool {
    account.name == entry.name && account.targets.iter().any(|it| entry.targets.contains(it))
}

type Now = crate::model::time::Timestamp;

fn policy(entry: &PolicyEntry, before: Option<&Policy>, now: Now) -> Policy {
    let new = || Policy {
        id: PolicyId::new(now, entropy()),
        name: entry.name.clone(),
        description: Default::default(),
        is_default: false,
        terms: Terms::default(),
    };
    let mut policy = before.cloned().unwrap_or_else(new);
    if let Some(description) = &entry.description {
        policy.description = description.clone();
    }
    if let Some(is_default) = entry.is_default {
        policy.is_default = is_default;
    }
    if let Some(terms) = &entry.terms {
        policy.terms = terms.clone();
    }
    policy
}

fn target(entry: &TargetEntry, before: Option<&Target>, now: Now) -> Result<Target, Problem> {
    let mut target = match (before, &entry.address) {
        (Some(before), _) => before.clone(),
        (None, Some(address)) => Target {
            id: TargetId::new(now, entropy()),
            name: entry.name.clone(),
            protocol: Protocol::Ssh,
            address: address.clone(),
            host_keys: Vec::new(),
            web: None,
            rdp: None,
            policy: None,
            description: Default::default(),
            labels: Vec::new(),
            disabled: false,
            created_at: now,
        },
        (None, None) => {
            let why = format!("the new target {} needs one", entry.name);
            return Err(Problem::invalid("document.targets.address", why));
        }
    };
    if let Some(web) = &entry.web {
        target.web = Some(web.clone());
    }
    if let Some(rdp) = &entry.rdp {
        target.rdp = Some(rdp.clone());
    }
    match (entry.protocol, before, &entry.web, &entry.rdp) {
        (Some(protocol), ..) => target.protocol = protocol,
        (None, None, Some(_), _) => target.protocol = Protocol::Web,
        (None, None, None, Some(_)) => target.protocol = Protocol::Rdp,
        _ => {}
    }
    if target.protocol != Protocol::Web && entry.web.is_none() {
        target.web = None;
    }
    if target.protocol != Protocol::Rdp && entry.rdp.is_none() {
        target.rdp = None;
    }
    if let Some(address) = &entry.address {
        target.address = address.clone();
    }
    if let Some(host_keys) = &entry.host_keys {
        target.host_keys = host_keys.clone();
    }
    // Also those that were pinned before: of another protocol they prove nothing.
    target.host_keys = keys::pins(target.protocol, target.host_keys)?;
    targets::is_whole(&target).map_err(|why| {
        Problem::invalid("document.targets.web", format!("{}: {why}", entry.name))
    })?;
    if let Some(policy) = &entry.policy {
        target.policy = Some(policy.clone());
    }
    if let Some(description) = &entry.description {
        target.description = description.clone();
    }
    if let Some(labels) = &entry.labels {
        target.labels = write::labels(labels.clone())?;
    }
    if let Some(disabled) = entry.disabled {
        target.disabled = disabled;
    }
    Ok(target)
}

fn account(entry: &AccountEntry, before: Option<&Account>, now: Now) -> Result<Account, Problem> {
    let new = || Account {
        id: AccountId::new(now, entropy()),
        name: entry.name.clone(),
        login: entry.name.to_string(),
        targets: Vec::new(),
        policy: None,
        secret: None,
        description: Default::default(),
        disabled: false,
        created_at: now,
    };
    let mut account = before.cloned().unwrap_or_else(new);
    // One order, so that naming the same targets in another changes nothing.
    account.targets = entry.targets.clone();
    account.targets.sort();
    account.targets.dedup();
    if let Some(login) = &entry.login {
        account.login = accounts::login(login)?;
    }
    if let Some(policy) = &entry.policy {
        account.policy = Some(policy.clone());
    }
    if let Some(description) = &entry.description {
        account.description = description.clone();
    }
    if let Some(disabled) = entry.disabled {
        account.disabled = disabled;
    }
    Ok(account)
}
