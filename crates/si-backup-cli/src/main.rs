//! The `si-backup` program: everything it does is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "fail-points")]
    listen_to_a_test();
    si_backup_cli::main()
}

/// Lets this process be killed at the fail point whose number the environment names, or wait there for a named pipe, and
/// has the ones that it reaches written into a file. After the last point it ends as it would.
#[cfg(feature = "fail-points")]
fn listen_to_a_test() {
    use backup_store::fail_point;
    use std::env::{var, var_os};
    let number = var("SI_BACKUP_FAIL_POINT").ok().and_then(|text| text.parse().ok());
    match (number, var_os("SI_BACKUP_FAIL_POINT_PIPE")) {
        (Some(number), Some(pipe)) => fail_point::wait_at(number, pipe.into()),
        (Some(number), None) => fail_point::arm(number),
        (None, _) => {}
    }
    let told = var_os("SI_BACKUP_FAIL_POINTS_TO");
    let open = |path| std::fs::OpenOptions::new().append(true).create(true).open(path).ok();
    if let Some(file) = told.and_then(open) {
        fail_point::tell(file);
    }
}
