//! The manifest of a bundle, which anyone who has the recipient can write.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paas_state::Manifest;

fuzz_target!(|bytes: &[u8]| {
    match Manifest::parse(bytes) {
        Ok(manifest) => assert_eq!(Manifest::parse(&manifest.to_json().unwrap()).unwrap(), manifest),
        Err(e) => si_backup_fuzz::is_fit_to_print(&e.to_string()),
    }
});
