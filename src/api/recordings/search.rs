//! Words in the recordings that the caller may see, the newest first.
//!
//! Answers line by line as it finds them, ends by itself after a while and says where to go
//! on. Whose recording is shown in part was looked at: that is written down first.

use std::{io, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures::stream;
use serde::Serialize;
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Kept, event, evidence, filter, sees};
use crate::{
    api::{Api, auth::Caller, error::Problem, page, query::Params},
    clock::Stopwatch,
    model::{
        audit::{Actor, AuditEvent},
        ids::{Code, RecordingId},
        name::{AccountName, TargetName, UserName},
        principal::Principal,
        time::Timestamp,
    },
    recording::{Found, NothingToFind, Search},
    store::{self, Order, Page, recording::Sort},
};

pub const FILTERS: &[(&str, &str)] = &[
    (
        "q",
        "the words, all of them in one line; quotes keep words together",
    ),
    ("checkout", "a check-out's id or code"),
    ("session", "a session's id"),
    ("user", "a user's name"),
    ("target", "a target's name"),
    ("since", "started at this time or later"),
    ("until", "started before this time"),
    ("limit", "how many lines, 1 to 200; 50 if left out"),
    ("cursor", "next of the search before"),
];

/// One search ends after this long; the next begins where it stopped.
const PATIENCE: Duration = Duration::from_secs(15);
/// Lines of one recording: enough to know that it is the one.
const MOST_OF_ONE: usize = 5;
/// Searching reads disks and takes a processor: sessions come first.
const AT_ONCE: usize = 2;
static SEARCHES: Semaphore = Semaphore::const_new(AT_ONCE);

/// A line of a recording that fits.
#[derive(Serialize)]
struct Hit {
    recording: RecordingId,
    code: Code,
    user_name: UserName,
    target_name: TargetName,
    account_name: AccountName,
    started_at: Timestamp,
    /// Seconds since its beginning.
    at_s: f64,
    text: String,
}

/// A search under way.
struct Searching {
    api: Api,
    by: Principal,
    search: Search,
    asked: String,
    filter: store::recording::Filter,
    page: Page,
    /// How many lines may still be shown.
    left: usize,
    searched: u64,
    stopwatch: Stopwatch,
    over: bool,
    _turn: SemaphorePermit<'static>,
}

pub async fn search(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
) -> Result<Response, Problem> {
    let by = caller.principal;
    let asked = params.text("q").unwrap_or_default().to_owned();
    let search: Search = asked
        .parse()
        .map_err(|error: NothingToFind| Problem::invalid("q", error))?;
    let left = match params.read::<usize>("limit")? {
        None => page::DEFAULT,
        Some(limit) if (1..=page::MOST).contains(&limit) => limit,
        Some(_) => return Err(Problem::invalid("limit", "1 to 200 is expected")),
    };
    let mut filter = filter(&api, &by, &params).await?;
    filter.kept = true;
    let turn = SEARCHES.try_acquire();
    let turn = turn.map_err(|_| Problem::rate_limited(Duration::from_secs(2)))?;
    let message = format!("{} searched recordings for {asked:?}", by.name);
    let event = AuditEvent::done(api.now(), "recording.search", Actor::from(&by), message)
        .with(json!({ "q": asked }));
    api.try_note(&event).await?;
    let searching = Searching {
        page: Page::of(1).after(params.read("cursor")?),
        api,
        by,
        search,
        asked,
        filter,
        left,
        searched: 0,
        stopwatch: Stopwatch::start(),
        over: false,
        _turn: turn,
    };
    let lines = stream::try_unfold(searching, async |mut searching| {
        let lines = searching.step().await.map_err(|problem| {
            io::Error::other(format!("searching recordings: {}", problem.code()))
        })?;
        Ok::<_, io::Error>(lines.map(|lines| (lines, searching)))
    });
    let headers = [(header::CONTENT_TYPE, "application/jsonl")];
    Ok((headers, Body::from_stream(lines)).into_response())
}

impl Searching {
    /// The lines of the next recording that has some, or how the search ended.
    async fn step(&mut self) -> Result<Option<Bytes>, Problem> {
        if self.over {
            return Ok(None);
        }
        while self.left > 0 && self.stopwatch.elapsed() < PATIENCE {
            let order = Order::descending(Sort::StartedAt);
            let listing =
                store::recording::list(self.api.store(), &self.filter, order, &self.page).await?;
            let more = listing.next.is_some();
            self.page.cursor = listing.next;
            if let Some(kept) = listing.items.into_iter().next()
                && sees(&self.api, &self.by, &kept).await?
            {
                self.searched += 1;
                let lines = self.one(&kept).await?;
                if !more {
                    self.page.cursor = None;
                    self.left = 0;
                }
                if !lines.is_empty() {
                    return Ok(Some(lines.into()));
                }
            }
            if !more {
                break;
            }
        }
        self.over = true;
        let next = self.page.cursor.as_ref().map(ToString::to_string);
        let mut end = json!({ "searched": self.searched, "next": next }).to_string();
        end.push('\n');
        Ok(Some(end.into()))
    }

    /// What is found in one recording, as JSON lines.
    async fn one(&mut self, kept: &Kept) -> Result<String, Problem> {
        let found = match self.found(kept).await {
            Ok(found) => found,
            // One that cannot be read keeps nobody from the others; it is named.
            Err(problem) => {
                let told = json!({ "recording": kept.row.id, "problem": problem.detail() });
                return Ok(format!("{told}\n"));
            }
        };
        if found.is_empty() {
            return Ok(String::new());
        }
        let message = format!(
            "{} found {:?} in the recording of {} on {} (check-out {})",
            self.by.name, self.asked, kept.user_name, kept.target_name, kept.code
        );
        let actor = Actor::from(&self.by);
        let event = event(&self.api, "recording.find", actor, message, &kept.row).await?;
        self.api.try_note(&event).await?;
        self.left = self.left.saturating_sub(found.len());
        let mut lines = String::new();
        for found in found {
            let hit = Hit::new(kept, found);
            lines.push_str(&serde_json::to_string(&hit).expect("names and numbers become JSON"));
            lines.push('\n');
        }
        Ok(lines)
    }

    async fn found(&self, kept: &Kept) -> Result<Vec<Found>, Problem> {
        let opened = evidence::open(&self.api, kept).await?;
        let most = self.left.min(MOST_OF_ONE);
        let (search, stopwatch) = (self.search.clone(), self.stopwatch);
        let found = evidence::blocking(move || {
            search.find(opened, most, || stopwatch.elapsed() < 2 * PATIENCE)
        });
        found
            .await?
            .map_err(|error| Problem::fault("searching a recording", &error))
    }
}

impl Hit {
    fn new(kept: &Kept, found: Found) -> Self {
        Self {
            recording: kept.row.id.clone(),
            code: kept.code.clone(),
            user_name: kept.user_name.clone(),
            target_name: kept.target_name.clone(),
            account_name: kept.account_name.clone(),
            started_at: kept.row.started_at,
            at_s: found.at,
            text: found.text,
        }
    }
}
