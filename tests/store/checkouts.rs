//! Check-outs: every state, every fence, every way to find them.

use doorward::{
    model::{
        checkout::{Asked, Checkout, Command, EndReason, Extension, Place, State, Window},
        ids::CheckoutId,
        policy::{Stage, Terms},
        principal::{Principal, Role},
        text::Text,
        time::{Span, Timestamp},
    },
    store::{
        Cursor, Order, Page, StoreError, account,
        checkout::{self, Filter, Insertion, Reader, Sort, Status},
        user,
    },
};

use crate::{
    database::Database,
    sample::{self, NOW, after},
};

fn applied(checkout: &Checkout, command: Command, now: Timestamp) -> Checkout {
    checkout
        .clone()
        .apply(command, now)
        .expect("the rules allow it")
}

fn approve(by: &str) -> Command {
    Command::Approve {
        by: sample::approver(by),
        duration: Some(Span::minutes(20)),
        message: "for twenty minutes".parse().unwrap(),
        other_approvers: 1,
    }
}

fn revoke(by: &str) -> Command {
    Command::Revoke {
        by: sample::approver(by),
        message: "maintenance is over".parse().unwrap(),
    }
}

pub async fn every_state_reads_back_as_written(db: Database) {
    let store = &db.store;
    let alice = sample::requester("alice");
    let mut terms = sample::voted();
    terms
        .permission_sets
        .insert("read-only".parse().unwrap(), Default::default());
    terms.ticket_pattern = Some(r"CHG\d+".parse().unwrap());
    let place = sample::place("db1", terms);
    let mut ask = sample::ask();
    ask.asked = Asked::Set("read-only".parse().unwrap());
    ask.approver = Some("bob".parse().unwrap());
    ask.window = Some(Window {
        starts_at: after(600),
        ends_at: after(4_200),
    });
    let requested = sample::request(&alice, &place, ask);
    sample::insert(store, &requested).await;
    assert_eq!(
        checkout::by_id(store, &requested.id).await.unwrap(),
        requested
    );

    let approved = applied(&requested, approve("bob"), after(60));
    let active = applied(&approved, Command::Tick, after(600));
    let asked_more = applied(
        &active,
        Command::Extend {
            by: alice.clone(),
            duration: Span::minutes(5),
            reason: "nearly done".parse().unwrap(),
        },
        after(700),
    );
    let ended = applied(&asked_more, revoke("bob"), after(800));
    let mut before = requested;
    for next in [approved, active, asked_more, ended] {
        let mut tx = store.begin().await.unwrap();
        checkout::update(&mut tx, &next, before.version)
            .await
            .unwrap();
        assert_eq!(checkout::by_id(&mut tx, &next.id).await.unwrap(), next);
        tx.commit().await.unwrap();
        assert_eq!(checkout::by_id(store, &next.id).await.unwrap(), next);
        assert_eq!(checkout::by_code(store, &next.code).await.unwrap(), next);
        let code = next.code.to_string().to_lowercase();
        assert_eq!(checkout::by_id_or_code(store, &code).await.unwrap(), next);
        let id = next.id.to_string();
        assert_eq!(checkout::by_id_or_code(store, &id).await.unwrap(), next);
        before = next;
    }
    for unknown in ["", "7K3F", "not a code", &sample::checkout_id().to_string()] {
        let missing = checkout::by_id_or_code(store, unknown).await;
        assert!(
            matches!(missing, Err(StoreError::NotFound("check-out"))),
            "{missing:?}"
        );
    }
}

pub async fn a_retry_joins_the_pending_request(db: Database) {
    let store = &db.store;
    let alice = sample::requester("alice");
    let place = sample::place("db1", sample::voted());
    let first = sample::request(&alice, &place, sample::ask());
    sample::insert(store, &first).await;

    let retry = sample::request(&alice, &place, sample::ask());
    let mut tx = store.begin().await.unwrap();
    match checkout::insert(&mut tx, &retry).await.unwrap() {
        Insertion::Joined(pending) => assert_eq!(*pending, first),
        other => panic!("{other:?}"),
    }
    // The transaction goes on: a retry is no error.
    let elsewhere = sample::request(
        &alice,
        &sample::place("db2", sample::voted()),
        sample::ask(),
    );
    let insertion = checkout::insert(&mut tx, &elsewhere).await.unwrap();
    assert!(matches!(insertion, Insertion::New));
    tx.commit().await.unwrap();

    // Somebody else, or something else asked for, is another request.
    let bob = sample::request(&sample::requester("bob"), &place, sample::ask());
    sample::insert(store, &bob).await;
    assert_eq!(checkout::waiting(store).await.unwrap().len(), 3);

    // Once answered it is not pending any more.
    let active = applied(&first, approve("carl"), after(1));
    let mut tx = store.begin().await.unwrap();
    checkout::update(&mut tx, &active, first.version)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    sample::insert(store, &retry).await;
}

pub async fn a_code_is_taken_once(db: Database) {
    let store = &db.store;
    let place = sample::place("db1", sample::voted());
    let first = sample::request(&sample::requester("alice"), &place, sample::ask());
    sample::insert(store, &first).await;
    let mut second = sample::request(&sample::requester("bob"), &place, sample::ask());
    let own = std::mem::replace(&mut second.code, first.code.clone());
    let mut tx = store.begin().await.unwrap();
    let insertion = checkout::insert(&mut tx, &second).await.unwrap();
    assert!(matches!(insertion, Insertion::CodeTaken), "{insertion:?}");
    // In the same transaction, with another.
    second.code = own;
    let insertion = checkout::insert(&mut tx, &second).await.unwrap();
    assert!(matches!(insertion, Insertion::New), "{insertion:?}");
    tx.commit().await.unwrap();
}

pub async fn a_stale_version_is_a_conflict(db: Database) {
    let store = &db.store;
    let place = sample::place("db1", sample::voted());
    let requested = sample::request(&sample::requester("alice"), &place, sample::ask());
    sample::insert(store, &requested).await;
    let active = applied(&requested, approve("bob"), after(1));
    let denied = applied(
        &requested,
        Command::Deny {
            by: sample::approver("carl"),
            message: Text::default(),
        },
        after(1),
    );
    let mut tx = store.begin().await.unwrap();
    checkout::update(&mut tx, &active, requested.version)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let late = checkout::update(&mut tx, &denied, requested.version).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    drop(tx);
    assert_eq!(checkout::by_id(store, &active.id).await.unwrap(), active);
}

pub async fn an_exclusive_account_has_one_holder(db: Database) {
    let store = &db.store;
    let place = sample::place("db1", sample::exclusive(sample::voted()));
    let first = sample::request(&sample::requester("alice"), &place, sample::ask());
    let second = sample::request(&sample::requester("bob"), &place, sample::ask());
    sample::insert(store, &first).await;
    sample::insert(store, &second).await;
    let in_the_way = async || checkout::in_the_way_of(store, &second).await.unwrap();
    assert_eq!(in_the_way().await, None);

    let held = applied(&first, approve("carl"), after(1));
    let mut tx = store.begin().await.unwrap();
    checkout::update(&mut tx, &held, first.version)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(in_the_way().await, Some(held.clone()));

    let wants = applied(&second, approve("carl"), after(2));
    let mut tx = store.begin().await.unwrap();
    let refused = checkout::update(&mut tx, &wants, second.version).await;
    assert!(matches!(refused, Err(StoreError::Exclusive)), "{refused:?}");
    drop(tx);
    // Also where it would be active at once.
    let mut terms = sample::exclusive(sample::open());
    terms.reason = doorward::model::policy::Mode::Optional;
    let at_once = sample::request(
        &sample::requester("dora"),
        &doorward::model::checkout::Place {
            policy: sample::policy("free", terms),
            ..place.clone()
        },
        sample::ask(),
    );
    let mut tx = store.begin().await.unwrap();
    let refused = checkout::insert(&mut tx, &at_once).await;
    assert!(matches!(refused, Err(StoreError::Exclusive)), "{refused:?}");
    drop(tx);

    let ended = applied(&held, revoke("carl"), after(3));
    let mut tx = store.begin().await.unwrap();
    checkout::update(&mut tx, &ended, held.version)
        .await
        .unwrap();
    checkout::update(&mut tx, &wants, second.version)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let holder = checkout::in_the_way_of(store, &first).await.unwrap();
    assert_eq!(holder, Some(wants));
}

/// As when the policy changes under those who hold the account, or rules for one target only.
pub async fn an_exclusive_account_is_shared_with_nobody(db: Database) {
    let store = &db.store;
    let alone = sample::place("db1", sample::exclusive(sample::voted()));
    let shared = Place {
        policy: sample::policy("shared", sample::voted()),
        ..alone.clone()
    };
    let write = async |after: &Checkout, from: &Checkout| {
        let mut tx = store.begin().await.unwrap();
        checkout::update(&mut tx, after, from.version).await?;
        tx.commit().await
    };
    let request = async |by: &Principal, place| {
        let request = sample::request(by, place, sample::ask());
        sample::insert(store, &request).await;
        let active = applied(&request, approve("carl"), after(1));
        (request, active)
    };
    let [alice, bob, dora, erin] = ["alice", "bob", "dora", "erin"].map(sample::requester);
    let (wants, would) = request(&alice, &alone).await;
    let (one, first) = request(&bob, &shared).await;
    let (two, second) = request(&dora, &shared).await;
    write(&first, &one).await.unwrap();
    write(&second, &two).await.unwrap();
    let refused = write(&would, &wants).await;
    assert!(matches!(refused, Err(StoreError::Exclusive)), "{refused:?}");
    assert_eq!(checkout::by_id(store, &wants.id).await.unwrap(), wants);
    let holder = checkout::in_the_way_of(store, &wants).await.unwrap();
    assert!(holder.is_some_and(|holder| [&first, &second].contains(&&holder)));
    for active in [&first, &second] {
        let ended = applied(active, revoke("carl"), after(2));
        write(&ended, active).await.unwrap();
    }

    write(&would, &wants).await.unwrap();
    let (three, third) = request(&erin, &shared).await;
    let refused = write(&third, &three).await;
    assert!(matches!(refused, Err(StoreError::Exclusive)), "{refused:?}");
    let holder = checkout::in_the_way_of(store, &three).await.unwrap();
    assert_eq!(holder, Some(would.clone()));
    // Also where it would be active at once.
    let open = Place {
        policy: sample::policy("open", sample::open()),
        ..alone.clone()
    };
    let at_once = sample::request(&bob, &open, sample::ask());
    let mut tx = store.begin().await.unwrap();
    let refused = checkout::insert(&mut tx, &at_once).await;
    assert!(matches!(refused, Err(StoreError::Exclusive)), "{refused:?}");
    drop(tx);

    // Two who hold it together from before this was so keep what they have.
    let ended = applied(&would, revoke("carl"), after(3));
    write(&ended, &would).await.unwrap();
    write(&third, &three).await.unwrap();
    let fourth = sample::active(store, &dora, &open).await;
    let alone = format!(
        "update checkout set exclusive = 1 where id = '{}'",
        third.id
    );
    assert_eq!(db.meddle(&alone).await, 1);
    let more = Command::Extend {
        by: dora,
        duration: Span::seconds(60),
        reason: Text::default(),
    };
    let longer = applied(&fourth, more, after(4));
    write(&longer, &fourth).await.unwrap();
}

pub async fn the_schema_refuses_a_move_the_life_cycle_lacks(db: Database) {
    let store = &db.store;
    let place = sample::place("db1", sample::voted());
    let requested = sample::request(&sample::requester("alice"), &place, sample::ask());
    sample::insert(store, &requested).await;
    let active = applied(&requested, approve("bob"), after(1));
    let ended = applied(&active, revoke("bob"), after(2));
    let mut tx = store.begin().await.unwrap();
    checkout::update(&mut tx, &ended, requested.version)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    // The rules would not do this; a fault of ours might.
    for state in [active.state.clone(), State::Requested] {
        let mut resurrected = active.clone();
        resurrected.state = state;
        resurrected.version = ended.version + 1;
        let mut tx = store.begin().await.unwrap();
        let refused = checkout::update(&mut tx, &resurrected, ended.version).await;
        assert!(
            matches!(refused, Err(StoreError::IllegalMove)),
            "{refused:?}"
        );
    }
    for statement in [
        "update checkout set prior_state = state, state = 'active', end_reason = null, due_at = 1",
        "update checkout set due_at = 1",
        "update checkout set state = 'unheard-of'",
    ] {
        assert!(db.try_to_meddle(statement).await.is_err(), "{statement}");
    }
    assert_eq!(checkout::by_id(store, &ended.id).await.unwrap(), ended);
}

pub async fn what_has_lost_its_user_target_or_account_is_an_orphan(db: Database) {
    let store = &db.store;
    let place = sample::place("db1", sample::open());
    sample::enter_place(store, &place).await;
    let alice = sample::requester("alice");
    let user = sample::enter_user(store, &alice).await;
    let one = sample::active(store, &alice, &place).await;
    let orphans = async || {
        let orphans = checkout::orphans(store).await.unwrap();
        orphans.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    let none: [CheckoutId; 0] = [];
    assert_eq!(orphans().await, none);

    let account = account::by_id(store, &place.account.id).await.unwrap();
    let mut disabled = account.clone();
    disabled.disabled = true;
    let mut tx = store.begin().await.unwrap();
    account::update(&mut tx, &account, &disabled).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(orphans().await, std::slice::from_ref(&one.id));
    let mut tx = store.begin().await.unwrap();
    account::update(&mut tx, &disabled, &account).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(orphans().await, none);

    // An admin stays.
    let root = sample::user("root", &[Role::Admin]);
    let mut tx = store.begin().await.unwrap();
    user::insert(&mut tx, &root).await.unwrap();
    user::delete(&mut tx, &user).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(orphans().await, std::slice::from_ref(&one.id));
    let ended = applied(
        &one,
        Command::Withdraw {
            message: "gone".parse().unwrap(),
        },
        after(1),
    );
    let mut tx = store.begin().await.unwrap();
    checkout::update(&mut tx, &ended, one.version)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(orphans().await, none);
}

pub async fn what_is_due_comes_in_its_order(db: Database) {
    let store = &db.store;
    assert_eq!(checkout::next_due(store).await.unwrap(), None);
    let mut due = Vec::new();
    for minutes in [30, 10, 20] {
        let place = sample::place("db1", sample::open());
        let mut ask = sample::ask();
        ask.duration = Some(Span::minutes(minutes));
        let one = sample::request(&sample::requester("alice"), &place, ask);
        sample::insert(store, &one).await;
        due.push(one);
    }
    due.sort_by_key(Checkout::due);
    assert_eq!(checkout::next_due(store).await.unwrap(), Some(after(600)));
    assert_eq!(checkout::due(store, after(599), 10).await.unwrap(), []);
    assert_eq!(
        checkout::due(store, after(600), 10).await.unwrap(),
        due[..1]
    );
    assert_eq!(checkout::due(store, after(9_000), 10).await.unwrap(), due);
    assert_eq!(
        checkout::due(store, after(9_000), 2).await.unwrap(),
        due[..2]
    );

    let expired = applied(&due[0], Command::Tick, after(600));
    let mut tx = store.begin().await.unwrap();
    checkout::update(&mut tx, &expired, due[0].version)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        checkout::due(store, after(9_000), 10).await.unwrap(),
        due[1..]
    );
    assert_eq!(checkout::live(store).await.unwrap().len(), 2);
}

pub async fn ended_ones_are_told_to_those_who_ask(db: Database) {
    let store = &db.store;
    let mut ids = Vec::new();
    // More than one statement asks about.
    for number in 0..3 {
        let place = sample::place("db1", sample::open());
        let one = sample::active(store, &sample::requester("alice"), &place).await;
        if number == 1 {
            let ended = applied(&one, revoke("bob"), after(5));
            let mut tx = store.begin().await.unwrap();
            checkout::update(&mut tx, &ended, one.version)
                .await
                .unwrap();
            tx.commit().await.unwrap();
        }
        ids.push(one.id);
        ids.extend((0..400).map(|_| sample::checkout_id()));
    }
    let ended = checkout::ended_among(store, &ids).await.unwrap();
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].id, ids[401]);
    assert_eq!(ended[0].end().unwrap().by, "bob");
    assert_eq!(checkout::ended_among(store, &[]).await.unwrap(), []);
}

pub async fn open_ones_are_found_by_user_target_and_account(db: Database) {
    let store = &db.store;
    let alice = sample::requester("alice");
    let db1 = sample::place("db1", sample::open());
    let db2 = sample::place("db2", sample::voted());
    let first = sample::active(store, &alice, &db1).await;
    let second = sample::active(store, &alice, &db1).await;
    let pending = sample::request(&alice, &db2, sample::ask());
    sample::insert(store, &pending).await;
    let ended = applied(&first, revoke("bob"), after(1));
    let mut tx = store.begin().await.unwrap();
    checkout::update(&mut tx, &ended, first.version)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let open = checkout::open_of_user(store, &alice.user).await.unwrap();
    assert_eq!(open, [second.clone(), pending.clone()]);
    let open = checkout::open_of_user_on(store, &alice.user, &db1.target.name)
        .await
        .unwrap();
    assert_eq!(open, std::slice::from_ref(&second));
    let open = checkout::open_of_target(store, &db2.target.id)
        .await
        .unwrap();
    assert_eq!(open, [pending]);
    let open = checkout::open_of_account(store, &db1.account.id)
        .await
        .unwrap();
    assert_eq!(open, [second]);
    let nobody = sample::requester("nobody");
    assert_eq!(
        checkout::open_of_user(store, &nobody.user).await.unwrap(),
        []
    );
}

pub async fn the_list_filters_by_everything_people_see(db: Database) {
    let store = &db.store;
    let alice = sample::requester("alice");
    let bob = sample::requester("bob");
    let db1 = sample::place("db1", sample::voted());
    let db2 = sample::place("db2", sample::open());
    let pending = sample::request(&alice, &db1, sample::ask());
    sample::insert(store, &pending).await;
    let mut ask = sample::ask();
    ask.reason = "100% full".parse().unwrap();
    ask.ticket = Some("INC7".parse().unwrap());
    let active = sample::request_at(&alice, &db2, ask, after(60));
    sample::insert(store, &active).await;
    let revoked = sample::active(store, &bob, &db2).await;
    let end = applied(&revoked, revoke("carl"), after(90));
    let asked_more = Checkout {
        extension: Some(Extension {
            duration: Span::minutes(5),
            reason: Text::default(),
            asked_at: after(70),
            votes: Vec::new(),
        }),
        version: active.version + 1,
        ..active.clone()
    };
    let mut tx = store.begin().await.unwrap();
    checkout::update(&mut tx, &end, revoked.version)
        .await
        .unwrap();
    checkout::update(&mut tx, &asked_more, active.version)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let found = async |filter: Filter| {
        let order = Order::ascending(Sort::RequestedAt);
        let part = checkout::list(store, &filter, order, &Page::default())
            .await
            .unwrap();
        let codes = part.items.into_iter().map(|one| match one.id {
            id if id == pending.id => 'p',
            id if id == active.id => 'a',
            _ => 'r',
        });
        codes.collect::<String>()
    };
    let filter = Filter::default;
    assert_eq!(found(filter()).await, "pra");
    assert_eq!(
        found(Filter {
            requester: Some(alice.user.clone()),
            ..filter()
        })
        .await,
        "pa"
    );
    assert_eq!(
        found(Filter {
            requester_name: Some(bob.name.clone()),
            ..filter()
        })
        .await,
        "r"
    );
    assert_eq!(
        found(Filter {
            target: Some("db2".parse().unwrap()),
            ..filter()
        })
        .await,
        "ra"
    );
    assert_eq!(
        found(Filter {
            account: Some("root".parse().unwrap()),
            ..filter()
        })
        .await,
        "pra"
    );
    assert_eq!(
        found(Filter {
            ticket: Some("INC7".parse().unwrap()),
            ..filter()
        })
        .await,
        "a"
    );
    let statuses = vec![Status::Requested, Status::Ended(EndReason::Revoked)];
    assert_eq!(
        found(Filter {
            statuses,
            ..filter()
        })
        .await,
        "pr"
    );
    assert_eq!(
        found(Filter {
            open: true,
            ..filter()
        })
        .await,
        "pa"
    );
    assert_eq!(
        found(Filter {
            waiting: true,
            ..filter()
        })
        .await,
        "pa"
    );
    let targets = Some(vec![db1.target.id.clone()]);
    assert_eq!(
        found(Filter {
            among_targets: targets,
            ..filter()
        })
        .await,
        "p"
    );
    assert_eq!(
        found(Filter {
            among_targets: Some(Vec::new()),
            ..filter()
        })
        .await,
        ""
    );
    assert_eq!(
        found(Filter {
            since: Some(after(60)),
            ..filter()
        })
        .await,
        "a"
    );
    assert_eq!(
        found(Filter {
            until: Some(after(60)),
            ..filter()
        })
        .await,
        "pr"
    );
    for (text, expected) in [
        ("100%", "a"),
        ("0_", ""),
        ("chg00", "pr"),
        ("MAINTENANCE", "r"),
        ("' or 1=1 --", ""),
        ("  ", "pra"),
        ("\\", ""),
    ] {
        let filter = Filter {
            text: Some(text.to_owned()),
            ..filter()
        };
        assert_eq!(found(filter).await, expected, "{text}");
    }
    assert_eq!(Status::of(&end), "revoked".parse().unwrap());
    assert!("gone".parse::<Status>().is_err());
    let waiting = checkout::waiting(store).await.unwrap();
    assert_eq!(waiting, [pending.clone(), asked_more]);
}

pub async fn the_list_holds_what_its_reader_may_see(db: Database) {
    let store = &db.store;
    let group = |name: &str| [name.parse().unwrap()].into_iter().collect();
    let of = |name: &str| Terms {
        approvals: vec![Stage {
            groups: group(name),
            ..Stage::default()
        }],
        ..Terms::default()
    };
    let alice = sample::requester("alice");
    let place = |name: &str, terms| sample::place(name, terms);
    let open = sample::request(&alice, &place("db1", sample::voted()), sample::ask());
    let closed = sample::request(&alice, &place("db2", of("db_a")), sample::ask());
    // `_` stands for itself alone.
    let like = sample::request(&alice, &place("db3", of("dbxa")), sample::ask());
    for checkout in [&open, &closed, &like] {
        sample::insert(store, checkout).await;
    }
    let mut voter = sample::approver("carl");
    voter.groups = group("dbxa");
    let vote = Command::Approve {
        by: voter.clone(),
        duration: None,
        message: Text::default(),
        other_approvers: 1,
    };
    let answered = applied(&like, vote, after(5));
    let mut tx = store.begin().await.unwrap();
    checkout::update(&mut tx, &answered, like.version)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut member = sample::approver("bob");
    member.groups = group("db_a");
    let stranger = sample::approver("eve");
    let mut former = voter.clone();
    former.roles.clear();
    let nobody = sample::requester("dave");
    let check = async |store: &doorward::store::Store| {
        for by in [&alice, &voter, &member, &stranger, &former, &nobody] {
            let filter = Filter {
                reader: Some(Reader::from(by)),
                ..Filter::default()
            };
            let order = Order::ascending(Sort::Target);
            let page = Page::default();
            let listed = checkout::list(store, &filter, order, &page).await.unwrap();
            let listed: Vec<_> = listed.items.into_iter().map(|found| found.id).collect();
            let all = [&open, &closed, &answered];
            let seen = all
                .into_iter()
                .filter(|checkout| checkout.requester == by.user || checkout.may_end(by));
            let seen: Vec<_> = seen.map(|checkout| checkout.id.clone()).collect();
            assert_eq!(listed, seen, "{}", by.name);
        }
    };
    check(store).await;
    // Rows from before there was the column are filled in at the next start.
    let emptied = db.meddle("update checkout set readers = ''").await;
    assert_eq!(emptied, 3);
    let again = doorward::store::Store::open(&db.url).await.unwrap();
    check(&again).await;
    again.close().await;
}

pub async fn the_list_sorts_by_every_column_and_pages_without_a_gap(db: Database) {
    let store = &db.store;
    for number in 0..10_u64 {
        let place = sample::place(&format!("db{}", number % 3), sample::open());
        let mut ask = sample::ask();
        ask.duration = Some(Span::minutes(10 + number % 4));
        if number % 2 == 0 {
            ask.ticket = Some(format!("INC{number}").parse().unwrap());
        }
        let who = sample::requester(&format!("user{}", number % 3));
        let one = sample::request_at(&who, &place, ask, NOW + Span::seconds(number % 5));
        sample::insert(store, &one).await;
    }
    for sort in Sort::ALL {
        for text in [sort.as_str().to_owned(), format!("-{}", sort.as_str())] {
            let order: Order<Sort> = text.parse().unwrap();
            let whole = checkout::list(store, &Filter::default(), order, &Page::default())
                .await
                .unwrap();
            assert_eq!((whole.items.len(), whole.next), (10, None), "{text}");
            let mut parts = Vec::new();
            let mut page = Page::of(3);
            loop {
                let part = checkout::list(store, &Filter::default(), order, &page)
                    .await
                    .unwrap();
                parts.extend(part.items);
                if part.next.is_none() {
                    break;
                }
                page = Page::of(3).after(part.next);
            }
            assert_eq!(parts, whole.items, "{text}");
        }
    }
    let order = Order::descending(Sort::RequestedAt);
    let newest = checkout::list(store, &Filter::default(), order, &Page::of(1))
        .await
        .unwrap();
    assert_eq!(newest.items[0].requested_at, after(4));
    for limit in [0, usize::MAX] {
        let part = checkout::list(store, &Filter::default(), order, &Page::of(limit)).await;
        assert!(!part.unwrap().items.is_empty(), "{limit} is clamped");
    }
}

pub async fn a_foreign_cursor_is_refused(db: Database) {
    let store = &db.store;
    for _ in 0..2 {
        let place = sample::place(
            "db1",
            Terms {
                approvals: Vec::new(),
                ..Terms::default()
            },
        );
        sample::active(store, &sample::requester("alice"), &place).await;
    }
    let order = Order::ascending(Sort::Code);
    let first = checkout::list(store, &Filter::default(), order, &Page::of(1))
        .await
        .unwrap();
    let cursor: Option<Cursor> = first.next;
    assert!(cursor.is_some());
    for other in [
        Order::descending(Sort::Code),
        Order::ascending(Sort::RequestedAt),
    ] {
        let page = Page::of(1).after(cursor.clone());
        let refused = checkout::list(store, &Filter::default(), other, &page).await;
        assert!(
            matches!(refused, Err(StoreError::NotACursor(_))),
            "{refused:?}"
        );
    }
}
