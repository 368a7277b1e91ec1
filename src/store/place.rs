//! What a check-out is asked for: a target, one account on it, the policy that rules there.
//! Finds it; whether somebody may ask there is decided by the model.

use std::collections::HashMap;

use super::{Result, Source, Store, StoreError, account, policy, target};
use crate::model::{
    checkout::Place,
    name::{AccountName, PolicyName, TargetName},
    policy::Policy,
    refusal::Refusal,
    target::{Account, Target},
};

/// The place that the names mean. The inner refusal is an answer: no such target, no such
/// account, no account at all, or several to choose from.
pub async fn find(
    store: &Store,
    target: &TargetName,
    account: Option<&AccountName>,
) -> Result<Result<Place, Refusal>> {
    let target = match target::by_name(store, target).await {
        Ok(target) => target,
        Err(StoreError::NotFound(_)) => {
            return Ok(Err(Refusal::NoSuchTarget(target.to_string())));
        }
        Err(error) => return Err(error),
    };
    let accounts = account::on_target(store, &target.id).await?;
    let account = match choose(&target, accounts, account) {
        Ok(account) => account,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let policy = ruling(store, &target, &account).await?;
    Ok(Ok(Place {
        target,
        account,
        policy,
    }))
}

/// Every place there is, by the names of target and account.
pub async fn all(store: &Store) -> Result<Vec<Place>> {
    let targets = target::all(store).await?;
    let accounts = account::all(store).await?;
    let policies = policy::list(store).await?;
    let mut on_target: HashMap<&TargetName, Vec<&Account>> = HashMap::new();
    for account in &accounts {
        for target in &account.targets {
            on_target.entry(target).or_default().push(account);
        }
    }
    let default = policies.iter().find(|policy| policy.is_default);
    let by_name: HashMap<&PolicyName, &Policy> = policies
        .iter()
        .map(|policy| (&policy.name, policy))
        .collect();
    let mut places = Vec::new();
    for target in &targets {
        for account in on_target.get(&target.name).into_iter().flatten() {
            let named = account.policy.as_ref().or(target.policy.as_ref());
            let policy = match named {
                Some(name) => by_name.get(name).copied(),
                None => default,
            };
            // Renamed or removed between two reads: the next look will have it.
            if let Some(policy) = policy {
                places.push(Place {
                    target: target.clone(),
                    account: (*account).clone(),
                    policy: policy.clone(),
                });
            }
        }
    }
    Ok(places)
}

/// The policy of the account, else of the target, else the default.
pub async fn ruling(from: impl Source, target: &Target, account: &Account) -> Result<Policy> {
    match account.policy.as_ref().or(target.policy.as_ref()) {
        Some(name) => policy::by_name(from, name).await,
        None => policy::default(from).await,
    }
}

fn choose(
    target: &Target,
    mut accounts: Vec<Account>,
    named: Option<&AccountName>,
) -> Result<Account, Refusal> {
    if let Some(named) = named {
        let found = accounts.into_iter().find(|account| account.name == *named);
        return found.ok_or_else(|| Refusal::NoSuchAccount {
            target: target.name.clone(),
            account: named.to_string(),
        });
    }
    match accounts.len() {
        0 => Err(Refusal::NoAccount(target.name.clone())),
        1 => Ok(accounts.remove(0)),
        _ => Err(Refusal::WhichAccount {
            target: target.name.clone(),
            accounts: accounts.into_iter().map(|account| account.name).collect(),
        }),
    }
}
