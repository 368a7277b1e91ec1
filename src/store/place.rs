//! What a check-out is asked for: a target, one account on it, the policy that rules there.
//! Finds it; whether somebody may ask there is decided by the model.

use std::collections::HashMap;

use super::{Result, Source, Store, StoreError, account, policy, target};
use crate::model::{
    checkout::Place,
    name::{AccountName, PolicyName, TargetName},
    policy::Policy,
    principal::Principal,
    refusal::Refusal,
    target::{Account, Target},
};

/// The place that the names mean to `asker`. The inner refusal is an answer: no such target, no
/// such account, no account at all, or several to choose from.
///
/// INVARIANT: what the terms keep `asker` from asking for is answered as what is not there, so
/// that asking finds out no names.
pub async fn find(
    store: &Store,
    target: &TargetName,
    account: Option<&AccountName>,
    asker: &Principal,
) -> Result<Result<Place, Refusal>> {
    let unknown = || Refusal::NoSuchTarget(target.to_string());
    let target = match target::by_name(store, target).await {
        Ok(target) => target,
        Err(StoreError::NotFound(_)) => return Ok(Err(unknown())),
        Err(error) => return Err(error),
    };
    let accounts = account::on_target(store, &target.id).await?;
    if accounts.is_empty() {
        let policy = policy_of(store, target.policy.as_ref()).await?;
        let known = policy.terms.lets_ask(&asker.groups);
        let refusal = Refusal::NoAccount(target.name);
        return Ok(Err(if known { refusal } else { unknown() }));
    }
    let policies = policy::list(store).await?;
    let mut places = Vec::new();
    for account in accounts {
        if let Some(policy) = ruling_among(&policies, &target, &account)
            && policy.terms.lets_ask(&asker.groups)
        {
            places.push(Place {
                target: target.clone(),
                account,
                policy: policy.clone(),
            });
        }
    }
    Ok(if places.is_empty() {
        Err(unknown())
    } else {
        choose(&target, places, account)
    })
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
    policy_of(from, account.policy.as_ref().or(target.policy.as_ref())).await
}

async fn policy_of(from: impl Source, named: Option<&PolicyName>) -> Result<Policy> {
    match named {
        Some(name) => policy::by_name(from, name).await,
        None => policy::default(from).await,
    }
}

/// As `ruling`, of policies that were read before. None: renamed or removed between two reads.
fn ruling_among<'a>(
    policies: &'a [Policy],
    target: &Target,
    account: &Account,
) -> Option<&'a Policy> {
    let named = account.policy.as_ref().or(target.policy.as_ref());
    policies.iter().find(|policy| match named {
        Some(name) => policy.name == *name,
        None => policy.is_default,
    })
}

fn choose(
    target: &Target,
    mut places: Vec<Place>,
    named: Option<&AccountName>,
) -> Result<Place, Refusal> {
    if let Some(named) = named {
        let found = places
            .into_iter()
            .find(|place| place.account.name == *named);
        return found.ok_or_else(|| Refusal::NoSuchAccount {
            target: target.name.clone(),
            account: named.to_string(),
        });
    }
    match places.len() {
        0 => Err(Refusal::NoAccount(target.name.clone())),
        1 => Ok(places.remove(0)),
        _ => Err(Refusal::WhichAccount {
            target: target.name.clone(),
            accounts: places.into_iter().map(|place| place.account.name).collect(),
        }),
    }
}
