//! What things are and what is allowed.
//!
//! Answers every question of policy as a function of values. Never does I/O, never reads
//! a clock, never awaits, never sees a secret.

pub mod audit;
pub mod capability;
pub mod checkout;
pub mod factor;
pub mod file;
pub mod ids;
pub mod name;
pub mod notice;
pub mod permit;
pub mod policy;
pub mod principal;
pub mod rdp;
pub mod recording;
pub mod refusal;
pub mod schema;
pub mod session;
pub mod size;
pub mod target;
pub mod text;
pub mod ticket;
pub mod time;
pub mod user;
pub mod ways_in;
pub mod web;
