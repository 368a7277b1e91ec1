//! What a broker may do for somebody who has no check-out yet: ask, wait, take back.
//!
//! Thin words for `lifecycle`, which decides. Never admits anybody: that is `Gate::admit`.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tracing::warn;

use super::{Gate, gate::lost};
use crate::{
    lifecycle::{Asked, Change, LifecycleError},
    model::{
        checkout::{Ask, Checkout, EndReason, Place},
        ids::CheckoutId,
        name::{AccountName, UserName},
        permit::choose,
        principal::Principal,
        refusal::Refusal,
        text::Text,
        time::Span,
    },
    store::{
        self, Order, Page,
        checkout::{Filter, Sort, Status},
    },
};

/// How often to look when nobody tells of a change: another node may have made it.
const LOOK: Duration = Duration::from_secs(2);

/// How long it is told of a request what became of it.
const REMEMBERED: Span = Span::hours(24);

/// A request that stands.
#[derive(Debug, Clone)]
pub struct Filed {
    pub checkout: Checkout,
    /// It had been asked for before.
    pub joined: bool,
    /// Whose vote is waited for.
    pub approvers: Vec<UserName>,
}

impl Gate {
    /// What the names mean and the policy that rules there, if `by` may ask there. What they
    /// may not ask for is as if it did not exist.
    pub async fn place_to_ask(
        &self,
        by: &Principal,
        target: &str,
        account: Option<&AccountName>,
    ) -> Result<Place, Refusal> {
        let none = || Refusal::NoCheckout {
            target: target.chars().take(64).collect(),
        };
        let place = self.0.parts.lifecycle.place(by, target, account).await;
        let place = place
            .map_err(refusal)
            .map_err(|refusal| hidden(refusal, none))?;
        place.open_to(by).map_err(|refusal| hidden(refusal, none))?;
        Ok(place)
    }

    /// The check-out that a connection to `target` would use; none if one must be asked for.
    pub async fn standing(
        &self,
        by: &Principal,
        target: &str,
        account: Option<&AccountName>,
    ) -> Result<Option<Checkout>, Refusal> {
        let open = store::checkout::open_of_user(&self.0.parts.store, &by.user).await;
        match choose(&open.map_err(lost)?, target, account) {
            Ok(checkout) => Ok(Some(checkout.clone())),
            Err(Refusal::NoCheckout { .. }) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// The newest check-out of theirs for this that is over, if that was lately.
    pub async fn last_ended(
        &self,
        by: &Principal,
        target: &str,
        account: Option<&AccountName>,
    ) -> Option<Checkout> {
        let filter = Filter {
            requester: Some(by.user.clone()),
            target: Some(target.parse().ok()?),
            account: account.cloned(),
            statuses: EndReason::ALL.map(Status::Ended).to_vec(),
            ..Filter::default()
        };
        let order = Order::descending(Sort::RequestedAt);
        let found = store::checkout::list(&self.0.parts.store, &filter, order, &Page::of(1)).await;
        let last = found.ok()?.items.into_iter().next()?;
        let lately = last.end()?.at + REMEMBERED.duration() > self.now();
        lately.then_some(last)
    }

    /// Files a request, or joins the one that waits already.
    pub async fn request(
        &self,
        by: &Principal,
        target: &str,
        account: Option<&AccountName>,
        ask: Ask,
    ) -> Result<Filed, Refusal> {
        let asked = self.0.parts.lifecycle.request(by, target, account, ask);
        match asked.await.map_err(refusal)? {
            Asked::New(checkout) => self.filed(checkout, false).await,
            Asked::Joined(checkout) => self.filed(checkout, true).await,
        }
    }

    /// What had been asked for before.
    pub async fn joined(&self, checkout: Checkout) -> Result<Filed, Refusal> {
        self.filed(checkout, true).await
    }

    async fn filed(&self, checkout: Checkout, joined: bool) -> Result<Filed, Refusal> {
        let approvers = self.0.parts.lifecycle.approvers(&checkout).await;
        Ok(Filed {
            checkout,
            joined,
            approvers: approvers.map_err(refusal)?,
        })
    }

    pub async fn cancel(&self, by: &Principal, id: &CheckoutId) -> Result<Checkout, Refusal> {
        let cancelled = self.0.parts.lifecycle.cancel(by, id, Text::default());
        cancelled.await.map_err(refusal)
    }

    /// Waits until a check-out is another than `known`. Goes on waiting while the store is
    /// away: a wait holds nothing that would have to be cut.
    pub async fn changed(&self, known: &Checkout) -> Checkout {
        let mut changes = self.0.parts.lifecycle.subscribe();
        loop {
            // After subscribing, so that no change falls between the two.
            match store::checkout::by_id(&self.0.parts.store, &known.id).await {
                Ok(now) if now.version != known.version => return now,
                Ok(_) => {}
                Err(error) => warn!(%error, "Store failed while somebody waits"),
            }
            let told = async {
                loop {
                    match changes.recv().await {
                        Ok(Change::Checkout { id, .. }) if id == known.id => return,
                        Ok(_) => {}
                        Err(RecvError::Lagged(_)) => return,
                        Err(RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            // Either way the next thing is a look.
            tokio::time::timeout(LOOK, told).await.ok();
        }
    }
}

/// Somebody who may not ask learns nothing of what there is.
fn hidden(refusal: Refusal, none: impl Fn() -> Refusal) -> Refusal {
    match refusal {
        Refusal::NoSuchTarget(_)
        | Refusal::NoSuchAccount { .. }
        | Refusal::NoAccount(_)
        | Refusal::CheckoutOff(_)
        | Refusal::MayNotAsk(_) => none(),
        other => other,
    }
}

fn refusal(error: LifecycleError) -> Refusal {
    match error {
        LifecycleError::Refused(refusal) => refusal,
        LifecycleError::NotFound => Refusal::AlreadyEnded(EndReason::Revoked),
        LifecycleError::Store(error) => lost(error),
    }
}
