//! An identity file.
#![no_main]

use age::secrecy::ExposeSecret;
use libfuzzer_sys::fuzz_target;
use paas_state::{Identities, Recipients};
use si_backup_fuzz::file;

fuzz_target!(|bytes: &[u8]| {
    let Ok(identities) = Identities::read(&file("identity", bytes)) else { return };
    let text = identities.to_file_text();
    let again = Identities::read(&file("again", text.expose_secret().as_bytes())).unwrap();
    assert_eq!(identities.recipients(), again.recipients());
    assert!(!format!("{identities:?}").contains("AGE-SECRET"));
    let sealed = Recipients::parse(again.recipients()).unwrap().seal_bytes(b"text").unwrap();
    assert_eq!(identities.open_bytes(&sealed, "text").unwrap(), b"text");
});
