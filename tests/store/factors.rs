//! Second factors: what is taken once is taken on every node, and what is another's opens
//! nothing.

use doorward::{
    model::{factor::Passkey, ids::UserId, principal::Role, time::Span},
    store::{
        Store, StoreError,
        factor::{self, Guard, TotpRow},
        passkey::{self, Verifier},
        secret,
        step::{self, Step},
        token, user,
    },
};

use crate::{database::Database, sample};

async fn somebody(store: &Store, name: &str) -> UserId {
    let user = sample::user(name, &[Role::Requester]);
    let mut tx = store.begin().await.unwrap();
    user::insert(&mut tx, &user).await.unwrap();
    tx.commit().await.unwrap();
    user.id
}

fn seed(fill: u8) -> TotpRow {
    TotpRow {
        wrapped_key: vec![fill; 61],
        kek_id: "k1".to_owned(),
        made_at: sample::after(u64::from(fill)),
        proven_at: None,
        last_step: 0,
    }
}

/// Runs one write in a transaction of its own.
macro_rules! wrote {
    ($store:expr, $tx:ident => $write:expr) => {{
        let mut $tx = $store.begin().await.unwrap();
        let done = $write.await;
        match done {
            Ok(_) => $tx.commit().await.unwrap(),
            Err(_) => $tx.rollback().await.unwrap(),
        }
        done
    }};
}

pub async fn a_seed_counts_once_shown_and_a_step_is_taken_once(db: Database) {
    let store = &db.store;
    let alice = somebody(store, "alice").await;
    assert_eq!(factor::totp(store, &alice).await.unwrap(), None);
    wrote!(store, tx => factor::offer_totp(&mut tx, &alice, &seed(1))).unwrap();
    wrote!(store, tx => factor::offer_totp(&mut tx, &alice, &seed(2))).unwrap();
    assert_eq!(factor::totp(store, &alice).await.unwrap(), Some(seed(2)));
    assert!(!factor::of_user(store, &alice).await.unwrap().any());
    let early = wrote!(store, tx => factor::take_step(&mut tx, &alice, 9));
    assert!(matches!(early, Err(StoreError::Conflict)), "{early:?}");

    let now = sample::after(100);
    let (old, new) = (seed(1).made_at, seed(2).made_at);
    let other = wrote!(store, tx => factor::prove_totp(&mut tx, &alice, old, 10, now));
    assert!(matches!(other, Err(StoreError::Conflict)), "{other:?}");
    wrote!(store, tx => factor::prove_totp(&mut tx, &alice, new, 10, now)).unwrap();
    let held = factor::of_user(store, &alice).await.unwrap();
    assert_eq!(held.app, Some(now));
    let over = wrote!(store, tx => factor::offer_totp(&mut tx, &alice, &seed(3)));
    assert!(matches!(over, Err(StoreError::Conflict)), "{over:?}");

    for (at, right) in [(10, false), (9, false), (11, true), (11, false), (12, true)] {
        let took = wrote!(store, tx => factor::take_step(&mut tx, &alice, at));
        assert_eq!(took.is_ok(), right, "{at}: {took:?}");
    }
    let many = (0..8).map(|_| async {
        let mut tx = store.begin().await.unwrap();
        let took = factor::take_step(&mut tx, &alice, 20).await;
        match took {
            Ok(()) => tx.commit().await.unwrap(),
            Err(_) => tx.rollback().await.unwrap(),
        }
        took.is_ok()
    });
    let took = futures::future::join_all(many).await;
    assert_eq!(took.into_iter().filter(|took| *took).count(), 1);

    let in_use = secret::kek_ids(store).await.unwrap();
    assert!(in_use.contains(&"k1".to_owned()), "{in_use:?}");
    let rows = factor::wrapped_otherwise(store, "k2", 10).await.unwrap();
    assert_eq!(rows, [(alice.clone(), vec![2; 61], "k1".to_owned())]);
    let (before, after) = (vec![2; 61], vec![3; 61]);
    wrote!(store, tx => factor::rewrap(&mut tx, &alice, &before, &after, "k2")).unwrap();
    let late = wrote!(store, tx => factor::rewrap(&mut tx, &alice, &before, &after, "k2"));
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    assert!(
        factor::wrapped_otherwise(store, "k2", 10)
            .await
            .unwrap()
            .is_empty()
    );
    wrote!(store, tx => factor::remove_totp(&mut tx, &alice)).unwrap();
    let gone = wrote!(store, tx => factor::remove_totp(&mut tx, &alice));
    assert!(matches!(gone, Err(StoreError::NotFound(_))), "{gone:?}");
}

pub async fn a_recovery_code_is_used_up_by_its_owner(db: Database) {
    let store = &db.store;
    let (alice, bob) = (somebody(store, "alice").await, somebody(store, "bob").await);
    let now = sample::after(1);
    let hashes = ["a".repeat(64), "b".repeat(64)];
    wrote!(store, tx => factor::put_recovery_codes(&mut tx, &alice, &hashes, now)).unwrap();
    let spend = async |user: &UserId, hash: &str| {
        wrote!(store, tx => factor::spend_recovery_code(&mut tx, user, hash, now)).is_ok()
    };
    assert!(!spend(&bob, &hashes[0]).await);
    assert!(spend(&alice, &hashes[0]).await);
    assert!(!spend(&alice, &hashes[0]).await);
    let left = factor::of_user(store, &alice).await.unwrap();
    assert_eq!(left.recovery_codes, 1);
    let new = ["c".repeat(64)];
    wrote!(store, tx => factor::put_recovery_codes(&mut tx, &alice, &new, now)).unwrap();
    assert!(!spend(&alice, &hashes[1]).await);
    wrote!(store, tx => factor::remove_recovery_codes(&mut tx, &alice)).unwrap();
    assert!(!spend(&alice, &new[0]).await);
}

pub async fn tries_are_counted_one_at_a_time(db: Database) {
    let store = &db.store;
    let alice = somebody(store, "alice").await;
    assert_eq!(factor::guard(store, &alice).await.unwrap(), None);
    let counted = |wrong| Guard {
        wrong,
        heard_at: sample::after(wrong.unsigned_abs()),
    };
    wrote!(store, tx => factor::count_try(&mut tx, &alice, None, counted(1))).unwrap();
    let blind = wrote!(store, tx => factor::count_try(&mut tx, &alice, None, counted(1)));
    assert!(matches!(blind, Err(StoreError::Conflict)), "{blind:?}");
    let before = factor::guard(store, &alice).await.unwrap();
    assert_eq!(before, Some(counted(1)));
    wrote!(store, tx => factor::count_try(&mut tx, &alice, before, counted(2))).unwrap();
    let late = wrote!(store, tx => factor::count_try(&mut tx, &alice, before, counted(2)));
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    wrote!(store, tx => factor::forget_tries(&mut tx, &alice)).unwrap();
    assert_eq!(factor::guard(store, &alice).await.unwrap(), None);
}

pub async fn half_a_sign_in_is_made_whole_once(db: Database) {
    let store = &db.store;
    let alice = somebody(store, "alice").await;
    let half = Step {
        user: alice.clone(),
        enrols: true,
        expires_at: sample::after(10),
    };
    wrote!(store, tx => step::insert(&mut tx, &half, "h1", sample::after(1))).unwrap();
    assert_eq!(step::by_hash(store, "h1").await.unwrap(), half);
    wrote!(store, tx => step::spend(&mut tx, "h1")).unwrap();
    let again = wrote!(store, tx => step::spend(&mut tx, "h1"));
    assert!(matches!(again, Err(StoreError::NotFound(_))), "{again:?}");
    // The next one clears what is over.
    wrote!(store, tx => step::insert(&mut tx, &half, "h2", sample::after(1))).unwrap();
    wrote!(store, tx => step::insert(&mut tx, &half, "h3", sample::after(10))).unwrap();
    let over = step::by_hash(store, "h2").await;
    assert!(matches!(over, Err(StoreError::NotFound(_))), "{over:?}");
    wrote!(store, tx => factor::remove_all(&mut tx, &alice)).unwrap();
    let over = step::by_hash(store, "h3").await;
    assert!(matches!(over, Err(StoreError::NotFound(_))), "{over:?}");
}

pub async fn a_passkey_is_of_one_user_and_counts_upwards(db: Database) {
    let store = &db.store;
    let (alice, bob) = (somebody(store, "alice").await, somebody(store, "bob").await);
    let key = Passkey {
        id: "AAEC".to_owned(),
        label: "laptop".parse().unwrap(),
        added_at: sample::after(1),
        last_used_at: None,
    };
    let checked = Verifier {
        public_key: vec![1, 2, 3],
        counter: 7,
    };
    wrote!(store, tx => passkey::insert(&mut tx, &alice, &key, &checked)).unwrap();
    let twice = wrote!(store, tx => passkey::insert(&mut tx, &bob, &key, &checked));
    assert!(matches!(twice, Err(StoreError::Duplicate(_))), "{twice:?}");
    assert_eq!(
        passkey::of_user(store, &alice).await.unwrap(),
        std::slice::from_ref(&key)
    );
    assert!(factor::of_user(store, &alice).await.unwrap().any());
    let of = async |user| passkey::verifier(store, user, &key.id).await.unwrap();
    assert_eq!(of(&alice).await, Some(checked));
    assert_eq!(of(&bob).await, None);
    let used = sample::after(5);
    wrote!(store, tx => passkey::note_use(&mut tx, &key.id, 7, 8, used)).unwrap();
    let cloned = wrote!(store, tx => passkey::note_use(&mut tx, &key.id, 7, 8, used));
    assert!(matches!(cloned, Err(StoreError::Conflict)), "{cloned:?}");

    let until = sample::after(60);
    wrote!(store, tx => passkey::put_challenge(&mut tx, &alice, "c", "here", until, used)).unwrap();
    for (user, place, now, right) in [
        (&bob, "here", 2, false),
        (&alice, "there", 2, false),
        (&alice, "here", 60, false),
        (&alice, "here", 2, true),
        (&alice, "here", 2, false),
    ] {
        let now = sample::after(now);
        let spent = wrote!(store, tx => passkey::spend_challenge(&mut tx, user, "c", place, now));
        assert_eq!(spent.is_ok(), right, "{place} {now}: {spent:?}");
    }
    let others = wrote!(store, tx => passkey::remove(&mut tx, &bob, &key.id));
    assert!(matches!(others, Err(StoreError::NotFound(_))), "{others:?}");
    wrote!(store, tx => passkey::remove(&mut tx, &alice, &key.id)).unwrap();
}

pub async fn sign_ins_end_and_tokens_of_programs_stay(db: Database) {
    let store = &db.store;
    let user = sample::user("alice", &[Role::Requester]);
    let alice = user.id.clone();
    let program = sample::token(&user, "program");
    let mut sign_in = sample::token(&user, "signed in");
    sign_in.peer = Some("192.0.2.1".to_owned());
    sign_in.proven_at = Some(sample::after(1));
    let mut tx = store.begin().await.unwrap();
    user::insert(&mut tx, &user).await.unwrap();
    token::insert(&mut tx, &program, "p").await.unwrap();
    token::insert(&mut tx, &sign_in, "s").await.unwrap();
    tx.commit().await.unwrap();
    let now = sample::after(2);
    wrote!(store, tx => token::prove(&mut tx, &sign_in.id, now, Some(now))).unwrap();
    let later = now + Span::seconds(1);
    wrote!(store, tx => token::prove(&mut tx, &sign_in.id, later, None)).unwrap();
    let read = token::by_id(store, &sign_in.id).await.unwrap();
    assert_eq!((read.proven_at, read.factor_at), (Some(later), Some(now)));
    let nobody = wrote!(store, tx => token::prove(&mut tx, &program.id, now, None));
    assert!(matches!(nobody, Err(StoreError::Conflict)), "{nobody:?}");
    let ended = wrote!(store, tx => token::delete_sign_ins(&mut tx, &alice)).unwrap();
    assert_eq!(ended, 1);
    assert_eq!(token::of_user(store, &alice).await.unwrap(), [program]);
}
