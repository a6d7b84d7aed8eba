//! Runs a command that changes an app, such as a deploy, unless a restore keeps the app from being changed.
//!
//! ```console
//! $ cargo run -p si-backup-examples --bin deploy_under_lock -- ~/.si/paas/contexts/default shop ./deploy shop
//! ```

use backup_contract::{AppSlug, Subject};
use restore_guard::MutationLock;
use si_backup_examples::SystemClock;
use std::error::Error;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// For how long to wait while a lock is just being shut or opened.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [context, app, program, arguments @ ..] = args.as_slice() else {
        return Err("usage: deploy_under_lock CONTEXT_DIRECTORY APP PROGRAM [ARGUMENT…]".into());
    };
    let mut command = Command::new(program);
    command.args(arguments);
    let has_changed = change(Path::new(context), app, || Ok(command.status()?.success()))?;
    Ok(if has_changed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Changes an app, with nobody restoring it or the state meanwhile.
fn change<T>(
    context: &Path,
    app: &str,
    act: impl FnOnce() -> Result<T, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    let subject = Subject::App(AppSlug::new(app)?);
    let lock = MutationLock::new(context.join(".si-backup"));
    // The error says who has shut the lock, why, and since when.
    let pass = lock.enter(&subject, &SystemClock::new(), PATIENCE)?;
    let answer = act();
    // Held to here: a restore that wants to begin waits for it.
    drop(pass);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use restore_guard::ShutRecord;

    #[test]
    fn it_changes_nothing_while_a_restore_has_the_lock_shut() {
        let context = tempfile::tempdir().unwrap();
        let lock = MutationLock::new(context.path().join(".si-backup"));
        let clock = SystemClock::new();
        let request = format!("sha256:{}", "1".repeat(64)).parse().unwrap();
        let record =
            ShutRecord::new(Subject::State, chrono::Utc::now(), "ada@host", "host", "restore", request);

        change(context.path(), "shop", || {
            // No restore begins under a change.
            assert!(lock.shut(&record, &clock, Duration::ZERO).is_err());
            Ok(())
        })
        .unwrap();

        lock.shut(&record, &clock, Duration::ZERO).unwrap();
        let mut was_run = false;
        let refused = change(context.path(), "shop", || {
            was_run = true;
            Ok(())
        })
        .unwrap_err();
        assert!(!was_run);
        assert!(refused.to_string().contains("ada@host"), "{refused}");

        let seen = lock.standing(&Subject::State).unwrap();
        lock.release(&Subject::State, &seen, &clock, Duration::ZERO).unwrap();
        assert!(change(context.path(), "shop", || Ok(true)).unwrap());
    }
}
