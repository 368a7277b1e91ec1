//! Targets: what people reach through the gateway, and what asking for one takes.
//!
//! Admins and auditors see all; everybody else sees what they may ask for and no more.

use std::collections::BTreeSet;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    auth::Caller,
    body::{At, Body},
    error::Problem,
    keys,
    page::{List, Page},
    query::Params,
    sight,
    users::nullable,
    write,
};
use crate::{
    model::{
        checkout::Place,
        ids::{AccountId, TargetId},
        name::{AccountName, PermissionSet, PolicyName, TargetName, UserName},
        policy::{Mode, Reveal},
        principal::{Principal, Proof},
        rdp::Rdp,
        recording::RecordingMode,
        target::{Address, Protocol, Target},
        text::Text,
        ticket::TicketPattern,
        time::Span,
        user::User,
        web::Web,
    },
    store,
    vault::entropy,
};

pub const FILTERS: &[(&str, &str)] = &[
    ("protocol", "ssh, web or rdp"),
    ("policy", "those that name this policy"),
    ("label", "those that have this label"),
    ("disabled", "true or false"),
    (
        "q",
        "part of the name, the address, the description or a label",
    ),
];

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTarget {
    name: TargetName,
    /// Left out, it is `web` or `rdp` where one of these is given, and `ssh` otherwise.
    protocol: Option<Protocol>,
    address: Address,
    /// Of SSH, OpenSSH's one-line form. Of a web target with TLS and of RDP, `sha256//BASE64` of its
    /// public key, or `@cert-authority BASE64` of an authority's certificate. None pinned means
    /// that nobody gets through.
    #[serde(default)]
    host_keys: Vec<String>,
    web: Option<Web>,
    rdp: Option<Rdp>,
    policy: Option<PolicyName>,
    #[serde(default)]
    description: Text,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    disabled: bool,
}

/// What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetPatch {
    address: Option<Address>,
    host_keys: Option<Vec<String>>,
    /// All of it: what is left out inside has its default.
    web: Option<Web>,
    /// All of it, likewise.
    rdp: Option<Rdp>,
    /// Null takes it away: the default policy rules.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<PolicyName>)]
    policy: Option<Option<PolicyName>>,
    description: Option<Text>,
    labels: Option<Vec<String>>,
    disabled: Option<bool>,
}

/// A target, and what asking for each of its accounts takes.
#[derive(Serialize, ToSchema)]
pub struct TargetView {
    #[serde(flatten)]
    target: Target,
    accounts: Vec<AccountForm>,
}

/// What a form needs to know to ask for an account on a target.
#[derive(Serialize, ToSchema)]
pub struct AccountForm {
    id: AccountId,
    name: AccountName,
    policy: PolicyName,
    /// Whether the caller may ask for it now.
    may_ask: bool,
    reason: Mode,
    ticket: Mode,
    ticket_pattern: Option<TicketPattern>,
    minimum_duration: Span,
    default_duration: Span,
    maximum_duration: Span,
    duration_presets: Vec<Span>,
    custom_window: bool,
    votes_needed: u32,
    approver_choice: bool,
    /// Who may answer the caller's request; told of a single target only.
    #[serde(skip_serializing_if = "Option::is_none")]
    approvers: Option<Vec<UserName>>,
    exclusive: bool,
    reveal: bool,
    permission_sets: BTreeSet<PermissionSet>,
    recording: RecordingMode,
}

pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
) -> Result<Json<List<TargetView>>, Problem> {
    let page = Page::read(&params, &["name", "address", "protocol", "created_at"])?;
    let protocol: Option<Protocol> = params.read("protocol")?;
    let policy: Option<PolicyName> = params.read("policy")?;
    let disabled = params.yes("disabled")?;
    let label = params.text("label");
    let text = params.text("q").map(str::to_lowercase);
    let wanted = |target: &Target| {
        protocol.is_none_or(|protocol| target.protocol == protocol)
            && (policy.is_none() || target.policy == policy)
            && disabled.is_none_or(|disabled| target.disabled == disabled)
            && label.is_none_or(|label| target.labels.iter().any(|own| own == label))
            && text.as_ref().is_none_or(|text| mentions(target, text))
    };
    let by = &caller.principal;
    let targets = store::target::all(api.store()).await?;
    let places = store::place::all(api.store()).await?;
    let views = targets
        .into_iter()
        .filter(wanted)
        .filter_map(|target| view(by, target, &places))
        .collect();
    let key = |view: &TargetView, field: &str| match field {
        "address" => view.target.address.to_string(),
        "protocol" => view.target.protocol.to_string(),
        "created_at" => view.target.created_at.to_string(),
        _ => view.target.name.to_string(),
    };
    Ok(Json(
        page.cut(views, key, |view| view.target.name.to_string()),
    ))
}

pub async fn show(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<TargetName>,
) -> Result<Json<TargetView>, Problem> {
    let target = store::target::by_name(api.store(), &name).await?;
    let mut places = Vec::new();
    for account in store::account::on_target(api.store(), &target.id).await? {
        let policy = store::place::ruling(api.store(), &target, &account).await?;
        places.push(Place {
            target: target.clone(),
            account,
            policy,
        });
    }
    let by = &caller.principal;
    let mut view = view(by, target, &places).ok_or_else(|| Problem::not_found("target"))?;
    let candidates = store::user::approver_candidates(api.store()).await?;
    for form in &mut view.accounts {
        let place = places.iter().find(|place| place.account.id == form.id);
        form.approvers = place.map(|place| answerers(by, place, &candidates));
    }
    Ok(Json(view))
}

pub async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<NewTarget>,
) -> Result<(StatusCode, Json<Target>), Problem> {
    let now = api.now();
    let protocol = body.protocol.unwrap_or(match (&body.web, &body.rdp) {
        (Some(_), _) => Protocol::Web,
        (None, Some(_)) => Protocol::Rdp,
        (None, None) => Protocol::Ssh,
    });
    let target = Target {
        id: TargetId::new(now, entropy()),
        name: body.name,
        protocol,
        address: body.address,
        host_keys: keys::pins(protocol, body.host_keys)?,
        web: body.web,
        rdp: body.rdp,
        policy: body.policy,
        description: body.description,
        labels: write::labels(body.labels)?,
        disabled: body.disabled,
        created_at: now,
    };
    is_whole(&target).map_err(|why| Problem::invalid("web", why))?;
    let mut tx = api.store().begin().await?;
    store::target::insert(&mut tx, &target).await?;
    let event = api.created(&caller.principal, "target", target.name.as_str(), &target);
    api.commit(tx, &event.about_target(&target.id)).await?;
    api.announce("target", &target.name);
    Ok((StatusCode::CREATED, Json(target)))
}

pub async fn patch(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<TargetName>,
    Body(body): Body<TargetPatch>,
) -> Result<Json<Target>, Problem> {
    let by = &caller.principal;
    let before = store::target::by_name(api.store(), &name).await?;
    let mut after = before.clone();
    if let Some(address) = body.address {
        after.address = address;
    }
    if let Some(host_keys) = body.host_keys {
        after.host_keys = keys::pins(after.protocol, host_keys)?;
    }
    if let Some(web) = body.web {
        after.web = Some(web);
    }
    if let Some(rdp) = body.rdp {
        after.rdp = Some(rdp);
    }
    is_whole(&after).map_err(|why| Problem::invalid("web", why))?;
    if let Some(policy) = body.policy {
        after.policy = policy;
    }
    if let Some(description) = body.description {
        after.description = description;
    }
    if let Some(labels) = body.labels {
        after.labels = write::labels(labels)?;
    }
    if let Some(disabled) = body.disabled {
        after.disabled = disabled;
    }
    if before != after {
        let mut tx = api.store().begin().await?;
        store::target::update(&mut tx, &before, &after).await?;
        let event = api.updated(by, "target", name.as_str(), &before, &after);
        api.commit(tx, &event.about_target(&after.id)).await?;
        api.announce("target", &name);
    }
    follow(&api, by, &after).await?;
    Ok(Json(after))
}

pub async fn remove(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<TargetName>,
) -> Result<StatusCode, Problem> {
    let by = &caller.principal;
    let target = store::target::by_name(api.store(), &name).await?;
    let mut tx = api.store().begin().await?;
    store::target::delete(&mut tx, &target).await?;
    let event = api.changed(by, "target", "delete", name.as_str(), &[]);
    api.commit(tx, &event.about_target(&target.id)).await?;
    let message = format!("{} removed the target {name}", by.name);
    api.lifecycle()
        .withdraw_target(&target.id, &message)
        .await?;
    api.announce("target", &name);
    Ok(StatusCode::NO_CONTENT)
}

/// Ends what a disabled target may not have, also when a first try broke off.
pub(super) async fn follow(api: &Api, by: &Principal, target: &Target) -> Result<(), Problem> {
    if target.disabled {
        let message = format!("{} disabled the target {}", by.name, target.name);
        api.lifecycle()
            .withdraw_target(&target.id, &message)
            .await?;
    }
    Ok(())
}

/// A web target says how it is spoken to, and so does an RDP target; no other does.
pub(super) fn is_whole(target: &Target) -> Result<(), String> {
    let Target { web, rdp, .. } = target;
    match (target.protocol, web, rdp) {
        (Protocol::Web, Some(web), None) => web.is_sound().map_err(str::to_owned),
        (Protocol::Ssh, None, None) | (Protocol::Rdp, None, Some(_)) => Ok(()),
        (Protocol::Web, None, _) => {
            Err("a web target needs it: {\"tls\": true} is the least".to_owned())
        }
        (Protocol::Rdp, None, None) => {
            Err("an RDP target says how it is spoken to: \"rdp\": {} is the least".to_owned())
        }
        (Protocol::Ssh | Protocol::Rdp, Some(_), _) => Err("only a web target has it".to_owned()),
        (Protocol::Ssh | Protocol::Web, _, Some(_)) => {
            Err("only an RDP target has `rdp`".to_owned())
        }
    }
}

/// The target as `by` may see it, if they may.
fn view(by: &Principal, target: Target, places: &[Place]) -> Option<TargetView> {
    let all = sight::reads_everything(by);
    let accounts: Vec<_> = places
        .iter()
        .filter(|place| place.target.id == target.id)
        .map(|place| form(by, place))
        .filter(|form| all || form.may_ask)
        .collect();
    (all || !accounts.is_empty()).then_some(TargetView { target, accounts })
}

fn form(by: &Principal, place: &Place) -> AccountForm {
    let terms = &place.policy.terms;
    AccountForm {
        id: place.account.id.clone(),
        name: place.account.name.clone(),
        policy: place.policy.name.clone(),
        may_ask: place.may_ask(by),
        reason: terms.reason,
        ticket: terms.ticket,
        ticket_pattern: terms.ticket_pattern.clone(),
        minimum_duration: terms.minimum_duration,
        default_duration: terms.default_duration,
        maximum_duration: terms.maximum_duration,
        duration_presets: terms.duration_presets.clone(),
        custom_window: terms.custom_window,
        votes_needed: terms.votes_needed(),
        approver_choice: terms.approver_choice,
        approvers: None,
        exclusive: terms.exclusive,
        reveal: terms.reveal == Reveal::OnCheckout,
        permission_sets: terms.permission_sets.keys().cloned().collect(),
        recording: terms.recording,
    }
}

/// Who may answer what `by` asks for there.
fn answerers(by: &Principal, place: &Place, candidates: &[User]) -> Vec<UserName> {
    let terms = &place.policy.terms;
    let may = |user: &&User| {
        user.person != by.person && terms.ask_for_answer(&user.principal(Proof::Password))
    };
    let names = candidates.iter().filter(may);
    names.map(|user| user.name.clone()).collect()
}

fn mentions(target: &Target, text: &str) -> bool {
    let has = |part: &str| part.to_lowercase().contains(text);
    has(target.name.as_str())
        || has(&target.address.to_string())
        || has(target.description.as_str())
        || target.labels.iter().any(|label| has(label))
}
