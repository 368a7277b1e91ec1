//! What a database of an earlier version becomes when it is opened by this one.

use doorward::{
    model::{ids::PersonId, principal::Role},
    store::{Store, ssh_key, user, voucher},
};
use sqlx::{AnyPool, AssertSqlSafe, Executor};

use crate::{database::Database, sample};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// The URL of a database as it was after that migration, holding what `statements` enter.
async fn at_version(db: &Database, version: i64, statements: &[String]) -> String {
    let url = if db.url.starts_with("postgres") {
        db.meddle("drop schema public cascade").await;
        db.meddle("create schema public").await;
        db.url.clone()
    } else {
        let url = format!("{}.before", db.url);
        std::fs::File::create_new(url.trim_start_matches("sqlite:")).unwrap();
        url
    };
    let pool = AnyPool::connect(&url).await.unwrap();
    MIGRATIONS.run_to(version, &pool).await.unwrap();
    for statement in statements {
        pool.execute(AssertSqlSafe(statement.clone()))
            .await
            .unwrap();
    }
    pool.close().await;
    url
}

/// Which credential the one voucher of before meant is not known.
pub async fn who_vouched_for_a_user_vouches_for_each_credential(db: Database) {
    let [ann, puppet, keyless] =
        ["ann", "puppet", "keyless"].map(|name| sample::user(name, &[Role::Approver]));
    let mut statements = Vec::new();
    for (user, vouched_by, hash) in [
        (&ann, "null".to_owned(), "'hash'"),
        (&puppet, format!("'{}'", ann.person), "'hash'"),
        (&keyless, format!("'{}'", ann.person), "null"),
    ] {
        statements.push(format!(
            "insert into users (id, name, full_name, requester, approver, auditor, admin, person,
                 vouched_by, password_hash, disabled, created_at)
             values ('{}', '{}', '', 0, 1, 0, 0, '{}', {vouched_by}, {hash}, 0, 1)",
            user.id, user.name, user.person
        ));
    }
    statements.push(format!(
        "insert into ssh_key (fingerprint, user_id, public_key, note, added_at)
         values ('SHA256:given', '{}', 'ssh-ed25519 AAAA', '', 1)",
        puppet.id
    ));
    let url = at_version(&db, 5, &statements).await;
    let store = Store::open(&url).await.unwrap();
    let vouchers = async |of: &doorward::model::user::User| {
        let found = user::by_id(&store, &of.id).await.unwrap().vouched_by;
        found.into_iter().collect::<Vec<PersonId>>()
    };
    assert_eq!(vouchers(&ann).await, []);
    assert_eq!(vouchers(&keyless).await, std::slice::from_ref(&ann.person));
    // One credential given anew does not clear the other.
    let ben = sample::user("ben", &[Role::Admin]);
    let mut tx = store.begin().await.unwrap();
    let password = voucher::Credential::Password;
    voucher::given(&mut tx, &puppet.id, password, &ben.person)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(vouchers(&puppet).await.contains(&ann.person));
    let mut tx = store.begin().await.unwrap();
    ssh_key::delete(&mut tx, &puppet.id, "SHA256:given")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(vouchers(&puppet).await, std::slice::from_ref(&ben.person));
    store.close().await;
}
