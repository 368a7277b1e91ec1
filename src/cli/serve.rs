//! `serve`: Runs the gateway. Not joined to `crate::app` yet.

use clap::Args;

use super::exit::{Done, Failure};

#[derive(Args)]
pub struct Serve {}

pub async fn run(_args: Serve) -> Done {
    Err(Failure::fault("serve is not built into this program yet"))
}
