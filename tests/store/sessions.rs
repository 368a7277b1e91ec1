//! Sessions, the nodes they run on, and their recordings.

use doorward::{
    audit,
    model::{checkout::Command, session::Outcome, time::Span},
    store::{
        Order, Page, StoreError, checkout,
        node::{self, Node},
        session::{self, Opening},
    },
};

use crate::{
    database::Database,
    sample::{self, NOW, after},
};

pub async fn a_session_opens_only_under_an_active_checkout(db: Database) {
    let store = &db.store;
    let node = sample::node_id();
    let alice = sample::requester("alice");
    let pending = sample::request(
        &alice,
        &sample::place("db1", sample::voted()),
        sample::ask(),
    );
    sample::insert(store, &pending).await;
    let active = sample::active(store, &alice, &sample::place("db2", sample::open())).await;

    let open = async |session: &_, maximum| {
        let mut tx = store.begin().await.unwrap();
        let opening = session::open(&mut tx, session, maximum).await.unwrap();
        tx.commit().await.unwrap();
        opening
    };
    assert_eq!(
        open(&sample::session(&pending, &node), None).await,
        Opening::NotActive
    );
    let first = sample::session(&active, &node);
    assert_eq!(open(&first, None).await, Opening::Opened);
    let view = session::by_id(store, &first.id).await.unwrap();
    assert_eq!(view.row, first);
    assert_eq!(
        (view.code, view.ticket),
        (active.code.clone(), active.ticket.clone())
    );

    let mut late = sample::session(&active, &node);
    late.opened_at = active.grant().unwrap().ends_at;
    assert_eq!(
        open(&late, None).await,
        Opening::NotActive,
        "its time is over, swept or not"
    );

    // Opening a session is no change of the check-out: a revoke decided before still fits.
    let end = active.clone().apply(
        Command::Revoke {
            by: sample::approver("bob"),
            message: Default::default(),
        },
        after(1),
    );
    let mut tx = store.begin().await.unwrap();
    checkout::update(&mut tx, &end.unwrap(), active.version)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        open(&sample::session(&active, &node), None).await,
        Opening::NotActive
    );
    let open_under = session::open_under(store, &active.id).await.unwrap();
    assert_eq!(open_under, std::slice::from_ref(&first));
    assert_eq!(session::open_on_node(store, &node).await.unwrap(), [first]);
    let missing = session::by_id(store, &sample::session_id()).await;
    assert!(
        matches!(missing, Err(StoreError::NotFound("session"))),
        "{missing:?}"
    );
}

pub async fn a_session_closes_once(db: Database) {
    let store = &db.store;
    let place = sample::place("db1", sample::open());
    let active = sample::active(store, &sample::requester("alice"), &place).await;
    let one = sample::session(&active, &sample::node_id());
    let mut tx = store.begin().await.unwrap();
    assert_eq!(
        session::open(&mut tx, &one, None).await.unwrap(),
        Opening::Opened
    );
    session::count_bytes(&mut tx, &one.id, 10, 20)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let row = session::by_id(store, &one.id).await.unwrap().row;
    assert_eq!((row.bytes_in, row.bytes_out, row.closed_at), (10, 20, None));

    let why = Outcome::TargetFailed("the target refused the connection".to_owned());
    let mut tx = store.begin().await.unwrap();
    session::close(&mut tx, &one.id, &why, 11, 22, after(9))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let again = session::close(&mut tx, &one.id, &Outcome::Closed, 0, 0, after(10)).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    session::count_bytes(&mut tx, &one.id, 0, 0).await.unwrap();
    tx.commit().await.unwrap();
    let row = session::by_id(store, &one.id).await.unwrap().row;
    assert_eq!(
        (row.closed_at, row.outcome.as_deref()),
        (Some(after(9)), Some("target-failed"))
    );
    assert_eq!((row.bytes_in, row.bytes_out), (11, 22));
    assert_eq!(row.message, why.to_string());
    assert_eq!(
        session::count_open_under(store, &active.id).await.unwrap(),
        0
    );
}

pub async fn no_more_open_at_once_than_allowed(db: Database) {
    let store = &db.store;
    let place = sample::place("db1", sample::open());
    let active = sample::active(store, &sample::requester("alice"), &place).await;
    let node = sample::node_id();
    let first = sample::session(&active, &node);
    let second = sample::session(&active, &node);
    let third = sample::session(&active, &node);
    let mut tx = store.begin().await.unwrap();
    assert_eq!(
        session::open(&mut tx, &first, Some(2)).await.unwrap(),
        Opening::Opened
    );
    assert_eq!(
        session::open(&mut tx, &second, Some(2)).await.unwrap(),
        Opening::Opened
    );
    assert_eq!(
        session::open(&mut tx, &third, Some(2)).await.unwrap(),
        Opening::TooMany
    );
    session::close(&mut tx, &first.id, &Outcome::Closed, 0, 0, after(1))
        .await
        .unwrap();
    assert_eq!(
        session::open(&mut tx, &third, Some(2)).await.unwrap(),
        Opening::Opened
    );
    tx.commit().await.unwrap();
    assert_eq!(
        session::count_open_under(store, &active.id).await.unwrap(),
        2
    );
}

pub async fn what_a_peer_says_of_itself_is_made_inert(db: Database) {
    let store = &db.store;
    let place = sample::place("db1", sample::open());
    let active = sample::active(store, &sample::requester("alice"), &place).await;
    let mut one = sample::session(&active, &sample::node_id());
    one.client = format!("SSH-2.0-\u{1b}[2J\0\u{202e}{}", "x".repeat(100_000));
    let mut tx = store.begin().await.unwrap();
    assert_eq!(
        session::open(&mut tx, &one, None).await.unwrap(),
        Opening::Opened
    );
    tx.commit().await.unwrap();
    let client = session::by_id(store, &one.id).await.unwrap().row.client;
    assert!(client.starts_with("SSH-2.0-[2Jxxx"), "{client}");
    assert_eq!(client.len(), 500);
}

pub async fn the_sessions_of_a_lost_node_are_closed_with_an_audit_event_each(db: Database) {
    let store = &db.store;
    let place = sample::place("db1", sample::open());
    let active = sample::active(store, &sample::requester("alice"), &place).await;
    let run = |name: &str, seen_at| Node {
        id: sample::node_id(),
        name: name.to_owned(),
        started_at: NOW,
        seen_at,
    };
    let crashed = run("gw1", after(100));
    let silent = run("gw2", after(10));
    let other = run("gw3", after(100));
    let restarted = run("gw1", after(101));
    let mut tx = store.begin().await.unwrap();
    for one in [&crashed, &silent, &other, &restarted] {
        node::register(&mut tx, one).await.unwrap();
        for _ in 0..2 {
            let session = sample::session(&active, &one.id);
            assert_eq!(
                session::open(&mut tx, &session, None).await.unwrap(),
                Opening::Opened
            );
        }
    }
    let again = node::register(&mut tx, &crashed).await;
    assert!(
        matches!(again, Err(StoreError::Duplicate("node"))),
        "{again:?}"
    );
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    for one in [&crashed, &silent, &other, &restarted] {
        node::register(&mut tx, one).await.unwrap();
        for _ in 0..2 {
            let session = sample::session(&active, &one.id);
            assert_eq!(
                session::open(&mut tx, &session, None).await.unwrap(),
                Opening::Opened
            );
        }
    }
    node::heartbeat(&mut tx, &other.id, after(102))
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let gone = node::gone(store, &restarted.id, "gw1", after(90))
        .await
        .unwrap();
    assert_eq!(gone, [crashed.clone(), silent.clone()]);
    for lost in &gone {
        let mut tx = store.begin().await.unwrap();
        node::strike(&mut tx, &lost.id).await.unwrap();
        let closed = session::close_lost(&mut tx, &lost.id, after(110))
            .await
            .unwrap();
        assert_eq!(closed.len(), 2);
        for one in closed {
            assert_eq!(one.outcome.as_deref(), Some("lost"));
            assert_eq!(one.closed_at, Some(after(110)));
            let event = sample::event("session.close").about_session(&one.id);
            audit::append(&mut tx, &event).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
    assert_eq!(node::list(store).await.unwrap().len(), 2);
    assert_eq!(
        session::count_open_under(store, &active.id).await.unwrap(),
        4
    );
    assert_eq!(
        audit::list(store, &Default::default(), 100)
            .await
            .unwrap()
            .len(),
        4
    );

    // A second node that found the same, and the struck node itself, learn that they are late.
    let mut tx = store.begin().await.unwrap();
    let late = node::strike(&mut tx, &crashed.id).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    let late = node::heartbeat(&mut tx, &silent.id, after(120)).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
}

pub async fn sessions_are_listed_with_the_names_people_know(db: Database) {
    let store = &db.store;
    let node = sample::node_id();
    let mut checkouts = Vec::new();
    for (user, target) in [("alice", "db1"), ("bob", "db2")] {
        let place = sample::place(target, sample::open());
        let active = sample::active(store, &sample::requester(user), &place).await;
        for number in 0..4_u64 {
            let mut one = sample::session(&active, &node);
            one.opened_at = NOW + Span::seconds(number);
            let mut tx = store.begin().await.unwrap();
            assert_eq!(
                session::open(&mut tx, &one, None).await.unwrap(),
                Opening::Opened
            );
            if number == 0 {
                session::close(&mut tx, &one.id, &Outcome::Closed, 1, 2, after(9))
                    .await
                    .unwrap();
            }
            tx.commit().await.unwrap();
        }
        checkouts.push(active);
    }
    for sort in session::Sort::ALL {
        let order = Order::descending(*sort);
        let mut seen = Vec::new();
        let mut page = Page::of(3);
        loop {
            let filter = session::Filter::default();
            let part = session::list(store, &filter, order, &page).await.unwrap();
            seen.extend(part.items.into_iter().map(|view| view.row.id));
            if part.next.is_none() {
                break;
            }
            page = Page::of(3).after(part.next);
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 8, "{}", sort.as_str());
    }
    let count = async |filter: session::Filter| {
        let order = Order::ascending(session::Sort::OpenedAt);
        let part = session::list(store, &filter, order, &Page::default())
            .await
            .unwrap();
        part.items.len()
    };
    let filter = session::Filter::default;
    assert_eq!(
        count(session::Filter {
            live: Some(true),
            ..filter()
        })
        .await,
        6
    );
    assert_eq!(
        count(session::Filter {
            live: Some(false),
            ..filter()
        })
        .await,
        2
    );
    let checkout = Some(checkouts[0].id.clone());
    assert_eq!(
        count(session::Filter {
            checkout,
            ..filter()
        })
        .await,
        4
    );
    let user = Some(checkouts[1].requester.clone());
    assert_eq!(count(session::Filter { user, ..filter() }).await, 4);
    let user_name = Some("bob".parse().unwrap());
    assert_eq!(
        count(session::Filter {
            user_name,
            live: Some(true),
            ..filter()
        })
        .await,
        3
    );
    assert_eq!(
        count(session::Filter {
            target: Some("db1".parse().unwrap()),
            ..filter()
        })
        .await,
        4
    );
    assert_eq!(
        count(session::Filter {
            since: Some(after(2)),
            ..filter()
        })
        .await,
        4
    );
    assert_eq!(
        count(session::Filter {
            until: Some(after(1)),
            ..filter()
        })
        .await,
        2
    );
}
