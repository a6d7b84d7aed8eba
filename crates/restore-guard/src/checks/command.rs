use backup_store::Clock;
use rustix::process::{Pid, Signal, kill_process_group};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Whether a program ends with 0 in time. It, and whatever it has started in its group, is killed when not.
pub(super) fn run(
    words: &[String],
    timeout: Duration,
    clock: &dyn Clock,
    stop: &dyn Fn() -> bool,
) -> Result<String, String> {
    let (program, arguments) = words.split_first().ok_or("there is no command")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().map_err(|e| format!("'{program}' cannot be run: {e}"))?;
    let began = clock.monotonic();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return judge(program, status),
            Ok(None) => {}
            Err(e) => return Err(format!("'{program}' cannot be waited for: {e}")),
        }
        let is_over = clock.monotonic().saturating_sub(began) >= timeout;
        if is_over || stop() {
            kill(&mut child);
            return Err(if is_over {
                format!("'{program}' did not end within {} s, and was killed", timeout.as_secs_f32())
            } else {
                format!("'{program}' was stopped")
            });
        }
        clock.sleep(LOOK);
    }
}

fn judge(program: &str, status: ExitStatus) -> Result<String, String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(format!("'{program}' ended with 0")),
        (Some(code), _) => Err(format!("'{program}' ended with {code}")),
        (None, signal) => Err(format!("'{program}' was ended by signal {}", signal.unwrap_or_default())),
    }
}

fn kill(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // What is gone already needs no killing.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}
