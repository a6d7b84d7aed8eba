//! The record of a snapshot, which lies in the open.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paas_state::{Record, objects_of};

fuzz_target!(|bytes: &[u8]| {
    match Record::parse(bytes) {
        Ok(record) => {
            assert_eq!(Record::parse(&record.to_json().unwrap()).unwrap(), record);
            objects_of(&record.context, &record.id).unwrap();
        }
        Err(e) => si_backup_fuzz::is_fit_to_print(&e.to_string()),
    }
});
