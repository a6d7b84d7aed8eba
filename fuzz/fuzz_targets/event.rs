//! Events of a context, in logs that si and others append to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paas_state::{ContextDir, Event, append_event, newest_events};
use si_backup_fuzz::{file, scratch};
use std::fs;

fuzz_target!(|bytes: &[u8]| {
    for log in ["alerts", "audit", "deployments"] {
        file(&format!("contexts/default/events/{log}.jsonl"), bytes);
    }
    let context = ContextDir::open(scratch(), "default".parse().unwrap()).unwrap();
    let before = newest_events(&context, usize::MAX).unwrap();
    assert_eq!(before.len() % 3, 0);
    let event = Event::new(chrono::DateTime::UNIX_EPOCH, &context, "fuzz", true).with("n", &1);
    append_event(&context, &event).unwrap();
    let log = fs::read(scratch().join("contexts/default/events/audit.jsonl")).unwrap();
    assert!(log.starts_with(bytes), "what was there stays");
    let last = log[..log.len() - 1].rsplit(|byte| *byte == b'\n').next().unwrap();
    assert_eq!(serde_json::from_slice::<Event>(last).unwrap(), event, "on a line of its own");
    if let Some(line) = bytes.split(|byte| *byte == b'\n').next()
        && let Ok(event) = serde_json::from_slice::<Event>(line)
    {
        let text = serde_json::to_vec(&event).unwrap();
        assert_eq!(serde_json::from_slice::<Event>(&text).unwrap(), event);
    }
});
