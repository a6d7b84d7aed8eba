//! The outermost layer: whatever lies in the store.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paas_state::fuzzing::{ID, read_sealed};
use paas_state::{Identities, Recipients};
use std::sync::LazyLock;

static IDENTITIES: LazyLock<Identities> = LazyLock::new(Identities::generate);

fuzz_target!(|input: (bool, &[u8])| {
    let (seal, bytes) = input;
    // Half of the time with a seal that is right, so that what is beneath it is reached.
    let sealed = if seal {
        Recipients::parse(IDENTITIES.recipients()).unwrap().seal_bytes(bytes).unwrap()
    } else {
        bytes.to_vec()
    };
    match read_sealed(&sealed, &IDENTITIES) {
        Ok(manifest) => assert_eq!(manifest.id.to_string(), ID),
        Err(why) => si_backup_fuzz::is_fit_to_print(&why),
    }
});
