//! The binary: everything is in the library, `cli` reads the arguments.

use std::process::ExitCode;

// Smaller than the C library's with many idle sessions; docs/performance.md says what was
// measured.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    doorward::cli::main()
}
