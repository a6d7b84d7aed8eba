//! Rows of snapshots from any tool, as `--from-json` takes them, through the whole program.
#![no_main]

use backup_store::conformance::ManualClock;
use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use retention::{Row, Snapshot};
use si_backup_cli::{Interrupts, World};
use si_backup_fuzz::{file, scratch};
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;

#[derive(Clone, Default)]
struct Written(Rc<RefCell<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(row) = serde_json::from_slice::<Row<String>>(bytes) {
        let text = serde_json::to_vec(&row).unwrap();
        assert_eq!(serde_json::from_slice::<Row<String>>(&text).unwrap(), row);
        let _ = Snapshot::try_from(row).map_err(|e| e.to_string());
    }
    let rows = file("rows.json", bytes);
    let (out, err) = (Written::default(), Written::default());
    let args = ["si-backup", "retention", "plan", "--json", "--from-json"];
    let mut world = World {
        program: "/nonexistent/si-backup".into(),
        args: args.map(Into::into).into_iter().chain([rows.into()]).collect(),
        env: [("HOME".into(), scratch().into())].into(),
        out: Box::new(out.clone()),
        err: Box::new(err.clone()),
        out_is_terminal: false,
        err_is_terminal: false,
        now: Box::new(|| DateTime::from_timestamp(1_795_464_900, 0).unwrap()),
        clock: Arc::new(ManualClock::default()),
        boot_id: String::new(),
        interrupts: Interrupts::default(),
        host: "host-1".into(),
        user: "ada".into(),
        workers: 1,
    };
    let code = si_backup_cli::run(&mut world);
    let said: serde_json::Value = serde_json::from_slice(&out.0.borrow()).expect("exactly one object");
    assert_eq!(said["ok"], code == 0);
    let (kept, dropped) = (&said["summary"]["kept"], &said["summary"]["dropped"]);
    if code == 0 {
        assert_eq!(said["count"].as_u64(), Some(kept.as_u64().unwrap() + dropped.as_u64().unwrap()));
    } else {
        si_backup_fuzz::is_fit_to_print(said["error"]["message"].as_str().unwrap());
    }
});
