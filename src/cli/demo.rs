//! `demo`: Shows the whole line on this machine. Not joined to `crate::app` yet.

use clap::Args;

use super::exit::{Done, Failure};

#[derive(Args)]
pub struct Demo {}

pub async fn run(_args: Demo) -> Done {
    Err(Failure::fault("demo is not built into this program yet"))
}
