//! Channels: the ways on which people are told, and what goes which way.
//!
//! A secret goes in, and comes out once at most: what a webhook signs with, when it was made.

use std::collections::BTreeSet;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    auth::Caller,
    body::{At, Body},
    error::Problem,
    page::{List, Page},
    query::Params,
    secret_text::SecretText,
    write,
};
use crate::{
    model::{
        ids::{ChannelId, DeliveryId, NoticeId},
        name::{GroupName, TargetName},
        notice::{
            Channel, ChannelKind, ChannelName, Delivery, Email, Event, Hook, HookUrl, Notice,
            Scope, Security,
        },
        time::Timestamp,
    },
    notify::{hook_secret, signing_key},
    store::{
        self,
        channel::{SealedRow, Standing},
        delivery::New,
    },
    tls::client,
    vault::entropy,
};

/// More than anybody subscribes, and few enough to go through for each notice.
const MOST_SUBSCRIPTIONS: usize = 100;

/// The secret of a channel: of mail its password, of a webhook what it signs with (`whsec_…`),
/// of a chat its address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewChannel {
    name: ChannelName,
    kind: ChannelKind,
    #[serde(default)]
    disabled: bool,
    /// Which events; empty means all.
    #[serde(default)]
    events: BTreeSet<Event>,
    /// About which targets; empty, and no labels, means all.
    #[serde(default)]
    targets: BTreeSet<TargetName>,
    #[serde(default)]
    labels: BTreeSet<String>,
    /// Of requesters in these groups; empty means of all.
    #[serde(default)]
    groups: BTreeSet<GroupName>,
    email: Option<Email>,
    hook: Option<Hook>,
    /// Left out, a webhook is given one, which the answer shows once.
    secret: Option<SecretText>,
}

/// What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelPatch {
    disabled: Option<bool>,
    events: Option<BTreeSet<Event>>,
    targets: Option<BTreeSet<TargetName>>,
    labels: Option<BTreeSet<String>>,
    groups: Option<BTreeSet<GroupName>>,
    email: Option<Email>,
    hook: Option<Hook>,
    secret: Option<SecretText>,
}

/// A channel and how it does.
#[derive(Serialize, ToSchema)]
pub struct ChannelView {
    #[serde(flatten)]
    channel: Channel,
    /// On their way or waiting for another try.
    waiting: u64,
    /// Of the waiting, those that failed at least once.
    failing: u64,
    /// Given up.
    dead: u64,
    delivered_at: Option<Timestamp>,
    /// Why the newest that did not arrive did not.
    error: Option<String>,
    /// What a webhook signs with, in the answer that made it and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl ChannelView {
    fn of(channel: Channel, standing: Standing) -> Self {
        Self {
            channel,
            waiting: standing.waiting,
            failing: standing.failing,
            dead: standing.dead,
            delivered_at: standing.delivered_at,
            error: standing.error,
            secret: None,
        }
    }
}

pub async fn list(
    State(api): State<Api>,
    params: Params,
) -> Result<Json<List<ChannelView>>, Problem> {
    let page = Page::read(&params, &["name"])?;
    let channels = store::channel::list(api.store()).await?;
    let name = |channel: &Channel| channel.name.to_string();
    let List { items, next } = page.cut(channels, |channel, _| name(channel), name);
    let mut views = Vec::with_capacity(items.len());
    for channel in items {
        views.push(viewed(&api, channel).await?);
    }
    Ok(Json(List { items: views, next }))
}

pub async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<NewChannel>,
) -> Result<(StatusCode, Json<ChannelView>), Problem> {
    let now = api.now();
    let mut channel = Channel {
        id: ChannelId::new(now, entropy()),
        name: body.name,
        kind: body.kind,
        disabled: body.disabled,
        scope: Scope {
            events: body.events,
            targets: body.targets,
            labels: body.labels,
            groups: body.groups,
        },
        email: body.email,
        hook: body.hook,
        has_secret: false,
        created_at: now,
    };
    let mut made = None;
    let secret = match (&body.secret, channel.kind) {
        (Some(secret), _) => Some(secret.expose().to_owned().into()),
        (None, ChannelKind::Webhook) => {
            let secret = hook_secret();
            made = Some(secret.to_string());
            Some(secret)
        }
        (None, _) => None,
    };
    check(&channel, secret.is_some())?;
    let sealed = secret
        .map(|secret: zeroize::Zeroizing<String>| seal(&api, &channel, &secret))
        .transpose()?;
    channel.has_secret = sealed.is_some();
    let mut tx = api.store().begin().await?;
    store::channel::insert(&mut tx, &channel, sealed.as_ref()).await?;
    let event = api.created(
        &caller.principal,
        "channel",
        channel.name.as_str(),
        &channel,
    );
    api.commit(tx, &event).await?;
    api.announce("channel", &channel.name);
    let view = ChannelView {
        secret: made,
        ..ChannelView::of(channel, Standing::default())
    };
    Ok((StatusCode::CREATED, Json(view)))
}

pub async fn show(
    State(api): State<Api>,
    At(name): At<ChannelName>,
) -> Result<Json<ChannelView>, Problem> {
    let channel = store::channel::by_name(api.store(), &name).await?;
    viewed(&api, channel).await.map(Json)
}

pub async fn patch(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<ChannelName>,
    Body(body): Body<ChannelPatch>,
) -> Result<Json<ChannelView>, Problem> {
    let before = store::channel::by_name(api.store(), &name).await?;
    let mut after = before.clone();
    after.disabled = body.disabled.unwrap_or(after.disabled);
    let scope = &mut after.scope;
    scope.events = body.events.unwrap_or_else(|| scope.events.clone());
    scope.targets = body.targets.unwrap_or_else(|| scope.targets.clone());
    scope.labels = body.labels.unwrap_or_else(|| scope.labels.clone());
    scope.groups = body.groups.unwrap_or_else(|| scope.groups.clone());
    after.email = body.email.or(after.email);
    after.hook = body.hook.or(after.hook);
    if body.secret.is_none() && before.has_secret && leads_elsewhere(&before, &after) {
        return Err(Problem::invalid(
            "secret",
            "the password is for the server and the log-in it was set for; give it again",
        ));
    }
    check(&after, body.secret.is_some() || before.has_secret)?;
    let sealed = match &body.secret {
        Some(secret) => Some(seal(&api, &after, secret.expose())?),
        None => None,
    };
    after.has_secret |= sealed.is_some();
    if before != after || sealed.is_some() {
        let mut tx = api.store().begin().await?;
        store::channel::update(&mut tx, &before, &after).await?;
        if let Some(sealed) = &sealed {
            store::channel::set_secret(&mut tx, &after.id, sealed).await?;
        }
        let mut fields = super::diff::fields(&before, &after);
        if sealed.is_some() {
            fields.push(super::diff::FieldChange {
                field: "secret".to_owned(),
                before: serde_json::json!(before.has_secret),
                after: serde_json::json!("set"),
            });
        }
        let by = &caller.principal;
        let event = api.changed(by, "channel", "update", name.as_str(), &fields);
        api.commit(tx, &event).await?;
        api.announce("channel", &name);
    }
    viewed(&api, after).await.map(Json)
}

pub async fn remove(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<ChannelName>,
) -> Result<StatusCode, Problem> {
    let channel = store::channel::by_name(api.store(), &name).await?;
    let mut tx = api.store().begin().await?;
    store::channel::delete(&mut tx, &channel.id).await?;
    let event = api.changed(&caller.principal, "channel", "delete", name.as_str(), &[]);
    api.commit(tx, &event).await?;
    api.announce("channel", &name);
    Ok(StatusCode::NO_CONTENT)
}

/// Puts a test into the outbox: what sends it is what sends everything, and only there the
/// secret is opened.
pub async fn test(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<ChannelName>,
) -> Result<(StatusCode, Json<Delivery>), Problem> {
    let by = &caller.principal;
    let channel = store::channel::by_name(api.store(), &name).await?;
    if channel.disabled {
        let detail = format!("the channel {name} is disabled, and nothing goes there");
        return Err(Problem::conflict("disabled", detail).hint("enable it and try again"));
    }
    let recipient = match channel.kind {
        ChannelKind::Email => {
            let user = store::user::by_id(api.store(), &by.user).await?;
            user.email.ok_or_else(|| {
                let detail = "a test goes to your own address, and you have none";
                Problem::conflict("no-address", detail).hint("set your e-mail address")
            })?
        }
        _ => String::new(),
    };
    let now = api.now();
    let notice = Notice::test(NoticeId::new(now, entropy()), (&by.user, &by.name), now);
    let new = New {
        id: DeliveryId::new(now, entropy()),
        notice: notice.id.clone(),
        channel: channel.id.clone(),
        recipient,
        reader: None,
    };
    let mut tx = api.store().begin().await?;
    store::notice::insert(&mut tx, &notice).await?;
    store::notice::sort(&mut tx, &notice.id).await?;
    store::delivery::insert(&mut tx, &new, now).await?;
    let event = api.changed(by, "channel", "test", name.as_str(), &[]);
    api.commit(tx, &event).await?;
    api.announce("outbox", &new.id);
    let delivery = store::delivery::by_id(api.store(), &new.id).await?;
    Ok((StatusCode::ACCEPTED, Json(delivery)))
}

async fn viewed(api: &Api, channel: Channel) -> Result<ChannelView, Problem> {
    let standing = store::channel::standing(api.store(), &channel.id).await?;
    Ok(ChannelView::of(channel, standing))
}

/// Whether a sealed password would go to another place than the one it was given for.
fn leads_elsewhere(before: &Channel, after: &Channel) -> bool {
    let place = |channel: &Channel| {
        let email = channel.email.as_ref()?;
        let Email {
            relay,
            security,
            login,
            ca,
            ..
        } = email;
        Some((relay.clone(), *security, login.clone(), ca.clone()))
    };
    place(before) != place(after)
}

/// What can be said of a channel before anything is sent there.
fn check(channel: &Channel, has_secret: bool) -> Result<(), Problem> {
    if let Some(label) = channel.scope.labels.iter().find(|label| label.len() > 64) {
        write::line("labels", label, 64)?;
    }
    match channel.kind {
        ChannelKind::Email => {
            let email = channel.email.as_ref();
            let email = email.ok_or_else(|| {
                Problem::invalid("email", "the mail server's settings are expected")
            })?;
            if channel.hook.is_some() {
                return Err(Problem::invalid("hook", "mail has none; leave it out"));
            }
            check_email(email, has_secret)
        }
        kind => {
            if channel.email.is_some() {
                return Err(Problem::invalid("email", "only mail has it; leave it out"));
            }
            let hook = channel.hook.clone().unwrap_or_default();
            check_authority("hook.ca", hook.ca.as_deref())?;
            match (kind, &hook.url, has_secret) {
                (ChannelKind::Webhook, None, _) => {
                    Err(Problem::invalid("hook.url", "the address is expected"))
                }
                (ChannelKind::Webhook, Some(_), _) => Ok(()),
                (_, Some(_), _) => Err(Problem::invalid(
                    "hook.url",
                    "whoever knows the address of a chat can write there; give it as the secret",
                )),
                (_, None, false) => Err(Problem::invalid(
                    "secret",
                    "the address that the chat gave you is expected",
                )),
                (_, None, true) => Ok(()),
            }
        }
    }
}

fn check_email(email: &Email, has_secret: bool) -> Result<(), Problem> {
    let at = |problem: Problem| Problem::invalid("email.from", problem.detail());
    write::email(&email.from).map_err(at)?;
    check_authority("email.ca", email.ca.as_deref())?;
    if email.subscriptions.len() > MOST_SUBSCRIPTIONS {
        let detail = format!("at most {MOST_SUBSCRIPTIONS} are expected");
        return Err(Problem::invalid("email.subscriptions", detail));
    }
    match (&email.login, email.security, has_secret) {
        (Some(_), Security::None, _) => Err(Problem::invalid(
            "email.security",
            "a password does not go in the clear; choose starttls or tls, or leave out the log-in",
        )),
        (Some(login), _, true) => write::line("email.login", login, 254).map(drop),
        (Some(_), _, false) => Err(Problem::invalid(
            "secret",
            "the log-in's password is expected",
        )),
        (None, _, _) => Ok(()),
    }
}

fn check_authority(field: &str, pem: Option<&str>) -> Result<(), Problem> {
    match pem.map(|pem| client::believing(Some(pem))) {
        Some(Err(why)) => Err(Problem::invalid(field, why)),
        Some(Ok(_)) | None => Ok(()),
    }
}

/// The secret sealed for its channel, if it is one that can be used.
fn seal(api: &Api, channel: &Channel, secret: &str) -> Result<SealedRow, Problem> {
    match channel.kind {
        ChannelKind::Email => {}
        ChannelKind::Webhook => {
            signing_key(secret).map_err(|why| Problem::invalid("secret", why))?;
        }
        ChannelKind::Slack | ChannelKind::Teams => {
            let url: Result<HookUrl, _> = secret.trim().parse();
            url.map_err(|why| Problem::invalid("secret", why))?;
        }
    }
    let sealed = api
        .sealer()
        .seal_channel(&channel.id, secret.as_bytes())
        .map_err(|error| Problem::fault("sealing a channel's secret", &error))?;
    Ok(SealedRow {
        wrapped_key: sealed.wrapped_key,
        ciphertext: sealed.ciphertext,
        kek_id: sealed.kek_id,
    })
}
