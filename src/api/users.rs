//! The people: who may be made, changed, disabled and removed, by admins.
//!
//! Whoever gives another a password or a key vouches for them: their votes do not count for
//! the one who could have used it. Ending a user ends everything of theirs.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::{
    Api,
    auth::Caller,
    body::{At, Body},
    diff::FieldChange,
    error::Problem,
    keys::{self, NewKey, key_of},
    page::List,
    query::Params,
    secret_text::SecretText,
    write,
};
use crate::{
    identity::password::NewPassword,
    model::{
        ids::{PersonId, UserId},
        name::{GroupName, UserName},
        principal::{Principal, Role, Roles},
        text::Text,
        user::{SshKey, User},
    },
    store::{self, Order, Tx, user::Sort, voucher::Credential},
    vault::entropy,
};

pub const FILTERS: &[(&str, &str)] = &[
    ("role", "requester, approver, auditor or admin"),
    ("group", "members of this group"),
    ("disabled", "true or false"),
    ("q", "part of the name, the full name or the address"),
];

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    name: UserName,
    #[serde(default)]
    full_name: Text,
    email: Option<String>,
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeSet<Role>)]
    roles: Roles,
    #[serde(default)]
    groups: std::collections::BTreeSet<GroupName>,
    password: Option<SecretText>,
    /// The name of another user of the same human being.
    person: Option<UserName>,
}

/// What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPatch {
    full_name: Option<Text>,
    /// Null takes it away.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    email: Option<Option<String>>,
    #[schema(value_type = Option<std::collections::BTreeSet<Role>>)]
    roles: Option<Roles>,
    groups: Option<std::collections::BTreeSet<GroupName>>,
    disabled: Option<bool>,
    person: Option<UserName>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordReset {
    new: SecretText,
}

/// Left out is `None`, null is `Some(None)`.
pub fn nullable<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

pub async fn list(State(api): State<Api>, params: Params) -> Result<Json<List<User>>, Problem> {
    let filter = store::user::Filter {
        role: params.read("role")?,
        group: params.read("group")?,
        disabled: params.yes("disabled")?,
        text: params.text("q").map(str::to_owned),
    };
    let (order, page) = write::page(&params, Order::ascending(Sort::Name))?;
    let listing = store::user::list(api.store(), &filter, order, &page).await?;
    Ok(Json(listing.into()))
}

pub async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<NewUser>,
) -> Result<(StatusCode, Json<User>), Problem> {
    let by = &caller.principal;
    let now = api.now();
    let id = UserId::new(now, entropy());
    let user = User {
        person: person(&api, body.person.as_ref(), &id).await?,
        id,
        name: body.name,
        full_name: body.full_name,
        email: body.email.as_deref().map(write::email).transpose()?,
        roles: body.roles,
        groups: body.groups,
        vouched_by: [by.person.clone()].into_iter().collect(),
        disabled: false,
        created_at: now,
    };
    let hash = match &body.password {
        Some(password) => Some(hash(&api, "password", password).await?),
        None => None,
    };
    let mut tx = api.store().begin().await?;
    store::user::insert(&mut tx, &user).await?;
    if let Some(hash) = &hash {
        store::user::set_password(&mut tx, &user.id, Some(hash)).await?;
        store::voucher::given(&mut tx, &user.id, Credential::Password, &by.person).await?;
    }
    let event = api.created(by, "user", user.name.as_str(), &user);
    api.commit(tx, &event.about_user(&user.id)).await?;
    api.announce("user", &user.name);
    Ok((StatusCode::CREATED, Json(user)))
}

pub async fn show(State(api): State<Api>, At(name): At<UserName>) -> Result<Json<User>, Problem> {
    Ok(Json(store::user::by_name(api.store(), &name).await?))
}

pub async fn patch(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<UserName>,
    Body(body): Body<UserPatch>,
) -> Result<Json<User>, Problem> {
    let before = store::user::by_name(api.store(), &name).await?;
    let mut after = before.clone();
    if let Some(full_name) = body.full_name {
        after.full_name = full_name;
    }
    if let Some(email) = body.email {
        after.email = email.as_deref().map(write::email).transpose()?;
    }
    if let Some(roles) = body.roles {
        after.roles = roles;
    }
    if let Some(groups) = body.groups {
        after.groups = groups;
    }
    if let Some(disabled) = body.disabled {
        after.disabled = disabled;
    }
    if body.person.is_some() {
        let person = person(&api, body.person.as_ref(), &before.id).await?;
        after = rehomed(after, person, &caller.principal)?;
    }
    save(&api, &caller.principal, &before, &after).await?;
    Ok(Json(after))
}

pub async fn disable(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<UserName>,
) -> Result<Json<User>, Problem> {
    let before = store::user::by_name(api.store(), &name).await?;
    let after = User {
        disabled: true,
        ..before.clone()
    };
    save(&api, &caller.principal, &before, &after).await?;
    Ok(Json(after))
}

pub async fn enable(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<UserName>,
) -> Result<Json<User>, Problem> {
    let before = store::user::by_name(api.store(), &name).await?;
    let after = User {
        disabled: false,
        ..before.clone()
    };
    save(&api, &caller.principal, &before, &after).await?;
    Ok(Json(after))
}

pub async fn remove(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<UserName>,
) -> Result<StatusCode, Problem> {
    let by = &caller.principal;
    let user = store::user::by_name(api.store(), &name).await?;
    let mut tx = api.store().begin().await?;
    store::user::delete(&mut tx, &user).await?;
    let event = api.changed(by, "user", "delete", name.as_str(), &[]);
    api.commit(tx, &event.about_user(&user.id)).await?;
    let message = format!("{} removed the user {name}", by.name);
    api.lifecycle().withdraw_user(&user.id, &message).await?;
    api.announce("user", &name);
    Ok(StatusCode::NO_CONTENT)
}

pub async fn set_password(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<UserName>,
    Body(body): Body<PasswordReset>,
) -> Result<StatusCode, Problem> {
    let by = &caller.principal;
    let before = store::user::by_name(api.store(), &name).await?;
    let hash = hash(&api, "new", &body.new).await?;
    let mut tx = api.store().begin().await?;
    store::user::update(&mut tx, &before, &before).await?;
    store::user::set_password(&mut tx, &before.id, Some(&hash)).await?;
    vouch(&mut tx, &before, Credential::Password, by).await?;
    // Whoever was signed in with the old password is not any more.
    store::token::delete_all(&mut tx, &before.id).await?;
    let event = api.changed(by, "user", "set-password", name.as_str(), &[]);
    api.commit(tx, &event.about_user(&before.id)).await?;
    api.announce("user", &name);
    Ok(StatusCode::NO_CONTENT)
}

pub async fn keys(
    State(api): State<Api>,
    At(name): At<UserName>,
) -> Result<Json<List<SshKey>>, Problem> {
    let user = store::user::by_name(api.store(), &name).await?;
    let items = store::ssh_key::of_user(api.store(), &user.id).await?;
    Ok(Json(List { items, next: None }))
}

pub async fn add_key(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<UserName>,
    Body(body): Body<NewKey>,
) -> Result<(StatusCode, Json<SshKey>), Problem> {
    let by = &caller.principal;
    let key = body.read(api.now())?;
    let before = store::user::by_name(api.store(), &name).await?;
    keys::room(&api, &before.id).await?;
    let mut tx = api.store().begin().await?;
    store::user::update(&mut tx, &before, &before).await?;
    store::ssh_key::insert(&mut tx, &before.id, &key).await?;
    vouch(&mut tx, &before, Credential::Key(&key.fingerprint), by).await?;
    let event = api.changed(by, "user", "add-key", name.as_str(), &key_of(&key));
    api.commit(tx, &event.about_user(&before.id)).await?;
    api.announce("user", &name);
    Ok((StatusCode::CREATED, Json(key)))
}

pub async fn remove_key(
    State(api): State<Api>,
    caller: Caller,
    At((name, fingerprint)): At<(UserName, String)>,
) -> Result<StatusCode, Problem> {
    let user = store::user::by_name(api.store(), &name).await?;
    forget_key(&api, &caller.principal, &user, &fingerprint).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a key away from its user, who may be the caller.
pub(super) async fn forget_key(
    api: &Api,
    by: &Principal,
    user: &User,
    fingerprint: &str,
) -> Result<(), Problem> {
    let mut tx = api.store().begin().await?;
    store::ssh_key::delete(&mut tx, &user.id, fingerprint).await?;
    let gone = FieldChange {
        field: "fingerprint".to_owned(),
        before: fingerprint.into(),
        after: serde_json::Value::Null,
    };
    let event = api.changed(by, "user", "remove-key", user.name.as_str(), &[gone]);
    api.commit(tx, &event.about_user(&user.id)).await?;
    api.announce("user", &user.name);
    Ok(())
}

/// The hash of a password that may be used.
pub(super) async fn hash(
    api: &Api,
    field: &'static str,
    password: &SecretText,
) -> Result<String, Problem> {
    let password = NewPassword::new(password.expose().to_owned())
        .map_err(|why| Problem::invalid(field, why))?;
    Ok(api.identity().passwords().hash(password).await.to_string())
}

/// Writes a change of a user with its audit event, and ends what it takes away.
pub(super) async fn save(
    api: &Api,
    by: &Principal,
    before: &User,
    after: &User,
) -> Result<(), Problem> {
    if before != after {
        let mut tx = api.store().begin().await?;
        store::user::update(&mut tx, before, after).await?;
        let event = api.updated(by, "user", after.name.as_str(), before, after);
        api.commit(tx, &event.about_user(&after.id)).await?;
        api.announce("user", &after.name);
    }
    follow(api, by, before, after).await
}

/// Ends what a user may no longer have. Also when nothing has changed, so that a second try
/// finishes what a first one began.
pub(super) async fn follow(
    api: &Api,
    by: &Principal,
    before: &User,
    after: &User,
) -> Result<(), Problem> {
    let may_use = |user: &User| !user.disabled && user.roles.contains(&Role::Requester);
    let message = if after.disabled {
        format!("{} disabled the user {}", by.name, after.name)
    } else if may_use(before) && !may_use(after) {
        format!("{} took the role requester from {}", by.name, after.name)
    } else {
        return Ok(());
    };
    api.lifecycle().withdraw_user(&after.id, &message).await?;
    Ok(())
}

/// Writes down who has had a new credential of a user in hand.
///
/// INVARIANT: whoever gives one vouches until somebody else gives it anew. What a user gives
/// themselves clears nothing: whoever knew the password they signed in with could have done so.
pub(super) async fn vouch(
    tx: &mut Tx,
    user: &User,
    credential: Credential<'_>,
    by: &Principal,
) -> Result<(), Problem> {
    match credential {
        _ if by.user != user.id => {
            store::voucher::given(tx, &user.id, credential, &by.person).await?;
        }
        Credential::Key(fingerprint) => {
            store::voucher::inherited(tx, &user.id, fingerprint).await?;
        }
        Credential::Password => {}
    }
    Ok(())
}

/// The same user as another human being's.
///
/// INVARIANT: nobody moves a user of their own person away from them, and whoever moves
/// another's vouches for them: a second account must not become an independent approver.
pub(super) fn rehomed(user: User, person: PersonId, by: &Principal) -> Result<User, Problem> {
    if user.person == person {
        return Ok(user);
    }
    if user.person == by.person {
        return Err(Problem::invalid(
            "person",
            "this user is yours: only another admin can say that it is somebody else's",
        ));
    }
    let mut user = user;
    user.vouched_by.insert(by.person.clone());
    user.person = person;
    Ok(user)
}

/// The human being a user belongs to: that of another user, or one of their own.
pub(super) async fn person(
    api: &Api,
    same_as: Option<&UserName>,
    id: &UserId,
) -> Result<PersonId, Problem> {
    let Some(name) = same_as else {
        return Ok(PersonId::from(id));
    };
    match store::user::by_name(api.store(), name).await {
        Ok(user) => Ok(user.person),
        Err(store::StoreError::NotFound(_)) => {
            Err(Problem::invalid("person", "the name of a user is expected"))
        }
        Err(error) => Err(error.into()),
    }
}
