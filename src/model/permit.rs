//! The proof that policy said yes to one use of one check-out.
//!
//! Only `authorize` makes a permit. What needs permission takes one, so that forgetting
//! the check does not compile.

use std::collections::BTreeSet;

use super::{
    capability::{Capability, Use},
    checkout::{Asked, Checkout},
    ids::{AccountId, CheckoutId, Code, TargetId, UserId},
    name::{AccountName, TargetName, UserName},
    principal::{Principal, Role},
    recording::RecordingTerms,
    refusal::Refusal,
    target::{Account, Target},
    time::{Span, Timestamp},
    web::{CanonicalPath, Room, TooMuch},
};

/// What a permit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A session: the secret goes to the target and nowhere else.
    Connect,
    /// The person looks at the secret.
    Reveal,
}

/// Proof that policy allowed this use. Only `authorize` makes one.
#[must_use]
#[derive(Debug)]
pub struct Permit {
    checkout: CheckoutId,
    code: Code,
    user: UserId,
    user_name: UserName,
    target: TargetId,
    target_name: TargetName,
    account: AccountId,
    account_name: AccountName,
    purpose: Purpose,
    until: Timestamp,
    session_limit: Option<Span>,
    idle_limit: Option<Span>,
    recording: RecordingTerms,
    page_banner: bool,
    capabilities: BTreeSet<Capability>,
}

/// Holds one use against one check-out. `live_sessions` is how many are open under it now.
pub fn authorize(
    purpose: Purpose,
    by: &Principal,
    checkout: &Checkout,
    target: &Target,
    account: &Account,
    live_sessions: usize,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    // A check-out of somebody else, or for something else, is as good as none.
    let fits = checkout.requester == by.user
        && checkout.target == target.id
        && checkout.account == account.id;
    if !fits || !by.is(Role::Requester) {
        return Err(Refusal::NoCheckout {
            target: target.name.to_string(),
        });
    }
    let until = checkout.open_until(now)?;
    if target.disabled {
        return Err(Refusal::TargetDisabled(target.name.clone()));
    }
    if account.disabled {
        return Err(Refusal::AccountDisabled(account.name.clone()));
    }
    if purpose == Purpose::Reveal {
        by.fresh(checkout.terms.reveal_factor_within, now)?;
    }
    let capabilities = match (purpose, &checkout.asked) {
        (Purpose::Connect, Asked::Use) => checkout.terms.capabilities.clone(),
        (Purpose::Connect, Asked::Set(name)) => checkout
            .terms
            .permission_sets
            .get(name)
            .cloned()
            .unwrap_or_default(),
        (Purpose::Reveal, Asked::Reveal) => BTreeSet::new(),
        (Purpose::Connect, Asked::Reveal) | (Purpose::Reveal, Asked::Use | Asked::Set(_)) => {
            return Err(Refusal::AskedForOther {
                code: checkout.code.clone(),
            });
        }
    };
    match checkout.terms.maximum_sessions {
        Some(maximum) if purpose == Purpose::Connect && live_sessions >= maximum as usize => {
            return Err(Refusal::TooManySessions {
                code: checkout.code.clone(),
                maximum,
            });
        }
        _ => {}
    }
    Ok(Permit {
        checkout: checkout.id.clone(),
        code: checkout.code.clone(),
        user: by.user.clone(),
        user_name: by.name.clone(),
        target: target.id.clone(),
        target_name: target.name.clone(),
        account: account.id.clone(),
        account_name: account.name.clone(),
        purpose,
        until,
        session_limit: checkout.terms.session_limit,
        idle_limit: checkout.terms.idle_limit,
        recording: checkout.terms.recorded(),
        page_banner: checkout.terms.page_banner,
        capabilities,
    })
}

/// Which of somebody's check-outs a connection to `target` means.
///
/// An active one before a waiting one, the one that lasts longest first. Where active ones
/// open different accounts and none was named, the person is asked to name it.
pub fn choose<'a>(
    checkouts: &'a [Checkout],
    target: &str,
    account: Option<&AccountName>,
) -> Result<&'a Checkout, Refusal> {
    let fitting = || {
        checkouts
            .iter()
            .filter(|checkout| checkout.target_name.as_str() == target)
            .filter(|checkout| account.is_none_or(|account| *account == checkout.account_name))
            .filter(|checkout| checkout.asked != Asked::Reveal)
    };
    let active = || fitting().filter(|checkout| checkout.is_active());
    let accounts: BTreeSet<_> = active().map(|checkout| &checkout.account_name).collect();
    if accounts.len() > 1
        && let Some(checkout) = active().next()
    {
        return Err(Refusal::WhichAccount {
            target: checkout.target_name.clone(),
            accounts: accounts.into_iter().cloned().collect(),
        });
    }
    active()
        .max_by_key(|checkout| checkout.grant().map(|grant| grant.ends_at))
        .or_else(|| {
            fitting()
                .filter(|checkout| checkout.end().is_none())
                .min_by_key(|c| c.due())
        })
        .ok_or_else(|| Refusal::NoCheckout {
            target: target.to_owned(),
        })
}

impl Permit {
    /// The check again: until when the same use still stands under `checkout` as it is now.
    pub fn recheck(&self, checkout: &Checkout, now: Timestamp) -> Result<Timestamp, Refusal> {
        if checkout.id != self.checkout {
            return Err(Refusal::NoCheckout {
                target: self.target_name.to_string(),
            });
        }
        checkout.open_until(now)
    }

    /// Whether this use may do one thing.
    pub fn allows(&self, wanted: Use<'_>) -> Result<(), Refusal> {
        let admits = |capability: &Capability| capability.admits(wanted);
        match self.capabilities.iter().any(admits) {
            true => Ok(()),
            false => Err(Refusal::NotCapable {
                code: self.code.clone(),
                wanted: wanted.to_string(),
            }),
        }
    }

    /// How much one request may move that `allows` said yes to.
    pub fn room(&self, method: &str, path: &CanonicalPath) -> Room {
        let wanted = Use::Http { method, path };
        let admitting = self.capabilities.iter().filter(|it| it.admits(wanted));
        Room::of(admitting.map(Capability::most))
    }

    /// The refusal of a request that moves more than its room holds.
    pub fn too_much(&self, much: TooMuch) -> Refusal {
        Refusal::TooMuch {
            code: self.code.clone(),
            much,
        }
    }

    /// Everything this use may do.
    pub fn capabilities(&self) -> &BTreeSet<Capability> {
        &self.capabilities
    }

    pub fn checkout(&self) -> &CheckoutId {
        &self.checkout
    }

    pub fn code(&self) -> &Code {
        &self.code
    }

    pub fn user(&self) -> &UserId {
        &self.user
    }

    pub fn user_name(&self) -> &UserName {
        &self.user_name
    }

    pub fn target(&self) -> &TargetId {
        &self.target
    }

    pub fn target_name(&self) -> &TargetName {
        &self.target_name
    }

    pub fn account(&self) -> &AccountId {
        &self.account
    }

    pub fn account_name(&self) -> &AccountName {
        &self.account_name
    }

    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// When the check-out, or the hours it may be used in, end, as known when this was made.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    pub fn session_limit(&self) -> Option<Span> {
        self.session_limit
    }

    pub fn idle_limit(&self) -> Option<Span> {
        self.idle_limit
    }

    pub fn recording(&self) -> RecordingTerms {
        self.recording
    }

    /// Whether a web target's own pages are to say how long it lasts.
    pub fn page_banner(&self) -> bool {
        self.page_banner
    }
}
