//! What the `si` program itself says of a restored state, where it is installed.
//!
//! It is asked in its own words, and its answer counts where it is one: an envelope, with rows. A `si` that does not know a
//! command, or answers in another way, keeps nothing shut, and the record says so: what this program looked at by itself
//! was looked at all the same.

use super::after::{failed, passed};
use crate::Session;
use crate::app::containers::client;
use crate::app::server::within;
use backup_contract::{AppSlug, CheckResult};
use rustix::fs::{Access, access};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use walg_driver::process::{Limits, Output, Status};
use walg_driver::runner::{Job, LocalRunner, Runner as _};

/// How long it may take: what runs on other machines is asked there.
const PATIENCE: Duration = Duration::from_mins(1);
/// How many events it is asked for.
const EVENTS: usize = 200;

/// The `si` program of this host.
struct Si<'s> {
    session: &'s Session<'s>,
    program: PathBuf,
}

/// What an answer comes to.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// Everything is well.
    Well,
    /// These are not.
    Wrong(Vec<String>),
    /// Nothing that is known to be an answer.
    Unknown,
}

/// Asks `si` for its doctor, the status of each app, and whether its events show the restore; says that it was not asked
/// where it is not there.
pub(super) fn ask<'s>(
    session: &'s Session<'s>,
    apps: impl Iterator<Item = &'s AppSlug>,
    request: &str,
) -> Vec<CheckResult> {
    let si = match Si::find(session) {
        Ok(si) => si,
        Err(why) => return vec![passed("si", format!("not asked: {why}; this program looked by itself"))],
    };
    let mut checks = vec![si.check("si doctor", &["doctor"], told)];
    checks.extend(apps.map(|app| {
        si.check(&format!("si app status {app}"), &["app", "status", "--app", app.as_str()], told)
    }));
    let most = EVENTS.to_string();
    checks.push(si.check("si events", &["events", "list", "--limit", &most], |answer| {
        let events: Vec<_> = rows(answer).filter(|row| row.get("fields").is_some()).collect();
        match events.iter().any(|event| event["fields"]["request"] == request) {
            true => Said::Well,
            // There may be others behind those that it tells, dated as they are.
            false if events.is_empty() || events.len() >= EVENTS => Said::Unknown,
            false => Said::Wrong(vec!["the restore is not among its events".into()]),
        }
    }));
    checks
}

impl<'s> Si<'s> {
    fn find(session: &'s Session<'s>) -> Result<Self, String> {
        let path = session.world.var("PATH").ok_or("there is no PATH to look for it in")?;
        // Others depend on where this is run, and it is run elsewhere.
        let dirs = std::env::split_paths(path).filter(|dir| dir.is_absolute());
        let mut programs = dirs.map(|dir| dir.join("si"));
        let program = programs
            .find(|program| program.is_file() && access(program, Access::EXEC_OK).is_ok())
            .ok_or("it is not installed here")?;
        let selected = std::fs::read_to_string(session.state_root().join("current_context"));
        let selected = selected.unwrap_or_default();
        let selected = if selected.trim().is_empty() { "default" } else { selected.trim() };
        if selected != session.context.as_str() {
            return Err(format!("it looks at the context '{selected}'"));
        }
        Ok(Self { session, program })
    }

    fn check(&self, name: &str, words: &[&str], judge: impl Fn(&Value) -> Said) -> CheckResult {
        let shown = format!("'si paas {}'", words.join(" "));
        super::after::timed(self.session, || match self.answer(words).map(|answer| judge(&answer)) {
            Ok(Said::Well) => passed(name, format!("{shown} says that all is well")),
            Ok(Said::Wrong(what)) => failed(name, format!("{shown} says otherwise: {}", what.join(", "))),
            Ok(Said::Unknown) => passed(name, format!("not counted: {shown} gives no answer that is known")),
            Err(why) => passed(name, format!("not counted: {shown} {why}")),
        })
    }

    /// What it prints, as JSON. Its exit code says nothing that the envelope does not.
    fn answer(&self, words: &[&str]) -> Result<Value, String> {
        let root: &Path = self.session.state_root();
        let environment = client(self.session).plain("SI_PAAS_STATE_ROOT", root);
        let job = Job::new(&self.program).args(["paas"]).args(words.iter().copied()).args(["--json"]);
        let ended = within(self.session, Limits::default().total(PATIENCE), |control| {
            LocalRunner::new("/", environment).run(&job.output(Output::Raw), control)
        })
        .map_err(|error| format!("cannot be run: {error}"))?;
        match ended.status {
            Status::Exited(_) => {}
            Status::TimedOut(_) | Status::Stalled(_) => {
                return Err(format!("did not end within {} s", PATIENCE.as_secs()));
            }
            Status::Interrupted | Status::Killed(_) => return Err("was stopped".into()),
        }
        let printed = ended.stdout.whole().unwrap_or_default();
        serde_json::from_slice(&printed).map_err(|_| "prints no JSON".into())
    }
}

/// The rows of an envelope: `checks` of a doctor, else `data`.
fn rows(answer: &Value) -> impl Iterator<Item = &Value> {
    let rows = answer.get("checks").or_else(|| answer.get("data")).and_then(Value::as_array);
    rows.into_iter().flatten()
}

/// What an envelope says by the `ok` and `status` of its rows, and its own `ok`. What else is in it may be a secret, and is
/// not repeated. A row that is no error keeps nothing shut, nor does one that tells of the lock which this is to open: a `si`
/// that has these libraries in it says so too.
fn told(answer: &Value) -> Said {
    let is_bad = |row: &&Value| row["ok"] == false || row["status"] == "failed" || row["status"] == "error";
    let counts = |row: &&Value| {
        let is_less = row["severity"] == "warning" || row["severity"] == "info";
        row["code"] != "mutation-lock-shut" && !is_less
    };
    let mut wrong: Vec<_> = rows(answer).filter(is_bad).filter(counts).map(name_of).collect();
    let knows_no_such =
        |code: &&str| ["usage", "unknown", "not-found", "invalid"].iter().any(|it| code.contains(it));
    let failed = plain(&answer["error"]["code"]).filter(|code| !knows_no_such(code));
    wrong.extend(failed.filter(|_| answer["ok"] == false));
    if !wrong.is_empty() {
        return Said::Wrong(wrong.into_iter().map(str::to_owned).collect());
    }
    if answer["ok"] == true || rows(answer).any(|row| is_bad(&row)) { Said::Well } else { Said::Unknown }
}

fn name_of(row: &Value) -> &str {
    let names = ["name", "app", "target"].iter().find_map(|key| plain(&row[key]));
    names.unwrap_or("a row without a plain name")
}

/// A name or a code, as they are given; of anything else nobody knows what it holds.
fn plain(value: &Value) -> Option<&str> {
    let is_plain = |text: &&str| {
        let known = |c: char| c.is_ascii_alphanumeric() || " ._-".contains(c);
        !text.is_empty() && text.len() <= 64 && text.chars().all(known)
    };
    value.as_str().filter(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_is_judged_by_its_rows() {
        let doctor = |rows: Value, ok: bool| told(&json!({"ok": ok, "command": "doctor", "checks": rows}));
        assert_eq!(doctor(json!([{"name": "vault", "ok": true}]), true), Said::Well);
        let wrong = Said::Wrong(vec!["vault".into()]);
        assert_eq!(doctor(json!([{"name": "vault", "ok": false}]), false), wrong);
        assert_eq!(doctor(json!([{"name": "vault", "ok": false}]), true), wrong, "a row counts more");
        let lock =
            json!({"name": "restores", "ok": false, "code": "mutation-lock-shut", "severity": "warning"});
        assert_eq!(doctor(json!([lock, {"name": "vault", "ok": true}]), false), Said::Well);
        assert_eq!(told(&json!({"ok": false, "error": {"code": "usage"}})), Said::Unknown);
        assert_eq!(
            told(&json!({"ok": true, "data": [{"app": "shop", "status": "failed", "error": "s3cret"}]})),
            Said::Wrong(vec!["shop".into()])
        );
        assert_eq!(
            told(&json!({"ok": false, "error": {"code": "state-unreadable"}})),
            Said::Wrong(vec!["state-unreadable".into()])
        );
        for row in [
            json!({"name": "postgres://u:s3cret@db", "ok": false}),
            json!({"ok": false, "severity": "critical"}),
            json!({"ok": true, "status": "error"}),
        ] {
            assert_eq!(doctor(json!([row]), false), Said::Wrong(vec!["a row without a plain name".into()]));
        }
        for odd in [json!([]), json!("ok"), json!({}), json!(null)] {
            assert_eq!(told(&odd), Said::Unknown, "{odd}");
        }
    }
}
