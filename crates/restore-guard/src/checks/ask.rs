use super::{Check, CheckKind, command, tcp};
use backup_contract::CheckResult;
use backup_store::Clock;

/// Asks until the answer is as it should be, or the attempts are used up, or `stop` says so.
#[must_use]
pub fn ask(check: &Check, clock: &dyn Clock, stop: &dyn Fn() -> bool) -> CheckResult {
    ask_by(check, clock, stop, &mut || match &check.kind {
        CheckKind::Tcp(address) => tcp::connect(address, check.timeout, clock),
        CheckKind::Command(words) => command::run(words, check.timeout, clock, stop),
        #[cfg(feature = "http")]
        CheckKind::Http { url, expect, contains } => {
            super::http::get(url, *expect, contains.as_deref(), check.timeout)
        }
        #[cfg(not(feature = "http"))]
        CheckKind::Http { .. } => Err("this program was built without http".to_owned()),
        CheckKind::Other => Err("there is no way to ask it".to_owned()),
    })
}

/// The same with another way to ask, as patiently as the check says; `attempt` keeps to its time limit by itself. It says in
/// words what the answer is, as it should be or not.
#[must_use]
pub fn ask_by(
    check: &Check,
    clock: &dyn Clock,
    stop: &dyn Fn() -> bool,
    attempt: &mut dyn FnMut() -> Result<String, String>,
) -> CheckResult {
    let began = clock.monotonic();
    let mut answer = Err("it was not asked".to_owned());
    for number in 1..=check.attempts.max(1) {
        if stop() {
            break;
        }
        if number > 1 {
            clock.sleep(check.every);
        }
        answer = attempt();
        if answer.is_ok() {
            break;
        }
    }
    let took = clock.monotonic().saturating_sub(began);
    let (ok, detail) = match answer {
        Ok(detail) => (true, detail),
        Err(detail) => (false, detail),
    };
    CheckResult {
        name: check.name.clone(),
        ok,
        detail,
        duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    }
}
