//! Users, groups, keys, passwords and tokens.

use doorward::{
    model::{principal::Role, user::User},
    store::{
        Order, Page, StoreError, group,
        handover::{self, Handover},
        ssh_key, token, user,
        voucher::{self, Credential},
    },
};

use crate::{database::Database, sample};

pub async fn a_user_reads_back_as_written(db: Database) {
    let store = &db.store;
    let admin = sample::user("root@example.org", &[Role::Admin]);
    let mut alice = sample::user("alice", &[Role::Requester, Role::Approver]);
    let mut tx = store.begin().await.unwrap();
    user::insert(&mut tx, &admin).await.unwrap();
    user::insert(&mut tx, &alice).await.unwrap();
    assert_eq!(user::by_id(&mut tx, &alice.id).await.unwrap(), alice);
    assert!(
        matches!(
            user::by_id(store, &alice.id).await,
            Err(StoreError::NotFound("user"))
        ),
        "nobody sees what is not committed"
    );
    tx.commit().await.unwrap();
    assert_eq!(user::by_name(store, &alice.name).await.unwrap(), alice);

    let before = alice.clone();
    alice.name = "alice2".parse().unwrap();
    alice.full_name = "größe \"'; drop table users; --\nsecond line"
        .parse()
        .unwrap();
    alice.email = None;
    alice.roles = [Role::Auditor].into_iter().collect();
    alice.person = admin.person.clone();
    alice.vouched_by = [admin.person.clone()].into_iter().collect();
    alice.disabled = true;
    let mut tx = store.begin().await.unwrap();
    user::update(&mut tx, &before, &alice).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(user::by_id(store, &alice.id).await.unwrap(), alice);
    let of_one = user::of_person(store, &admin.person).await.unwrap();
    assert_eq!(of_one, [alice, admin]);
}

pub async fn a_name_is_taken_once(db: Database) {
    let mut tx = db.store.begin().await.unwrap();
    user::insert(&mut tx, &sample::user("alice", &[Role::Admin]))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut tx = db.store.begin().await.unwrap();
    let again = user::insert(&mut tx, &sample::user("alice", &[])).await;
    assert!(
        matches!(again, Err(StoreError::Duplicate("user"))),
        "{again:?}"
    );
}

pub async fn a_change_of_what_somebody_else_changed_is_a_conflict(db: Database) {
    let store = &db.store;
    let read = sample::user("alice", &[Role::Admin]);
    let mut first = read.clone();
    first.email = None;
    let mut second = read.clone();
    second.roles.insert(Role::Auditor);
    let mut tx = store.begin().await.unwrap();
    user::insert(&mut tx, &read).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    user::update(&mut tx, &read, &first).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let late = user::update(&mut tx, &read, &second).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    tx.rollback().await.unwrap();
    assert_eq!(user::by_id(store, &read.id).await.unwrap(), first);
}

pub async fn the_last_admin_stays(db: Database) {
    let store = &db.store;
    let ann = sample::user("ann", &[Role::Admin, Role::Requester]);
    let bob = sample::user("bob", &[Role::Admin]);
    let mut disabled = sample::user("carl", &[Role::Admin]);
    disabled.disabled = true;
    let mut tx = store.begin().await.unwrap();
    for one in [&ann, &bob, &disabled] {
        user::insert(&mut tx, one).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(user::count_admins(store).await.unwrap(), 2);

    let mut demoted = bob.clone();
    demoted.roles.clear();
    let mut tx = store.begin().await.unwrap();
    user::update(&mut tx, &bob, &demoted).await.unwrap();
    tx.commit().await.unwrap();

    let mut off = ann.clone();
    off.disabled = true;
    let mut plain = ann.clone();
    plain.roles.remove(&Role::Admin);
    for after in [&off, &plain] {
        let mut tx = store.begin().await.unwrap();
        let refused = user::update(&mut tx, &ann, after).await;
        assert!(matches!(refused, Err(StoreError::LastAdmin)), "{refused:?}");
    }
    let mut tx = store.begin().await.unwrap();
    let refused = user::delete(&mut tx, &ann).await;
    assert!(matches!(refused, Err(StoreError::LastAdmin)), "{refused:?}");
    drop(tx);
    assert_eq!(user::by_id(store, &ann.id).await.unwrap(), ann);
}

pub async fn groups_and_their_members_read_back_from_both_sides(db: Database) {
    let store = &db.store;
    let ann = sample::user("ann", &[Role::Admin]);
    let bob = sample::user("bob", &[]);
    let mut leads = sample::group("dba-leads", &["bob", "ann"]);
    let empty = sample::group("empty", &[]);
    let mut tx = store.begin().await.unwrap();
    user::insert(&mut tx, &ann).await.unwrap();
    user::insert(&mut tx, &bob).await.unwrap();
    group::insert(&mut tx, &leads).await.unwrap();
    group::insert(&mut tx, &empty).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(group::by_name(store, &leads.name).await.unwrap(), leads);
    assert_eq!(
        group::list(store).await.unwrap(),
        [leads.clone(), empty.clone()]
    );
    let bob = user::by_id(store, &bob.id).await.unwrap();
    assert!(bob.groups.contains(&leads.name));

    // From the user's side.
    let mut moved = bob.clone();
    moved.groups = [empty.name.clone()].into_iter().collect();
    let mut tx = store.begin().await.unwrap();
    user::update(&mut tx, &bob, &moved).await.unwrap();
    tx.commit().await.unwrap();
    leads.members.remove(&bob.name);
    assert_eq!(group::by_name(store, &leads.name).await.unwrap(), leads);

    // From the group's side.
    let mut renamed = leads.clone();
    renamed.name = "leads".parse().unwrap();
    renamed.description = "changed".parse().unwrap();
    renamed.members = [bob.name.clone()].into_iter().collect();
    let mut tx = store.begin().await.unwrap();
    group::update(&mut tx, &leads, &renamed).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let late = group::update(&mut tx, &leads, &renamed).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    drop(tx);
    let bob = user::by_id(store, &bob.id).await.unwrap();
    assert_eq!(bob.groups.len(), 2);

    for (wrong, what) in [
        (sample::group("leads", &[]), "Duplicate"),
        (sample::group("other", &["nobody"]), "NotFound"),
    ] {
        let mut tx = store.begin().await.unwrap();
        let refused = group::insert(&mut tx, &wrong).await;
        assert!(format!("{refused:?}").contains(what), "{refused:?}");
    }
    let mut tx = store.begin().await.unwrap();
    group::delete(&mut tx, &renamed).await.unwrap();
    tx.commit().await.unwrap();
    let bob = user::by_id(store, &bob.id).await.unwrap();
    assert_eq!(bob.groups, moved.groups);
}

pub async fn a_key_belongs_to_one_user(db: Database) {
    let store = &db.store;
    let ann = sample::user("ann", &[Role::Admin]);
    let bob = sample::user("bob", &[]);
    let key = sample::ssh_key("SHA256:abc");
    let mut tx = store.begin().await.unwrap();
    user::insert(&mut tx, &ann).await.unwrap();
    user::insert(&mut tx, &bob).await.unwrap();
    ssh_key::insert(&mut tx, &ann.id, &key).await.unwrap();
    tx.commit().await.unwrap();
    let owner = user::by_key_fingerprint(store, "SHA256:abc").await.unwrap();
    assert_eq!(owner, ann);
    let keys = ssh_key::of_user(store, &ann.id).await.unwrap();
    assert_eq!(keys, std::slice::from_ref(&key));

    for user in [&bob.id, &ann.id] {
        let mut tx = store.begin().await.unwrap();
        let again = ssh_key::insert(&mut tx, user, &key).await;
        assert!(
            matches!(again, Err(StoreError::Duplicate("SSH key"))),
            "{again:?}"
        );
    }
    let stranger = sample::user("stranger", &[]);
    let mut tx = store.begin().await.unwrap();
    let refused = ssh_key::insert(&mut tx, &stranger.id, &sample::ssh_key("SHA256:x")).await;
    assert!(
        matches!(refused, Err(StoreError::NotFound("user"))),
        "{refused:?}"
    );
    drop(tx);

    let mut tx = store.begin().await.unwrap();
    let foreign = ssh_key::delete(&mut tx, &bob.id, "SHA256:abc").await;
    assert!(
        matches!(foreign, Err(StoreError::NotFound("SSH key"))),
        "{foreign:?}"
    );
    ssh_key::delete(&mut tx, &ann.id, "SHA256:abc")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let gone = user::by_key_fingerprint(store, "SHA256:abc").await;
    assert!(
        matches!(gone, Err(StoreError::NotFound("user"))),
        "{gone:?}"
    );
}

pub async fn a_password_hash_is_kept_and_taken_away(db: Database) {
    let store = &db.store;
    let ann = sample::user("ann", &[Role::Admin]);
    let mut tx = store.begin().await.unwrap();
    user::insert(&mut tx, &ann).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(user::password_hash(store, &ann.id).await.unwrap(), None);
    for hash in [Some("$argon2id$v=19$x"), None] {
        let mut tx = store.begin().await.unwrap();
        user::set_password(&mut tx, &ann.id, hash).await.unwrap();
        tx.commit().await.unwrap();
        let kept = user::password_hash(store, &ann.id).await.unwrap();
        assert_eq!(kept.as_deref(), hash);
    }
    let nobody = sample::user("nobody", &[]);
    let missing = user::password_hash(store, &nobody.id).await;
    assert!(
        matches!(missing, Err(StoreError::NotFound("user"))),
        "{missing:?}"
    );
    let mut tx = store.begin().await.unwrap();
    let missing = user::set_password(&mut tx, &nobody.id, None).await;
    assert!(
        matches!(missing, Err(StoreError::NotFound("user"))),
        "{missing:?}"
    );
}

pub async fn who_vouches_is_kept_credential_by_credential(db: Database) {
    let store = &db.store;
    let [ann, ben] = ["ann", "ben"].map(|name| sample::user(name, &[Role::Admin]));
    let mut puppet = sample::user("puppet", &[Role::Approver]);
    puppet.vouched_by = [ann.person.clone()].into_iter().collect();
    let vouchers = async |expected: &[&User]| {
        let found = user::by_id(store, &puppet.id).await.unwrap().vouched_by;
        let expected = expected.iter().map(|user| user.person.clone());
        assert_eq!(found, expected.collect());
    };
    let [given, own] = ["SHA256:given", "SHA256:own"].map(sample::ssh_key);
    let mut tx = store.begin().await.unwrap();
    for user in [&ann, &ben, &puppet] {
        user::insert(&mut tx, user).await.unwrap();
    }
    tx.commit().await.unwrap();
    vouchers(&[&ann]).await;

    let mut tx = store.begin().await.unwrap();
    let password = Credential::Password;
    voucher::given(&mut tx, &puppet.id, password, &ann.person)
        .await
        .unwrap();
    ssh_key::insert(&mut tx, &puppet.id, &own).await.unwrap();
    voucher::inherited(&mut tx, &puppet.id, &own.fingerprint)
        .await
        .unwrap();
    ssh_key::insert(&mut tx, &puppet.id, &given).await.unwrap();
    let key = Credential::Key(&given.fingerprint);
    voucher::given(&mut tx, &puppet.id, key, &ben.person)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    vouchers(&[&ann, &ben]).await;

    let mut tx = store.begin().await.unwrap();
    voucher::given(&mut tx, &puppet.id, password, &ben.person)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    vouchers(&[&ann, &ben]).await;
    let mut tx = store.begin().await.unwrap();
    ssh_key::delete(&mut tx, &puppet.id, &own.fingerprint)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    vouchers(&[&ben]).await;
}

pub async fn tokens_are_found_by_hash_and_removed(db: Database) {
    let store = &db.store;
    let ann = sample::user("ann", &[Role::Admin]);
    let first = sample::token(&ann, "laptop");
    let mut second = sample::token(&ann, "robot");
    second.created_at = sample::after(1);
    second.expires_at = sample::after(10);
    let mut tx = store.begin().await.unwrap();
    user::insert(&mut tx, &ann).await.unwrap();
    token::insert(&mut tx, &first, "aa").await.unwrap();
    token::insert(&mut tx, &second, "bb").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(token::by_hash(store, "aa").await.unwrap(), first);
    assert_eq!(token::by_id(store, &first.id).await.unwrap(), first);
    assert_eq!(
        token::of_user(store, &ann.id).await.unwrap(),
        [second.clone(), first.clone()],
        "newest first"
    );
    for unknown in ["", "AA", "aaa"] {
        let missing = token::by_hash(store, unknown).await;
        assert!(matches!(missing, Err(StoreError::NotFound("token"))));
    }

    // Used twice within a minute is written once.
    for (now, noted) in [(100, 100), (130, 100), (161, 161)] {
        let mut tx = store.begin().await.unwrap();
        let unless = sample::after(now - 60);
        token::touch(&mut tx, &first.id, sample::after(now), unless)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let used = token::by_hash(store, "aa").await.unwrap().last_used_at;
        assert_eq!(used, Some(sample::after(noted)));
    }

    let mut tx = store.begin().await.unwrap();
    let foreign = sample::user("bob", &[]);
    let untouched = token::delete_expired(&mut tx, &foreign.id, sample::after(10)).await;
    assert_eq!(untouched.unwrap(), 0, "it is another's");
    let gone = token::delete_expired(&mut tx, &ann.id, sample::after(10)).await;
    assert_eq!(gone.unwrap(), 1, "what expires at that time has expired");
    let refused = token::delete(&mut tx, &foreign.id, &first.id).await;
    assert!(matches!(refused, Err(StoreError::NotFound("token"))));
    token::delete(&mut tx, &ann.id, &first.id).await.unwrap();
    token::insert(&mut tx, &first, "aa").await.unwrap();
    token::insert(&mut tx, &second, "bb").await.unwrap();
    assert_eq!(token::delete_all(&mut tx, &ann.id).await.unwrap(), 2);
    tx.commit().await.unwrap();
    assert_eq!(token::of_user(store, &ann.id).await.unwrap(), []);
}

pub async fn people_are_listed_filtered_sorted_and_paged(db: Database) {
    let store = &db.store;
    let mut tx = store.begin().await.unwrap();
    let leads = sample::group("leads", &[]);
    group::insert(&mut tx, &leads).await.unwrap();
    for number in 0..25 {
        let mut one = sample::user(&format!("user{number:02}"), &[Role::Requester]);
        // Equal sort keys must not confuse the cursor.
        one.full_name = format!("Name {}", number % 3).parse().unwrap();
        if number % 5 == 0 {
            one.roles.insert(Role::Auditor);
            one.groups.insert(leads.name.clone());
        }
        one.disabled = number == 24;
        user::insert(&mut tx, &one).await.unwrap();
    }
    tx.commit().await.unwrap();

    for order in ["name", "-full_name", "created_at"] {
        let order: Order<user::Sort> = order.parse().unwrap();
        let mut names = Vec::new();
        let mut page = Page::of(7);
        loop {
            let part = user::list(store, &user::Filter::default(), order, &page)
                .await
                .unwrap();
            names.extend(part.items.into_iter().map(|one| one.name.to_string()));
            match part.next {
                None => break,
                // As a client carries it.
                next => page = Page::of(7).after(next.map(|c| c.to_string().parse().unwrap())),
            }
        }
        assert_eq!(names.len(), 25, "{order:?}");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 25, "{order:?}");
    }
    assert!("password_hash".parse::<Order<user::Sort>>().is_err());

    let count = async |filter: user::Filter| {
        let order = Order::ascending(user::Sort::Name);
        let page = Page::of(200);
        let part = user::list(store, &filter, order, &page).await.unwrap();
        part.items.len()
    };
    let filter = user::Filter::default;
    assert_eq!(
        count(user::Filter {
            role: Some(Role::Auditor),
            ..filter()
        })
        .await,
        5
    );
    assert_eq!(
        count(user::Filter {
            role: Some(Role::Admin),
            ..filter()
        })
        .await,
        0
    );
    assert_eq!(
        count(user::Filter {
            group: Some(leads.name),
            ..filter()
        })
        .await,
        5
    );
    assert_eq!(
        count(user::Filter {
            disabled: Some(true),
            ..filter()
        })
        .await,
        1
    );
    assert_eq!(
        count(user::Filter {
            disabled: Some(false),
            ..filter()
        })
        .await,
        24
    );
    for (text, expected) in [
        ("USER1", 10),
        ("name 1", 8),
        ("r%", 0),
        ("_", 0),
        ("@example", 25),
        ("a\0b", 0),
    ] {
        let filter = user::Filter {
            text: Some(text.to_owned()),
            ..filter()
        };
        assert_eq!(count(filter).await, expected, "{text}");
    }
}

pub async fn approvers_are_those_who_could_answer(db: Database) {
    let store = &db.store;
    let mut tx = store.begin().await.unwrap();
    for (name, role) in [
        ("ann", Role::Admin),
        ("bob", Role::Approver),
        ("carl", Role::Requester),
        ("dora", Role::Auditor),
    ] {
        user::insert(&mut tx, &sample::user(name, &[role]))
            .await
            .unwrap();
    }
    let mut off = sample::user("eve", &[Role::Approver]);
    off.disabled = true;
    user::insert(&mut tx, &off).await.unwrap();
    tx.commit().await.unwrap();
    let names: Vec<_> = user::approver_candidates(store)
        .await
        .unwrap()
        .into_iter()
        .map(|one| one.name.to_string())
        .collect();
    assert_eq!(names, ["ann", "bob"]);
}

pub async fn a_removed_user_leaves_no_key_and_no_token(db: Database) {
    let store = &db.store;
    let ann = sample::user("ann", &[Role::Admin]);
    let bob = sample::user("bob", &[]);
    let mut tx = store.begin().await.unwrap();
    user::insert(&mut tx, &ann).await.unwrap();
    user::insert(&mut tx, &bob).await.unwrap();
    group::insert(&mut tx, &sample::group("all", &[]))
        .await
        .unwrap();
    ssh_key::insert(&mut tx, &bob.id, &sample::ssh_key("SHA256:b"))
        .await
        .unwrap();
    token::insert(&mut tx, &sample::token(&bob, "t"), "bb")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    user::delete(&mut tx, &bob).await.unwrap();
    tx.commit().await.unwrap();
    assert!(token::by_hash(store, "bb").await.is_err());
    assert!(user::by_key_fingerprint(store, "SHA256:b").await.is_err());
    let mut tx = store.begin().await.unwrap();
    let again = user::delete(&mut tx, &bob).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
}

pub async fn a_cookie_ends_with_the_sign_in_it_came_out_of(db: Database) {
    let store = &db.store;
    let ann = sample::user("ann", &[Role::Requester]);
    let sign_in = sample::token(&ann, "console");
    let mut cookie = sample::token(&ann, "wiki");
    cookie.host = Some("wiki.door.localhost".to_owned());
    cookie.parent = Some(sign_in.id.clone());
    let mut robot = sample::token(&ann, "robot");
    robot.expires_at = sample::after(10);
    let mut tx = store.begin().await.unwrap();
    user::insert(&mut tx, &ann).await.unwrap();
    token::insert(&mut tx, &sign_in, "aa").await.unwrap();
    token::insert(&mut tx, &cookie, "bb").await.unwrap();
    token::insert(&mut tx, &robot, "cc").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(token::by_hash(store, "bb").await.unwrap(), cookie);

    let mut all = vec![sign_in.id.clone(), cookie.id.clone(), robot.id.clone()];
    let standing = token::standing(store, &all, sample::after(9)).await;
    assert_eq!(standing.unwrap(), all.iter().cloned().collect());
    // More than one statement names.
    all.extend((0..500).map(|_| sample::token(&ann, "never").id));
    let standing = token::standing(store, &all, sample::after(10))
        .await
        .unwrap();
    assert_eq!(standing.len(), 2, "the robot's is over");
    assert!(
        token::standing(store, &[], sample::NOW)
            .await
            .unwrap()
            .is_empty()
    );

    let mut tx = store.begin().await.unwrap();
    token::delete(&mut tx, &ann.id, &sign_in.id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(token::of_user(store, &ann.id).await.unwrap(), [robot]);
}

pub async fn a_code_is_spent_once_and_goes_with_its_sign_in(db: Database) {
    let store = &db.store;
    let ann = sample::user("ann", &[Role::Requester]);
    let sign_in = sample::token(&ann, "console");
    let over = |seconds| Handover {
        token: sign_in.id.clone(),
        host: "wiki.door.localhost".to_owned(),
        nonce_hash: "ff".to_owned(),
        path: "/a?b".to_owned(),
        expires_at: sample::after(seconds),
    };
    let mut tx = store.begin().await.unwrap();
    user::insert(&mut tx, &ann).await.unwrap();
    token::insert(&mut tx, &sign_in, "aa").await.unwrap();
    for (hash, seconds) in [("c1", 60), ("c2", 60), ("old", 5)] {
        handover::insert(&mut tx, &over(seconds), hash, sample::NOW)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(handover::by_hash(store, "c1").await.unwrap(), over(60));
    let mut tx = store.begin().await.unwrap();
    handover::spend(&mut tx, "c1").await.unwrap();
    let again = handover::spend(&mut tx, "c1").await;
    assert!(matches!(again, Err(StoreError::NotFound("code"))));
    handover::insert(&mut tx, &over(60), "c3", sample::after(5))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    for gone in ["c1", "old", "C2"] {
        assert!(handover::by_hash(store, gone).await.is_err(), "{gone}");
    }
    let mut tx = store.begin().await.unwrap();
    token::delete_all(&mut tx, &ann.id).await.unwrap();
    tx.commit().await.unwrap();
    assert!(handover::by_hash(store, "c2").await.is_err());
    let mut tx = store.begin().await.unwrap();
    let nobodys = handover::insert(&mut tx, &over(60), "c4", sample::NOW).await;
    assert!(matches!(nobodys, Err(StoreError::NotFound("token"))));
}
