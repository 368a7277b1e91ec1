//! Targets, accounts, policies, where they meet, and sealed secrets.

use doorward::{
    model::{
        policy::Terms,
        refusal::Refusal,
        target::{Protocol, SecretKind},
        time::Span,
    },
    store::{Order, Page, StoreError, account, meta, place, policy, secret, target},
};

use crate::{database::Database, sample};

pub async fn targets_read_back_and_are_guarded(db: Database) {
    let store = &db.store;
    let mut db1 = sample::target("db1");
    let mut tx = store.begin().await.unwrap();
    target::insert(&mut tx, &db1).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(target::by_id(store, &db1.id).await.unwrap(), db1);
    assert_eq!(target::by_name(store, &db1.name).await.unwrap(), db1);

    let before = db1.clone();
    db1.name = "db2".parse().unwrap();
    db1.address = "[::1]:2222".parse().unwrap();
    db1.host_keys = vec!["a".to_owned(), "b, \"c\"".to_owned()];
    db1.policy = Some("default".parse().unwrap());
    db1.labels.clear();
    db1.disabled = true;
    db1.protocol = Protocol::Web;
    let web = r#"{"tls":true,"path":"/w/","host":"wiki:8080","sign_in":{"by":"basic"}}"#;
    db1.web = serde_json::from_str(web).unwrap();
    // Not together in one target, but that is not the store's to say.
    db1.rdp = serde_json::from_str(r#"{"security":"tls"}"#).unwrap();
    let mut tx = store.begin().await.unwrap();
    target::update(&mut tx, &before, &db1).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(target::by_id(store, &db1.id).await.unwrap(), db1);

    let mut tx = store.begin().await.unwrap();
    let late = target::update(&mut tx, &before, &db1).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    drop(tx);
    let mut lost = sample::target("db3");
    lost.policy = Some("no-such".parse().unwrap());
    let mut tx = store.begin().await.unwrap();
    let refused = target::insert(&mut tx, &lost).await;
    assert!(
        matches!(refused, Err(StoreError::NotFound("policy"))),
        "{refused:?}"
    );
    let again = target::insert(&mut tx, &sample::target("db2")).await;
    assert!(
        matches!(again, Err(StoreError::Duplicate("target"))),
        "{again:?}"
    );
    drop(tx);

    let mut tx = store.begin().await.unwrap();
    target::delete(&mut tx, &db1).await.unwrap();
    tx.commit().await.unwrap();
    let gone = target::by_id(store, &db1.id).await;
    assert!(
        matches!(gone, Err(StoreError::NotFound("target"))),
        "{gone:?}"
    );
}

pub async fn accounts_are_unique_on_a_target(db: Database) {
    let store = &db.store;
    let (db1, db2) = (sample::target("db1"), sample::target("db2"));
    let mut root = sample::account("root", &["db1", "db2"]);
    let mut tx = store.begin().await.unwrap();
    target::insert(&mut tx, &db1).await.unwrap();
    target::insert(&mut tx, &db2).await.unwrap();
    account::insert(&mut tx, &root).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(account::by_id(store, &root.id).await.unwrap(), root);

    for (other, what) in [
        (sample::account("root", &["db2"]), "Duplicate"),
        (sample::account("root", &["db9"]), "NotFound"),
    ] {
        let mut tx = store.begin().await.unwrap();
        let refused = account::insert(&mut tx, &other).await;
        assert!(format!("{refused:?}").contains(what), "{refused:?}");
    }
    let before = root.clone();
    root.name = "admin".parse().unwrap();
    root.login = "Administrator".to_owned();
    root.targets = vec!["db1".parse().unwrap()];
    root.policy = Some("default".parse().unwrap());
    root.disabled = true;
    let mut tx = store.begin().await.unwrap();
    account::update(&mut tx, &before, &root).await.unwrap();
    account::insert(&mut tx, &sample::account("root", &["db1", "db2"]))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let names = async |id| {
        let accounts = account::on_target(store, id).await.unwrap();
        let names = accounts.into_iter().map(|one| one.name.to_string());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(&db1.id).await, ["admin", "root"]);
    assert_eq!(names(&db2.id).await, ["root"]);

    let mut tx = store.begin().await.unwrap();
    let late = account::update(&mut tx, &before, &root).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    target::delete(&mut tx, &db1).await.unwrap();
    tx.commit().await.unwrap();
    let left = account::by_id(store, &root.id).await.unwrap();
    assert_eq!(left.targets, [], "the account stays, its target is gone");
    let mut tx = store.begin().await.unwrap();
    account::delete(&mut tx, &left).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(account::all(store).await.unwrap().len(), 1);
}

pub async fn one_policy_is_the_default(db: Database) {
    let store = &db.store;
    let first = policy::default(store).await.unwrap();
    assert_eq!(first.name.as_str(), "default");
    assert_eq!(first.terms, Terms::default());

    let terms = Terms {
        maximum_duration: Span::hours(9),
        ..Terms::default()
    };
    let mut second = sample::policy("production", terms);
    second.is_default = true;
    let mut tx = store.begin().await.unwrap();
    policy::insert(&mut tx, &second).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(policy::default(store).await.unwrap(), second);
    let first = policy::by_name(store, &first.name).await.unwrap();
    assert!(!first.is_default);

    let mut plain = second.clone();
    plain.is_default = false;
    let mut tx = store.begin().await.unwrap();
    let none_left = policy::update(&mut tx, &second, &plain).await;
    assert!(
        matches!(none_left, Err(StoreError::InUse { .. })),
        "{none_left:?}"
    );
    let none_left = policy::delete(&mut tx, &second).await;
    assert!(
        matches!(none_left, Err(StoreError::InUse { .. })),
        "{none_left:?}"
    );
    drop(tx);

    let mut again = first.clone();
    again.is_default = true;
    again.description = "back".parse().unwrap();
    let mut tx = store.begin().await.unwrap();
    policy::update(&mut tx, &first, &again).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        policy::list(store).await.unwrap(),
        [again.clone(), plain.clone()]
    );
    let mut tx = store.begin().await.unwrap();
    let late = policy::update(&mut tx, &second, &plain).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    policy::delete(&mut tx, &plain).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(policy::list(store).await.unwrap(), [again]);
    let twice = db
        .try_to_meddle("insert into policy values ('X', 'x', '', 1, '{}')")
        .await;
    assert!(twice.is_err(), "the schema holds it as well");
}

pub async fn a_policy_in_use_stays(db: Database) {
    let store = &db.store;
    let rules = sample::policy("rules", Terms::default());
    let mut db1 = sample::target("db1");
    db1.policy = Some(rules.name.clone());
    let mut tx = store.begin().await.unwrap();
    policy::insert(&mut tx, &rules).await.unwrap();
    target::insert(&mut tx, &db1).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let refused = policy::delete(&mut tx, &rules).await;
    assert!(
        matches!(refused, Err(StoreError::InUse { .. })),
        "{refused:?}"
    );
    drop(tx);
    // A rename is followed by what refers to it.
    let mut renamed = rules.clone();
    renamed.name = "renamed".parse().unwrap();
    let mut tx = store.begin().await.unwrap();
    policy::update(&mut tx, &rules, &renamed).await.unwrap();
    tx.commit().await.unwrap();
    let db1 = target::by_id(store, &db1.id).await.unwrap();
    assert_eq!(db1.policy, Some(renamed.name));
}

pub async fn a_place_is_found_or_refused_by_name(db: Database) {
    let store = &db.store;
    let asker = sample::requester("alice");
    let db1 = sample::target("db1");
    let name = |text: &str| text.parse().unwrap();
    let name_of_none = "nobody".parse().unwrap();
    let mut tx = store.begin().await.unwrap();
    target::insert(&mut tx, &db1).await.unwrap();
    tx.commit().await.unwrap();
    let found = place::find(store, &db1.name, None, &asker).await.unwrap();
    assert_eq!(found, Err(Refusal::NoAccount(db1.name.clone())));

    let root = sample::account("root", &["db1"]);
    let mut tx = store.begin().await.unwrap();
    account::insert(&mut tx, &root).await.unwrap();
    tx.commit().await.unwrap();
    let found = place::find(store, &db1.name, None, &asker)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((&found.target, &found.account), (&db1, &root));
    assert_eq!(found.policy.name.as_str(), "default");

    let mut tx = store.begin().await.unwrap();
    account::insert(&mut tx, &sample::account("backup", &["db1"]))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let which = place::find(store, &db1.name, None, &asker).await.unwrap();
    let accounts = vec!["backup".parse().unwrap(), "root".parse().unwrap()];
    assert_eq!(
        which,
        Err(Refusal::WhichAccount {
            target: db1.name.clone(),
            accounts
        })
    );
    let named = place::find(store, &db1.name, Some(&root.name), &asker)
        .await
        .unwrap();
    assert_eq!(named.unwrap().account, root);
    let wrong = place::find(store, &db1.name, Some(&name_of_none), &asker)
        .await
        .unwrap();
    assert!(
        matches!(wrong, Err(Refusal::NoSuchAccount { .. })),
        "{wrong:?}"
    );
    let unknown = place::find(store, &name("db9"), None, &asker)
        .await
        .unwrap();
    assert_eq!(unknown, Err(Refusal::NoSuchTarget("db9".to_owned())));
    assert_eq!(place::all(store).await.unwrap().len(), 2);
}

pub async fn the_accounts_policy_goes_before_the_targets(db: Database) {
    let store = &db.store;
    let asker = sample::requester("alice");
    let of_target = sample::policy("of-target", Terms::default());
    let of_account = sample::policy("of-account", Terms::default());
    let mut db1 = sample::target("db1");
    db1.policy = Some(of_target.name.clone());
    let mut root = sample::account("root", &["db1"]);
    root.policy = Some(of_account.name.clone());
    let plain = sample::account("plain", &["db1"]);
    let mut tx = store.begin().await.unwrap();
    policy::insert(&mut tx, &of_target).await.unwrap();
    policy::insert(&mut tx, &of_account).await.unwrap();
    target::insert(&mut tx, &db1).await.unwrap();
    account::insert(&mut tx, &root).await.unwrap();
    account::insert(&mut tx, &plain).await.unwrap();
    tx.commit().await.unwrap();
    for (account, policy) in [(&root, &of_account), (&plain, &of_target)] {
        let ruling = place::ruling(store, &db1, account).await.unwrap();
        assert_eq!(ruling, *policy);
        let found = place::find(store, &db1.name, Some(&account.name), &asker)
            .await
            .unwrap();
        assert_eq!(found.unwrap().policy, *policy);
    }
    let all = place::all(store).await.unwrap();
    let policies: Vec<_> = all.iter().map(|place| place.policy.name.as_str()).collect();
    assert_eq!(policies, ["of-target", "of-account"]);
}

pub async fn a_place_that_is_not_for_the_asker_is_not_found(db: Database) {
    let store = &db.store;
    let stranger = sample::requester("alice");
    let mut member = sample::requester("bob");
    member.groups = ["dba".parse().unwrap()].into_iter().collect();
    let closed = Terms {
        requesters: member.groups.clone(),
        ..Terms::default()
    };
    let closed = sample::policy("closed", closed);
    let mut db1 = sample::target("db1");
    db1.policy = Some(closed.name.clone());
    let mut tx = store.begin().await.unwrap();
    policy::insert(&mut tx, &closed).await.unwrap();
    target::insert(&mut tx, &db1).await.unwrap();
    tx.commit().await.unwrap();
    let hidden = Err(Refusal::NoSuchTarget("db1".to_owned()));
    let found = place::find(store, &db1.name, None, &stranger).await;
    assert_eq!(found.unwrap(), hidden, "without any account");
    let found = place::find(store, &db1.name, None, &member).await;
    assert_eq!(found.unwrap(), Err(Refusal::NoAccount(db1.name.clone())));

    let root = sample::account("root", &["db1"]);
    let mut backup = sample::account("backup", &["db1"]);
    let mut tx = store.begin().await.unwrap();
    account::insert(&mut tx, &root).await.unwrap();
    account::insert(&mut tx, &backup).await.unwrap();
    tx.commit().await.unwrap();
    for account in [None, Some(&root.name)] {
        let found = place::find(store, &db1.name, account, &stranger).await;
        assert_eq!(found.unwrap(), hidden);
    }
    // One of two is theirs: it is the only one there is.
    let before = backup.clone();
    backup.policy = Some("default".parse().unwrap());
    let mut tx = store.begin().await.unwrap();
    account::update(&mut tx, &before, &backup).await.unwrap();
    tx.commit().await.unwrap();
    let found = place::find(store, &db1.name, None, &stranger).await;
    assert_eq!(found.unwrap().unwrap().account, backup);
    let found = place::find(store, &db1.name, Some(&root.name), &stranger).await;
    assert!(matches!(found.unwrap(), Err(Refusal::NoSuchAccount { .. })));
}

pub async fn places_are_listed_filtered_and_paged(db: Database) {
    let store = &db.store;
    let mut tx = store.begin().await.unwrap();
    for number in 0..9 {
        let mut one = sample::target(&format!("t{number}"));
        one.disabled = number == 0;
        one.policy = (number == 1).then(|| "default".parse().unwrap());
        target::insert(&mut tx, &one).await.unwrap();
        let name = format!("a{}", number % 2);
        let mut account = sample::account(&name, &[&format!("t{number}")]);
        account.disabled = number == 2;
        account.policy = (number == 3).then(|| "default".parse().unwrap());
        account::insert(&mut tx, &account).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(target::all(store).await.unwrap().len(), 9);

    let targets = async |filter: target::Filter| {
        let mut names = Vec::new();
        let mut page = Page::of(4);
        loop {
            let order = Order::descending(target::Sort::Name);
            let part = target::list(store, &filter, order, &page).await.unwrap();
            names.extend(part.items.into_iter().map(|one| one.name.to_string()));
            if part.next.is_none() {
                break names;
            }
            page = Page::of(4).after(part.next);
        }
    };
    let filter = target::Filter::default;
    let all = targets(filter()).await;
    assert_eq!(
        (all.len(), all[0].as_str(), all[8].as_str()),
        (9, "t8", "t0")
    );
    assert_eq!(
        targets(target::Filter {
            disabled: Some(true),
            ..filter()
        })
        .await,
        ["t0"]
    );
    assert_eq!(
        targets(target::Filter {
            policy: Some("default".parse().unwrap()),
            ..filter()
        })
        .await,
        ["t1"]
    );
    assert_eq!(
        targets(target::Filter {
            protocol: Some(Protocol::Ssh),
            ..filter()
        })
        .await
        .len(),
        9
    );
    assert_eq!(
        targets(target::Filter {
            text: Some("T3.exam".into()),
            ..filter()
        })
        .await,
        ["t3"]
    );

    let accounts = async |filter: account::Filter| {
        let order = Order::ascending(account::Sort::Name);
        let part = account::list(store, &filter, order, &Page::of(5))
            .await
            .unwrap();
        let rest = Page::of(5).after(part.next.clone());
        match part.next {
            None => part.items.len(),
            Some(_) => {
                let rest = account::list(store, &filter, order, &rest).await.unwrap();
                part.items.len() + rest.items.len()
            }
        }
    };
    let filter = account::Filter::default;
    assert_eq!(accounts(filter()).await, 9);
    assert_eq!(
        accounts(account::Filter {
            target: Some("t4".parse().unwrap()),
            ..filter()
        })
        .await,
        1
    );
    assert_eq!(
        accounts(account::Filter {
            disabled: Some(false),
            ..filter()
        })
        .await,
        8
    );
    assert_eq!(
        accounts(account::Filter {
            policy: Some("default".parse().unwrap()),
            ..filter()
        })
        .await,
        1
    );
    assert_eq!(
        accounts(account::Filter {
            text: Some("A1".into()),
            ..filter()
        })
        .await,
        4
    );
}

pub async fn sealed_secrets_read_back_and_are_rewrapped_once(db: Database) {
    let store = &db.store;
    let root = sample::account("root", &[]);
    let mut tx = store.begin().await.unwrap();
    account::insert(&mut tx, &root).await.unwrap();
    tx.commit().await.unwrap();
    let key = sample::sealed(&root, "ssh-key", "old");
    let passphrase = sample::sealed(&root, "passphrase", "old");
    let mut tx = store.begin().await.unwrap();
    secret::put(
        &mut tx,
        &root.id,
        SecretKind::SshKey,
        &[key.clone(), passphrase.clone()],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let loaded = secret::load(store, &root.id).await.unwrap();
    assert_eq!(loaded, [passphrase.clone(), key.clone()]);
    let kind = account::by_id(store, &root.id).await.unwrap().secret;
    assert_eq!(kind, Some(SecretKind::SshKey));

    // Rewrapping: page by page, until nothing is under another key.
    assert_eq!(
        secret::wrapped_otherwise(store, "new", 1)
            .await
            .unwrap()
            .len(),
        1
    );
    for before in secret::wrapped_otherwise(store, "new", 10).await.unwrap() {
        let mut after = before.clone();
        after.kek_id = "new".to_owned();
        after.wrapped_key = vec![9; 40];
        let mut tx = store.begin().await.unwrap();
        secret::replace(&mut tx, &before, &after).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let twice = secret::replace(&mut tx, &before, &after).await;
        assert!(matches!(twice, Err(StoreError::Conflict)), "{twice:?}");
    }
    assert_eq!(
        secret::wrapped_otherwise(store, "new", 10).await.unwrap(),
        []
    );
    assert_eq!(secret::kek_ids(store).await.unwrap(), ["new"]);

    // A new secret replaces all fields of the one before.
    let password = sample::sealed(&root, "password", "new");
    let mut tx = store.begin().await.unwrap();
    secret::put(
        &mut tx,
        &root.id,
        SecretKind::Password,
        std::slice::from_ref(&password),
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(secret::load(store, &root.id).await.unwrap(), [password]);
    let stranger = sample::account("nobody", &[]);
    let mut tx = store.begin().await.unwrap();
    let refused = secret::put(&mut tx, &stranger.id, SecretKind::Password, &[]).await;
    assert!(
        matches!(refused, Err(StoreError::NotFound("account"))),
        "{refused:?}"
    );
}

pub async fn facts_of_the_installation_are_kept(db: Database) {
    let store = &db.store;
    assert_eq!(meta::read(store, meta::INSTALLATION).await.unwrap(), None);
    let mut tx = store.begin().await.unwrap();
    let first = meta::write_once(&mut tx, meta::INSTALLATION, "a")
        .await
        .unwrap();
    let second = meta::write_once(&mut tx, meta::INSTALLATION, "b")
        .await
        .unwrap();
    assert_eq!((first.as_str(), second.as_str()), ("a", "a"));
    meta::write(&mut tx, "other", "1").await.unwrap();
    meta::write(&mut tx, "other", "2").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        meta::read(store, "other").await.unwrap().as_deref(),
        Some("2")
    );
}
