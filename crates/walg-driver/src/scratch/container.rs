use super::docker::{Docker, run_docker};
use super::image::{FoundImage, LABEL, confined};
use super::room::{Contained, Room};
use super::run::{Runner, Said, name, said_of};
use super::{Programs, ScratchFault};
use crate::process::{Limits, Status, User, Watch, run};
use crate::{Error, Result};
use backup_store::Clock;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// How long the engine may take to take a container away.
const REMOVAL: Duration = Duration::from_mins(1);
/// Runs a program and says on standard error with what it ended, so that its code is told apart from that of the client, which
/// ends with 1 as well when the container is gone.
const TELL: &str = r#"m=$1; shift; "$@"; s=$?; printf '\n%s %s\n' "$m" "$s" >&2; exit "$s""#;

/// A container in which the programs of one attempt run. It sees of this machine the copy and the server's sockets, which it
/// may write to, the configuration and the decoded WAL, which it may not, and nothing else. Dropped, it is removed with
/// everything that runs in it.
pub(super) struct Container<'a> {
    docker: &'a Docker,
    contained: &'a Contained,
    room: &'a Room,
    clock: &'a dyn Clock,
    mark: String,
}

impl<'a> Container<'a> {
    /// Starts one for a room that was made for it.
    pub(super) fn start(
        image: &'a FoundImage<'_>,
        room: &'a Room,
        user: Option<&User>,
        runner: &Runner<'a>,
    ) -> Result<Self> {
        let contained = room.contained().ok_or_else(|| ScratchFault::Container("it has no room".into()))?;
        let number = getrandom::u64().map_err(|error| Error::Random(error.into()))?;
        let mark = format!("{number:016x}");
        // From here on it is removed, whatever comes of the start.
        let started = Self { docker: image.docker, contained, room, clock: runner.clock, mark };
        let mut words = confined(user, &label_of(room.dir()));
        words.extend(["--detach".into(), format!("--name={}", contained.name).into()]);
        for (path, is_writable) in
            [(room.data(), true), (room.sockets(), true), (room.conf(), false), (room.wal(), false)]
        {
            words.push(mount(&path, is_writable));
        }
        words.extend(["--entrypoint=sleep", &image.used.id, "infinity"].map(OsString::from));
        // Not to be broken off: what the client has ordered comes about without it, and would be found by nobody.
        let runner = Runner { interrupted: &|| false, ..*runner };
        let ended = run_docker(&image.docker.command(words), &runner)?;
        if !ended.status.is_zero() {
            return Err(ScratchFault::Container(ended.stderr.last_lines(3)).into());
        }
        Ok(started)
    }

    /// The words for the client that run a program in it.
    pub(super) fn words(&self, program: &Path, has_input: bool) -> Vec<OsString> {
        let mut words = vec![OsString::from("exec")];
        if has_input {
            words.push("--interactive".into());
        }
        words.extend([&*self.contained.name, "sh", "-c", TELL, "sh", &self.mark].map(OsString::from));
        words.push(program.into());
        words
    }

    pub(super) const fn docker(&self) -> &Docker {
        self.docker
    }

    /// What is printed before the code of what has ended.
    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    /// Runs a program to its end.
    pub(super) fn run<T: Into<OsString>>(
        &self,
        program: &Path,
        args: impl IntoIterator<Item = T>,
        input: &str,
        runner: &Runner<'_>,
    ) -> Result<Said> {
        let mut words = self.words(program, !input.is_empty());
        words.extend(args.into_iter().map(Into::into));
        let mut ended = runner.end(&self.docker.command(words).input(input), &name(program))?;
        let code = ended.stderr.take_line(self.mark.as_bytes()).and_then(|code| code.trim().parse().ok());
        let Some(code) = code else {
            // Not what the program ended with: nothing is told of what it was asked.
            return Err(ScratchFault::Container(ended.stderr.last_lines(3)).into());
        };
        ended.status = Status::Exited(code);
        Ok(said_of(&ended))
    }

    /// Tells the server to stop with a last checkpoint; a signal does not pass through the client.
    pub(super) fn stop(&self, programs: &Programs, data: &Path, runner: &Runner<'_>) -> Result<Said> {
        let args = ["stop", "--mode=fast", "--no-wait", "-D"].map(OsString::from);
        let args = args.into_iter().chain([data.into()]);
        self.run(&programs.path("pg_ctl"), args, "", runner)
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let is_gone = remove(self.docker, self.contained, self.room.dir(), self.clock);
        if !is_gone.unwrap_or_default() {
            // Something may run over it still: the next one that reaches the engine removes both.
            self.room.must_stay();
        }
    }
}

/// Removes the container of a room, if there is one, and looks whether it is gone. By its name alone none is removed: it has
/// to be marked with the name of the room, too.
pub(super) fn remove(docker: &Docker, contained: &Contained, room: &Path, clock: &dyn Clock) -> Result<bool> {
    let began = clock.monotonic();
    let limits = Limits::default().total(REMOVAL);
    let named = format!("--filter=name=^/?{}$", contained.name);
    let format = format!("--format={{{{.ID}}}} {{{{.Label \"{LABEL}\"}}}}");
    loop {
        let list = docker.command(["ps", "--all", &named, &format]);
        let listed = run(&list, &limits, &Watch::none(), clock)?;
        if !listed.status.is_zero() {
            return Err(ScratchFault::NoDocker(listed.stderr.last_lines(3)).into());
        }
        let listed = listed.stdout.text();
        let Some((id, label)) = listed.trim().split_once(' ') else { return Ok(listed.trim().is_empty()) };
        if label != label_of(room) || clock.monotonic().saturating_sub(began) > REMOVAL {
            return Ok(false);
        }
        // That it is being removed already, by itself, is as good.
        let remove = docker.command(["rm", "--force", "--volumes", id]);
        let _ = run(&remove, &limits, &Watch::none(), clock)?;
        clock.sleep(Duration::from_millis(50));
    }
}

/// What the container of a room is marked with.
fn label_of(room: &Path) -> String {
    name(room)
}

/// A directory of this machine under the same path, as the client reads it: fields of a table, each of which may be quoted.
fn mount(path: &Path, is_writable: bool) -> OsString {
    let path = path.to_string_lossy().replace('"', "\"\"");
    let readonly = if is_writable { "" } else { ",readonly" };
    format!("--mount=type=bind,\"source={path}\",\"target={path}\"{readonly}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_field_of_a_mount() {
        assert_eq!(
            mount(Path::new("/srv/a,b \"c\""), false),
            r#"--mount=type=bind,"source=/srv/a,b ""c""","target=/srv/a,b ""c""",readonly"#
        );
        assert!(!mount(Path::new("/srv/a"), true).to_string_lossy().contains("readonly"));
    }
}
