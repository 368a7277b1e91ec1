//! What is on its way to people, what arrived, and what was given up and why.
//!
//! Looks, and begins anew with one that did not arrive. Sends nothing itself.

use axum::{Json, extract::State};

use super::{Api, auth::Caller, body::At, error::Problem, page::List, query::Params, write};
use crate::{
    model::{
        ids::DeliveryId,
        notice::{Delivery, DeliveryState},
    },
    store::{self, Order, StoreError, delivery::Sort},
};

pub const FILTERS: &[(&str, &str)] = &[
    ("channel", "a channel's name"),
    ("state", "waiting, delivered or dead"),
    ("event", "requested, approved, denied and so on"),
];

pub async fn list(State(api): State<Api>, params: Params) -> Result<Json<List<Delivery>>, Problem> {
    let filter = store::delivery::Filter {
        channel: params.read("channel")?,
        state: params.read("state")?,
        event: params.read("event")?,
    };
    let (order, page) = write::page(&params, Order::descending(Sort::CreatedAt))?;
    let listing = store::delivery::list(api.store(), &filter, order, &page).await?;
    Ok(Json(listing.into()))
}

pub async fn show(
    State(api): State<Api>,
    At(id): At<DeliveryId>,
) -> Result<Json<Delivery>, Problem> {
    Ok(Json(store::delivery::by_id(api.store(), &id).await?))
}

pub async fn retry(
    State(api): State<Api>,
    caller: Caller,
    At(id): At<DeliveryId>,
) -> Result<Json<Delivery>, Problem> {
    let arrived = || Problem::conflict("delivered", "it has arrived, and is not sent once more");
    let before = store::delivery::by_id(api.store(), &id).await?;
    if before.state == DeliveryState::Delivered {
        return Err(arrived());
    }
    let mut tx = api.store().begin().await?;
    match store::delivery::retry(&mut tx, &id, api.now()).await {
        Ok(()) => {}
        Err(StoreError::Conflict) => return Err(arrived()),
        Err(error) => return Err(error.into()),
    }
    let by = &caller.principal;
    let event = api.changed(by, "delivery", "retry", id.as_str(), &[]);
    api.commit(tx, &event).await?;
    api.announce("outbox", &id);
    Ok(Json(store::delivery::by_id(api.store(), &id).await?))
}
