//! Accounts: privileged identities on targets, and the secrets that are sealed into them.
//!
//! A secret goes in and never comes out here.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Api,
    auth::Caller,
    body::{At, Body},
    diff::FieldChange,
    error::Problem,
    page::List,
    query::Params,
    secret_text::SecretText,
    users::nullable,
    write,
};
use crate::{
    model::{
        checkout::Command,
        ids::AccountId,
        name::{AccountName, PolicyName, TargetName},
        principal::Principal,
        target::{Account, SecretKind, is_login},
        text::Text,
    },
    store::{self, Order, account::Sort, secret::SealedRow},
    tls::client,
    vault::{SecretField, entropy},
};

pub const FILTERS: &[(&str, &str)] = &[
    ("target", "those on this target"),
    ("policy", "those that name this policy"),
    ("disabled", "true or false"),
    ("q", "part of the name, the log-in or the description"),
];

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    name: AccountName,
    /// The user name at the target; left out, it is the name.
    login: Option<String>,
    targets: Vec<TargetName>,
    policy: Option<PolicyName>,
    #[serde(default)]
    description: Text,
    #[serde(default)]
    disabled: bool,
    secret: Option<NewSecret>,
}

/// What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountPatch {
    login: Option<String>,
    targets: Option<Vec<TargetName>>,
    /// Null takes it away: the target's policy rules.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<PolicyName>)]
    policy: Option<Option<PolicyName>>,
    description: Option<Text>,
    disabled: Option<bool>,
}

/// What the gateway signs in with at the target.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSecret {
    kind: SecretKind,
    /// The password, or the private key as PEM text, with its certificate where it has one.
    /// `ssh-ca` has none.
    value: Option<SecretText>,
    /// Of a private key that is encrypted.
    passphrase: Option<SecretText>,
}

pub async fn list(State(api): State<Api>, params: Params) -> Result<Json<List<Account>>, Problem> {
    let filter = store::account::Filter {
        target: params.read("target")?,
        policy: params.read("policy")?,
        disabled: params.yes("disabled")?,
        text: params.text("q").map(str::to_owned),
    };
    let (order, page) = write::page(&params, Order::ascending(Sort::Name))?;
    let listing = store::account::list(api.store(), &filter, order, &page).await?;
    Ok(Json(listing.into()))
}

pub async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<NewAccount>,
) -> Result<(StatusCode, Json<Account>), Problem> {
    let by = &caller.principal;
    let now = api.now();
    let mut account = Account {
        id: AccountId::new(now, entropy()),
        login: login(body.login.as_deref().unwrap_or(body.name.as_str()))?,
        name: body.name,
        targets: body.targets,
        policy: body.policy,
        secret: None,
        description: body.description,
        disabled: body.disabled,
        created_at: now,
    };
    let sealed = match &body.secret {
        Some(secret) => seal(&api, &account.id, secret)?,
        None => Vec::new(),
    };
    let mut tx = api.store().begin().await?;
    store::account::insert(&mut tx, &account).await?;
    if let Some(secret) = &body.secret {
        store::secret::put(&mut tx, &account.id, secret.kind, &sealed).await?;
        account.secret = Some(secret.kind);
    }
    let event = api.created(by, "account", &place(&account), &account);
    api.commit(tx, &event.about_account(&account.id)).await?;
    api.announce("account", &account.name);
    Ok((StatusCode::CREATED, Json(account)))
}

pub async fn show(State(api): State<Api>, At(id): At<AccountId>) -> Result<Json<Account>, Problem> {
    Ok(Json(store::account::by_id(api.store(), &id).await?))
}

pub async fn patch(
    State(api): State<Api>,
    caller: Caller,
    At(id): At<AccountId>,
    Body(body): Body<AccountPatch>,
) -> Result<Json<Account>, Problem> {
    let by = &caller.principal;
    let before = store::account::by_id(api.store(), &id).await?;
    let mut after = before.clone();
    if let Some(text) = body.login {
        after.login = login(&text)?;
    }
    if let Some(targets) = body.targets {
        after.targets = targets;
    }
    if let Some(policy) = body.policy {
        after.policy = policy;
    }
    if let Some(description) = body.description {
        after.description = description;
    }
    if let Some(disabled) = body.disabled {
        after.disabled = disabled;
    }
    if before != after {
        let mut tx = api.store().begin().await?;
        store::account::update(&mut tx, &before, &after).await?;
        let event = api.updated(by, "account", &place(&after), &before, &after);
        api.commit(tx, &event.about_account(&after.id)).await?;
        api.announce("account", &after.name);
    }
    follow(&api, by, &after).await?;
    Ok(Json(after))
}

pub async fn remove(
    State(api): State<Api>,
    caller: Caller,
    At(id): At<AccountId>,
) -> Result<StatusCode, Problem> {
    let by = &caller.principal;
    let account = store::account::by_id(api.store(), &id).await?;
    let mut tx = api.store().begin().await?;
    store::account::delete(&mut tx, &account).await?;
    let event = api.changed(by, "account", "delete", &place(&account), &[]);
    api.commit(tx, &event.about_account(&account.id)).await?;
    let message = format!("{} removed the account {}", by.name, account.name);
    api.lifecycle().withdraw_account(&id, &message).await?;
    api.announce("account", &account.name);
    Ok(StatusCode::NO_CONTENT)
}

pub async fn set_secret(
    State(api): State<Api>,
    caller: Caller,
    At(id): At<AccountId>,
    Body(secret): Body<NewSecret>,
) -> Result<StatusCode, Problem> {
    let account = store::account::by_id(api.store(), &id).await?;
    let sealed = seal(&api, &id, &secret)?;
    let mut tx = api.store().begin().await?;
    store::secret::put(&mut tx, &id, secret.kind, &sealed).await?;
    let kind = FieldChange {
        field: "secret".to_owned(),
        before: serde_json::json!(account.secret),
        after: serde_json::json!(secret.kind),
    };
    let name = place(&account);
    let event = api.changed(&caller.principal, "account", "set-secret", &name, &[kind]);
    api.commit(tx, &event.about_account(&id)).await?;
    api.announce("account", &account.name);
    Ok(StatusCode::NO_CONTENT)
}

/// The sealed fields of a secret that can be used.
pub(super) fn seal(
    api: &Api,
    id: &AccountId,
    secret: &NewSecret,
) -> Result<Vec<SealedRow>, Problem> {
    let value = match (&secret.value, secret.kind) {
        (None, SecretKind::SshCa) if secret.passphrase.is_none() => return Ok(Vec::new()),
        (_, SecretKind::SshCa) => {
            return Err(Problem::invalid(
                "value",
                "nothing is stored for ssh-ca; leave it out",
            ));
        }
        (Some(value), _) => value.expose(),
        (None, _) => return Err(Problem::invalid("value", "the secret is expected")),
    };
    let passphrase = secret.passphrase.as_ref().map(SecretText::expose);
    let mut fields = Vec::new();
    match secret.kind {
        SecretKind::Password | SecretKind::ClientCertificate if passphrase.is_some() => {
            return Err(Problem::invalid(
                "passphrase",
                "only an SSH private key has one; leave it out",
            ));
        }
        SecretKind::Password => fields.push((SecretField::Password, value)),
        SecretKind::SshKey => {
            // Tried here, where the person can still correct it, and not at the first session.
            russh::keys::decode_secret_key(value, passphrase).map_err(|_| {
                Problem::invalid(
                    "value",
                    "a private key in OpenSSH's or PKCS#8's PEM form is expected, with its passphrase if it has one",
                )
            })?;
            fields.push((SecretField::SshKey, value));
            fields.extend(passphrase.map(|text| (SecretField::Passphrase, text)));
        }
        SecretKind::ClientCertificate => {
            client::check(value.as_bytes(), api.now())
                .map_err(|why| Problem::invalid("value", why.to_string()))?;
            fields.push((SecretField::ClientCertificate, value));
        }
        SecretKind::SshCa => {}
    }
    fields
        .into_iter()
        .map(|(field, text)| {
            let sealed = api
                .sealer()
                .seal(id, field, text.as_bytes())
                .map_err(|error| Problem::fault("sealing a secret", &error))?;
            Ok(SealedRow {
                account: id.clone(),
                field: field.as_str().to_owned(),
                wrapped_key: sealed.wrapped_key,
                ciphertext: sealed.ciphertext,
                kek_id: sealed.kek_id,
            })
        })
        .collect()
}

/// Ends what an account may not have: all of it while disabled, and what is open on targets
/// that it is not on any more.
pub(super) async fn follow(api: &Api, by: &Principal, account: &Account) -> Result<(), Problem> {
    if account.disabled {
        let message = format!("{} disabled the account {}", by.name, account.name);
        api.lifecycle()
            .withdraw_account(&account.id, &message)
            .await?;
        return Ok(());
    }
    for open in store::checkout::open_of_account(api.store(), &account.id).await? {
        if !account.targets.contains(&open.target_name) {
            let message = format!(
                "{} took the account {} from {}",
                by.name, account.name, open.target_name
            );
            let command = Command::Withdraw {
                message: Text::ours(&message),
            };
            match api.lifecycle().command(&open.id, command).await {
                // One that has ended meanwhile is what was wanted.
                Ok(_) | Err(crate::lifecycle::LifecycleError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

pub(super) fn login(text: &str) -> Result<String, Problem> {
    if is_login(text) {
        Ok(text.to_owned())
    } else {
        Err(Problem::invalid(
            "login",
            "1 to 256 visible characters without blanks are expected, not beginning with -",
        ))
    }
}

/// `root@db1`, `root@db1,db2`: how people tell accounts of one name apart.
pub(super) fn place(account: &Account) -> String {
    let targets: Vec<_> = account.targets.iter().map(TargetName::as_str).collect();
    format!("{}@{}", account.name, targets.join(","))
}
