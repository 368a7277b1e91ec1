//! Promises that need no client to be tried: P4, P5, P7. The others are tried with real
//! clients in `tests/gateway`; `tests/architecture.rs` sees that none is without a test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use doorward::{
    audit,
    clock::Clock,
    config::Load,
    kill::{KillSwitch, Switchboard},
    lifecycle::{Lifecycle, LifecycleError},
    model::{
        audit::AuditOutcome,
        capability::Capability,
        checkout::{Checkout, EndReason, State},
        policy::Terms,
        principal::{Role, Scope},
        session::KillReason,
        target::Protocol,
    },
    store::{self, Store, node::Node},
    sweeper::{Others, Sweeper},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

#[allow(dead_code, reason = "shared with the store's suite")]
#[path = "store/database.rs"]
mod database;
#[allow(dead_code, reason = "shared with the store's suite")]
#[path = "store/sample.rs"]
mod sample;

use self::database::Database;

/// Against a hanging test only.
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn p4_on_sqlite_what_cannot_be_audited_does_not_happen() {
    database::with_sqlite(what_cannot_be_audited_does_not_happen).await;
}

#[tokio::test]
async fn p4_on_postgresql_what_cannot_be_audited_does_not_happen() {
    database::with_postgres(what_cannot_be_audited_does_not_happen).await;
}

#[tokio::test]
async fn p7_on_sqlite_a_silent_store_ends_every_session() {
    database::with_sqlite(a_silent_store_ends_every_session).await;
}

#[tokio::test]
async fn p7_on_postgresql_a_silent_store_ends_every_session() {
    database::with_postgres(a_silent_store_ends_every_session).await;
}

#[tokio::test]
async fn p9_on_sqlite_a_node_that_is_gone_leaves_no_open_session() {
    database::with_sqlite(a_node_that_is_gone_leaves_no_open_session).await;
}

#[tokio::test]
async fn p9_on_postgresql_a_node_that_is_gone_leaves_no_open_session() {
    database::with_postgres(a_node_that_is_gone_leaves_no_open_session).await;
}

/// Two nodes on one store. One stops for good; the other closes what it left open. It comes
/// back after all, and ends what it thought it still had.
async fn a_node_that_is_gone_leaves_no_open_session(database: Database) {
    let store = &database.store;
    let place = sample::place("db1", sample::open());
    let alice = sample::requester("alice");
    sample::enter_place(store, &place).await;
    sample::enter_user(store, &alice).await;
    let checkout = sample::active(store, &alice, &place).await;
    let (ours, theirs) = (Switchboard::new(), Switchboard::new());
    let patience = Duration::from_secs(10);
    let mut staying = sweeper(store, &ours, patience).await;
    let mut going = sweeper(store, &theirs, patience).await;
    staying.others = Others::new(Duration::from_millis(20));
    let switch = live(&theirs, &checkout);
    let row = sample::session(&checkout, &going.node.id);
    let mut tx = store.begin().await.unwrap();
    let opening = store::session::open(&mut tx, &row, None).await.unwrap();
    assert_eq!(opening, store::session::Opening::Opened);
    tx.commit().await.unwrap();
    let open = async || {
        let open = store::session::count_open_under(store, &checkout.id).await;
        open.unwrap()
    };

    // While the other shows life, however fast or slow its clock, nothing is taken from it.
    for _ in 0..3 {
        going.clock.advance(Duration::from_secs(1));
        going.round().await.unwrap();
        staying.round().await.unwrap();
        assert_eq!(open().await, 1);
    }
    let given_up = timeout(DEADLINE, async {
        while open().await > 0 {
            staying.round().await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    given_up.await.expect("a silent node is given up");

    assert!(!switch.0.is_pulled());
    going.round().await.unwrap();
    assert!(switch.0.is_pulled(), "it lives on though it is closed");
    let nodes = store::node::list(store).await.unwrap();
    assert!(nodes.iter().any(|node| node.id == going.node.id));
}

async fn what_cannot_be_audited_does_not_happen(database: Database) {
    let store = &database.store;
    let switchboard = Switchboard::new();
    let lifecycle = Lifecycle::new(
        store.clone(),
        Clock::manual(sample::NOW),
        switchboard.clone(),
    );
    let (alice, bob) = (sample::requester("alice"), sample::approver("bob"));
    let place = sample::place("db1", sample::open());
    let checkout = sample::active(store, &alice, &place).await;
    let switch = live(&switchboard, &checkout);
    let revoke = || lifecycle.revoke(&bob, &checkout.id, "it is over".parse().unwrap());
    let now = async || {
        store::checkout::by_id(store, &checkout.id)
            .await
            .unwrap()
            .state
    };
    let revokes = async || {
        let filter = audit::Filter {
            kinds: vec!["checkout.revoke".to_owned()],
            ..audit::Filter::default()
        };
        audit::list(store, &filter, 10).await.unwrap()
    };

    database
        .meddle("alter table audit_record rename to audit_record_gone")
        .await;
    let refused = revoke().await;
    assert!(
        matches!(refused, Err(LifecycleError::Store(_))),
        "{refused:?}"
    );
    assert!(matches!(now().await, State::Active { .. }));
    assert!(!switch.0.is_pulled(), "cut by a decision that was not made");

    database
        .meddle("alter table audit_record_gone rename to audit_record")
        .await;
    assert!(revokes().await.is_empty());
    revoke().await.unwrap();
    assert!(matches!(now().await, State::Ended { .. }));
    assert!(matches!(
        switch.0.reason(),
        Some(KillReason::CheckoutEnded {
            reason: EndReason::Revoked,
            ..
        })
    ));
    let written = revokes().await;
    let [record] = &written[..] else {
        panic!("one decision, {} events", written.len())
    };
    let event: doorward::model::audit::AuditEvent = serde_json::from_str(&record.body).unwrap();
    assert_eq!(event.outcome, AuditOutcome::Done);
    assert_eq!(event.checkout.as_ref(), Some(&checkout.id));
}

async fn a_silent_store_ends_every_session(database: Database) {
    let store = database.store.clone();
    let switchboard = Switchboard::new();
    let place = sample::place("db1", sample::open());
    sample::enter_place(&store, &place).await;
    let people = ["alice", "dave"].map(sample::requester);
    for person in &people {
        sample::enter_user(&store, person).await;
    }
    let alice = sample::active(&store, &people[0], &place).await;
    let dave = sample::active(&store, &people[1], &place).await;
    let (first, second) = (live(&switchboard, &alice), live(&switchboard, &dave));
    let mut sweeper = sweeper(&store, &switchboard, Duration::from_millis(1)).await;

    sweeper.round().await.unwrap();
    assert!(!first.0.is_pulled() && !second.0.is_pulled());

    store.close().await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(sweeper.run(stop.clone()));
    for switch in [&first.0, &second.0] {
        let reason = timeout(DEADLINE, switch.killed()).await.expect("it is cut");
        assert!(matches!(reason, KillReason::StoreLost(_)), "{reason:?}");
    }
    stop.cancel();
    timeout(DEADLINE, running)
        .await
        .expect("it stops")
        .expect("it does not fail");
}

#[test]
fn p5_what_is_unknown_is_refused() {
    let configured = |key: &str| {
        let set = (key.to_owned(), "1".to_owned());
        Load::new().env([set]).load().map(|_| ())
    };
    assert!(configured("DOORWARD_SSH__LISTEM").is_err());
    assert!(configured("DOORWARD_SHH__LISTEN").is_err());

    let terms = |json: &str| serde_json::from_str::<Terms>(json).map(|_| ());
    assert!(terms("{}").is_ok());
    for json in [
        r#"{"recordings": "off"}"#,
        r#"{"recording": "sometimes"}"#,
        r#"{"capabilities": ["shell", "x12"]}"#,
        r#"{"approvals": [{"votes": 1, "group": ["leads"]}]}"#,
        r#"{"self_approval": "perhaps"}"#,
        r#"{"weekly_hours": {"zone": "Europe/Atlantis", "windows": []}}"#,
    ] {
        assert!(terms(json).is_err(), "{json}");
    }

    assert!("telnet".parse::<Protocol>().is_err());
    assert!("root".parse::<Role>().is_err());
    assert!(serde_json::from_str::<Scope>(r#""everything""#).is_err());
    assert!(serde_json::from_str::<Capability>(r#""tunnel""#).is_err());
    let state = r#"{"state": "suspended", "grant": {"starts_at": "2030-01-07T08:00:00Z", "ends_at": "2030-01-07T09:00:00Z"}}"#;
    assert!(serde_json::from_str::<State>(state).is_err());
}

/// A session of `checkout` as the kill sees it, registered for as long as it is held.
fn live(
    switchboard: &Switchboard,
    checkout: &Checkout,
) -> (KillSwitch, doorward::kill::Registration) {
    let switch = KillSwitch::new();
    let registration = switchboard.register(
        checkout.id.clone(),
        checkout.requester.clone(),
        checkout.target.clone(),
        sample::session_id(),
        switch.clone(),
    );
    (switch, registration)
}

async fn sweeper(store: &Store, switchboard: &Switchboard, fail_closed_after: Duration) -> Sweeper {
    let clock = Clock::manual(sample::NOW);
    let node = Node {
        id: sample::node_id(),
        name: "this".to_owned(),
        started_at: sample::NOW,
        seen_at: sample::NOW,
    };
    let mut tx = store.begin().await.unwrap();
    store::node::register(&mut tx, &node).await.unwrap();
    tx.commit().await.unwrap();
    Sweeper {
        store: store.clone(),
        lifecycle: Lifecycle::new(store.clone(), clock.clone(), switchboard.clone()),
        switchboard: switchboard.clone(),
        clock,
        node,
        others: Others::new(DEADLINE),
        fail_closed_after,
    }
}
