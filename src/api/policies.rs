//! Policies: the terms check-outs are asked under. What is asked already keeps its terms.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Api,
    auth::Caller,
    body::{At, Body},
    error::Problem,
    page::{List, Page},
    query::Params,
};
use crate::{
    model::{
        ids::PolicyId,
        name::PolicyName,
        policy::{Policy, Terms},
        text::Text,
    },
    store,
    vault::entropy,
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPolicy {
    name: PolicyName,
    #[serde(default)]
    description: Text,
    #[serde(default)]
    is_default: bool,
    #[serde(default)]
    terms: Terms,
}

/// The whole policy as it shall be: a setting that is left out has its default.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WholePolicy {
    #[serde(default)]
    description: Text,
    /// Left out, it is the default if it was.
    is_default: Option<bool>,
    #[serde(default)]
    terms: Terms,
}

pub async fn list(State(api): State<Api>, params: Params) -> Result<Json<List<Policy>>, Problem> {
    let page = Page::read(&params, &["name"])?;
    let policies = store::policy::list(api.store()).await?;
    let name = |policy: &Policy| policy.name.to_string();
    Ok(Json(page.cut(policies, |policy, _| name(policy), name)))
}

pub async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<NewPolicy>,
) -> Result<(StatusCode, Json<Policy>), Problem> {
    check(&body.terms)?;
    let policy = Policy {
        id: PolicyId::new(api.now(), entropy()),
        name: body.name,
        description: body.description,
        is_default: body.is_default,
        terms: body.terms,
    };
    let mut tx = api.store().begin().await?;
    store::policy::insert(&mut tx, &policy).await?;
    let event = api.created(&caller.principal, "policy", policy.name.as_str(), &policy);
    api.commit(tx, &event).await?;
    api.announce("policy", &policy.name);
    Ok((StatusCode::CREATED, Json(policy)))
}

pub async fn show(
    State(api): State<Api>,
    At(name): At<PolicyName>,
) -> Result<Json<Policy>, Problem> {
    Ok(Json(store::policy::by_name(api.store(), &name).await?))
}

pub async fn put(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<PolicyName>,
    Body(body): Body<WholePolicy>,
) -> Result<Json<Policy>, Problem> {
    check(&body.terms)?;
    let before = store::policy::by_name(api.store(), &name).await?;
    let after = Policy {
        id: before.id.clone(),
        name: name.clone(),
        description: body.description,
        is_default: body.is_default.unwrap_or(before.is_default),
        terms: body.terms,
    };
    if before != after {
        let mut tx = api.store().begin().await?;
        store::policy::update(&mut tx, &before, &after).await?;
        let event = api.updated(&caller.principal, "policy", name.as_str(), &before, &after);
        api.commit(tx, &event).await?;
        api.announce("policy", &name);
    }
    Ok(Json(after))
}

pub async fn remove(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<PolicyName>,
) -> Result<StatusCode, Problem> {
    let policy = store::policy::by_name(api.store(), &name).await?;
    let mut tx = api.store().begin().await?;
    store::policy::delete(&mut tx, &policy).await?;
    let event = api.changed(&caller.principal, "policy", "delete", name.as_str(), &[]);
    api.commit(tx, &event).await?;
    api.announce("policy", &name);
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn check(terms: &Terms) -> Result<(), Problem> {
    terms.check().map_err(|wrong| {
        // The sentence begins with the setting it is about.
        let text = wrong.to_string();
        match text.split_once(": ") {
            Some((field, what)) => Problem::invalid(format!("terms.{field}"), what),
            None => Problem::invalid("terms", text),
        }
    })
}
