//! The command line: reads arguments, calls the rest, writes to the terminal.

use std::process::ExitCode;

pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
