//! After a restore, beside a `si` program: what it says counts where it is an answer. A script stands in for it, because
//! the program itself is not to be had; it answers in the envelope that si is known for.

use crate::harness::Host;
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

/// A `si` that answers so to its doctor, and shows the context's own events where it is asked for them.
fn installed(host: &mut Host, doctor: &str) {
    let dir = host.path("bin");
    fs::create_dir_all(&dir).unwrap();
    let script = format!(
        r#"#!/bin/sh
echo "$SI_PAAS_STATE_ROOT: $*" >>{asked}
case "$*" in
  'paas doctor --json') cat <<'END'
{doctor}
END
  ;;
  'paas events list --limit 200 --json')
    printf '{{"ok": true, "data": ['; cat "$SI_PAAS_STATE_ROOT"/contexts/default/events/audit.jsonl | paste -sd, ; printf ']}}' ;;
  *) echo 'no such command' >&2; exit 2 ;;
esac
"#,
        asked = host.path("asked").display(),
    );
    let program = dir.join("si");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    host.setenv("PATH", format!("{}:/usr/bin:/bin", dir.display()));
}

fn checks(row: &Value) -> Vec<(String, bool, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of_si = |check: &&Value| text(&check["name"]).starts_with("si");
    let checks = row["checks"].as_array().unwrap().iter().filter(of_si);
    checks.map(|check| (text(&check["name"]), check["ok"] == true, text(&check["detail"]))).collect()
}

#[test]
fn what_si_says_of_a_restored_state_counts() {
    let (mut host, _) = Host::backed_up();
    let restore = ["restore", "--state", "--from", "LATEST", "--force"];
    let told = checks(&host.json(restore).expect(0).row());
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].1 && told[0].2.contains("not asked: it is not installed here"), "{told:?}");
    host.json(["restore", "confirm"]).expect(0);

    let doctor =
        |ok: bool| json!({"ok": ok, "command": "doctor", "checks": [{"name": "vault file", "ok": ok}]});
    installed(&mut host, &doctor(false).to_string());
    let told = checks(&host.json(restore).expect(12).row());
    let of_doctor = told.iter().find(|(name, ..)| name == "si doctor").unwrap();
    assert!(!of_doctor.1 && of_doctor.2.contains("vault file"), "{told:?}");
    let of_events = told.iter().find(|(name, ..)| name == "si events").unwrap();
    assert!(of_events.1 && of_events.2.contains("all is well"), "{told:?}");
    // It knows no `app status`, which is said and keeps nothing shut.
    let of_apps: Vec<_> = told.iter().filter(|(name, ..)| name.starts_with("si app status")).collect();
    assert!(!of_apps.is_empty() && of_apps.iter().all(|it| it.1 && it.2.contains("not counted")), "{told:?}");
    host.json(["guard", "check"]).expect(11);

    installed(&mut host, &doctor(true).to_string());
    host.json(["guard", "recheck"]).expect(0);
    host.json(["guard", "check"]).expect(0);
    let asked = fs::read_to_string(host.path("asked")).unwrap();
    assert!(asked.lines().all(|line| line.starts_with(host.state_root().to_str().unwrap())), "{asked}");
    host.json(["restore", "confirm"]).expect(0);

    // One that answers in another way.
    installed(&mut host, "everything is fine");
    let told = checks(&host.json(restore).expect(0).row());
    assert!(
        told.iter().any(|(name, ok, said)| name == "si doctor" && *ok && said.contains("prints no JSON"))
    );
}
