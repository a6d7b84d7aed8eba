//! The linked-in engine as a program, and what a program has to do to be one: the tests start it.

use std::process::ExitCode;

fn main() -> ExitCode {
    // What else a program does comes after this; here there is nothing else.
    walg_driver::engine::dispatch_engine().unwrap_or(ExitCode::from(2))
}
