//! The file log.

use doorward::{
    model::file::{FileOp, FilePath, FileRecord, FileResult},
    store::{
        Order, Page, StoreError, file,
        session::{self, Opening},
    },
    vault::entropy,
};

use crate::{
    database::Database,
    sample::{self, after},
};

pub async fn files_are_entered_once_and_listed_in_their_order(db: Database) {
    let store = &db.store;
    let place = sample::place("db1", sample::open());
    let active = sample::active(store, &sample::requester("alice"), &place).await;
    let one = sample::session(&active, &sample::node_id());
    let record = |channel: u32, row: u8, at: u64, bytes: u64| {
        let mut unique: [u8; 10] = entropy();
        unique[0] = row;
        FileRecord {
            id: doorward::model::ids::FileId::new(after(at), unique),
            session: one.id.clone(),
            channel,
            recording: (row == 0).then(sample::recording_id),
            at: after(at),
            op: FileOp::Write,
            path: FilePath::from_bytes(b"/srv/a\n\xff\\ \xc3\xa4"),
            to: None,
            direction: FileOp::Write.direction(),
            bytes,
            sha256: Some("ab".repeat(32)),
            result: FileResult::Complete,
            detail: String::new(),
        }
    };
    let first = record(1, 0, 1, 10);
    let second = FileRecord {
        op: FileOp::Rename,
        to: Some(FilePath::from_bytes(b"/srv/b")),
        direction: None,
        sha256: None,
        result: FileResult::Failed,
        detail: "no such file".to_owned(),
        ..record(1, 1, 1, 0)
    };
    let third = record(2, 0, 2, u64::from(u32::MAX) + 1);

    let mut tx = store.begin().await.unwrap();
    let early = file::insert(&mut tx, &first).await;
    assert!(
        matches!(early, Err(StoreError::NotFound("session"))),
        "{early:?}"
    );
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    let opened = session::open(&mut tx, &one, None).await.unwrap();
    assert_eq!(opened, Opening::Opened);
    for record in [&third, &second, &first] {
        file::insert(&mut tx, record).await.unwrap();
        let changed = FileRecord {
            bytes: 77,
            ..record.clone()
        };
        file::insert(&mut tx, &changed).await.unwrap();
    }
    let end = file::ChannelEnd {
        session: one.id.clone(),
        channel: 1,
        at: after(3),
        entries: 2,
        root: "cd".repeat(32),
    };
    file::close_channel(&mut tx, &end).await.unwrap();
    let again = file::close_channel(&mut tx, &end).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    tx.commit().await.unwrap();

    let all = file::Filter {
        session: one.id.clone(),
        channel: None,
    };
    let order = Order::ascending(file::Sort::At);
    let list = file::list(store, &all, order, &Page::default()).await;
    let expected = [first.clone(), second.clone(), third.clone()];
    assert_eq!(list.unwrap().items, expected, "in the order of their ids");
    let largest = Order::descending(file::Sort::Bytes);
    let page = file::list(store, &all, largest, &Page::of(1))
        .await
        .unwrap();
    assert_eq!(page.items, std::slice::from_ref(&third));
    let rest = Page::of(5).after(page.next);
    let rest = file::list(store, &all, largest, &rest).await.unwrap();
    assert_eq!(rest.items, [first, second]);
    let of_second = file::Filter {
        channel: Some(2),
        ..all
    };
    let list = file::list(store, &of_second, order, &Page::default()).await;
    assert_eq!(list.unwrap().items, [third]);
}
