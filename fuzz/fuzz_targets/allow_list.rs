//! The reviewed exceptions of the secret scan.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paas_state::AllowList;

fuzz_target!(|text: &str| {
    if let Err(e) = AllowList::parse(text) {
        let _ = (e.to_string(), e.hint());
    }
});
