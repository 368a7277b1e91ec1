//! The binary: everything is in the library, `cli` reads the arguments.

use std::process::ExitCode;

// Gives memory back when sessions close, which the C library's does not, and is a tenth
// cheaper where much data flows: docs/performance.md has the figures.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    doorward::cli::main()
}
