//! What people use every day, directly and through the gateway: nothing may differ that is
//! not named and justified in `docs/ssh.md`. Real clients, real servers, real files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

#[path = "../gateway/web/apps.rs"]
#[allow(dead_code)]
mod apps;
#[path = "../gateway/authenticator.rs"]
mod authenticator;
mod browser;
mod case;
mod clients;
mod console;
mod console_pages;
mod desktop;
mod differential;
mod hostile;
mod lab;
mod load;
#[path = "../gateway/web/nginx.rs"]
#[allow(dead_code)]
mod nginx;
mod notes;
#[path = "../gateway/people.rs"]
#[allow(dead_code)]
mod people;
mod prometheus;
mod scene;
mod screen;
#[path = "../gateway/seen.rs"]
#[allow(dead_code)]
mod seen;
mod sign_in;
mod slow;
#[path = "../gateway/sshd.rs"]
#[allow(dead_code)]
mod sshd;
mod stall;
#[path = "../gateway/support.rs"]
#[allow(dead_code)]
mod support;
#[path = "../gateway/telling/server.rs"]
#[allow(dead_code)]
mod telling;
mod trees;
mod window;
