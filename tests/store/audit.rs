//! The audit chain: appended with the decision or not at all, and what verifying finds.

use std::io::Cursor;

use aws_lc_rs::signature::Ed25519KeyPair;
use doorward::{
    audit::{self as log, FirstBad, Flaw, PublicKey, Verdict},
    model::{
        audit::{Actor, AuditEvent, Checkpoint},
        refusal::Refusal,
    },
    store::{Store, audit as rows, meta},
};
use futures::TryStreamExt;

use crate::{
    database::Database,
    sample::{self, NOW, after},
};

fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

async fn append(store: &Store, count: usize) {
    for _ in 0..count {
        let mut tx = store.begin().await.unwrap();
        log::append(&mut tx, &sample::event("test.done"))
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
}

async fn checkpoint(store: &Store) -> Option<Checkpoint> {
    let mut tx = store.begin().await.unwrap();
    let checkpoint = log::checkpoint(&mut tx, &key(), after(1)).await.unwrap();
    tx.commit().await.unwrap();
    checkpoint
}

async fn verdict(store: &Store) -> Verdict {
    log::verify(store, &PublicKey::of(&key()), None)
        .await
        .unwrap()
}

async fn first_bad(store: &Store) -> FirstBad {
    match verdict(store).await {
        Verdict::Broken(first_bad) => first_bad,
        whole => panic!("{whole}"),
    }
}

async fn exported(store: &Store) -> String {
    let parts: Vec<String> = log::export(store.clone()).try_collect().await.unwrap();
    parts.concat()
}

pub async fn a_transaction_that_fails_leaves_no_audit_record(db: Database) {
    let store = &db.store;
    append(store, 1).await;
    let mut tx = store.begin().await.unwrap();
    meta::write(&mut tx, "a", "1").await.unwrap();
    log::append(&mut tx, &sample::event("test.undone"))
        .await
        .unwrap();
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    meta::write(&mut tx, "b", "1").await.unwrap();
    log::append(&mut tx, &sample::event("test.undone"))
        .await
        .unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(meta::read(store, "a").await.unwrap(), None);
    assert_eq!(meta::read(store, "b").await.unwrap(), None);
    append(store, 1).await;
    let records = rows::records_after(store, 0, 10).await.unwrap();
    let seqs: Vec<_> = records.iter().map(|lying| lying.record.seq).collect();
    assert_eq!(seqs, [1, 2], "no hole where something was undone");
    assert!(verdict(store).await.is_whole());
}

pub async fn the_chain_links_each_record_to_the_one_before(db: Database) {
    let store = &db.store;
    assert_eq!(rows::head(store).await.unwrap(), (0, [0; 32]));
    assert_eq!(log::newest_at(store).await.unwrap(), None);
    let mut tx = store.begin().await.unwrap();
    let first = log::append(&mut tx, &sample::event("test.one"))
        .await
        .unwrap();
    let mut second = sample::event("test.two");
    second.at = after(3);
    let second = log::append(&mut tx, &second).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((first.seq, first.previous), (1, [0; 32]));
    assert_eq!((second.seq, second.previous), (2, first.hash));
    assert_eq!(rows::head(store).await.unwrap(), (2, second.hash));
    assert_eq!(rows::newest_at(store).await.unwrap(), Some(after(3)));
    let body: AuditEvent = serde_json::from_str(&second.body).unwrap();
    assert_eq!(body.kind, "test.two");
    assert_eq!(
        rows::records_after(store, 1, 10).await.unwrap()[0].record,
        second
    );

    // The parts by themselves, as `append` uses them.
    let mut tx = store.begin().await.unwrap();
    assert_eq!(rows::take_next(&mut tx).await.unwrap(), (3, second.hash));
    let keys = rows::records_after(store, 1, 1)
        .await
        .unwrap()
        .remove(0)
        .keys
        .unwrap();
    let third = doorward::model::audit::AuditRecord { seq: 3, ..second };
    rows::insert(&mut tx, &third, &keys).await.unwrap();
    assert_eq!(rows::hold(&mut tx).await.unwrap(), (3, third.hash));
}

pub async fn records_are_found_by_what_they_are_about(db: Database) {
    let store = &db.store;
    let place = sample::place("db1", sample::voted());
    let alice = sample::requester("alice");
    let checkout = sample::request(&alice, &place, sample::ask());
    let session = sample::session_id();
    let mut tx = store.begin().await.unwrap();
    for event in [
        AuditEvent::done(NOW, "checkout.request", Actor::from(&alice), "asked")
            .about_checkout(&checkout),
        AuditEvent::refused(
            after(1),
            "checkout.approve",
            Actor::from(&alice),
            &Refusal::SelfApproval,
        )
        .about_checkout(&checkout),
        AuditEvent::done(after(2), "session.open", Actor::Gateway, "opened")
            .about_checkout(&checkout)
            .about_session(&session),
        sample::event("checkouts.other"),
    ] {
        log::append(&mut tx, &event).await.unwrap();
    }
    tx.commit().await.unwrap();
    let found = async |filter: log::Filter| {
        let records = rows::list(store, &filter, 10).await.unwrap();
        records
            .into_iter()
            .map(|record| record.seq)
            .collect::<Vec<_>>()
    };
    let filter = log::Filter::default;
    assert_eq!(found(filter()).await, [4, 3, 2, 1], "newest first");
    assert_eq!(
        found(log::Filter {
            after: Some(1),
            ..filter()
        })
        .await,
        [2, 3, 4]
    );
    assert_eq!(
        found(log::Filter {
            before: Some(3),
            ..filter()
        })
        .await,
        [2, 1]
    );
    assert_eq!(
        found(log::Filter {
            kinds: vec!["session.open".into()],
            ..filter()
        })
        .await,
        [3]
    );
    assert_eq!(
        found(log::Filter {
            noun: Some("checkout".into()),
            ..filter()
        })
        .await,
        [2, 1]
    );
    assert_eq!(
        found(log::Filter {
            refused: true,
            ..filter()
        })
        .await,
        [2]
    );
    assert_eq!(
        found(log::Filter {
            actor: Some("alice".into()),
            ..filter()
        })
        .await,
        [2, 1]
    );
    assert_eq!(
        found(log::Filter {
            session: Some(session),
            ..filter()
        })
        .await,
        [3]
    );
    assert_eq!(
        found(log::Filter {
            user: Some(alice.user),
            ..filter()
        })
        .await,
        [3, 2, 1]
    );
    let checkout_id = Some(checkout.id);
    assert_eq!(
        found(log::Filter {
            checkout: checkout_id,
            ..filter()
        })
        .await,
        [3, 2, 1]
    );
    assert_eq!(
        found(log::Filter {
            target: Some(checkout.target),
            ..filter()
        })
        .await,
        [3, 2, 1]
    );
    assert_eq!(
        found(log::Filter {
            since: Some(after(1)),
            ..filter()
        })
        .await,
        [3, 2]
    );
    assert_eq!(
        found(log::Filter {
            until: Some(after(1)),
            ..filter()
        })
        .await,
        [4, 1]
    );
    assert_eq!(rows::list(store, &filter(), 2).await.unwrap().len(), 2);
}

pub async fn a_whole_chain_is_whole(db: Database) {
    let store = &db.store;
    assert!(verdict(store).await.is_whole(), "an empty one is");
    assert_eq!(checkpoint(store).await, None, "nothing to sign");
    append(store, 3).await;
    let signed = checkpoint(store).await.unwrap();
    assert_eq!(signed.seq, 3);
    assert_eq!(checkpoint(store).await, None, "signed already");
    append(store, 2).await;
    assert_eq!(checkpoint(store).await.unwrap().seq, 5);
    append(store, 1).await;
    let Verdict::Whole(whole) = verdict(store).await else {
        panic!("it is broken");
    };
    assert_eq!((whole.records, whole.last), (6, 6));
    assert_eq!((whole.checkpoints, whole.signed_to), (2, 5));
    assert_eq!(
        rows::newest_checkpoint(store).await.unwrap().unwrap().seq,
        5
    );
    assert_eq!(
        rows::checkpoints_after(store, 3, 10).await.unwrap().len(),
        1
    );
    assert_eq!(
        rows::checkpoints_after(store, 0, 10).await.unwrap()[0],
        signed
    );
    let witnessed = log::verify(store, &PublicKey::of(&key()), Some(&signed))
        .await
        .unwrap();
    assert!(witnessed.is_whole());
}

/// Adversarial test 46: a byte changed.
pub async fn a_changed_byte_is_found_in_every_column(db: Database) {
    let store = &db.store;
    append(store, 4).await;
    for (statement, undo, why) in [
        (
            "body = replace(body, 'happened', 'happenet')",
            "body = replace(body, 'happenet', 'happened')",
            Flaw::Changed,
        ),
        ("body = body || ' '", "body = rtrim(body)", Flaw::Changed),
        ("at = at + 1", "at = at - 1", Flaw::ColumnsDiffer),
        (
            "kind = 'test.dona'",
            "kind = 'test.done'",
            Flaw::ColumnsDiffer,
        ),
        ("outcome = 'x'", "outcome = 'done'", Flaw::ColumnsDiffer),
        (
            "actor = 'bob'",
            "actor = 'the gateway'",
            Flaw::ColumnsDiffer,
        ),
        (
            "user_id = '00000000000000000000000001'",
            "user_id = null",
            Flaw::ColumnsDiffer,
        ),
        ("checkout = 'x'", "checkout = null", Flaw::ColumnsDiffer),
        (
            "session = '00000000000000000000000001'",
            "session = null",
            Flaw::ColumnsDiffer,
        ),
        ("target = ''", "target = null", Flaw::ColumnsDiffer),
        (
            "account = '00000000000000000000000001'",
            "account = null",
            Flaw::ColumnsDiffer,
        ),
        (
            "previous = replace(previous, substr(previous, 1, 1), 'g')",
            "",
            Flaw::NotLinked,
        ),
    ] {
        let changed = db
            .meddle(&format!(
                "update audit_record set {statement} where seq = 3"
            ))
            .await;
        assert_eq!(changed, 1);
        assert_eq!(
            first_bad(store).await,
            FirstBad { seq: 3, why },
            "{statement}"
        );
        if !undo.is_empty() {
            db.meddle(&format!("update audit_record set {undo} where seq = 3"))
                .await;
            assert!(verdict(store).await.is_whole(), "{undo}");
        }
    }
}

/// Adversarial test 46: two rows swapped, by their numbers and by their contents.
pub async fn swapped_rows_are_found(db: Database) {
    let store = &db.store;
    append(store, 5).await;
    let swap = |a: i64, b: i64| format!("update audit_record set seq = {b} where seq = {a}");
    for step in [swap(2, -1), swap(4, 2), swap(-1, 4)] {
        db.meddle(&step).await;
    }
    assert_eq!(first_bad(store).await.seq, 2);
    for step in [swap(2, -1), swap(4, 2), swap(-1, 4)] {
        db.meddle(&step).await;
    }
    assert!(verdict(store).await.is_whole());
    // Equal bodies, exchanged with all that hangs on them but the number.
    let exchange = "update audit_record set
        hash = (select o.hash from audit_record o where o.seq = 5 - audit_record.seq),
        previous = (select o.previous from audit_record o where o.seq = 5 - audit_record.seq)
        where seq in (2, 3)";
    assert_eq!(db.meddle(exchange).await, 2);
    assert_eq!(
        first_bad(store).await,
        FirstBad {
            seq: 2,
            why: Flaw::NotLinked
        }
    );
}

pub async fn a_missing_row_is_found(db: Database) {
    let store = &db.store;
    append(store, 5).await;
    db.meddle("delete from audit_record where seq = 3").await;
    assert_eq!(
        first_bad(store).await,
        FirstBad {
            seq: 3,
            why: Flaw::Missing
        }
    );
    // Closing the hole by counting on differently does not help.
    db.meddle("update audit_record set seq = 3 where seq = 4")
        .await;
    db.meddle("update audit_record set seq = 4 where seq = 5")
        .await;
    assert_eq!(first_bad(store).await.seq, 3);
}

/// Adversarial test 46: the tail cut.
pub async fn a_cut_tail_is_found_by_the_checkpoint(db: Database) {
    let store = &db.store;
    append(store, 6).await;
    checkpoint(store).await;
    db.meddle("delete from audit_record where seq > 4").await;
    let cut = FirstBad {
        seq: 5,
        why: Flaw::TailCut { signed_to: 6 },
    };
    assert_eq!(first_bad(store).await, cut);
    // Also when the head is set back, and when life goes on from there.
    db.meddle(
        "update audit_head set seq = 4, hash = (select hash from audit_record where seq = 4)",
    )
    .await;
    assert_eq!(first_bad(store).await, cut);
    append(store, 5).await;
    let gone_on = first_bad(store).await;
    assert_eq!(
        gone_on,
        FirstBad {
            seq: 6,
            why: Flaw::Rewritten
        }
    );
    // A tail that nobody signed yet is missed by the head.
    db.meddle("delete from audit_checkpoint").await;
    db.meddle("delete from audit_record where seq > 7").await;
    assert_eq!(
        first_bad(store).await,
        FirstBad {
            seq: 8,
            why: Flaw::Missing
        }
    );
    db.meddle("update audit_head set seq = 7").await;
    assert_eq!(
        first_bad(store).await,
        FirstBad {
            seq: 7,
            why: Flaw::HeadDiffers
        }
    );
}

pub async fn a_tail_cut_with_its_checkpoints_is_found_by_the_witness(db: Database) {
    let store = &db.store;
    append(store, 3).await;
    checkpoint(store).await;
    append(store, 3).await;
    let signed = checkpoint(store).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("witness");
    assert_eq!(log::read_witness(&path).unwrap(), None);
    log::keep_witness(&path, &signed).unwrap();
    log::keep_witness(&path, &signed).unwrap();

    db.meddle("delete from audit_record where seq > 4").await;
    db.meddle("delete from audit_checkpoint where seq > 4")
        .await;
    db.meddle(
        "update audit_head set seq = 4, hash = (select hash from audit_record where seq = 4)",
    )
    .await;
    assert!(
        verdict(store).await.is_whole(),
        "nothing inside the database tells"
    );
    let witness = log::read_witness(&path).unwrap();
    assert_eq!(witness, Some(signed));
    let found = log::verify(store, &PublicKey::of(&key()), witness.as_ref())
        .await
        .unwrap();
    let cut = FirstBad {
        seq: 5,
        why: Flaw::TailCut { signed_to: 6 },
    };
    assert_eq!(found, Verdict::Broken(cut));
    // What goes on from the older copy does not wipe out the proof, however far it gets.
    for count in [1, 9] {
        append(store, count).await;
        let younger = checkpoint(store).await.unwrap();
        let refused = log::renew_witness(store, &path, &younger).await;
        assert!(
            matches!(refused, Err(log::WitnessError::Contradicted(6))),
            "{refused:?}"
        );
        assert_eq!(log::read_witness(&path).unwrap(), witness);
    }
    let older = Checkpoint {
        seq: 5,
        ..witness.clone().unwrap()
    };
    assert!(log::keep_witness(&path, &older).is_err());
    std::fs::write(&path, "{}").unwrap();
    assert!(
        log::read_witness(&path).is_err(),
        "a spoilt witness is no missing one"
    );
}

/// Adversarial test 46: an older copy put back, of the records and of everything.
pub async fn an_older_copy_put_back_is_found(db: Database) {
    let store = &db.store;
    append(store, 3).await;
    checkpoint(store).await;
    db.meddle("create table copy_record as select * from audit_record")
        .await;
    db.meddle("create table copy_head as select * from audit_head")
        .await;
    db.meddle("create table copy_checkpoint as select * from audit_checkpoint")
        .await;
    append(store, 3).await;
    let witness = checkpoint(store).await.unwrap();

    db.meddle("delete from audit_record").await;
    db.meddle("insert into audit_record select * from copy_record")
        .await;
    let cut = FirstBad {
        seq: 4,
        why: Flaw::TailCut { signed_to: 6 },
    };
    assert_eq!(first_bad(store).await, cut);

    db.meddle("delete from audit_head").await;
    db.meddle("insert into audit_head select * from copy_head")
        .await;
    db.meddle("delete from audit_checkpoint").await;
    db.meddle("insert into audit_checkpoint select * from copy_checkpoint")
        .await;
    let found = log::verify(store, &PublicKey::of(&key()), Some(&witness))
        .await
        .unwrap();
    assert_eq!(found, Verdict::Broken(cut));
    // And when it has grown past the witness since.
    append(store, 9).await;
    let found = log::verify(store, &PublicKey::of(&key()), Some(&witness))
        .await
        .unwrap();
    assert_eq!(
        found,
        Verdict::Broken(FirstBad {
            seq: 6,
            why: Flaw::Rewritten
        })
    );
}

pub async fn the_witness_follows_a_whole_log(db: Database) {
    let store = &db.store;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("witness");
    for _ in 0..3 {
        append(store, 2).await;
        let signed = checkpoint(store).await.unwrap();
        log::renew_witness(store, &path, &signed).await.unwrap();
        assert!(log::is_held(store, &signed).await.unwrap());
        assert_eq!(log::read_witness(&path).unwrap(), Some(signed));
    }
}

pub async fn a_rewritten_chain_is_found_by_the_signature(db: Database) {
    let store = &db.store;
    append(store, 3).await;
    let signed = checkpoint(store).await.unwrap();
    // Somebody without the key makes the whole chain anew, without a flaw.
    db.meddle("delete from audit_record").await;
    db.meddle(&format!(
        "update audit_head set seq = 0, hash = '{}'",
        "0".repeat(64)
    ))
    .await;
    let mut tx = store.begin().await.unwrap();
    for _ in 0..4 {
        log::append(&mut tx, &sample::event("test.forged"))
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(
        first_bad(store).await,
        FirstBad {
            seq: 3,
            why: Flaw::Rewritten
        }
    );
    // Bending the checkpoint to it breaks the signature.
    let bend = "update audit_checkpoint set hash = (select hash from audit_record where seq = 3)";
    db.meddle(bend).await;
    assert_eq!(
        first_bad(store).await,
        FirstBad {
            seq: 3,
            why: Flaw::BadSignature
        }
    );
    assert_eq!(signed.seq, 3);
}

pub async fn a_checkpoint_of_another_key_is_refused(db: Database) {
    let store = &db.store;
    append(store, 2).await;
    let foreign = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
    let mut tx = store.begin().await.unwrap();
    let signed = log::checkpoint(&mut tx, &foreign, NOW)
        .await
        .unwrap()
        .unwrap();
    tx.commit().await.unwrap();
    let bad = FirstBad {
        seq: 2,
        why: Flaw::BadSignature,
    };
    assert_eq!(first_bad(store).await, bad);
    // One that claims a tail that never was.
    db.meddle("delete from audit_checkpoint").await;
    let mut tx = store.begin().await.unwrap();
    let claim = Checkpoint { seq: 9, ..signed };
    rows::insert_checkpoint(&mut tx, &claim).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        first_bad(store).await,
        FirstBad {
            seq: 9,
            why: Flaw::BadSignature
        }
    );
    let key: PublicKey = PublicKey::of(&foreign).to_string().parse().unwrap();
    assert_eq!(key, PublicKey::of(&foreign));
    assert!("abc".parse::<PublicKey>().is_err());
}

pub async fn an_export_is_verified_without_the_database(db: Database) {
    let store = &db.store;
    let key = PublicKey::of(&key());
    // More than one page of the walk.
    let mut tx = store.begin().await.unwrap();
    for _ in 0..1_203 {
        log::append(&mut tx, &sample::event("test.\"quoted\"\u{1b}"))
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    checkpoint(store).await;
    append(store, 1).await;
    let text = exported(store).await;
    assert_eq!(text.lines().count(), 1_205);
    let check = |text: &str| log::verify_export(Cursor::new(text), &key, None).unwrap();
    let Verdict::Whole(whole) = check(&text) else {
        panic!("{}", check(&text));
    };
    assert_eq!(
        (whole.records, whole.checkpoints, whole.signed_to),
        (1_204, 1, 1_203)
    );
    assert_eq!(verdict(store).await, Verdict::Whole(whole));

    let lines: Vec<&str> = text.lines().collect();
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.iter().map(|line| format!("{line}\n")).collect();
        change(&mut lines);
        check(&lines.concat())
    };
    let broken = |seq, why| Verdict::Broken(FirstBad { seq, why });
    let changed = with(&|lines| lines[6] = lines[6].replace("something", "anything"));
    assert_eq!(changed, broken(7, Flaw::Changed));
    assert_eq!(with(&|lines| lines.swap(1, 2)), broken(2, Flaw::Missing));
    assert_eq!(
        with(&|lines| drop(lines.remove(4))),
        broken(5, Flaw::Missing)
    );
    assert_eq!(
        with(&|lines| lines[9] = "{}\n".to_owned()),
        broken(10, Flaw::Unreadable)
    );
    let cut = with(&|lines| drop(lines.drain(1_200..1_203)));
    assert_eq!(cut, broken(1_201, Flaw::TailCut { signed_to: 1_203 }));
    let witness = rows::newest_checkpoint(store).await.unwrap();
    let short = lines[..9].join("\n");
    let found = log::verify_export(Cursor::new(short), &key, witness.as_ref()).unwrap();
    assert_eq!(found, broken(10, Flaw::TailCut { signed_to: 1_203 }));
    let endless = "x".repeat(3 << 20);
    assert_eq!(check(&endless), broken(1, Flaw::Unreadable));
}

pub async fn verifying_while_others_append_finds_nothing(db: Database) {
    let store = db.store.clone();
    append(&store, 20).await;
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for _ in 0..40 {
                append(&store, 3).await;
                checkpoint(&store).await;
            }
        }
    });
    let mut looked = 0;
    while !writer.is_finished() || looked == 0 {
        let verdict = verdict(&store).await;
        assert!(verdict.is_whole(), "{verdict}");
        looked += 1;
    }
    writer.await.unwrap();
    assert!(verdict(&store).await.is_whole());
}
