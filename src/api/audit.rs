//! The audit chain, for those who read it: search, verify, take away.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{Api, auth::Caller, error::Problem, page::List, query::Params, sight};
use crate::{
    audit::{self as chain, Verdict},
    model::{
        audit::{Actor, AuditEvent, AuditRecord},
        time::Timestamp,
    },
    store::{self, audit::Filter},
};

pub const FILTERS: &[(&str, &str)] = &[
    (
        "kind",
        "noun.verb, several with commas between; a noun alone means all of its verbs",
    ),
    ("checkout", "a check-out's id or code"),
    ("session", "a session's id"),
    ("user", "the user it is about, by name"),
    ("actor", "the user who did it, by name"),
    ("target", "the target it is about, by name"),
    ("refused", "true for refusals only"),
    ("since", "at this time or later"),
    ("until", "before this time"),
    ("after", "records behind this number, in their order"),
    ("sort", "seq or -seq; -seq if left out, seq with after"),
    ("limit", "how many records, 1 to 200; 50 if left out"),
    ("cursor", "next of the page before"),
];

/// One link of the chain.
#[derive(Serialize, ToSchema)]
pub struct Entry {
    seq: i64,
    at: Timestamp,
    /// What happened; exactly what the hash covers.
    #[schema(value_type = AuditEvent)]
    event: Box<RawValue>,
    /// The hash of the link before, hexadecimal.
    previous: String,
    hash: String,
}

impl From<AuditRecord> for Entry {
    fn from(record: AuditRecord) -> Self {
        let hex = |hash: &[u8; 32]| data_encoding::HEXLOWER.encode(hash);
        Self {
            seq: record.seq,
            at: record.at,
            previous: hex(&record.previous),
            hash: hex(&record.hash),
            // A body that somebody made unreadable is still shown, as text.
            event: RawValue::from_string(record.body.clone()).unwrap_or_else(|_| {
                serde_json::value::to_raw_value(&record.body).expect("text is JSON")
            }),
        }
    }
}

pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
) -> Result<Json<List<Entry>>, Problem> {
    let limit = match params.read::<usize>("limit")? {
        None => super::page::DEFAULT,
        Some(limit) if (1..=super::page::MOST).contains(&limit) => limit,
        Some(_) => return Err(Problem::invalid("limit", "1 to 200 is expected")),
    };
    let mut filter = filter(&api, &caller, &params).await?;
    let forward = filter.after.is_some();
    if let Some(cursor) = params.read::<i64>("cursor")? {
        if forward {
            filter.after = Some(cursor);
        } else {
            filter.before = Some(cursor);
        }
    }
    let mut records = store::audit::list(api.store(), &filter, limit + 1).await?;
    let more = records.len() > limit;
    records.truncate(limit);
    let next = records
        .last()
        .filter(|_| more)
        .map(|record| record.seq.to_string());
    let items = records.into_iter().map(Entry::from).collect();
    Ok(Json(List { items, next }))
}

async fn filter(api: &Api, caller: &Caller, params: &Params) -> Result<Filter, Problem> {
    let mut filter = Filter {
        session: params.read("session")?,
        actor: params.text("actor").map(str::to_owned),
        refused: params.yes("refused")?.unwrap_or(false),
        since: params.read("since")?,
        until: params.read("until")?,
        after: params.read("after")?,
        ..Filter::default()
    };
    let forward = params.choice("sort", &[("seq", true), ("-seq", false)])?;
    match (forward, filter.after) {
        (Some(true), None) => filter.after = Some(0),
        (Some(false), Some(_)) => {
            return Err(Problem::invalid(
                "sort",
                "after goes forward: leave sort out",
            ));
        }
        (Some(_) | None, _) => {}
    }
    match params.text("kind") {
        Some(noun) if !noun.contains(['.', ',']) => filter.noun = Some(noun.to_owned()),
        Some(kinds) => filter.kinds = kinds.split(',').map(str::to_owned).collect(),
        None => {}
    }
    if let Some(named) = params.text("checkout") {
        filter.checkout = Some(sight::checkout(api, &caller.principal, named).await?.id);
    }
    if let Some(name) = params.read("user")? {
        filter.user = Some(store::user::by_name(api.store(), &name).await?.id);
    }
    if let Some(name) = params.read("target")? {
        filter.target = Some(store::target::by_name(api.store(), &name).await?.id);
    }
    Ok(filter)
}

/// What checking the whole chain came to.
#[derive(Serialize, ToSchema)]
pub struct Verified {
    /// Whether the whole chain holds.
    intact: bool,
    /// One sentence for people.
    message: String,
    /// How many events hold, and checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoints: Option<u64>,
    /// Up to this record a signature proves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_to: Option<i64>,
    /// The first record that does not hold, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<serde_json::Value>,
}

/// Reads the whole chain. A checkpoint kept outside is compared by the command line, which
/// has it: the gateway cannot vouch for itself.
pub async fn verify(State(api): State<Api>) -> Result<Json<Verified>, Problem> {
    let verdict = chain::verify(api.store(), api.audit_key(), None).await?;
    let message = verdict.to_string();
    let nothing = Verified {
        intact: false,
        message,
        events: None,
        checkpoints: None,
        signed_to: None,
        seq: None,
        why: None,
    };
    Ok(Json(match verdict {
        Verdict::Whole(whole) => Verified {
            intact: true,
            events: Some(whole.records),
            checkpoints: Some(whole.checkpoints),
            signed_to: Some(whole.signed_to),
            ..nothing
        },
        Verdict::Broken(first_bad) => Verified {
            seq: Some(first_bad.seq),
            why: serde_json::to_value(first_bad.why).ok(),
            ..nothing
        },
    }))
}

/// The whole chain as JSON lines: every record, and each checkpoint behind the record it signs.
pub async fn export(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    let by = &caller.principal;
    let message = format!("{} took the audit log away", by.name);
    let event = AuditEvent::done(api.now(), "audit.export", Actor::from(by), message);
    api.try_note(&event).await?;
    let lines = chain::export(api.store().clone());
    let headers = [
        (header::CONTENT_TYPE, "application/jsonl"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"audit.jsonl\"",
        ),
    ];
    Ok((headers, Body::from_stream(lines)).into_response())
}
