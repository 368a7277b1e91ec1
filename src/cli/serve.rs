//! `serve`: runs the gateway until it is told to stop.

use std::{future::pending, path::PathBuf};

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

use super::{
    exit::{Done, Failure},
    screen::Screen,
};
use crate::{
    app::App,
    config::{ConfigError, Effective, Load},
    telemetry::Log,
};

#[derive(Args, Debug, Clone, Default)]
pub struct Serve {
    #[command(flatten)]
    pub at: At,
}

/// Which configuration an operator's command works on.
#[derive(Args, Debug, Clone, Default)]
pub struct At {
    /// The configuration file; without it config/doorward.toml, if it is there
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set one key, as often as you like: --set ssh.listen=127.0.0.1:2222
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl At {
    /// The configuration in this file, or in the usual one.
    pub fn file(config: Option<PathBuf>) -> Self {
        Self {
            config,
            set: Vec::new(),
        }
    }

    pub fn load(&self) -> Result<Effective, Failure> {
        self.try_load()
            .map_err(|error| Failure::usage(chain(&error)))
    }

    fn try_load(&self) -> Result<Effective, ConfigError> {
        // What is not text is no key of ours.
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        let mut load = Load::new().env(variables);
        if let Some(file) = &self.config {
            load = load.file(file);
        }
        for pair in &self.set {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            load = load.flag("--set", key, value);
        }
        load.load()
    }
}

pub async fn run(args: Serve, screen: &Screen) -> Done {
    let config = args.at.load()?.config;
    let log = Log::start(&config.log).map_err(|error| Failure::fault(error.to_string()))?;
    let app = App::start(config)
        .await
        .map_err(|error| Failure::fault(chain(&error)))?;
    welcome(&app, screen).await?;
    let mut signals = Signals::listen()?;
    loop {
        match signals.next().await {
            Told::Stop => break,
            Told::Reload => match args.at.try_load() {
                Ok(effective) => app.reload(&log, effective.config.log.level),
                // The old one stays.
                Err(error) => warn!(
                    error = chain(&error),
                    "Configuration not reloaded, the old one stays"
                ),
            },
        }
    }
    let now = async { while signals.next().await != Told::Stop {} };
    app.stop(now).await;
    Ok(())
}

/// What the one who starts it the first time needs, and nobody else.
async fn welcome(app: &App, screen: &Screen) -> Done {
    let token = app
        .bootstrap_token()
        .await
        .map_err(|error| Failure::fault(chain(&error)))?;
    let Some(token) = token else { return Ok(()) };
    let port = app.addresses.admin.port();
    let trust = match app.authority() {
        Some(path) => format!(" --ca {}", path.display()),
        None => String::new(),
    };
    screen.say(format!(
        "There is no admin yet. Make the first one, once, with\n\
         \n    doorward bootstrap --server https://localhost:{port}{trust}\n\
         \nbootstrap token: {}",
        *token
    ))
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        if !text.contains(&next_text) {
            text.push_str(": ");
            text.push_str(&next_text);
        }
        cause = next.source();
    }
    text
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Stop,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let on = |kind| {
            signal(kind)
                .map_err(|error| Failure::fault(format!("cannot listen for signals: {error}")))
        };
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            Some(()) = self.terminate.recv() => Told::Stop,
            Some(()) = self.interrupt.recv() => Told::Stop,
            Some(()) = self.hangup.recv() => Told::Reload,
            else => pending().await,
        }
    }
}
