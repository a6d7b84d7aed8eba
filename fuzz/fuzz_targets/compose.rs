//! Compose projects: one or two files, or what docker compose made of them.
#![no_main]

use backup_contract::compose::{ComposeFile, Expected, Project, check};
use libfuzzer_sys::fuzz_target;
use si_backup_cli::view::printable;
use si_backup_fuzz::is_fit_to_print;

/// What parts two files.
const PART: &[u8] = b"\n%%%\n";

fuzz_target!(|bytes: &[u8]| {
    let read = match bytes.strip_prefix(b"{") {
        Some(_) => Project::from_json(bytes),
        None => {
            let at = bytes.windows(PART.len()).position(|window| window == PART).unwrap_or(bytes.len());
            let (first, second) = bytes.split_at(at);
            let files = [first, second.get(PART.len()..).unwrap_or_default()]
                .map(|bytes| ComposeFile { name: "compose.yaml", bytes });
            Project::from_files("/srv/shop", &files)
        }
    };
    match read {
        Ok(project) => {
            for finding in check(&project, &Expected::default()).findings {
                // As the command line prints it.
                is_fit_to_print(&printable(&finding.detail));
                is_fit_to_print(&printable(&finding.place.to_string()));
            }
        }
        Err(e) => is_fit_to_print(&printable(&e.to_string())),
    }
});
