//! The settings file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use si_backup_cli::settings::{SettingsError, parse};
use std::path::Path;

fuzz_target!(|text: &str| {
    match parse(Path::new("config.toml"), text) {
        Ok(settings) => drop(format!("{settings:?}")),
        Err(e) => {
            if let SettingsError::Invalid { line, column, .. } = &e {
                assert!(*line >= 1 && *line <= text.matches('\n').count() + 1 && *column >= 1);
            }
            let _ = (e.to_string(), e.hint(), e.code());
        }
    }
});
