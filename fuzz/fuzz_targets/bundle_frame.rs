//! What lies beneath the seal: one zstd frame of an archive.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paas_state::fuzzing::{ID, read_compressed};

fuzz_target!(|input: (bool, &[u8])| {
    let (compress, bytes) = input;
    let frame = if compress { zstd::encode_all(bytes, 1).unwrap() } else { bytes.to_vec() };
    match read_compressed(&frame) {
        Ok(manifest) => assert_eq!(manifest.id.to_string(), ID),
        Err(why) => si_backup_fuzz::is_fit_to_print(&why),
    }
});
