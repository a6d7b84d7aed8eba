//! Jobs on another machine, which here is this one behind a real `sshd`.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its server fails")]

mod clock;

use clock::{RealClock, skipped};
use std::fs::{self, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use walg_driver::process::{Limits, Output, Status, Variables, Watch};
use walg_driver::runner::{Control, Far, Job, Runner, SshRunner};

/// A server for one test, with keys made for it.
struct Sshd {
    dir: TempDir,
    server: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.end_sessions();
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn keygen(file: &Path) {
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(file).status().unwrap();
    assert!(made.success());
}

impl Sshd {
    fn start() -> Option<Self> {
        // The server insists on an absolute path to itself.
        let program = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists());
        let Some(program) = program else {
            skipped("there is no sshd (Debian package openssh-server)");
            return None;
        };
        // Only root's needs it, and only where no service manager has made it.
        let _ = fs::create_dir("/run/sshd");
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        keygen(&path("host"));
        keygen(&path("user"));
        keygen(&path("stranger"));
        fs::copy(path("user.pub"), path("authorized")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile {0}/authorized\nPidFile none\n\
             UsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n",
            dir.path().display()
        );
        fs::write(path("sshd_config"), server).unwrap();
        let key = |name: &str| fs::read_to_string(path(name)).unwrap();
        fs::write(path("known"), format!("[127.0.0.1]:{port} {}", key("host.pub"))).unwrap();
        fs::write(path("unknown"), format!("[127.0.0.1]:{port} {}", key("stranger.pub"))).unwrap();
        for known in ["known", "unknown"] {
            let client = format!(
                "Host far\n HostName 127.0.0.1\n Port {port}\n IdentityFile {0}/user\n IdentitiesOnly yes\n\
                 UserKnownHostsFile {0}/{known}\n GlobalKnownHostsFile /dev/null\n",
                dir.path().display()
            );
            fs::write(path(&format!("{known}_config")), client).unwrap();
        }
        let log = fs::File::create(path("log")).unwrap();
        let mut server = Command::new(program)
            .args(["-D", "-e", "-f"])
            .arg(path("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = fs::read_to_string(path("log")).unwrap();
            assert!(server.try_wait().unwrap().is_none(), "sshd ended: {log}");
            assert!(begun.elapsed() < Duration::from_secs(10), "sshd does not answer: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { dir, server })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn runner(&self, known: &str) -> SshRunner {
        let client = Variables::new().plain("PATH", "/usr/bin:/bin").plain("HOME", self.dir.path());
        let far = Far::Plain(self.dir.path().to_owned());
        let config = self.path(&format!("{known}_config"));
        SshRunner::new("far", far, client, self.dir.path()).unwrap().options(["-F".into(), config])
    }

    /// Ends the server's ends of all connections at once, as a machine does that loses its power.
    fn end_sessions(&self) {
        for session in children(self.server.id()) {
            for pid in children(session).into_iter().filter(|pid| is_sshd(*pid)).chain([session]) {
                let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

fn stat(pid: u32) -> Option<(String, Vec<String>)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = text.rsplit_once(") ")?;
    Some((name.rsplit('(').next()?.to_owned(), rest.split(' ').map(str::to_owned).collect()))
}

fn is_sshd(pid: u32) -> bool {
    stat(pid).is_some_and(|(name, _)| name.starts_with("sshd"))
}

fn children(parent: u32) -> Vec<u32> {
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|(_, fields)| fields[1] == parent.to_string())).collect()
}

fn sh(script: &str) -> Job {
    Job::new("sh").args(["-c", script])
}

fn limits() -> Limits {
    Limits { grace: Duration::from_secs(1), ..Limits::default() }
}

fn control<'a>(clock: &'a RealClock, watch: Watch<'a>) -> Control<'a> {
    Control { limits: limits(), watch, clock }
}

/// A job that goes on for ever, takes no notice of SIGTERM, and leaves its id behind.
fn stubborn(file: &Path) -> Job {
    sh(&format!(
        "trap '' TERM; echo $$ >{0}.new; mv {0}.new {0}; while :; do sleep 0.2; done",
        file.display()
    ))
}

fn is_gone_soon(file: &Path) -> bool {
    let pid: u32 = fs::read_to_string(file).unwrap().trim().parse().unwrap();
    let begun = Instant::now();
    while stat(pid).is_some_and(|(_, fields)| fields[0] != "Z") {
        if begun.elapsed() > Duration::from_secs(10) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    true
}

#[test]
fn a_job_there_is_as_one_here() {
    let Some(sshd) = Sshd::start() else { return };
    let (clock, runner) = (RealClock::new(), sshd.runner("known"));
    let control = control(&clock, Watch::none());
    // 255 is what ssh itself ends with when it has lost the connection, and the job's own all the same.
    for code in [0, 3, 255] {
        let job = sh(&format!("echo \"$SETTING\"; pwd; echo err >&2; exit {code}"))
            .set("SETTING", "a 'b' $c \"d\"");
        let ended = runner.run(&job, &control).unwrap();
        assert_eq!(ended.status, Status::Exited(code));
        assert_eq!(ended.stdout.text(), format!("a 'b' $c \"d\"\n{}\n", sshd.dir.path().display()));
        assert_eq!(ended.stderr.text(), "err\n");
    }
    let input = b"select 1; -- 'x'\n".repeat(30_000);
    let ended = runner.run(
        &Job::new("cat").input(input.clone()).output(Output::Raw),
        &Control { limits: Limits { keep: 1 << 20, ..limits() }, ..control },
    );
    assert_eq!(ended.unwrap().stdout.whole(), Some(input));
    // One connection serves all, through a socket that nobody else can reach.
    let sockets = fs::read_dir(sshd.dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let sockets: Vec<_> = sockets.filter(|path| path.to_str().unwrap().contains("si-ssh-")).collect();
    assert_eq!(fs::metadata(&sockets[0]).unwrap().permissions(), Permissions::from_mode(0o040_700));
    let log = fs::read_to_string(sshd.path("log")).unwrap();
    assert_eq!(log.matches("Accepted publickey").count(), 1, "{log}");
}

#[test]
fn a_machine_with_another_key_is_not_spoken_to() {
    let Some(sshd) = Sshd::start() else { return };
    let clock = RealClock::new();
    let job = sh(&format!("touch {}", sshd.path("ran").display()));
    let error = sshd.runner("unknown").run(&job, &control(&clock, Watch::none())).unwrap_err();
    assert_eq!(error.code(), "not-connected", "{error}");
    assert!(!sshd.path("ran").exists());
}

#[test]
fn a_lost_connection_is_no_exit_code_and_leaves_nothing_running() {
    let Some(sshd) = Sshd::start() else { return };
    let (clock, runner, file) = (RealClock::new(), sshd.runner("known"), sshd.path("pid"));
    let lose = || {
        if file.exists() {
            sshd.end_sessions();
        }
        false
    };
    let error = runner.run(&stubborn(&file), &control(&clock, Watch::none().interrupted(&lose))).unwrap_err();
    assert_eq!(error.code(), "connection-lost", "{error}");
    assert!(is_gone_soon(&file));
    // And the next job has a new connection.
    assert!(runner.run(&sh("true"), &control(&clock, Watch::none())).unwrap().status.is_zero());
}

#[test]
fn what_is_ended_here_is_ended_there() {
    let Some(sshd) = Sshd::start() else { return };
    let (clock, runner, file) = (RealClock::new(), sshd.runner("known"), sshd.path("pid"));
    let interrupted = || file.exists();
    let ended =
        runner.run(&stubborn(&file), &control(&clock, Watch::none().interrupted(&interrupted))).unwrap();
    assert_eq!(ended.status, Status::Interrupted);
    assert!(is_gone_soon(&file));
    fs::remove_file(&file).unwrap();
    let limits = limits().total(Duration::from_secs(2));
    let ended =
        runner.run(&stubborn(&file), &Control { limits, watch: Watch::none(), clock: &clock }).unwrap();
    assert_eq!(ended.status, Status::TimedOut(Duration::from_secs(2)));
    assert!(is_gone_soon(&file));
}
