//! Works out who is told of a notice, and on which way: once, in one transaction.
//!
//! Reads who may answer now and who subscribed. A person is told of what others do, not of what
//! they did themselves.

use std::collections::{BTreeMap, BTreeSet};

use tracing::warn;

use super::Notifier;
use crate::{
    lifecycle::LifecycleError,
    model::{
        checkout::Checkout,
        ids::DeliveryId,
        name::UserName,
        notice::{Channel, ChannelKind, Concerned, Email, Event, Notice, Place, Subject},
        user::User,
    },
    store::{self, StoreError, delivery::New},
    vault::entropy,
};

impl Notifier {
    /// Sorts one notice, unless another node was faster.
    pub(super) async fn sort(
        &self,
        notice: &Notice,
        channels: &[Channel],
    ) -> Result<(), StoreError> {
        let deliveries = self.deliveries(notice, channels).await?;
        let mut tx = self.store.begin().await?;
        match store::notice::sort(&mut tx, &notice.id).await {
            Ok(()) => {}
            Err(StoreError::Conflict) => return Ok(()),
            Err(error) => return Err(error),
        }
        for new in &deliveries {
            store::delivery::insert(&mut tx, new, self.clock.now()).await?;
        }
        tx.commit().await
    }

    async fn deliveries(
        &self,
        notice: &Notice,
        channels: &[Channel],
    ) -> Result<Vec<New>, StoreError> {
        let place = self.place(notice).await?;
        let mut concerned = None;
        let mut deliveries = Vec::new();
        let taking =
            |channel: &&Channel| !channel.disabled && channel.scope.takes(notice.event, &place);
        for channel in channels.iter().filter(taking) {
            let new = |recipient: String, reader: Option<&User>| New {
                id: DeliveryId::new(self.clock.now(), entropy()),
                notice: notice.id.clone(),
                channel: channel.id.clone(),
                recipient,
                reader: reader.map(|user| user.id.clone()),
            };
            match (channel.kind, &channel.email) {
                (ChannelKind::Email, Some(email)) => {
                    if concerned.is_none() {
                        concerned = Some(self.concerned(notice).await?);
                    }
                    let concerned = concerned.iter().flatten();
                    let readers = self.readers(notice, &place, email, concerned).await?;
                    deliveries.extend(
                        readers
                            .into_iter()
                            .map(|(address, user)| new(address, Some(&user))),
                    );
                }
                // A mail channel without its settings leads nowhere.
                (ChannelKind::Email, None) => {}
                _ => deliveries.push(new(String::new(), None)),
            }
        }
        Ok(deliveries)
    }

    async fn place(&self, notice: &Notice) -> Result<Place, StoreError> {
        let mut place = Place {
            target: notice.facts.target.clone(),
            ..Place::default()
        };
        if let Some(name) = &notice.facts.target {
            let target = store::found(store::target::by_name(&self.store, name).await)?;
            place.labels = target.map(|target| target.labels).unwrap_or_default();
        }
        if let Some(name) = &notice.facts.requester
            && let Some(user) = self.user(name).await?
        {
            place.groups = user.groups;
        }
        Ok(place)
    }

    /// Whom it concerns without having subscribed.
    async fn concerned(&self, notice: &Notice) -> Result<Vec<UserName>, StoreError> {
        match notice.event.concerned() {
            Concerned::Nobody => Ok(Vec::new()),
            Concerned::Requester => Ok(notice.facts.requester.iter().cloned().collect()),
            Concerned::Approvers => {
                let Some(checkout) = self.checkout(notice).await? else {
                    return Ok(Vec::new());
                };
                if notice.event == Event::HandedOver {
                    return Ok(checkout.approver.into_iter().collect());
                }
                match self.lifecycle.approvers(&checkout).await {
                    Ok(names) => Ok(names),
                    Err(LifecycleError::Store(error)) => Err(error),
                    Err(error) => {
                        warn!(%error, "Who may answer could not be found");
                        Ok(Vec::new())
                    }
                }
            }
        }
    }

    /// Everybody who is told by mail, each address once.
    async fn readers<'a>(
        &self,
        notice: &Notice,
        place: &Place,
        email: &Email,
        concerned: impl Iterator<Item = &'a UserName>,
    ) -> Result<BTreeMap<String, User>, StoreError> {
        let mut names: BTreeSet<UserName> = concerned.cloned().collect();
        let wanted = email.subscriptions.iter();
        for subscription in wanted.filter(|it| it.takes(notice.event, place)) {
            match &subscription.who {
                Subject::User(name) => {
                    names.insert(name.clone());
                }
                Subject::Group(name) => {
                    let group = store::found(store::group::by_name(&self.store, name).await)?;
                    names.extend(group.into_iter().flat_map(|group| group.members));
                }
            }
        }
        let mut readers = BTreeMap::new();
        for name in names {
            let Some(user) = self.user(&name).await?.filter(|user| !user.disabled) else {
                continue;
            };
            if notice.facts.actor.as_ref() == Some(&user.id) {
                continue;
            }
            let Some(address) = user.email.clone() else {
                continue;
            };
            let muted = store::notice::muted(&self.store, &user.id).await?;
            if !muted.contains(&notice.event) {
                readers.insert(address, user);
            }
        }
        Ok(readers)
    }

    async fn user(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        store::found(store::user::by_name(&self.store, name).await)
    }

    async fn checkout(&self, notice: &Notice) -> Result<Option<Checkout>, StoreError> {
        match &notice.facts.checkout {
            Some(id) => store::found(store::checkout::by_id(&self.store, id).await),
            None => Ok(None),
        }
    }
}
