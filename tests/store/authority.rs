//! The user authority: made once, whoever is first, and rewrapped.

use doorward::{
    model::time::Timestamp,
    store::{
        StoreError,
        authority::{self, AuthorityRow, Which},
        secret,
    },
};

use crate::database::Database;

pub async fn the_first_user_authority_stays_and_is_rewrapped_once(db: Database) {
    let store = &db.store;
    assert_eq!(authority::load(store, Which::User).await.unwrap(), None);
    let row = |key: &str, kek: &str| AuthorityRow {
        public_key: format!("ssh-ed25519 {key}"),
        wrapped: key.as_bytes().to_vec(),
        kek_id: kek.to_owned(),
    };
    let now = Timestamp::from_millis(1_000);
    let (first, second) = (row("first", "old"), row("second", "old"));
    for tried in [&first, &second] {
        let mut tx = store.begin().await.unwrap();
        let kept = authority::put_once(&mut tx, Which::User, tried, now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert_eq!(kept, first);
    }
    assert_eq!(secret::kek_ids(store).await.unwrap(), ["old"]);

    // Another key of the gateway's is another row.
    let other = authority::load(store, Which::WebIdentity).await;
    assert_eq!(other.unwrap(), None);

    let after = AuthorityRow {
        wrapped: b"again".to_vec(),
        kek_id: "new".to_owned(),
        ..first.clone()
    };
    let mut tx = store.begin().await.unwrap();
    authority::rewrap(&mut tx, Which::User, &first, &after)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        authority::load(store, Which::User).await.unwrap(),
        Some(after.clone())
    );
    let mut tx = store.begin().await.unwrap();
    let late = authority::rewrap(&mut tx, Which::User, &first, &after).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    drop(tx);
    assert_eq!(secret::kek_ids(store).await.unwrap(), ["new"]);
}
