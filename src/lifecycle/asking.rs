//! How a check-out comes to be: asked for, or given unasked.
//!
//! Finds the place and its policy, and files what `model` made of them with its audit event.

use super::{ATTEMPTS, Asked, Inner, Lifecycle, LifecycleError, record::facts};
use crate::{
    audit,
    model::{
        audit::{Actor, AuditEvent},
        checkout::{Ask, Checkout, Place},
        ids::{CheckoutId, Code, NoticeId},
        name::{AccountName, UserName},
        notice::Notice,
        principal::{Principal, Proof},
        refusal::Refusal,
        text::Text,
        time::Timestamp,
    },
    store::{self, StoreError, checkout::Insertion},
    vault::entropy,
};

impl Lifecycle {
    /// Files a request, or joins the one that waits already.
    pub async fn request(
        &self,
        by: &Principal,
        target: &str,
        account: Option<&AccountName>,
        ask: Ask,
    ) -> Result<Asked, LifecycleError> {
        let made = async {
            let place = self.place(by, target, account).await?;
            self.check_chosen_approver(&ask, by, &place).await?;
            self.create(by, |id, code, now| {
                Checkout::request(id, code, ask.clone(), by, &place, now)
            })
            .await
        };
        let made = made.await;
        self.audit_refusal("checkout.request", by, None, made, target)
            .await
    }

    /// A check-out that `by` gives to `holder` unasked.
    pub async fn grant(
        &self,
        by: &Principal,
        holder: &UserName,
        target: &str,
        account: Option<&AccountName>,
        ask: Ask,
    ) -> Result<Asked, LifecycleError> {
        let made = async {
            let holder = self
                .enabled_user(holder)
                .await?
                .ok_or_else(|| Refusal::NoSuchUser(holder.clone()))?;
            // Given by another, so no proof of the holder's is at hand and none is needed.
            let holder = holder.principal(Proof::Password);
            let place = self.place(&holder, target, account).await?;
            let others = self.other_approvers(by, None).await?;
            self.create(by, |id, code, now| {
                Checkout::grant_to(
                    id,
                    code,
                    ask.clone(),
                    &holder,
                    by.clone(),
                    others,
                    &place,
                    now,
                )
            })
            .await
        };
        let made = made.await;
        self.audit_refusal("checkout.grant", by, None, made, target)
            .await
    }

    async fn create(
        &self,
        by: &Principal,
        make: impl Fn(CheckoutId, Code, Timestamp) -> Result<Checkout, Refusal>,
    ) -> Result<Asked, LifecycleError> {
        let Inner { store, clock, .. } = &*self.0;
        for attempt in 0..ATTEMPTS {
            let now = clock.now();
            // A code that is taken is tried again, then longer.
            let length = Code::SHORTEST + attempt / 3;
            let checkout = make(
                CheckoutId::new(now, entropy()),
                Code::new(length, entropy()),
                now,
            )?;
            let mut tx = store.begin().await?;
            match store::checkout::insert(&mut tx, &checkout).await {
                Ok(Insertion::New) => {}
                Ok(Insertion::Joined(pending)) => return Ok(Asked::Joined(*pending)),
                Ok(Insertion::CodeTaken) => continue,
                Err(StoreError::Exclusive) => {
                    drop(tx);
                    match self.taken(&checkout).await? {
                        Some(refusal) => return Err(refusal.into()),
                        // The holder let go between the two looks.
                        None => continue,
                    }
                }
                Err(error) => return Err(error.into()),
            }
            let kind = if checkout.granted_by.is_some() {
                "checkout.grant"
            } else {
                "checkout.request"
            };
            let message = format!(
                "{} asked for {}@{} for {}",
                checkout.requester_name,
                checkout.account_name,
                checkout.target_name,
                checkout.duration
            );
            let event = AuditEvent::done(now, kind, Actor::from(by), message)
                .about_checkout(&checkout)
                .with(facts(&checkout));
            let (id, giver) = (NoticeId::new(now, entropy()), (&by.user, &by.name));
            // Who gives a reason with what nobody asked for says it to the holder.
            let word = match checkout.granted_by {
                Some(_) => checkout.reason.clone(),
                None => Text::default(),
            };
            if let Some(notice) = Notice::of(id, None, &checkout, Some(giver), &word, now) {
                store::notice::insert(&mut tx, &notice).await?;
            }
            audit::append(&mut tx, &event).await?;
            tx.commit().await?;
            self.follow(&checkout);
            return Ok(Asked::New(checkout));
        }
        Err(StoreError::Conflict.into())
    }

    /// What the names mean, and the policy that rules there.
    pub async fn place(
        &self,
        asker: &Principal,
        target: &str,
        account: Option<&AccountName>,
    ) -> Result<Place, LifecycleError> {
        let Ok(name) = target.parse() else {
            return Err(Refusal::NoSuchTarget(target.chars().take(64).collect()).into());
        };
        Ok(store::place::find(&self.0.store, &name, account, asker).await??)
    }

    async fn check_chosen_approver(
        &self,
        ask: &Ask,
        by: &Principal,
        place: &Place,
    ) -> Result<(), LifecycleError> {
        let Some(name) = &ask.approver else {
            return Ok(());
        };
        let unfit = || Refusal::ApproverUnfit(name.to_string());
        let user = self.enabled_user(name).await?.ok_or_else(unfit)?;
        let now = self.0.clock.now();
        let probe = Checkout::request(
            CheckoutId::new(now, [0; 10]),
            Code::new(4, [0; 10]),
            ask.clone(),
            by,
            place,
            now,
        )?;
        match probe.may_vote(&user.principal(Proof::Password), usize::MAX) {
            Ok(_) => Ok(()),
            Err(_) => Err(unfit().into()),
        }
    }
}
