//! Recordings: their rows, their keys, and how long they are kept.

use doorward::{
    model::{
        checkout::Checkout,
        ids::RecordingId,
        policy::Stage,
        recording::Recording,
        session::{Outcome, SessionRow},
    },
    store::{
        Order, Page, Store, StoreError,
        checkout::Reader,
        recording::{self, End, Filter},
        session::{self, Opening},
    },
};

use crate::{
    database::Database,
    sample::{self, NOW, after},
};

/// A live session of alice on db1, and a recording of it that has begun.
async fn begun(store: &Store) -> (SessionRow, Recording) {
    let place = sample::place("db1", sample::open());
    let active = sample::active(store, &sample::requester("alice"), &place).await;
    let live = sample::session(&active, &sample::node_id());
    let entered = sample::recording(&live);
    let mut tx = store.begin().await.unwrap();
    assert_eq!(
        session::open(&mut tx, &live, None).await.unwrap(),
        Opening::Opened
    );
    recording::insert(&mut tx, &entered, &sample::recording_key("one"))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    (live, entered)
}

async fn finish(store: &Store, id: &RecordingId, end: &End<'_>) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    recording::finish(&mut tx, id, end).await?;
    tx.commit().await
}

async fn close(store: &Store, live: &SessionRow) {
    let mut tx = store.begin().await.unwrap();
    session::close(&mut tx, &live.id, &Outcome::Closed, 0, 0, after(5))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

pub async fn recordings_are_entered_finished_and_listed(db: Database) {
    let store = &db.store;
    let place = sample::place("db2", sample::open());
    let unopened = sample::active(store, &sample::requester("bob"), &place).await;
    let nowhere = sample::recording(&sample::session(&unopened, &sample::node_id()));
    let mut tx = store.begin().await.unwrap();
    let early = recording::insert(&mut tx, &nowhere, &sample::recording_key("one")).await;
    assert!(
        matches!(early, Err(StoreError::NotFound("session"))),
        "{early:?}"
    );
    drop(tx);

    let (live, mut entered) = begun(store).await;
    let view = recording::by_id(store, &entered.id).await.unwrap();
    assert_eq!(view.row, entered);
    assert_eq!(view.user_name.as_str(), "alice");
    assert_eq!(view.target_name.as_str(), "db1");
    assert_eq!(view.user, live.user);

    let end = End {
        at: after(5),
        bytes: 42,
        root: "abcd",
        failure: Some("the disk was full"),
    };
    finish(store, &entered.id, &end).await.unwrap();
    let again = finish(store, &entered.id, &End { bytes: 1, ..end }).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    entered.finished_at = Some(after(5));
    entered.bytes = 42;
    entered.root = Some("abcd".to_owned());
    entered.failure = Some("the disk was full".to_owned());

    for sort in recording::Sort::ALL {
        let order = Order::ascending(*sort);
        for filter in fitting(&live) {
            let part = recording::list(store, &filter, order, &Page::default())
                .await
                .unwrap();
            let rows: Vec<_> = part.items.into_iter().map(|view| view.row).collect();
            assert_eq!(rows, [entered.clone()]);
        }
    }
    for filter in [
        Filter {
            session: Some(sample::session_id()),
            ..Filter::default()
        },
        Filter {
            since: Some(after(1)),
            ..Filter::default()
        },
        Filter {
            target: Some("db2".parse().unwrap()),
            ..Filter::default()
        },
    ] {
        let order = Order::ascending(recording::Sort::Bytes);
        let none = recording::list(store, &filter, order, &Page::default())
            .await
            .unwrap();
        assert_eq!(none.items, []);
    }
}

pub async fn a_list_holds_what_its_reader_may_see(db: Database) {
    let store = &db.store;
    let alice = sample::requester("alice");
    let group = |name: &str| [name.parse().unwrap()].into_iter().collect();
    let open = sample::place("db1", sample::open());
    // Given by bob, of those who answer there.
    let mut terms = sample::voted();
    terms.approvals = vec![Stage {
        groups: group("dba"),
        ..Stage::default()
    }];
    let closed = sample::place("db2", terms);
    let mut bob = sample::approver("bob");
    bob.groups = group("dba");
    let given = Checkout::grant_to(
        sample::checkout_id(),
        sample::code(),
        sample::ask(),
        &alice,
        bob.clone(),
        1,
        &closed,
        NOW,
    )
    .unwrap();
    sample::insert(store, &given).await;
    let own = sample::active(store, &alice, &open).await;
    let mut entered = Vec::new();
    for checkout in [&own, &given] {
        let live = sample::session(checkout, &sample::node_id());
        let recording = sample::recording(&live);
        let mut tx = store.begin().await.unwrap();
        let opening = session::open(&mut tx, &live, None).await.unwrap();
        assert_eq!(opening, Opening::Opened);
        let key = sample::recording_key("one");
        recording::insert(&mut tx, &recording, &key).await.unwrap();
        tx.commit().await.unwrap();
        entered.push(recording.id);
    }
    let mut member = sample::approver("carl");
    member.groups = group("dba");
    let mut former = bob.clone();
    former.groups.clear();
    former.roles.clear();
    let stranger = sample::approver("eve");
    let nobody = sample::requester("dave");
    for (by, seen) in [
        (&alice, &entered[..]),
        (&bob, &entered[..]),
        (&member, &entered[..]),
        (&former, &entered[1..]),
        (&stranger, &entered[..1]),
        (&nobody, &entered[..0]),
    ] {
        let filter = Filter {
            reader: Some(Reader::from(by)),
            ..Filter::default()
        };
        let order = Order::ascending(recording::Sort::Target);
        let mut listed = Vec::new();
        let mut page = Page::of(1);
        loop {
            let part = recording::list(store, &filter, order, &page).await.unwrap();
            listed.extend(part.items.into_iter().map(|view| view.row.id));
            match part.next {
                Some(next) => page = page.after(Some(next)),
                None => break,
            }
            assert!(listed.len() < seen.len(), "{}: a page too many", by.name);
        }
        assert_eq!(listed, seen, "{}", by.name);
    }
}

fn fitting(live: &SessionRow) -> Vec<Filter> {
    vec![
        Filter::default(),
        Filter {
            session: Some(live.id.clone()),
            kept: true,
            ..Filter::default()
        },
        Filter {
            checkout: Some(live.checkout.clone()),
            user: Some(live.user.clone()),
            ..Filter::default()
        },
        Filter {
            user_name: Some("alice".parse().unwrap()),
            target: Some("db1".parse().unwrap()),
            since: Some(NOW),
            until: Some(after(1)),
            ..Filter::default()
        },
    ]
}

pub async fn keys_are_rewrapped_unless_the_recording_was_deleted(db: Database) {
    let store = &db.store;
    let (_, entered) = begun(store).await;
    let id = &entered.id;
    assert_eq!(recording::kek_ids(store).await.unwrap(), ["one"]);
    let before = recording::key(store, id).await.unwrap().unwrap();
    assert_eq!(before.kek_id, "one");
    let waiting = recording::wrapped_otherwise(store, "two", 9).await.unwrap();
    assert_eq!(waiting, [(id.clone(), before.clone())]);

    let after_it = sample::recording_key("two");
    let mut tx = store.begin().await.unwrap();
    recording::replace_key(&mut tx, id, &before, &after_it)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        recording::key(store, id).await.unwrap(),
        Some(after_it.clone())
    );
    let none = recording::wrapped_otherwise(store, "two", 9).await.unwrap();
    assert_eq!(none, []);

    let mut tx = store.begin().await.unwrap();
    recording::delete(&mut tx, id, NOW).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(recording::key(store, id).await.unwrap(), None);
    assert_eq!(recording::kek_ids(store).await.unwrap(), [""; 0]);
    let mut tx = store.begin().await.unwrap();
    let late = recording::replace_key(&mut tx, id, &after_it, &before).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
}

pub async fn what_is_due_is_deleted_once_and_its_file_remembered_until_it_is_gone(db: Database) {
    let store = &db.store;
    let (live, entered) = begun(store).await;
    // Not while its session lives, and not before its time.
    assert_eq!(recording::due(store, after(60), 9).await.unwrap(), []);
    close(store, &live).await;
    assert_eq!(recording::due(store, after(59), 9).await.unwrap(), []);
    let due = recording::due(store, after(60), 9).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].row.id, entered.id);
    assert_eq!(recording::left_behind(store, 9).await.unwrap(), []);

    let mut tx = store.begin().await.unwrap();
    let early = recording::removed(&mut tx, &entered.id).await;
    assert!(matches!(early, Err(StoreError::Conflict)), "{early:?}");
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    recording::delete(&mut tx, &entered.id, after(61))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let again = recording::delete(&mut tx, &entered.id, after(62)).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    drop(tx);
    assert_eq!(recording::due(store, after(99), 9).await.unwrap(), []);

    let left = recording::left_behind(store, 9).await.unwrap();
    assert_eq!(left[0].row.deleted_at, Some(after(61)));
    let mut tx = store.begin().await.unwrap();
    recording::removed(&mut tx, &entered.id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(recording::left_behind(store, 9).await.unwrap(), []);
}

pub async fn what_a_crash_left_without_an_end_is_found(db: Database) {
    let store = &db.store;
    let (live, entered) = begun(store).await;
    assert_eq!(
        recording::unfinished(store, after(5), None, 9)
            .await
            .unwrap(),
        []
    );
    close(store, &live).await;
    assert_eq!(
        recording::unfinished(store, after(4), None, 9)
            .await
            .unwrap(),
        []
    );
    let found = recording::unfinished(store, after(5), None, 9)
        .await
        .unwrap();
    assert_eq!(found[0].row, entered);
    let behind = recording::unfinished(store, after(5), Some(&entered.id), 9).await;
    assert_eq!(behind.unwrap(), []);
    let end = End {
        at: after(9),
        bytes: 1,
        root: "ab",
        failure: None,
    };
    finish(store, &entered.id, &end).await.unwrap();
    assert_eq!(
        recording::unfinished(store, after(5), None, 9)
            .await
            .unwrap(),
        []
    );
}
