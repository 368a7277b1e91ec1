//! The one-time secret of a check-out: shown to its holder, and compared when somebody comes.
//!
//! Shown only while the check-out admits a session, and written down each time. Who comes with
//! it is admitted under that check-out and no other, by `Gate::admit` like everybody.

use std::{fmt, net::IpAddr};

use tracing::warn;

use super::{Gate, gate::lost, reveal::Revealer};
use crate::{
    identity::SignInError,
    model::{
        audit::{Actor, AuditEvent},
        checkout::Checkout,
        ids::{CheckoutId, Code, UserId},
        name::{AccountName, TargetName, UserName},
        permit::{Permit, Purpose, authorize, choose},
        principal::{Principal, Scope},
        refusal::Refusal,
        target::{Address, Protocol},
        time::Timestamp,
    },
    store,
    vault::{OneTime, VaultError},
};

/// What its holder types into an RDP client.
pub struct WayIn {
    pub address: Address,
    pub login: String,
    pub secret: OneTime,
    pub ends_at: Timestamp,
}

/// Which check-out somebody says they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    Place {
        user: UserName,
        account: Option<AccountName>,
        target: TargetName,
    },
    Code(Code),
}

impl fmt::Display for Sought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place {
                user,
                account: Some(account),
                target,
            } => write!(f, "{user}+{account}@{target}"),
            Self::Place { user, target, .. } => write!(f, "{user}+{target}"),
            Self::Code(code) => write!(f, "{code}"),
        }
    }
}

/// The check-out somebody says they hold, and the secrets that would prove it.
pub struct Expected {
    pub user: UserId,
    pub checkout: CheckoutId,
    pub target: TargetName,
    pub secrets: Vec<OneTime>,
}

impl Revealer {
    /// How the holder of a check-out comes in by RDP. Written down before it is shown.
    pub async fn one_time(&self, by: &Principal, id: &CheckoutId) -> Result<WayIn, Refusal> {
        let Self(gate) = self;
        let shown = gate.show_one_time(by, id).await;
        if let Err(refusal) = &shown {
            let mut event =
                AuditEvent::refused(gate.now(), "one-time.show", Actor::from(by), refusal);
            event.checkout = Some(id.clone());
            gate.note(event).await;
        }
        shown
    }

    /// Until when the holder of a check-out may open its desktop in a browser. Only a no is
    /// written down: the session writes down itself.
    pub async fn desktop(&self, by: &Principal, id: &CheckoutId) -> Result<Timestamp, Refusal> {
        let Self(gate) = self;
        let admitted = gate.admits_to_desktop(by, id).await;
        if let Err(refusal) = &admitted {
            let mut event =
                AuditEvent::refused(gate.now(), "session.open", Actor::from(by), refusal);
            event.checkout = Some(id.clone());
            gate.note(event).await;
        }
        admitted.map(|(_, permit)| permit.until())
    }
}

impl Gate {
    /// A check-out of a desktop that admits its holder now.
    async fn admits_to_desktop(
        &self,
        by: &Principal,
        id: &CheckoutId,
    ) -> Result<(Checkout, Permit), Refusal> {
        if !by.may(Scope::Request) {
            return Err(Refusal::NotAllowed("request"));
        }
        let checkout = self.checkout(id).await?;
        let (target, account) = self.place(&checkout).await?;
        let now = self.now();
        let permit = authorize(Purpose::Connect, by, &checkout, &target, &account, 0, now)?;
        match target.protocol {
            Protocol::Rdp => Ok((checkout, permit)),
            protocol => {
                let target = target.name;
                Err(Refusal::OtherProtocol { target, protocol })
            }
        }
    }

    async fn show_one_time(&self, by: &Principal, id: &CheckoutId) -> Result<WayIn, Refusal> {
        let (checkout, permit) = self.admits_to_desktop(by, id).await?;
        let now = self.now();
        let address =
            self.ways_in().rdp.clone().ok_or_else(|| {
                Refusal::Unsupported("RDP, because rdp.listen is not set".to_owned())
            })?;
        let secret = self.0.parts.vault.one_time(&checkout).map_err(sealed)?;
        let message = format!(
            "{} was shown the one-time secret of check-out {}",
            by.name, checkout.code
        );
        let event = AuditEvent::done(now, "one-time.show", Actor::from(by), message)
            .about_checkout(&checkout);
        self.write_down(&event).await.map_err(lost)?;
        Ok(WayIn {
            address,
            login: self.login(by, &checkout).await?.to_string(),
            secret,
            ends_at: permit.until(),
        })
    }

    /// By which name the check-out is meant: its place, unless another one is meant by that.
    async fn login(&self, by: &Principal, checkout: &Checkout) -> Result<Sought, Refusal> {
        let open = store::checkout::open_of_user(&self.0.parts.store, &by.user).await;
        let open = open.map_err(lost)?;
        let (target, account) = (&checkout.target_name, &checkout.account_name);
        let means_it = |account: Option<&AccountName>| {
            choose(&open, target.as_str(), account).is_ok_and(|chosen| chosen.id == checkout.id)
        };
        let place = |account: Option<AccountName>| Sought::Place {
            user: by.name.clone(),
            account,
            target: target.clone(),
        };
        Ok(match () {
            () if means_it(None) => place(None),
            () if means_it(Some(account)) => place(Some(account.clone())),
            () => Sought::Code(checkout.code.clone()),
        })
    }

    /// A secret that nobody holds, so that a wrong name takes as long as a wrong secret.
    pub fn one_time_of_nobody() -> OneTime {
        OneTime::of_nobody()
    }

    /// What somebody who comes as `sought` must know; none where it means nothing. A try that
    /// is one too many is an error, before anything is looked up.
    pub async fn expected(
        &self,
        sought: &Sought,
        peer: IpAddr,
    ) -> Result<Option<Expected>, SignInError> {
        self.identity().try_one_time(&sought.to_string(), peer)?;
        let store = &self.0.parts.store;
        let checkout = match sought {
            Sought::Code(code) => store::found(store::checkout::by_code(store, code).await)?,
            Sought::Place {
                user,
                account,
                target,
            } => match store::found(store::user::by_name(store, user).await)? {
                Some(user) => {
                    let open = store::checkout::open_of_user(store, &user.id).await?;
                    choose(&open, target.as_str(), account.as_ref())
                        .ok()
                        .cloned()
                }
                None => None,
            },
        };
        // One that is over has no secret any more. One that waits has one, so that its holder
        // can be told, but it is shown to nobody.
        let Some(checkout) = checkout.filter(|checkout| checkout.end().is_none()) else {
            return Ok(None);
        };
        let secrets = match self.0.parts.vault.one_times(&checkout) {
            Ok(secrets) => secrets,
            Err(error) => {
                sealed(error);
                return Ok(None);
            }
        };
        Ok(Some(Expected {
            user: checkout.requester,
            checkout: checkout.id,
            target: checkout.target_name,
            secrets,
        }))
    }
}

fn sealed(error: VaultError) -> Refusal {
    warn!(%error, "One-time secret not derived");
    Refusal::StoreLost
}
