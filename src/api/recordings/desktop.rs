//! What a desktop's recording showed at a moment: as a picture, and from there on.
//!
//! Checked and written down as every look at a recording is, each time somebody seeks. Decoding
//! takes a processor, so few do it at once: sessions come first.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    task::spawn_blocking,
    time::timeout,
};

use super::{
    content::{MEDIA, note},
    evidence, seen,
};
use crate::{
    api::{Api, auth::Caller, body::At, error::Problem, query::Params},
    model::ids::RecordingId,
    recording::{Content, Opened, SeekError, Sought, Start, png},
};

pub const FROM: &[(&str, &str)] = &[("from", "seconds since the beginning; 0 if left out")];
pub const AT: &[(&str, &str)] = &[("at", "seconds since the beginning; 0 if left out")];

const PNG: HeaderValue = HeaderValue::from_static("image/png");

/// Nobody records for longer, and the number is exact to the millisecond.
const LONGEST: f64 = 1e9;

const AT_ONCE: usize = 2;
static SEEKING: Semaphore = Semaphore::const_new(AT_ONCE);

/// So many more wait for their turn, and so long: a slider asks again and again.
const WAITING: usize = 16;
const PATIENCE: Duration = Duration::from_secs(10);
static WAITERS: Semaphore = Semaphore::const_new(WAITING);

/// For a player: the picture at a moment, and what came behind it.
pub async fn frames(
    State(api): State<Api>,
    caller: Caller,
    At(id): At<RecordingId>,
    params: Params,
) -> Result<Response, Problem> {
    let moment = moment(&params, "from")?;
    let sought = sought(&api, &caller, &id, moment).await?;
    let pieces = stream::try_unfold(sought, |mut sought| async move {
        let read = spawn_blocking(move || {
            let piece = sought.next_piece()?;
            Ok::<_, SeekError>(piece.map(|piece| (Bytes::from(piece), sought)))
        });
        read.await
            .map_err(std::io::Error::other)?
            .map_err(std::io::Error::other)
    });
    Ok(([(header::CONTENT_TYPE, MEDIA)], Body::from_stream(pieces)).into_response())
}

/// The picture at a moment.
pub async fn still(
    State(api): State<Api>,
    caller: Caller,
    At(id): At<RecordingId>,
    params: Params,
) -> Result<Response, Problem> {
    let moment = moment(&params, "at")?;
    let sought = sought(&api, &caller, &id, moment).await?;
    let picture = evidence::blocking(move || png(sought.picture())).await?;
    let picture = picture.map_err(|error| Problem::fault("writing a picture", &error))?;
    Ok(([(header::CONTENT_TYPE, PNG)], picture).into_response())
}

async fn sought(
    api: &Api,
    caller: &Caller,
    id: &RecordingId,
    moment: f64,
) -> Result<Sought<Opened>, Problem> {
    let by = &caller.principal;
    let kept = seen(api, by, id).await?;
    if kept.row.kind != Content::Desktop.kind() {
        let problem = Problem::conflict("no-desktop", "this is no recording of a desktop");
        return Err(problem.hint("GET /recordings/ID/content has its text"));
    }
    let _turn = turn().await?;
    // Twice: once to find where to begin, once from there.
    let first = evidence::open(api, &kept).await?;
    let second = evidence::open(api, &kept).await?;
    let did = format!("viewed, from {moment:.1} s on,");
    note(api, by, &kept, "recording.view", &did).await?;
    let seeking = evidence::blocking(move || {
        let start = Start::before(first, moment)?;
        Sought::read(second, start, moment)
    });
    let sought: Result<_, SeekError> = seeking.await?;
    sought.map_err(|error| Problem::fault("reading a recording", &error))
}

async fn turn() -> Result<SemaphorePermit<'static>, Problem> {
    let too_many = || Problem::rate_limited(Duration::from_secs(1));
    if let Ok(turn) = SEEKING.try_acquire() {
        return Ok(turn);
    }
    let _place = WAITERS.try_acquire().map_err(|_| too_many())?;
    let turn = timeout(PATIENCE, SEEKING.acquire()).await;
    let turn = turn.map_err(|_| too_many())?;
    Ok(turn.expect("nobody closes it"))
}

fn moment(params: &Params, name: &str) -> Result<f64, Problem> {
    match params.read::<f64>(name)? {
        None => Ok(0.0),
        Some(moment) if (0.0..LONGEST).contains(&moment) => Ok(moment),
        Some(_) => Err(Problem::invalid(
            name,
            "seconds since the beginning are expected",
        )),
    }
}

#[cfg(test)]
mod tests {
    use futures::future::{join_all, poll_immediate};

    use super::*;

    #[tokio::test]
    async fn who_seeks_while_others_do_waits_and_too_many_are_told_to_come_again() {
        let all = u32::try_from(AT_ONCE).unwrap();
        let busy = SEEKING.acquire_many(all).await.unwrap();
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(turn())).collect();
        for turn in &mut waiting {
            assert!(poll_immediate(turn).await.is_none(), "they wait");
        }
        let told = turn().await.map(drop).unwrap_err();
        assert_eq!(told.into_response().status(), 429);
        drop(busy);
        let turns = waiting.into_iter().map(|turn| async { turn.await.is_ok() });
        assert!(join_all(turns).await.into_iter().all(|came| came));
    }
}
