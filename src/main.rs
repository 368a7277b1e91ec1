//! The binary: everything is in the library, `cli` reads the arguments.

use std::process::ExitCode;

fn main() -> ExitCode {
    doorward::cli::main()
}
