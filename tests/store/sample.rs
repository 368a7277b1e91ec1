//! People, places and check-outs to test with. Ids count up, so that order is known.

use std::sync::atomic::{AtomicU64, Ordering};

use doorward::{
    model::{
        audit::{Actor, AuditEvent},
        checkout::{Ask, Checkout, Place},
        ids::{
            AccountId, CheckoutId, Code, GroupId, NodeId, PersonId, PolicyId, RecordingId,
            SessionId, TargetId, TokenId, UserId,
        },
        policy::{Policy, Terms},
        principal::{Principal, Proof, Role},
        recording::Recording,
        session::SessionRow,
        target::{Account, Protocol, SecretKind, Target},
        text::Text,
        time::{Span, Timestamp},
        user::{Group, SshKey, Token, User},
    },
    store::{self, Store, checkout::Insertion, recording::KeyRow, secret::SealedRow},
};

/// 2030-01-07T08:00:00Z, a Monday.
pub const NOW: Timestamp = Timestamp::from_millis(1_894_003_200_000);

/// That many seconds after `NOW`.
pub fn after(seconds: u64) -> Timestamp {
    NOW + Span::seconds(seconds)
}

fn entropy() -> [u8; 10] {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut entropy = [0; 10];
    entropy[2..].copy_from_slice(&count.to_be_bytes());
    entropy
}

macro_rules! new_ids {
    ($($name:ident $id:ident)*) => {$(
        pub fn $name() -> $id {
            $id::new(NOW, entropy())
        }
    )*};
}

new_ids! {
    checkout_id CheckoutId
    session_id SessionId
    node_id NodeId
    recording_id RecordingId
    token_id TokenId
}

/// A code that is not taken.
pub fn code() -> Code {
    let mut digits = entropy();
    digits.reverse();
    // Five bits of a byte become a digit; spread the count over them.
    let count = u64::from_be_bytes([0, 0, 0, 0, digits[3], digits[2], digits[1], digits[0]]);
    let digits = std::array::from_fn(|place| ((count >> (5 * place)) & 31) as u8);
    Code::new(8, digits)
}

pub fn user(name: &str, roles: &[Role]) -> User {
    let id = UserId::new(NOW, entropy());
    User {
        person: PersonId::from(&id),
        id,
        name: name.parse().unwrap(),
        full_name: format!("{name} of Example").parse().unwrap(),
        email: Some(format!("{name}@example.org")),
        roles: roles.iter().copied().collect(),
        groups: Default::default(),
        vouched_by: Default::default(),
        disabled: false,
        created_at: NOW,
    }
}

pub fn group(name: &str, members: &[&str]) -> Group {
    Group {
        id: GroupId::new(NOW, entropy()),
        name: name.parse().unwrap(),
        description: format!("the {name}").parse().unwrap(),
        members: members.iter().map(|name| name.parse().unwrap()).collect(),
    }
}

pub fn ssh_key(fingerprint: &str) -> SshKey {
    SshKey {
        fingerprint: fingerprint.to_owned(),
        public_key: format!("ssh-ed25519 {fingerprint}"),
        comment: "a laptop".parse().unwrap(),
        added_at: NOW,
    }
}

pub fn token(user: &User, label: &str) -> Token {
    Token {
        id: token_id(),
        user: user.id.clone(),
        label: label.parse().unwrap(),
        scopes: doorward::model::principal::Scope::ALL.into_iter().collect(),
        created_at: NOW,
        expires_at: after(3_600),
        last_used_at: None,
        host: None,
        parent: None,
        peer: None,
        proven_at: None,
        factor_at: None,
    }
}

pub fn policy(name: &str, terms: Terms) -> Policy {
    Policy {
        id: PolicyId::new(NOW, entropy()),
        name: name.parse().unwrap(),
        description: format!("the {name} rules").parse().unwrap(),
        is_default: false,
        terms,
    }
}

pub fn target(name: &str) -> Target {
    Target {
        id: TargetId::new(NOW, entropy()),
        name: name.parse().unwrap(),
        protocol: Protocol::Ssh,
        address: format!("{name}.example.org:22").parse().unwrap(),
        host_keys: vec!["ssh-ed25519 AAAA".to_owned()],
        web: None,
        rdp: None,
        policy: None,
        description: format!("machine {name}").parse().unwrap(),
        labels: vec!["linux".to_owned(), name.to_owned()],
        disabled: false,
        created_at: NOW,
    }
}

pub fn account(name: &str, targets: &[&str]) -> Account {
    Account {
        id: AccountId::new(NOW, entropy()),
        name: name.parse().unwrap(),
        login: name.to_owned(),
        targets: targets.iter().map(|name| name.parse().unwrap()).collect(),
        policy: None,
        secret: None,
        description: Text::default(),
        disabled: false,
        created_at: NOW,
    }
}

pub fn sealed(account: &Account, field: &str, kek_id: &str) -> SealedRow {
    SealedRow {
        account: account.id.clone(),
        field: field.to_owned(),
        wrapped_key: vec![0, 1, 254, 255],
        ciphertext: vec![7; 64],
        kek_id: kek_id.to_owned(),
    }
}

/// A place nobody wrote down: the history needs none.
pub fn place(name: &str, terms: Terms) -> Place {
    let target = target(name);
    let account = Account {
        secret: Some(SecretKind::Password),
        ..account("root", &[name])
    };
    Place {
        target,
        account,
        policy: policy("rules", terms),
    }
}

/// Terms that need one vote.
pub fn voted() -> Terms {
    Terms::default()
}

/// Terms that need no vote: a check-out is active at once.
pub fn open() -> Terms {
    Terms {
        approvals: Vec::new(),
        ..Terms::default()
    }
}

pub fn exclusive(terms: Terms) -> Terms {
    Terms {
        exclusive: true,
        ..terms
    }
}

pub fn ask() -> Ask {
    Ask {
        reason: "disk full on db1".parse().unwrap(),
        ticket: Some("CHG0012345".parse().unwrap()),
        ..Ask::default()
    }
}

pub fn requester(name: &str) -> Principal {
    user(name, &[Role::Requester]).principal(Proof::Password)
}

pub fn approver(name: &str) -> Principal {
    user(name, &[Role::Approver]).principal(Proof::Password)
}

pub fn request(by: &Principal, place: &Place, ask: Ask) -> Checkout {
    request_at(by, place, ask, NOW)
}

pub fn request_at(by: &Principal, place: &Place, ask: Ask, now: Timestamp) -> Checkout {
    Checkout::request(checkout_id(), code(), ask, by, place, now).expect("the terms take it")
}

/// Writes down who asks.
pub async fn enter_user(store: &Store, by: &Principal) -> User {
    let user = User {
        id: by.user.clone(),
        ..user(by.name.as_str(), &[Role::Requester])
    };
    let mut tx = store.begin().await.unwrap();
    store::user::insert(&mut tx, &user).await.unwrap();
    tx.commit().await.unwrap();
    user
}

/// Writes down a target and its account.
pub async fn enter_place(store: &Store, place: &Place) {
    let mut tx = store.begin().await.unwrap();
    store::target::insert(&mut tx, &place.target).await.unwrap();
    store::account::insert(&mut tx, &place.account)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// Writes a check-out that must be new.
pub async fn insert(store: &Store, checkout: &Checkout) {
    let mut tx = store.begin().await.unwrap();
    let insertion = store::checkout::insert(&mut tx, checkout).await.unwrap();
    assert!(matches!(insertion, Insertion::New), "{insertion:?}");
    tx.commit().await.unwrap();
}

/// An active check-out, written down.
pub async fn active(store: &Store, by: &Principal, place: &Place) -> Checkout {
    let checkout = request(by, place, ask());
    assert!(checkout.is_active());
    insert(store, &checkout).await;
    checkout
}

pub fn session(checkout: &Checkout, node: &NodeId) -> SessionRow {
    SessionRow {
        id: session_id(),
        checkout: checkout.id.clone(),
        user: checkout.requester.clone(),
        target: checkout.target.clone(),
        account: checkout.account.clone(),
        protocol: Protocol::Ssh,
        node: node.clone(),
        peer: "192.0.2.7:50022".to_owned(),
        client: "SSH-2.0-OpenSSH_9.2".to_owned(),
        opened_at: NOW,
        closed_at: None,
        outcome: None,
        message: String::new(),
        bytes_in: 0,
        bytes_out: 0,
    }
}

pub fn recording(session: &SessionRow) -> Recording {
    Recording {
        id: recording_id(),
        session: session.id.clone(),
        checkout: session.checkout.clone(),
        kind: "terminal".to_owned(),
        file: format!("2030/{}.cast", session.id),
        started_at: NOW,
        finished_at: None,
        bytes: 0,
        root: None,
        failure: None,
        keep_until: Some(after(60)),
        deleted_at: None,
    }
}

/// A key of a recording, as the vault would wrap it.
pub fn recording_key(kek_id: &str) -> KeyRow {
    KeyRow {
        wrapped_key: entropy().to_vec(),
        kek_id: kek_id.to_owned(),
    }
}

/// An event like no other: what is put in its place is never the same by chance.
pub fn event(kind: &str) -> AuditEvent {
    let number = u64::from_be_bytes(entropy()[2..].try_into().unwrap());
    let message = format!("something happened, {number}");
    AuditEvent::done(NOW, kind, Actor::Gateway, message)
}
