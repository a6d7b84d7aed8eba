use super::{Check, CheckKind, command, tcp};
use backup_contract::CheckResult;
use backup_store::Clock;

/// Asks until the answer is as it should be, or the attempts are used up, or `stop` says so.
#[must_use]
pub fn ask(check: &Check, clock: &dyn Clock, stop: &dyn Fn() -> bool) -> CheckResult {
    let began = clock.monotonic();
    let mut answer = Err("it was not asked".to_owned());
    for attempt in 1..=check.attempts.max(1) {
        if stop() {
            break;
        }
        if attempt > 1 {
            clock.sleep(check.every);
        }
        answer = match &check.kind {
            CheckKind::Tcp(address) => tcp::connect(address, check.timeout),
            CheckKind::Command(words) => command::run(words, check.timeout, clock, stop),
            #[cfg(feature = "http")]
            CheckKind::Http { url, expect, contains } => {
                super::http::get(url, *expect, contains.as_deref(), check.timeout)
            }
            #[cfg(not(feature = "http"))]
            CheckKind::Http { .. } => Err("this program was built without http".to_owned()),
        };
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
