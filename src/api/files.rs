//! The file log of a session: what moved by sftp and scp. For whoever may see the session.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};

use super::{
    Api, auth::Caller, body::At, csv, error::Problem, page::List, query::Params, sessions, write,
};
use crate::{
    model::{file::FileRecord, ids::SessionId},
    store::{
        self, Order,
        file::{Filter, Sort},
    },
};

pub const FILTERS: &[(&str, &str)] = &[
    (
        "channel",
        "only of this file channel of the session, from 1",
    ),
    ("format", "json or csv; accept: text/csv does the same"),
];

pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    params: Params,
    At(id): At<SessionId>,
) -> Result<Response, Problem> {
    let session = sessions::seen(&api, &caller.principal, &id).await?.row.id;
    let format = params.choice("format", &[("json", false), ("csv", true)])?;
    let wants_csv = format.unwrap_or_else(|| {
        let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
        accept.is_some_and(|accept| accept.contains("text/csv"))
    });
    let channel = params.read("channel")?;
    let filter = Filter { session, channel };
    let (order, page) = write::page(&params, Order::ascending(Sort::At))?;
    if wants_csv {
        let rows = everything(&api, &filter, order).await?;
        return Ok(csv::files(&rows));
    }
    let listing = store::file::list(api.store(), &filter, order, &page).await?;
    let list = List {
        items: listing.items,
        next: listing.next.map(|cursor| cursor.to_string()),
    };
    Ok(Json(list).into_response())
}

/// A spreadsheet gets the whole list, up to what one still opens.
async fn everything(
    api: &Api,
    filter: &Filter,
    order: Order<Sort>,
) -> Result<Vec<FileRecord>, Problem> {
    const MOST: usize = 100_000;
    let mut rows = Vec::new();
    let mut page = store::Page::of(store::Page::LARGEST);
    loop {
        let listing = store::file::list(api.store(), filter, order, &page).await?;
        rows.extend(listing.items);
        match listing.next {
            Some(next) if rows.len() < MOST => page = page.after(Some(next)),
            _ => return Ok(rows),
        }
    }
}
