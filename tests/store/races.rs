//! Many at once: what one transaction decides, no other decides as well.

use std::future::Future;

use doorward::{
    audit,
    model::{
        checkout::{Checkout, Command, Place},
        principal::Role,
    },
    store::{
        Store, StoreError,
        checkout::{self, Insertion},
        meta,
        session::{self, Opening},
        user,
    },
};
use tokio::task::JoinSet;

use crate::{
    database::Database,
    sample::{self, after},
};

/// Runs `count` of them at once; answers what each came to.
async fn at_once<T, F>(count: usize, make: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for number in 0..count {
        tasks.spawn(make(number));
    }
    tasks.join_all().await
}

fn revoked(checkout: &Checkout, by: &str) -> Checkout {
    let by = sample::approver(by);
    let message = Default::default();
    let ended = checkout
        .clone()
        .apply(Command::Revoke { by, message }, after(1));
    ended.expect("an active check-out can be revoked")
}

async fn write(store: &Store, next: &Checkout, from: i64) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    checkout::update(&mut tx, next, from).await?;
    audit::append(
        &mut tx,
        &sample::event("checkout.revoke").about_checkout(next),
    )
    .await?;
    tx.commit().await
}

pub async fn of_a_hundred_updates_of_one_version_one_wins(db: Database) {
    let store = db.store.clone();
    let place = sample::place("db1", sample::open());
    let active = sample::active(&store, &sample::requester("alice"), &place).await;
    let outcomes = at_once(100, |number| {
        let (store, active) = (store.clone(), active.clone());
        async move {
            let ended = revoked(&active, &format!("bob{number}"));
            (ended.clone(), write(&store, &ended, active.version).await)
        }
    })
    .await;
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(_, done)| done.is_ok());
    assert_eq!(won.len(), 1);
    for (_, error) in lost {
        assert!(matches!(error, Err(StoreError::Conflict)), "{error:?}");
    }
    assert_eq!(checkout::by_id(&store, &active.id).await.unwrap(), won[0].0);
    let records = audit::list(&store, &Default::default(), 200).await.unwrap();
    assert_eq!(records.len(), 1, "what lost is not in the log");
}

pub async fn forty_audited_transactions_at_once_leave_no_hole(db: Database) {
    let store = db.store.clone();
    let outcomes = at_once(40, |number| {
        let store = store.clone();
        async move {
            let mut tx = store.begin().await?;
            meta::write(&mut tx, &format!("fact{}", number % 4), "x").await?;
            audit::append(&mut tx, &sample::event("test.done")).await?;
            audit::append(&mut tx, &sample::event("test.done")).await?;
            // Every fourth thinks better of it.
            if number % 4 == 3 {
                return tx.rollback().await;
            }
            tx.commit().await
        }
    })
    .await;
    for outcome in outcomes {
        outcome.unwrap();
    }
    let key = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let key = audit::PublicKey::of(&key);
    match audit::verify(&store, &key, None).await.unwrap() {
        audit::Verdict::Whole(whole) => assert_eq!(whole.records, 60),
        broken => panic!("{broken}"),
    }
}

/// Adversarial test 7, on two nodes.
pub async fn of_a_hundred_activations_of_an_exclusive_account_one_wins(db: Database) {
    let nodes = [db.store.clone(), Store::open(&db.url).await.unwrap()];
    let place = sample::place("db1", sample::exclusive(sample::voted()));
    let mut pending = Vec::new();
    for number in 0..100 {
        let who = sample::requester(&format!("user{number}"));
        let request = sample::request(&who, &place, sample::ask());
        sample::insert(&db.store, &request).await;
        pending.push(request);
    }
    let outcomes = at_once(100, |number| {
        let store = nodes[number % 2].clone();
        let request = pending[number].clone();
        async move {
            let approve = Command::Approve {
                by: sample::approver("bob"),
                duration: None,
                message: Default::default(),
                other_approvers: 1,
            };
            let active = request.clone().apply(approve, after(1)).unwrap();
            write(&store, &active, request.version).await
        }
    })
    .await;
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(won, 1);
    for outcome in outcomes {
        assert!(
            matches!(outcome, Ok(()) | Err(StoreError::Exclusive)),
            "{outcome:?}"
        );
    }
    assert_eq!(checkout::live(&db.store).await.unwrap().len(), 1);
    nodes[1].close().await;
}

/// Half of them would hold the account alone, on two nodes.
pub async fn whoever_holds_an_account_alone_is_alone_however_many_come(db: Database) {
    let nodes = [db.store.clone(), Store::open(&db.url).await.unwrap()];
    let alone = sample::place("db1", sample::exclusive(sample::voted()));
    let shared = Place {
        policy: sample::policy("shared", sample::voted()),
        ..alone.clone()
    };
    for round in 0..10 {
        let mut pending = Vec::new();
        for number in 0..8 {
            let who = sample::requester(&format!("user{round}-{number}"));
            let place = if number % 2 == 0 { &alone } else { &shared };
            let request = sample::request(&who, place, sample::ask());
            sample::insert(&db.store, &request).await;
            pending.push(request);
        }
        let outcomes = at_once(pending.len(), |number| {
            // Each kind on both nodes.
            let store = nodes[number / 2 % 2].clone();
            let request = pending[number].clone();
            async move {
                let approve = Command::Approve {
                    by: sample::approver("bob"),
                    duration: None,
                    message: Default::default(),
                    other_approvers: 1,
                };
                let active = request.clone().apply(approve, after(1)).unwrap();
                write(&store, &active, request.version).await
            }
        })
        .await;
        for outcome in outcomes {
            assert!(
                matches!(outcome, Ok(()) | Err(StoreError::Exclusive)),
                "{outcome:?}"
            );
        }
        let live = checkout::live(&db.store).await.unwrap();
        let exclusive = live.iter().any(|checkout| checkout.terms.exclusive);
        assert_eq!(live.len(), if exclusive { 1 } else { 4 });
        for checkout in live {
            let ended = revoked(&checkout, "bob");
            write(&db.store, &ended, checkout.version).await.unwrap();
        }
    }
    nodes[1].close().await;
}

/// Adversarial test 26, the store's part.
pub async fn of_many_retries_at_once_one_is_new_and_the_others_join(db: Database) {
    let store = db.store.clone();
    let alice = sample::requester("alice");
    let place = sample::place("db1", sample::voted());
    let ids = at_once(50, |_| {
        let store = store.clone();
        let request = sample::request(&alice, &place, sample::ask());
        async move {
            let mut tx = store.begin().await.unwrap();
            match checkout::insert(&mut tx, &request).await.unwrap() {
                Insertion::New => {
                    audit::append(&mut tx, &sample::event("checkout.request"))
                        .await
                        .unwrap();
                    tx.commit().await.unwrap();
                    request.id
                }
                Insertion::Joined(pending) => pending.id,
                Insertion::CodeTaken => panic!("the codes differ"),
            }
        }
    })
    .await;
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(checkout::waiting(&store).await.unwrap().len(), 1);
    let records = audit::list(&store, &Default::default(), 100).await.unwrap();
    assert_eq!(records.len(), 1, "one request, one notice");
}

/// Adversarial test 44, both at once.
pub async fn of_two_admins_who_demote_each_other_one_stays(db: Database) {
    for round in 0..5 {
        let store = db.store.clone();
        let mut tx = store.begin().await.unwrap();
        let admins =
            [0, 1].map(|side| sample::user(&format!("admin-{round}-{side}"), &[Role::Admin]));
        for admin in &admins {
            user::insert(&mut tx, admin).await.unwrap();
        }
        tx.commit().await.unwrap();
        let outcomes = at_once(2, |side| {
            let (store, before) = (store.clone(), admins[side].clone());
            async move {
                let mut after = before.clone();
                after.roles.clear();
                let mut tx = store.begin().await?;
                user::update(&mut tx, &before, &after).await?;
                tx.commit().await
            }
        })
        .await;
        let refused = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        assert_eq!(refused, 1, "{outcomes:?}");
        assert_eq!(user::count_admins(&store).await.unwrap(), 1);
        db.meddle("update users set admin = 0").await;
    }
}

/// P2 and P9, the store's part: a revoke that was committed lets no session open after it.
pub async fn no_session_slips_past_a_revoke(db: Database) {
    let store = db.store.clone();
    let node = sample::node_id();
    for _ in 0..10 {
        let place = sample::place("db1", sample::open());
        let active = sample::active(&store, &sample::requester("alice"), &place).await;
        let outcomes = at_once(9, |number| {
            let (store, active, node) = (store.clone(), active.clone(), node.clone());
            async move {
                if number == 4 {
                    write(&store, &revoked(&active, "bob"), active.version)
                        .await
                        .unwrap();
                    // From here on nothing opens.
                    let open = session::count_open_under(&store, &active.id).await.unwrap();
                    return (open, false);
                }
                let mut tx = store.begin().await.unwrap();
                let session = sample::session(&active, &node);
                let opening = session::open(&mut tx, &session, None).await.unwrap();
                tx.commit().await.unwrap();
                (0, opening == Opening::Opened)
            }
        })
        .await;
        let at_revoke: u64 = outcomes.iter().map(|(open, _)| open).sum();
        let opened = outcomes.iter().filter(|(_, opened)| *opened).count();
        assert_eq!(at_revoke, opened as u64);
        let rows = session::open_under(&store, &active.id).await.unwrap();
        assert_eq!(rows.len(), opened);
    }
}

pub async fn no_race_opens_more_sessions_than_allowed(db: Database) {
    let store = db.store.clone();
    let place = sample::place("db1", sample::open());
    let active = sample::active(&store, &sample::requester("alice"), &place).await;
    let node = sample::node_id();
    let outcomes = at_once(40, |_| {
        let (store, session) = (store.clone(), sample::session(&active, &node));
        async move {
            let mut tx = store.begin().await.unwrap();
            let opening = session::open(&mut tx, &session, Some(3)).await.unwrap();
            tx.commit().await.unwrap();
            opening
        }
    })
    .await;
    let opened = outcomes
        .iter()
        .filter(|one| **one == Opening::Opened)
        .count();
    assert_eq!(opened, 3);
    assert_eq!(
        session::count_open_under(&store, &active.id).await.unwrap(),
        3
    );
}

pub async fn a_dropped_transaction_lets_the_next_one_pass(db: Database) {
    let store = db.store.clone();
    for _ in 0..20 {
        let mut tx = store.begin().await.unwrap();
        meta::write(&mut tx, "a", "1").await.unwrap();
        drop(tx);
        // A caller that is cancelled while it waits for its turn.
        let held = store.begin().await.unwrap();
        let waiting = tokio::spawn({
            let store = store.clone();
            async move { store.begin().await.map(drop) }
        });
        tokio::task::yield_now().await;
        waiting.abort();
        drop(held);
    }
    let mut tx = store.begin().await.unwrap();
    meta::write(&mut tx, "b", "1").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(meta::read(&store, "a").await.unwrap(), None);
    assert_eq!(meta::read(&store, "b").await.unwrap().as_deref(), Some("1"));
}

/// P4: what failed in part is not committed in part, also when its error was overlooked.
pub async fn a_transaction_in_which_something_failed_does_not_commit(db: Database) {
    let store = &db.store;
    let alice = sample::user("alice", &[Role::Admin]);
    let mut tx = store.begin().await.unwrap();
    user::insert(&mut tx, &alice).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    meta::write(&mut tx, "a", "1").await.unwrap();
    let refused = user::insert(&mut tx, &sample::user("alice", &[])).await;
    assert!(
        matches!(refused, Err(StoreError::Duplicate("user"))),
        "{refused:?}"
    );
    let committed = tx.commit().await;
    assert!(
        matches!(committed, Err(StoreError::Failed)),
        "{committed:?}"
    );
    assert_eq!(meta::read(store, "a").await.unwrap(), None);
    let mut tx = store.begin().await.unwrap();
    meta::write(&mut tx, "a", "2").await.unwrap();
    tx.commit().await.unwrap();
}
