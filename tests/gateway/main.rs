//! The gateway as people meet it: the real binary, real clients, real targets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod api;
mod asking;
mod authenticator;
mod cli;
mod credential;
mod desk;
mod faults;
mod files;
mod hostile;
mod jump;
mod life;
mod limits;
mod notice;
mod people;
mod postgres;
mod proof;
mod rdp;
mod recording;
mod scene;
mod second;
mod seen;
mod ssh;
mod sshd;
mod support;
mod telling;
mod terminal;
mod transport;
mod ways;
mod web;
mod wild;
