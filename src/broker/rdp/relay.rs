//! What passes between a client and a target once both have signed in.
//!
//! Each direction is a loop of its own: take a frame, look at it, pass it on. Who reads slowly
//! slows the other, and nothing else; nothing is held beside the one frame. When it is over
//! the client is told why, between two frames.

use std::{
    convert::Infallible,
    io,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split},
    time::timeout,
};
use tracing::{debug, info};

use super::{
    capabilities::Watched,
    channels::Channels,
    downward::{self, Downward},
    dynamic::{self, Dynamic},
    filming::{Filming, Followed},
    frame::{Frames, invalid},
    goodbye::{self, Last},
    protocol::Protocols,
    settings,
    target::Leg,
    upward::{self, Upward},
};
use crate::{
    model::{
        capability::Use,
        session::{KillReason, Outcome},
    },
    recording::{RecordingError, Track},
    session::Session,
};

/// How long either side may take for each step before the session.
const STEP: Duration = Duration::from_secs(15);

/// How often within the idle limit it is looked whether somebody did something.
const LOOKS: u32 = 20;

/// Sound goes to the person only, as the screen does.
const SOUND: &str = "rdpsnd";
const CLIPBOARD: &str = "cliprdr";
const DRIVES: &str = "rdpdr";

/// Whether the session may open a channel of this name. What is not named here never opens:
/// single programs in windows of their own, and devices.
fn may(session: &Session, name: &str) -> bool {
    let wanted = match name {
        SOUND | dynamic::NAME => return true,
        CLIPBOARD => Use::Clipboard,
        DRIVES => Use::Drives,
        _ => return false,
    };
    session.permit().allows(wanted).is_ok()
}

/// Both sides exchange their settings, then what they have to say, until one leaves or the
/// switch is pulled. What is shown is recorded on `track`.
pub async fn run<C>(
    session: &Session,
    client: C,
    requested: Protocols,
    leg: Leg,
    track: Track,
) -> io::Result<()>
where
    C: AsyncRead + AsyncWrite,
{
    let Leg {
        stream,
        protocol,
        extended,
        injected,
    } = leg;
    let (client_read, mut to_client) = split(client);
    let (target_read, mut to_target) = split(stream);
    let (mut from_client, mut from_target) = (Frames::new(client_read), Frames::new(target_read));

    let initial = match step(&mut from_client).await {
        Ok(initial) => initial,
        Err(error) => {
            super::nothing_shown(session, track, &"the client went away").await;
            return Err(error);
        }
    };
    let watched = match track.recording() {
        Some(_) => Watched::Recorded,
        None => Watched::Unrecorded,
    };
    let settled = async {
        let may = |name: &str| may(session, name);
        let (initial, mut channels) =
            settings::for_target(&initial, protocol, extended, watched, may).map_err(invalid)?;
        pass(&mut to_target, &initial).await?;
        let response = step(&mut from_target).await?;
        let response =
            settings::for_client(&response, requested, &mut channels).map_err(invalid)?;
        pass(&mut to_client, &response).await?;
        io::Result::Ok(channels)
    };
    let channels = match settled.await {
        Ok(channels) => channels,
        Err(error) => {
            let why = format!("client and target did not agree on a session: {error}");
            info!(session = %session.id(), why, "RDP session not begun");
            super::nothing_shown(session, track, &why).await;
            session.close(Outcome::TargetFailed(why));
            return Ok(());
        }
    };

    let followed = Followed {
        screen: channels.io(),
        clipboard: channels.numbered(CLIPBOARD),
    };
    let filming = match watched {
        Watched::Recorded => Some(Filming::begin(track, followed, session.switch().clone())),
        Watched::Unrecorded => None,
    };
    let relay = Relay {
        session,
        channels: &channels,
        dynamic: Dynamic::new(channels.numbered(dynamic::NAME), watched),
        filming: filming.as_ref(),
        activity: AtomicU64::new(0),
        is_midway: AtomicBool::new(false),
    };
    let up = relay.up(
        &mut from_client,
        &mut to_target,
        Upward::new(injected, watched),
    );
    let mut downward = Downward::default();
    // None goes first: whoever floods one way has used up the turn before the other's.
    let ended = tokio::select! {
        ended = up => ended,
        ended = relay.down(&mut from_target, &mut to_client, &mut downward) => ended,
        never = relay.idle() => match never {},
    };
    relay.part(ended, &mut to_client, downward.share()).await;
    let track = match filming {
        Some(filming) => filming.finish().await,
        None => None,
    };
    if let Some(track) = track {
        session.recorded(track, "the desktop was closed").await;
    }
    Ok(())
}

async fn step<S: AsyncRead + Unpin>(frames: &mut Frames<S>) -> io::Result<Bytes> {
    let next = timeout(STEP, frames.next()).await;
    let next = next.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    next.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Why the relay stopped.
enum Ended {
    /// The client is gone, or has said that it goes.
    ByClient,
    /// Neither wrote a last word of its own.
    ByTarget,
    /// The target's own last word has reached the client.
    Said,
    Refused(Last, String),
}

struct Relay<'a> {
    session: &'a Session,
    channels: &'a Channels,
    dynamic: Dynamic,
    /// None where nothing is recorded.
    filming: Option<&'a Filming>,
    /// Counts what somebody types and points at, for the idle limit.
    activity: AtomicU64,
    /// A frame has begun to go to the client and has not ended: nothing may come in between.
    is_midway: AtomicBool,
}

impl Relay<'_> {
    async fn up<C, T>(
        &self,
        from: &mut Frames<ReadHalf<C>>,
        to: &mut WriteHalf<T>,
        mut upward: Upward,
    ) -> Ended
    where
        C: AsyncRead,
        T: AsyncWrite,
    {
        loop {
            // Until it says who it is a client has no reason to wait.
            let next = match upward.has_begun() {
                true => from.next().await,
                false => step(from).await.map(Some),
            };
            let Ok(Some(frame)) = next else {
                return Ended::ByClient;
            };
            let length = frame.len() as u64;
            let passed = match upward.pass(frame, self.channels) {
                Ok(upward::Passed::Dropped) => continue,
                Ok(upward::Passed::On { frame, is_input }) => {
                    let Some(frame) = self.dynamic.up(frame) else {
                        continue;
                    };
                    self.activity
                        .fetch_add(u64::from(is_input), Ordering::Relaxed);
                    let recorded = match self.filming {
                        Some(filming) if is_input => filming.typed(&frame).await,
                        Some(filming) => filming.sent(&frame).await,
                        None => Ok(()),
                    };
                    if let Err(error) = recorded {
                        return unrecorded(&error);
                    }
                    pass(to, &frame).await
                }
                Ok(upward::Passed::Last(frame)) => {
                    // It goes either way.
                    pass(to, &frame).await.ok();
                    return Ended::ByClient;
                }
                Err(refused) => return Ended::Refused(Last::Denied, refused.to_string()),
            };
            if passed.is_err() {
                // What the target said last is still on its way down.
                return std::future::pending().await;
            }
            self.session.count_in(length);
        }
    }

    async fn down<C, T>(
        &self,
        from: &mut Frames<ReadHalf<T>>,
        to: &mut WriteHalf<C>,
        downward: &mut Downward,
    ) -> Ended
    where
        C: AsyncWrite,
        T: AsyncRead,
    {
        loop {
            let Ok(Some(frame)) = from.next().await else {
                return Ended::ByTarget;
            };
            let length = frame.len() as u64;
            let passed = match downward.pass(frame, self.channels) {
                Ok(downward::Passed::Dropped) => continue,
                Ok(downward::Passed::On(frame)) => {
                    let Some(frame) = self.dynamic.down(frame) else {
                        continue;
                    };
                    // INVARIANT: nothing is shown that was not accepted for the recording.
                    if let Some(filming) = self.filming
                        && let Err(error) = filming.shown(&frame).await
                    {
                        return unrecorded(&error);
                    }
                    self.pass_down(to, &frame).await
                }
                Ok(downward::Passed::Last(frame)) => {
                    return match self.pass_down(to, &frame).await {
                        Ok(()) => Ended::Said,
                        Err(_) => Ended::ByClient,
                    };
                }
                Err(refused) => return Ended::Refused(Last::Denied, refused.to_string()),
            };
            if passed.is_err() {
                return Ended::ByClient;
            }
            self.session.count_out(length);
        }
    }

    async fn pass_down<C: AsyncWrite>(
        &self,
        to: &mut WriteHalf<C>,
        frame: &[u8],
    ) -> io::Result<()> {
        self.is_midway.store(true, Ordering::Relaxed);
        pass(to, frame).await?;
        self.is_midway.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Pulls the switch once nobody has typed or pointed for as long as the permit allows; what
    /// then ends the relay is the target's leg.
    async fn idle(&self) -> Infallible {
        let Some(limit) = self.session.permit().idle_limit() else {
            return std::future::pending().await;
        };
        let mut last = self.activity.load(Ordering::Relaxed);
        let mut quiet = 0;
        while quiet < LOOKS {
            tokio::time::sleep(limit.duration() / LOOKS).await;
            let now = self.activity.load(Ordering::Relaxed);
            quiet = if now == last { quiet + 1 } else { 0 };
            last = now;
        }
        let switch = self.session.switch();
        switch.pull(KillReason::IdleLimit(limit));
        std::future::pending().await
    }

    /// Tells the client why it is over. A pulled switch outweighs every other reason, and
    /// leaves the client's leg its grace for this.
    async fn part<C: AsyncWrite>(&self, ended: Ended, to: &mut WriteHalf<C>, share: u32) {
        let last = match (self.session.switch().reason(), ended) {
            (Some(reason), _) => Some(goodbye::last(&reason)),
            (None, Ended::Refused(last, why)) => {
                info!(session = %self.session.id(), why, "RDP session ended");
                self.session.close(Outcome::TargetFailed(why));
                Some(last)
            }
            (None, Ended::ByTarget) => {
                let why = format!("Connection to {} lost", self.session.target().name);
                self.session.close(Outcome::TargetFailed(why));
                Some(Last::Denied)
            }
            (None, Ended::ByClient | Ended::Said) => None,
        };
        let last = last.filter(|_| !self.is_midway.load(Ordering::Relaxed));
        let telling = async {
            if let Some(last) = last {
                let frames = goodbye::frames(last, self.channels.io(), share).map_err(invalid)?;
                for frame in frames {
                    to.write_all(&frame).await?;
                }
                to.flush().await?;
            }
            to.shutdown().await
        };
        if !matches!(timeout(STEP, telling).await, Ok(Ok(()))) {
            debug!(session = %self.session.id(), "Client gone before the goodbye");
        }
    }
}

/// The session must be recorded and cannot; the switch says so too.
fn unrecorded(error: &RecordingError) -> Ended {
    Ended::Refused(Last::Denied, error.to_string())
}

async fn pass<T: AsyncWrite>(to: &mut WriteHalf<T>, frame: &[u8]) -> io::Result<()> {
    to.write_all(frame).await?;
    to.flush().await
}
