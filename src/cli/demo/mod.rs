//! `demo`: shows the whole line on this machine, from being refused to being cut.
//!
//! The gateway is the real one, the clients the system's `ssh` and `curl`; only the targets and
//! the people are made up. Leaves nothing behind, however it ends.

mod bob;
mod desktop;
mod folder;
mod rdp;
mod stage;
mod story;
mod target;
mod tell;
mod web;
mod wiki;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use self::{stage::Stage, tell::Tell};
use super::exit::{Done, Failure};

#[derive(Args)]
pub struct Demo {
    /// End after the transcript; as DEMO=once does
    #[arg(long)]
    once: bool,
}

pub async fn run(args: Demo) -> Done {
    let once = args.once || std::env::var("DEMO").is_ok_and(|demo| demo == "once");
    let tell = Tell::here();
    story::needs("ssh", "-V", "openssh-client").await?;
    story::needs("curl", "-V", "curl").await?;
    let mut interrupted = Interrupted::listen()?;
    let stage = tokio::select! {
        stage = Stage::set() => stage?,
        () = interrupted.wait() => return Err(stopped()),
    };
    let shown = tokio::select! {
        shown = story::show(&stage, &tell) => shown,
        () = interrupted.wait() => Err(stopped()),
    };
    if shown.is_ok() && !once {
        stage.invite(&tell);
        stage.lines_to_copy(&tell);
        tokio::select! {
            never = bob::answers(&stage, &tell) => match never {},
            () = interrupted.wait() => tell.line(""),
        }
    }
    if let Err(Failure::Said(_)) = &shown {
        stage.explain(&tell);
    }
    stage.strike().await;
    shown
}

fn stopped() -> Failure {
    Failure::fault("the demo was stopped before its end")
}

/// What a person at the terminal, or whoever ends their session, sends.
struct Interrupted([tokio::signal::unix::Signal; 3]);

impl Interrupted {
    fn listen() -> Result<Self, Failure> {
        let on = |kind| {
            signal(kind)
                .map_err(|error| Failure::fault(format!("cannot listen for signals: {error}")))
        };
        Ok(Self([
            on(SignalKind::interrupt())?,
            on(SignalKind::terminate())?,
            on(SignalKind::hangup())?,
        ]))
    }

    async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
