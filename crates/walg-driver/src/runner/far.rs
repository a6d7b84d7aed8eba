use super::Job;
use super::compose::{Compose, shell};
use super::marks::Marks;
use super::quote::{Script, command_of};
use crate::Result;
use crate::process::Limits;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

/// How a job is run on another machine.
#[derive(Debug, Clone)]
pub enum Far {
    /// In a container of a compose project there.
    Compose(Compose),
    /// As the user that logs in, in this directory and with the settings that the user has.
    Plain(PathBuf),
}

/// How much longer the far side has for itself: the limits are kept here, and there only if we are gone.
const SLACK: Duration = Duration::from_secs(30);

/// How often the far side is told that we are there.
pub(super) const BEAT_EVERY: Duration = Duration::from_secs(15);
/// After how long without it the far side takes us for gone. `ssh` gives up here long before.
pub(super) const SILENCE: Duration = Duration::from_mins(3);

impl Far {
    pub(super) fn dir(&self) -> &OsStr {
        match self {
            Self::Compose(compose) => compose.dir.as_os_str(),
            Self::Plain(dir) => dir.as_os_str(),
        }
    }

    /// A job as a command of the shell there.
    pub(super) fn command(&self, job: &Job, marks: &Marks) -> Result<OsString> {
        match self {
            Self::Compose(compose) => shell(&compose.run_words(job, marks)?),
            Self::Plain(_) => Ok(marks.around(&command_of(job)?)),
        }
    }

    /// What is left to do there when a job had to be ended.
    pub(super) fn cleanup(&self, marks: &Marks) -> Result<OsString> {
        match self {
            Self::Compose(compose) => Ok(Script::new().text(";").words(compose.remove_words(marks))?.done()),
            Self::Plain(_) => Ok(OsString::new()),
        }
    }
}

/// The script that carries a command on the far side, and lets it live only as long as we do.
///
/// It reads as many bytes as the command's input has; after that, standard input brings a beat now and then, and its end when
/// we have ended `ssh`, or the connection is lost: then the command is ended with its whole session. So it is when no beat
/// came for as long as `silence`, as when a network falls silent and nobody hears of it; and by a limit on the whole time.
/// Once that has begun it is seen through: a command's shell dies of `SIGTERM` before what it runs does.
pub(super) fn script(
    dir: &OsStr,
    command: &OsStr,
    cleanup: &OsStr,
    input: usize,
    limits: &Limits,
    silence: Duration,
    marks: &Marks,
) -> Result<OsString> {
    let grace = limits.grace.as_secs().max(1);
    let bounded = limits.total.map_or_else(String::new, |total| {
        format!(" timeout -k {grace} {}", (total + limits.grace + SLACK).as_secs())
    });
    // Whatever comes is a sign of life: what of its input the command did not want comes too. Where there is no `timeout`, the
    // end of the input alone is waited for.
    let until_gone = format!(
        "if timeout 1 true; then while [ \"$(timeout {} dd bs=65536 count=1 <&3 2>/dev/null | wc -c)\" -gt 0 ]; do :; done; \
         else cat <&3; fi",
        silence.as_secs().max(1)
    );
    let give_up = format!("{{ s=$?; {}; exit $s; }}", marks.far());
    // One process alone may read standard input: it first hands the command's part on, through a pipe with a name that is
    // gone as soon as both ends are open, and then waits for the end.
    let (prepare, source, open, hand_on, close) = if input == 0 {
        (String::new(), "/dev/null", "", String::new(), "")
    } else {
        (
            format!("umask 077\nd=$(mktemp -d) && mkfifo \"$d/in\" || {give_up}\n"),
            "\"$d/in\"",
            "exec 4>\"$d/in\"\nrm -r \"$d\"\n",
            format!("head -c {input} <&3 >&4; exec 4>&-; "),
            "exec 4>&-\n",
        )
    };
    let script = Script::new()
        .text(marks.begin())
        .text("\ncd --")
        .words([dir])?
        .text(format!(" || {give_up}\nexec 3<&0\n{prepare}setsid{bounded} sh -c"))
        .words([command])?
        .text(format!(
            " <{source} 3<&- &\np=$!\n{open}({hand_on}{until_gone}; trap '' TERM; kill -s TERM -- -$p; sleep {grace}; "
        ))
        .text("kill -s KILL -- -$p")
        .text(cleanup)
        .text(format!(
            ") >/dev/null 2>&1 &\nw=$!\n{close}wait $p\ns=$?\n{{ kill $w; wait $w; }} 2>/dev/null\n{}\nexit $s\n",
            marks.far()
        ));
    Ok(script.done())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::RealClock;
    use crate::process::{Command, Ended, Status, Variables, Watch, run};
    use std::fs;
    use std::path::Path;

    /// What the far side sees of us.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Presence {
        Beats,
        /// The connection is there, and nothing comes through it.
        Silent,
        /// Standard input ends as soon as the input is written, as it does when a connection is lost.
        Gone,
    }

    /// Has a shell here carry a command as one on the far side would.
    fn carried(
        dir: &str,
        command: &str,
        input: &[u8],
        presence: Presence,
        total: Option<Duration>,
    ) -> (Ended, super::super::marks::Found) {
        let marks = Marks::new().unwrap();
        let limits = Limits { grace: Duration::from_secs(1), total, ..Limits::default() };
        let job = marks.around(command.as_ref());
        let (dir, silence) = (dir.as_ref(), Duration::from_secs(1));
        let script = script(dir, &job, OsStr::new(""), input.len(), &limits, silence, &marks).unwrap();
        let environment = Variables::new().plain("PATH", "/usr/bin:/bin");
        let command =
            Command::new("sh").args([OsStr::new("-c"), &script]).environment(environment).input(input);
        let command = match presence {
            Presence::Beats => command.beat(Duration::from_millis(200)),
            Presence::Silent => command.hold_input_open(),
            Presence::Gone => command,
        };
        let mut ended = run(&command, &limits, &Watch::none(), &RealClock::new()).unwrap();
        let found = marks.take(&mut ended);
        (ended, found)
    }

    #[test]
    fn input_goes_in_and_the_exit_code_comes_out() {
        let input = b"select 1;\n".repeat(20_000);
        let (ended, found) =
            carried("/", "wc -c; pwd; sleep 2; echo no >&2; (exit 7)", &input, Presence::Beats, None);
        assert_eq!((found.began, found.ended, found.far), (true, Some(7), Some(7)));
        assert_eq!((&*ended.stdout.text(), &*ended.stderr.text()), ("200000\n/\n", "no\n"));
        // It need not read what it is given.
        let (_, found) = carried("/", "exec <&-; sleep 3; (exit 9)", &input, Presence::Beats, None);
        assert_eq!((found.ended, found.far), (Some(9), Some(9)));
        let (ended, found) =
            carried("/", "cat; (exit 255)", b"", Presence::Beats, Some(Duration::from_mins(1)));
        assert_eq!((found.ended, ended.status), (Some(255), Status::Exited(255)));
    }

    #[test]
    fn a_directory_that_is_not_there_is_not_the_commands_failure() {
        let (ended, found) = carried("/no/such", "echo ran", b"", Presence::Beats, None);
        assert!(found.began && found.ended.is_none() && found.far.is_some_and(|code| code != 0));
        assert!(ended.stdout.is_empty() && ended.stderr.text().contains("/no/such"));
    }

    #[test]
    fn a_command_does_not_outlive_us() {
        for presence in [Presence::Gone, Presence::Silent] {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("pid");
            let command =
                format!("sh -c 'trap \"\" TERM; echo $$ >{}; while :; do sleep 0.1; done'", file.display());
            let (ended, found) = carried("/", &command, b"some input", presence, None);
            assert!(found.began && found.ended.is_none(), "{presence:?}");
            assert!(ended.duration < Duration::from_secs(10), "{presence:?}: {:?}", ended.duration);
            // It was started before it was ended, unless the end came faster than a shell starts.
            let pid = fs::read_to_string(&file).unwrap_or_default();
            // SIGKILL does its work a moment after it was sent.
            let is_gone = |pid: &str| !Path::new("/proc").join(pid).join("exe").exists();
            let ends = (0..500).any(|_| {
                let gone = pid.is_empty() || is_gone(pid.trim());
                if !gone {
                    std::thread::sleep(Duration::from_millis(10));
                }
                gone
            });
            assert!(ends, "{presence:?}: {pid}");
        }
    }
}
