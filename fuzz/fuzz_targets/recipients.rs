//! Recipients as settings and the command line give them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paas_state::Recipients;

fuzz_target!(|text: &str| {
    if let Ok(recipients) = Recipients::parse(text.split(',')) {
        assert_eq!(recipients.count(), text.split(',').count());
        let shown = recipients.to_string();
        assert_eq!(Recipients::parse(shown.split(", ")).unwrap().to_string(), shown);
    }
});
