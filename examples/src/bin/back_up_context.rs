//! Backs up a context of si and reads it back, by the libraries alone: no settings, no command line.
//!
//! ```console
//! $ cargo run -p si-backup-examples --bin back_up_context -- ~/.si/paas default /srv/backups/si
//! ```

use backup_contract::{ContextName, SnapshotId};
use backup_store::DirStore;
use chrono::Utc;
use paas_state::{
    AllowList, ContextDir, Identities, Patience, Reading, Recipients, Sealing, UnverifiedBundle, Unwatched,
};
use si_backup_examples::SystemClock;
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [state_root, context, store] = args.as_slice() else {
        return Err("usage: back_up_context STATE_ROOT CONTEXT STORE_DIRECTORY".into());
    };
    let report = back_up(Path::new(state_root), context, Path::new(store))?;
    println!("{report}");
    Ok(())
}

fn back_up(state_root: &Path, context: &str, store: &Path) -> Result<String, Box<dyn Error>> {
    let context = ContextDir::open(state_root, ContextName::new(context)?)?;
    let store = DirStore::open(store)?;
    // A real program keeps the identity away from the host; this one throws it away with the process.
    let identities = Identities::generate();
    let recipients = Recipients::parse(identities.recipients())?;

    // What would be taken, and does anything stand in the way?
    let reading = Reading {
        context: &context,
        with: &[],
        allow: &AllowList::default(),
        patience: &Patience::default(),
        clock: &SystemClock::new(),
        watch: &Unwatched,
    };
    for finding in reading.inspect()?.findings {
        println!("{}: {} {} ({})", finding.severity, finding.place, finding.detail, finding.hint);
    }

    // Seal it, and store bundle and record.
    let backup = reading.back_up(
        &store,
        &Sealing {
            recipients: &recipients,
            id: &SnapshotId::state(Utc::now(), std::process::id()),
            started_at: Utc::now(),
            origin: None,
            host: "example",
            tool: "back_up_context",
            suspect: false,
            workers: 2,
        },
    )?;

    // Nothing is known of what was stored until it was read back: only a verified bundle has a manifest.
    let bundle = UnverifiedBundle::new(&store, backup.record.clone())?;
    let verified = bundle.verify(&identities, &Unwatched)?;

    // And into a new directory, which is visible only once every file equals the manifest.
    let scratch = tempfile::tempdir()?;
    let target = scratch.path().join("restored");
    bundle.stage(&identities, &target, None, &Unwatched)?.publish()?;

    Ok(format!(
        "{}: {} files, {} bytes sealed into {}, proved and unpacked",
        backup.record.id,
        verified.manifest().files.len(),
        verified.manifest().bytes(),
        backup.record.bytes,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn it_does_what_it_says() {
        let home = tempfile::tempdir().unwrap();
        let context = home.path().join("paas/contexts/default");
        fs::create_dir_all(&context).unwrap();
        fs::create_dir(home.path().join("store")).unwrap();
        fs::write(context.join("config.json"), "{}").unwrap();
        let report = back_up(&home.path().join("paas"), "default", &home.path().join("store")).unwrap();
        assert!(report.contains("1 files, 2 bytes sealed"), "{report}");
    }
}
