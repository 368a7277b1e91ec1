//! What people are told: written with decisions, sorted once, on its way until it arrived.

use std::collections::BTreeSet;

use doorward::{
    model::{
        checkout::Checkout,
        ids::{ChannelId, DeliveryId, NoticeId},
        notice::{Channel, ChannelKind, DeliveryState, Event, Notice, Scope},
        principal::Role,
        text::Text,
        time::{Span, Timestamp},
    },
    store::{
        Order, Page, Store, StoreError,
        channel::{self, SealedRow},
        checkout,
        delivery::{self, Filter, New, Sort},
        notice, secret, user,
    },
};

use crate::{
    database::Database,
    sample::{self, NOW, after},
};

fn number(count: u8) -> [u8; 10] {
    [count; 10]
}

fn made(name: &str, count: u8) -> Channel {
    Channel {
        id: ChannelId::new(NOW, number(count)),
        name: name.parse().unwrap(),
        kind: ChannelKind::Webhook,
        disabled: false,
        scope: Scope::default(),
        email: None,
        hook: serde_json::from_str(r#"{"url":"https://soc.example.org/x"}"#).unwrap(),
        has_secret: false,
        created_at: NOW,
    }
}

fn sealed(word: &str, kek: &str) -> SealedRow {
    SealedRow {
        wrapped_key: word.as_bytes().to_vec(),
        ciphertext: vec![1, 2, 3],
        kek_id: kek.to_owned(),
    }
}

async fn entered(store: &Store, channel: &Channel, secret: Option<&SealedRow>) {
    let mut tx = store.begin().await.unwrap();
    channel::insert(&mut tx, channel, secret).await.unwrap();
    tx.commit().await.unwrap();
}

async fn told(store: &Store, count: u8, at: Timestamp) -> Notice {
    let place = sample::place("db1", sample::voted());
    let asked = sample::request(&sample::requester("alice"), &place, sample::ask());
    let id = NoticeId::new(at, number(count));
    let notice = Notice::of(id, None, &asked, None, &Text::default(), at).unwrap();
    let mut tx = store.begin().await.unwrap();
    notice::insert(&mut tx, &notice).await.unwrap();
    // The same thing is told once, however often it is found.
    let twin = Notice {
        id: NoticeId::new(at, number(count + 100)),
        ..notice.clone()
    };
    notice::insert(&mut tx, &twin).await.unwrap();
    tx.commit().await.unwrap();
    notice
}

pub async fn channels_read_back_and_their_secrets_are_rewrapped_once(db: Database) {
    let store = &db.store;
    let mut soc = made("soc", 1);
    let first = sealed("first", "old");
    entered(store, &soc, Some(&first)).await;
    soc.has_secret = true;
    assert_eq!(channel::by_name(store, &soc.name).await.unwrap(), soc);
    let mut tx = store.begin().await.unwrap();
    let again = channel::insert(&mut tx, &made("soc", 2), None).await;
    assert!(
        matches!(again, Err(StoreError::Duplicate("channel"))),
        "{again:?}"
    );
    drop(tx);

    let before = soc.clone();
    soc.disabled = true;
    soc.scope.events = BTreeSet::from([Event::Requested, Event::Revoked]);
    soc.scope.labels = BTreeSet::from(["production".to_owned()]);
    let mut tx = store.begin().await.unwrap();
    channel::update(&mut tx, &before, &soc).await.unwrap();
    let late = channel::update(&mut tx, &before, &soc).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    tx.commit().await.unwrap();
    assert_eq!(channel::list(store).await.unwrap(), [soc.clone()]);

    assert_eq!(secret::kek_ids(store).await.unwrap(), ["old"]);
    let left = channel::wrapped_otherwise(store, "new", 9).await.unwrap();
    assert_eq!(left, [(soc.id.clone(), first.clone())]);
    let second = sealed("second", "new");
    let mut tx = store.begin().await.unwrap();
    channel::rewrap(&mut tx, &soc.id, &first, &second)
        .await
        .unwrap();
    let late = channel::rewrap(&mut tx, &soc.id, &first, &second).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    tx.commit().await.unwrap();
    let kept = channel::secret(store, &soc.id).await.unwrap();
    assert_eq!(kept, Some(second));
    assert_eq!(secret::kek_ids(store).await.unwrap(), ["new"]);
    let third = sealed("third", "new");
    let mut tx = store.begin().await.unwrap();
    channel::set_secret(&mut tx, &soc.id, &third).await.unwrap();
    tx.commit().await.unwrap();
    let kept = channel::secret(store, &soc.id).await.unwrap();
    assert_eq!(kept, Some(third));

    let mut tx = store.begin().await.unwrap();
    channel::delete(&mut tx, &soc.id).await.unwrap();
    tx.commit().await.unwrap();
    let gone = channel::by_name(store, &soc.name).await;
    assert!(matches!(gone, Err(StoreError::NotFound("channel"))));
}

pub async fn what_is_told_is_sorted_once_and_pruned_when_nothing_of_it_waits(db: Database) {
    let store = &db.store;
    let soc = made("soc", 1);
    entered(store, &soc, None).await;
    let one = told(store, 1, NOW).await;
    let unsorted = notice::unsorted(store, 9).await.unwrap();
    assert_eq!(unsorted, std::slice::from_ref(&one));
    assert_eq!(
        notice::by_id(store, &one.id).await.unwrap(),
        Some(one.clone())
    );
    let mut tx = store.begin().await.unwrap();
    notice::sort(&mut tx, &one.id).await.unwrap();
    let again = notice::sort(&mut tx, &one.id).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    let new = on_its_way(&one, &soc, 1);
    delivery::insert(&mut tx, &new, NOW).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(notice::unsorted(store, 9).await.unwrap(), []);

    let mut tx = store.begin().await.unwrap();
    assert_eq!(notice::prune(&mut tx, after(99)).await.unwrap(), 0);
    let waiting = delivery::by_id(&mut tx, &new.id).await.unwrap();
    delivery::take(&mut tx, &waiting, after(60)).await.unwrap();
    delivery::arrived(&mut tx, &new.id, 1, after(1))
        .await
        .unwrap();
    assert_eq!(notice::prune(&mut tx, after(99)).await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert_eq!(notice::by_id(store, &one.id).await.unwrap(), None);
}

fn on_its_way(notice: &Notice, channel: &Channel, count: u8) -> New {
    New {
        id: DeliveryId::new(NOW, number(count)),
        notice: notice.id.clone(),
        channel: channel.id.clone(),
        recipient: format!("{count}@example.org"),
        reader: None,
    }
}

pub async fn a_delivery_is_taken_by_one_and_ends_once(db: Database) {
    let store = &db.store;
    let soc = made("soc", 1);
    entered(store, &soc, None).await;
    let one = told(store, 1, NOW).await;
    let alice = sample::user("alice", &[Role::Requester]);
    let mut tx = store.begin().await.unwrap();
    user::insert(&mut tx, &alice).await.unwrap();
    for count in [1, 2] {
        let new = New {
            reader: Some(alice.id.clone()),
            ..on_its_way(&one, &soc, count)
        };
        delivery::insert(&mut tx, &new, NOW).await.unwrap();
        // The same to the same place is on its way already.
        let twin = New {
            id: DeliveryId::new(NOW, number(count + 100)),
            ..new
        };
        delivery::insert(&mut tx, &twin, NOW).await.unwrap();
    }
    tx.commit().await.unwrap();

    let due = delivery::due(store, &soc.id, NOW, 9).await.unwrap();
    assert_eq!(due.len(), 2);
    assert_eq!(due[0].reader, Some(alice.name.clone()));
    let (first, second) = (due[0].delivery.clone(), due[1].delivery.clone());
    let mut tx = store.begin().await.unwrap();
    delivery::take(&mut tx, &first, after(60)).await.unwrap();
    let late = delivery::take(&mut tx, &first, after(60)).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    delivery::take(&mut tx, &second, after(60)).await.unwrap();
    tx.commit().await.unwrap();
    let due = delivery::due(store, &soc.id, after(59), 9).await.unwrap();
    assert_eq!(due, []);

    let mut tx = store.begin().await.unwrap();
    delivery::put_off(&mut tx, &first.id, 1, after(5), "it answered 503")
        .await
        .unwrap();
    delivery::give_up(&mut tx, &second.id, 1, after(2), "it is gone")
        .await
        .unwrap();
    let late = delivery::arrived(&mut tx, &second.id, 1, after(3)).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    tx.commit().await.unwrap();
    let due = delivery::due(store, &soc.id, after(5), 9).await.unwrap();
    assert_eq!(due[0].delivery.attempts, 1);
    assert_eq!(due[0].delivery.error.as_deref(), Some("it answered 503"));

    let standing = channel::standing(store, &soc.id).await.unwrap();
    assert_eq!(
        (standing.waiting, standing.failing, standing.dead),
        (1, 1, 1)
    );
    assert_eq!(standing.error.as_deref(), Some("it is gone"));
    let filter = Filter {
        channel: Some(soc.name.clone()),
        state: Some(DeliveryState::Dead),
        event: Some(Event::Requested),
    };
    let order = Order::descending(Sort::CreatedAt);
    let dead = delivery::list(store, &filter, order, &Page::of(9))
        .await
        .unwrap();
    assert_eq!(dead.items.len(), 1);
    assert_eq!(dead.items[0].id, second.id);

    let mut tx = store.begin().await.unwrap();
    delivery::retry(&mut tx, &second.id, after(6))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let again = delivery::by_id(store, &second.id).await.unwrap();
    assert_eq!((again.state, again.attempts), (DeliveryState::Waiting, 0));
}

pub async fn what_ends_soon_is_found_until_its_holder_is_warned(db: Database) {
    let store = &db.store;
    let place = sample::place("db1", sample::open());
    let held: Checkout = sample::active(store, &sample::requester("alice"), &place).await;
    let ends = held.grant().unwrap().ends_at;
    let early = Timestamp::from_millis(ends.millis() - 1);
    assert_eq!(
        checkout::ending(store, early, Span::hours(1), 9)
            .await
            .unwrap(),
        []
    );
    let soon = checkout::ending(store, ends, Span::hours(1), 9)
        .await
        .unwrap();
    assert_eq!(soon, std::slice::from_ref(&held));
    let longer = checkout::ending(store, ends, Span::hours(2), 9);
    assert_eq!(longer.await.unwrap(), []);
    let warned = Notice::ending_soon(NoticeId::new(NOW, number(1)), &held, NOW);
    let mut tx = store.begin().await.unwrap();
    notice::insert(&mut tx, &warned).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        checkout::ending(store, ends, Span::hours(1), 9)
            .await
            .unwrap(),
        []
    );
}

pub async fn what_somebody_does_not_want_to_be_told_is_kept(db: Database) {
    let store = &db.store;
    let alice = sample::user("alice", &[Role::Requester]);
    let mut tx = store.begin().await.unwrap();
    user::insert(&mut tx, &alice).await.unwrap();
    tx.commit().await.unwrap();
    assert!(notice::muted(store, &alice.id).await.unwrap().is_empty());
    for events in [
        BTreeSet::from([Event::Opened]),
        BTreeSet::from([Event::Expired, Event::EndingSoon]),
    ] {
        let mut tx = store.begin().await.unwrap();
        notice::mute(&mut tx, &alice.id, &events).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(notice::muted(store, &alice.id).await.unwrap(), events);
    }
}
