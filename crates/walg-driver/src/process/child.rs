use super::capture::Capture;
use super::command::BEAT;
use super::{Captured, Command, Ended, Leftovers, Limits, Output, Status, Watch};
use crate::{Error, Result};
use backup_store::Clock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::time::Duration;

/// How long the pipes are waited for at a time, in nanoseconds; limits and interrupts are looked at in between.
const TURN: i64 = 20_000_000;
/// How long to sleep between looks at a child that has closed its pipes.
const PAUSE: Duration = Duration::from_millis(2);
/// How long the rest of its group may still print once a child has ended by itself.
const LINGER: Duration = Duration::from_secs(1);
/// How long to wait for what `SIGKILL` was sent to: a process in the kernel's hands cannot be waited for.
const AFTER_KILL: Duration = Duration::from_secs(2);

/// Runs a program to its end, or ends it.
///
/// # Errors
/// [`Error::Start`] where the program could not be started, [`Error::Child`] where the system refused to let it be watched.
/// Everything else is in what is returned.
pub fn run(command: &Command, limits: &Limits, watch: &Watch<'_>, clock: &dyn Clock) -> Result<Ended> {
    let begun = clock.monotonic();
    let child = start(command).map_err(|source| Error::Start { program: command.name(), source })?;
    let failed = |source| Error::Child { program: command.name(), source };
    let mut running = Running::new(child, command, limits).map_err(failed)?;
    let stopped = running.until_over(limits, watch, clock, begun).map_err(failed)?;
    match stopped {
        Some(_) => running.end_group(limits.grace, clock).map_err(failed)?,
        None => running.leave(command.leftovers, limits.grace, clock).map_err(failed)?,
    }
    // What is in the pipes still came from before the end, whoever holds them open now.
    running.drain().map_err(failed)?;
    let status = stopped.unwrap_or_else(|| status_of(running.status));
    let [stdout, stderr] = running.captured();
    Ok(Ended { status, stdout, stderr, duration: clock.monotonic().saturating_sub(begun) })
}

fn start(command: &Command) -> io::Result<Child> {
    let has_input = !command.input.0.is_empty() || command.holds_input_open;
    let mut child = std::process::Command::new(&command.program);
    child
        .args(&command.args)
        .env_clear()
        .envs(command.environment.exposed())
        .current_dir(&command.directory)
        .stdin(if has_input { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some(user) = &command.user {
        child.uid(user.uid()).gid(user.gid());
    }
    child.spawn()
}

fn status_of(status: Option<ExitStatus>) -> Status {
    match status.map(|status| (status.code(), status.signal())) {
        Some((Some(code), _)) => Status::Exited(code),
        Some((None, signal)) => Status::Killed(signal.unwrap_or_default()),
        // It was seen to have ended before this is asked.
        None => Status::Killed(0),
    }
}

impl Command {
    /// Runs a program of which nothing is expected, for where nobody could be told of a failure either.
    pub(crate) fn run_blindly(&self) {
        let mut child = std::process::Command::new(&self.program);
        child.args(&self.args).env_clear().envs(self.environment.exposed()).current_dir(&self.directory);
        let _ = child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// One of a child's two streams.
struct Stream {
    pipe: Option<Box<dyn Pipe>>,
    capture: Capture,
}

trait Pipe: Read + AsFd {}
impl<T: Read + AsFd> Pipe for T {}

/// A child that is running, or was a moment ago.
struct Running<'a> {
    child: Child,
    group: Pid,
    status: Option<ExitStatus>,
    input: Option<(ChildStdin, &'a [u8])>,
    /// Standard input without anything to say any more.
    held: Option<ChildStdin>,
    holds_input_open: bool,
    beat: Option<Duration>,
    streams: [Stream; 2],
    is_over: bool,
}

impl<'a> Running<'a> {
    fn new(mut child: Child, command: &'a Command, limits: &Limits) -> io::Result<Self> {
        let secrets = command.environment.to_redact();
        let of_stdout = if command.output == Output::Raw { &[][..] } else { &secrets };
        let stdout = child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Pipe>);
        let stderr = child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Pipe>);
        let mut running = Self {
            group: Pid::from_child(&child),
            status: None,
            input: child.stdin.take().map(|pipe| (pipe, &*command.input.0)),
            streams: [
                Stream { pipe: stdout, capture: Capture::new(of_stdout, limits.keep) },
                Stream { pipe: stderr, capture: Capture::new(&secrets, limits.keep) },
            ],
            child,
            held: None,
            holds_input_open: command.holds_input_open,
            beat: command.beat,
            is_over: false,
        };
        // From here on the group is ended when something goes wrong.
        for stream in &running.streams {
            if let Some(pipe) = &stream.pipe {
                do_not_block(pipe)?;
            }
        }
        if let Some((pipe, _)) = &running.input {
            do_not_block(pipe)?;
        }
        if command.input.0.is_empty() {
            running.input_is_written();
        }
        Ok(running)
    }

    /// Until the child itself has ended, or has to be: says why, then.
    fn until_over(
        &mut self,
        limits: &Limits,
        watch: &Watch<'_>,
        clock: &dyn Clock,
        begun: Duration,
    ) -> io::Result<Option<Status>> {
        let mut moved_at = begun;
        let mut asked_at = begun;
        let mut beat_at = begun;
        let mut mark = watch.mark();
        loop {
            let has_moved = self.turn(clock)?;
            if self.has_ended()? {
                return Ok(None);
            }
            let now = clock.monotonic();
            if has_moved {
                moved_at = now;
            } else if now.saturating_sub(asked_at) >= Watch::ASK_EVERY {
                asked_at = now;
                let next = watch.mark();
                if next != mark {
                    (mark, moved_at) = (next, now);
                }
            }
            if self.beat.is_some_and(|every| now.saturating_sub(beat_at) >= every) {
                beat_at = now;
                self.say_that_we_are_here();
            }
            let is_past = |since: Duration, limit: Option<Duration>| {
                limit.filter(|limit| now.saturating_sub(since) >= *limit)
            };
            if watch.is_interrupted() {
                return Ok(Some(Status::Interrupted));
            }
            if let Some(limit) = is_past(begun, limits.total) {
                return Ok(Some(Status::TimedOut(limit)));
            }
            if let Some(limit) = is_past(moved_at, limits.stall) {
                return Ok(Some(Status::Stalled(limit)));
            }
        }
    }

    /// After the child ended by itself: hears the rest of its group out, and ends what will not go.
    fn leave(&mut self, leftovers: Leftovers, grace: Duration, clock: &dyn Clock) -> io::Result<()> {
        if self.is_alone_within(LINGER, clock)? || leftovers == Leftovers::Leave {
            self.is_over = true;
            return Ok(());
        }
        self.end_group(grace, clock)
    }

    /// Asks the whole group to end, and ends what does not.
    fn end_group(&mut self, grace: Duration, clock: &dyn Clock) -> io::Result<()> {
        self.signal(Signal::TERM);
        if !self.is_alone_within(grace, clock)? {
            self.signal(Signal::KILL);
            self.is_alone_within(AFTER_KILL, clock)?;
        }
        self.is_over = true;
        Ok(())
    }

    /// Whether the child has ended and nothing is left of its group, once that is so or the time has passed.
    fn is_alone_within(&mut self, time: Duration, clock: &dyn Clock) -> io::Result<bool> {
        let begun = clock.monotonic();
        loop {
            if self.has_ended()? && test_kill_process_group(self.group) == Err(Errno::SRCH) {
                return Ok(true);
            }
            if clock.monotonic().saturating_sub(begun) >= time {
                return Ok(false);
            }
            self.turn(clock)?;
        }
    }

    /// Waits a moment for the pipes and serves them; says whether anything came or went.
    fn turn(&mut self, clock: &dyn Clock) -> io::Result<bool> {
        let mut fds: Vec<_> = self
            .streams
            .iter()
            .filter_map(|stream| stream.pipe.as_ref())
            .map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN))
            .collect();
        if let Some((pipe, _)) = &self.input {
            fds.push(PollFd::new(pipe, PollFlags::OUT));
        }
        if fds.is_empty() {
            clock.sleep(PAUSE);
            return Ok(false);
        }
        match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: TURN })) {
            Ok(0) | Err(Errno::INTR) => return Ok(false),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        drop(fds);
        let mut moved = self.write_input()?;
        for stream in &mut self.streams {
            moved |= stream.read()? > 0;
        }
        Ok(moved)
    }

    /// Reads what is there, without waiting for more.
    fn drain(&mut self) -> io::Result<()> {
        // A process outside of the group may go on writing for ever.
        const MOST_READS: usize = 64;
        for stream in &mut self.streams {
            for _ in 0..MOST_READS {
                if stream.read()? == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    fn write_input(&mut self) -> io::Result<bool> {
        let Some((pipe, rest)) = &mut self.input else { return Ok(false) };
        match pipe.write(rest) {
            Ok(written) => {
                *rest = &rest[written..];
                if rest.is_empty() {
                    self.input_is_written();
                }
                Ok(written > 0)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(false),
            // Nobody has to read all that they are told.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.input = None;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Tells the child that this was all, or keeps that for later.
    fn input_is_written(&mut self) {
        let pipe = self.input.take().map(|(pipe, _)| pipe);
        self.held = pipe.filter(|_| self.holds_input_open);
    }

    /// A pipe that is full says so already, and one that is closed has nobody behind it to be told.
    fn say_that_we_are_here(&mut self) {
        if let Some(pipe) = &mut self.held {
            let _ = pipe.write(&[BEAT]);
        }
    }

    fn has_ended(&mut self) -> io::Result<bool> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
        }
        Ok(self.status.is_some())
    }

    /// Sends a signal to the group; that nobody is left in it is no error.
    fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.group, signal);
    }

    fn captured(&mut self) -> [Captured; 2] {
        let take =
            |stream: &mut Stream| std::mem::replace(&mut stream.capture, Capture::new(&[], 0)).finish();
        let [stdout, stderr] = &mut self.streams;
        [take(stdout), take(stderr)]
    }
}

impl Drop for Running<'_> {
    /// Nobody may be left to run on unwatched, whatever failed here.
    fn drop(&mut self) {
        if !self.is_over {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

impl Stream {
    /// Reads once; 0 where nothing is there now, or ever again.
    fn read(&mut self) -> io::Result<usize> {
        let Some(pipe) = &mut self.pipe else { return Ok(0) };
        let mut buffer = [0; 16 << 10];
        match pipe.read(&mut buffer) {
            Ok(0) => {
                self.pipe = None;
                Ok(0)
            }
            Ok(count) => {
                self.capture.take(&buffer[..count]);
                Ok(count)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// Our end of a pipe alone: the child's has flags of its own.
fn do_not_block(pipe: impl AsFd) -> io::Result<()> {
    let flags = fcntl_getfl(&pipe)?;
    Ok(fcntl_setfl(&pipe, flags | OFlags::NONBLOCK)?)
}
