//! Groups of users: the names that policies ask and admit by.

use std::collections::BTreeSet;

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
        ids::GroupId,
        name::{GroupName, UserName},
        text::Text,
        user::Group,
    },
    store,
    vault::entropy,
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGroup {
    name: GroupName,
    #[serde(default)]
    description: Text,
    #[serde(default)]
    members: BTreeSet<UserName>,
}

/// What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupPatch {
    description: Option<Text>,
    members: Option<BTreeSet<UserName>>,
}

pub async fn list(State(api): State<Api>, params: Params) -> Result<Json<List<Group>>, Problem> {
    let page = Page::read(&params, &["name"])?;
    let groups = store::group::list(api.store()).await?;
    let name = |group: &Group| group.name.to_string();
    Ok(Json(page.cut(groups, |group, _| name(group), name)))
}

pub async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<NewGroup>,
) -> Result<(StatusCode, Json<Group>), Problem> {
    let group = Group {
        id: GroupId::new(api.now(), entropy()),
        name: body.name,
        description: body.description,
        members: body.members,
    };
    let mut tx = api.store().begin().await?;
    store::group::insert(&mut tx, &group).await?;
    let event = api.created(&caller.principal, "group", group.name.as_str(), &group);
    api.commit(tx, &event).await?;
    api.announce("group", &group.name);
    Ok((StatusCode::CREATED, Json(group)))
}

pub async fn show(State(api): State<Api>, At(name): At<GroupName>) -> Result<Json<Group>, Problem> {
    Ok(Json(store::group::by_name(api.store(), &name).await?))
}

pub async fn patch(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<GroupName>,
    Body(body): Body<GroupPatch>,
) -> Result<Json<Group>, Problem> {
    let before = store::group::by_name(api.store(), &name).await?;
    let mut after = before.clone();
    if let Some(description) = body.description {
        after.description = description;
    }
    if let Some(members) = body.members {
        after.members = members;
    }
    if before != after {
        let mut tx = api.store().begin().await?;
        store::group::update(&mut tx, &before, &after).await?;
        let event = api.updated(&caller.principal, "group", name.as_str(), &before, &after);
        api.commit(tx, &event).await?;
        api.announce("group", &name);
    }
    Ok(Json(after))
}

pub async fn remove(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<GroupName>,
) -> Result<StatusCode, Problem> {
    let group = store::group::by_name(api.store(), &name).await?;
    let mut tx = api.store().begin().await?;
    store::group::delete(&mut tx, &group).await?;
    let event = api.changed(&caller.principal, "group", "delete", name.as_str(), &[]);
    api.commit(tx, &event).await?;
    api.announce("group", &name);
    Ok(StatusCode::NO_CONTENT)
}
