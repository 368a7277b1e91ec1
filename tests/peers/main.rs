//! What people use every day, directly and through the gateway: nothing may differ that is
//! not named and justified in `docs/ssh.md`. Real clients, real servers, real files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod browser;
mod case;
mod clients;
mod differential;
mod hostile;
#[path = "../gateway/web/nginx.rs"]
#[allow(dead_code)]
mod nginx;
#[path = "../gateway/people.rs"]
#[allow(dead_code)]
mod people;
mod scene;
#[path = "../gateway/sshd.rs"]
#[allow(dead_code)]
mod sshd;
mod stall;
#[path = "../gateway/support.rs"]
#[allow(dead_code)]
mod support;
mod trees;
