//! `play`: shows a recording in the terminal. Not joined to `crate::recording` yet.

use clap::Args;

use super::{
    client::Client,
    exit::{Done, Failure},
    screen::Screen,
};
use crate::model::ids::RecordingId;

#[derive(Args)]
pub struct Play {
    id: RecordingId,
}

pub async fn run(args: Play, _client: &Client, _screen: &Screen) -> Done {
    Err(
        Failure::fault("play is not built into this program yet").next(format!(
            "`doorward recordings get {}` downloads it",
            args.id
        )),
    )
}
