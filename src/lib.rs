//! Doorward: a check-out gateway for privileged access.
//!
//! The map of the crate, and nothing else. `ARCHITECTURE.md` says who may use whom
//! (`tests/architecture.rs` holds it) and follows one session through the house.

pub mod api;
pub mod app;
pub mod audit;
pub mod broker;
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod identity;
pub mod keeper;
pub mod kill;
pub mod lifecycle;
pub mod model;
pub mod notify;
pub mod page;
pub mod recording;
pub mod session;
pub mod store;
pub mod sweeper;
pub mod telemetry;
pub mod tls;
pub mod vault;
