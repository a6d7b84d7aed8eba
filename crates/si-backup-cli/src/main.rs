//! The `si-backup` program: everything it does is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    si_backup_cli::main()
}
