//! The `si-backup` program: everything it does is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "fail-points")]
    die_where_a_test_wants();
    si_backup_cli::main()
}

/// Lets this process be killed at the fail point whose number the environment names. After the last point it ends as it
/// would.
#[cfg(feature = "fail-points")]
fn die_where_a_test_wants() {
    let number = std::env::var("SI_BACKUP_FAIL_POINT").ok().and_then(|text| text.parse().ok());
    if let Some(number) = number {
        backup_store::fail_point::arm(number);
    }
}
