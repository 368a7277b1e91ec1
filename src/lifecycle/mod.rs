//! Every command on a check-out: load, apply, write with its audit event, pull the switch.
//!
//! Answers what becomes of a check-out and makes it so, in one transaction with its audit
//! event. Never decides a rule (`model` does) and never touches a stream (`kill` does).

mod asking;
mod kill;
mod lost;
mod record;

use std::sync::Arc;

use tokio::sync::broadcast;
use tracing::info;

use self::record::{event_of, notice_of};
use crate::{
    audit,
    clock::Clock,
    kill::Switchboard,
    model::{
        checkout::{Checkout, Command},
        ids::{AccountId, CheckoutId, TargetId, UserId},
        name::UserName,
        principal::{Principal, Proof},
        refusal::Refusal,
        session::KillReason,
        text::Text,
        time::Span,
        user::User,
    },
    store::{self, Store, StoreError},
};

/// How often a decision is made anew because somebody else's came between.
const ATTEMPTS: usize = 20;

/// How many changes a slow listener may lag behind before it is told to look again.
const CHANGES: usize = 1_024;

#[derive(Clone)]
pub struct Lifecycle(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    switchboard: Switchboard,
    changes: broadcast::Sender<Change>,
}

/// Something changed that people may be looking at. A hint to look, never the truth itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Checkout {
        id: CheckoutId,
        state: &'static str,
    },
    Session {
        id: crate::model::ids::SessionId,
        live: bool,
    },
    /// A user, group, target, account or policy: `noun` and name.
    Noun {
        noun: &'static str,
        name: String,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum LifecycleError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("no such check-out")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What asking came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    New(Checkout),
    /// The same person had asked for the same place already.
    Joined(Checkout),
}

impl Asked {
    pub fn checkout(&self) -> &Checkout {
        match self {
            Self::New(checkout) | Self::Joined(checkout) => checkout,
        }
    }
}

impl Lifecycle {
    pub fn new(store: Store, clock: Clock, switchboard: Switchboard) -> Self {
        let (changes, _) = broadcast::channel(CHANGES);
        Self(Arc::new(Inner {
            store,
            clock,
            switchboard,
            changes,
        }))
    }

    /// Tells of every change from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.0.changes.subscribe()
    }

    pub fn announce(&self, change: Change) {
        // Nobody listening is no fault.
        self.0.changes.send(change).ok();
    }

    pub async fn approve(
        &self,
        by: &Principal,
        id: &CheckoutId,
        duration: Option<Span>,
        message: Text,
    ) -> Result<Checkout, LifecycleError> {
        let other_approvers = self.other_approvers(by, Some(id)).await?;
        let by = by.clone();
        self.command(
            id,
            Command::Approve {
                by,
                duration,
                message,
                other_approvers,
            },
        )
        .await
    }

    pub async fn deny(
        &self,
        by: &Principal,
        id: &CheckoutId,
        message: Text,
    ) -> Result<Checkout, LifecycleError> {
        self.command(
            id,
            Command::Deny {
                by: by.clone(),
                message,
            },
        )
        .await
    }

    pub async fn cancel(
        &self,
        by: &Principal,
        id: &CheckoutId,
        message: Text,
    ) -> Result<Checkout, LifecycleError> {
        self.command(
            id,
            Command::Cancel {
                by: by.clone(),
                message,
            },
        )
        .await
    }

    pub async fn assign(
        &self,
        by: &Principal,
        id: &CheckoutId,
        to: &UserName,
    ) -> Result<Checkout, LifecycleError> {
        let unfit = || Refusal::ApproverUnfit(to.to_string());
        let user = self.enabled_user(to).await?.ok_or_else(unfit)?;
        let to = user.principal(Proof::Password);
        self.command(id, Command::Assign { by: by.clone(), to })
            .await
    }

    pub async fn extend(
        &self,
        by: &Principal,
        id: &CheckoutId,
        duration: Span,
        reason: Text,
    ) -> Result<Checkout, LifecycleError> {
        self.command(
            id,
            Command::Extend {
                by: by.clone(),
                duration,
                reason,
            },
        )
        .await
    }

    pub async fn check_in(
        &self,
        by: &Principal,
        id: &CheckoutId,
        message: Text,
    ) -> Result<Checkout, LifecycleError> {
        let live_sessions = store::session::count_open_under(&self.0.store, id).await?;
        let live_sessions = usize::try_from(live_sessions).unwrap_or(usize::MAX);
        self.command(
            id,
            Command::CheckIn {
                by: by.clone(),
                message,
                live_sessions,
            },
        )
        .await
    }

    pub async fn revoke(
        &self,
        by: &Principal,
        id: &CheckoutId,
        message: Text,
    ) -> Result<Checkout, LifecycleError> {
        self.command(
            id,
            Command::Revoke {
                by: by.clone(),
                message,
            },
        )
        .await
    }

    /// Ends every check-out of a user who may no longer use any, and cuts what is live.
    pub async fn withdraw_user(
        &self,
        user: &UserId,
        message: &str,
    ) -> Result<usize, LifecycleError> {
        let open = store::checkout::open_of_user(&self.0.store, user).await;
        let ended = self.withdraw(open, message).await;
        // Whatever could be written down: what is live ends.
        self.0.switchboard.pull_user(user, KillReason::UserDisabled);
        ended
    }

    /// Ends every check-out of a target that is disabled or gone, and cuts what is live.
    pub async fn withdraw_target(
        &self,
        target: &TargetId,
        message: &str,
    ) -> Result<usize, LifecycleError> {
        let open = store::checkout::open_of_target(&self.0.store, target).await;
        let ended = self.withdraw(open, message).await;
        self.0
            .switchboard
            .pull_target(target, KillReason::TargetGone);
        ended
    }

    pub async fn withdraw_account(
        &self,
        account: &AccountId,
        message: &str,
    ) -> Result<usize, LifecycleError> {
        let open = store::checkout::open_of_account(&self.0.store, account).await;
        self.withdraw(open, message).await
    }

    /// Ends what is still open though its user, target or account is disabled or gone: a
    /// gateway that was killed between the two has left it so.
    pub async fn withdraw_orphans(&self) -> Result<usize, LifecycleError> {
        let open = store::checkout::orphans(&self.0.store).await;
        let why = "the user, the target or the account is disabled or gone";
        self.withdraw(open, why).await
    }

    /// One that cannot be ended now does not keep the others open.
    async fn withdraw(
        &self,
        checkouts: Result<Vec<Checkout>, StoreError>,
        message: &str,
    ) -> Result<usize, LifecycleError> {
        let (mut ended, mut failed) = (0, None);
        for checkout in checkouts? {
            let command = Command::Withdraw {
                message: Text::ours(message),
            };
            match self.command(&checkout.id, command).await {
                Ok(_) => ended += 1,
                // It ended by itself in the meantime, which is what was wanted.
                Err(LifecycleError::Refused(_)) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(ended), Err)
    }

    /// The one function: load, apply, write with the audit event, pull the switch.
    ///
    /// Runs to its end also when nobody waits for it any more: a revoke whose sender hung up
    /// still pulls the switch.
    pub async fn command(
        &self,
        id: &CheckoutId,
        command: Command,
    ) -> Result<Checkout, LifecycleError> {
        let (lifecycle, id) = (self.clone(), id.clone());
        let decided = tokio::spawn(async move { lifecycle.decide(&id, command).await });
        match decided.await {
            Ok(decided) => decided,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    async fn decide(&self, id: &CheckoutId, command: Command) -> Result<Checkout, LifecycleError> {
        let Inner { store, clock, .. } = &*self.0;
        for _ in 0..ATTEMPTS {
            let before = store::found(store::checkout::by_id(store, id).await)?
                .ok_or(LifecycleError::NotFound)?;
            let now = clock.now();
            let after = match before.clone().apply(command.clone(), now) {
                Ok(after) => after,
                Err(refusal) => return Err(self.refused(&before, &command, refusal).await),
            };
            let event = event_of(&before, &after, &command, now);
            let mut tx = store.begin().await?;
            match store::checkout::update(&mut tx, &after, before.version).await {
                Ok(()) => {}
                // Somebody else's decision came first: decide anew on what it left.
                Err(StoreError::Conflict) => continue,
                Err(StoreError::Exclusive) => {
                    drop(tx);
                    return match self.taken(&before).await? {
                        Some(refusal) => Err(self.refused(&before, &command, refusal).await),
                        // The holder let go between the two looks.
                        None => continue,
                    };
                }
                Err(error) => return Err(error.into()),
            }
            if let Some(notice) = notice_of(&before, &after, &command, now) {
                store::notice::insert(&mut tx, &notice).await?;
            }
            audit::append(&mut tx, &event).await?;
            tx.commit().await?;
            self.follow(&after);
            return Ok(after);
        }
        Err(StoreError::Conflict.into())
    }

    /// What a decision that is written down entails: ended streams, and those who watch.
    fn follow(&self, checkout: &Checkout) {
        if let Some(reason) = checkout.kill_reason() {
            let why = reason.code();
            let cut = self.0.switchboard.pull_checkout(&checkout.id, reason);
            info!(checkout = %checkout.id, code = %checkout.code, reason = why, cut, "Check-out ended");
        }
        self.announce(Change::Checkout {
            id: checkout.id.clone(),
            state: checkout.state.as_str(),
        });
    }

    async fn enabled_user(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        let user = store::found(store::user::by_name(&self.0.store, name).await)?;
        Ok(user.filter(|user| !user.disabled))
    }

    /// How many enabled people besides `by` and the requester could answer.
    async fn other_approvers(
        &self,
        by: &Principal,
        id: Option<&CheckoutId>,
    ) -> Result<usize, LifecycleError> {
        let store = &self.0.store;
        let checkout = match id {
            Some(id) => store::found(store::checkout::by_id(store, id).await)?,
            None => None,
        };
        let could = |user: &User| {
            let principal = user.principal(Proof::Password);
            user.person != by.person
                && checkout.as_ref().is_none_or(|checkout| {
                    checkout.person != user.person && checkout.eligible(&principal).is_ok()
                })
        };
        let candidates = store::user::approver_candidates(store).await?;
        let people: std::collections::BTreeSet<_> = candidates
            .iter()
            .filter(|user| could(user))
            .map(|user| &user.person)
            .collect();
        Ok(people.len())
    }

    /// Whose vote is waited for now, by name.
    pub async fn approvers(&self, checkout: &Checkout) -> Result<Vec<UserName>, LifecycleError> {
        let candidates = store::user::approver_candidates(&self.0.store).await?;
        let asked = |user: &User| {
            let principal = user.principal(Proof::Password);
            checkout.may_vote(&principal, usize::MAX).is_ok()
        };
        let names = candidates.into_iter().filter(asked).map(|user| user.name);
        Ok(names.collect())
    }

    /// Who holds the account that `checkout` wants, where one of the two would hold it alone.
    async fn taken(&self, checkout: &Checkout) -> Result<Option<Refusal>, LifecycleError> {
        let holder = store::checkout::in_the_way_of(&self.0.store, checkout).await?;
        Ok(holder.and_then(|holder| {
            let until = holder.grant()?.ends_at;
            Some(Refusal::AccountTaken {
                account: checkout.account_name.clone(),
                holder: holder.requester_name,
                until,
            })
        }))
    }
}
