//! A host of its own for every test: home, state root, store; nothing of this machine but `/usr/bin` and `/bin`.

#[path = "shape.rs"]
pub(crate) mod shape;

use backup_store::Clock;
use chrono::{DateTime, Utc};
use regex::Regex;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use si_backup_cli::{Interrupts, World};
use si_backup_tests::StateSpec;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The user that files are taken away from root for.
const NOBODY: u32 = 65_534;
/// Nothing that is waited for takes this long.
const PATIENCE: Duration = Duration::from_mins(1);
/// What the clock of [`Host::inside`] says.
pub(crate) const NOON: &str = "2026-11-23T12:00:00Z";

/// A host that has nothing in common with any other.
pub(crate) struct Host {
    root: TempDir,
    env: BTreeMap<OsString, OsString>,
    /// Whether the program is run as a user whom file permissions bind.
    is_bound: Cell<bool>,
}

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; none when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program that is tested: the one that was built with the tests, or the one that `scripts/test` names.
pub(crate) fn tested_program() -> &'static Path {
    static NAMED: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os("SI_BACKUP_TESTED_PROGRAM").map(PathBuf::from));
    NAMED.as_deref().unwrap_or(Path::new(env!("CARGO_BIN_EXE_si-backup")))
}

/// A small state: quick to back up, with something of everything in it.
pub(crate) fn small() -> StateSpec {
    StateSpec { apps: 2, releases: 2, events_bytes: 12_000, cache_bytes: 3_000, ..StateSpec::default() }
}

/// A state that takes long enough to be met in the middle.
pub(crate) fn big() -> StateSpec {
    StateSpec { events_bytes: 24 << 20, ..small() }
}

/// Real time.
#[derive(Debug)]
pub(crate) struct RealClock(Instant);

impl RealClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for RealClock {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

impl Host {
    /// A home without anything in it, and an empty directory for the store.
    pub(crate) fn bare() -> Self {
        Self::bare_in(&std::env::temp_dir())
    }

    /// The same in memory where there is some: for what a disk makes slower, and nothing else.
    pub(crate) fn bare_in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Self::bare_in(memory) } else { Self::bare() }
    }

    fn bare_in(dir: &Path) -> Self {
        let root = tempfile::Builder::new().prefix("si-backup-cli-").tempdir_in(dir).unwrap();
        for dir in ["home", "store"] {
            fs::create_dir(root.path().join(dir)).unwrap();
        }
        let env = [("HOME", root.path().join("home").into_os_string()), ("PATH", "/usr/bin:/bin".into())];
        Self { env: env.map(|(name, value)| (name.into(), value)).into(), root, is_bound: Cell::new(false) }
    }

    /// With a generated state of si.
    pub(crate) fn with_state(spec: &StateSpec) -> Self {
        let host = Self::bare();
        spec.write(&host.state_root(), "default").unwrap();
        host
    }

    /// With a state, settings and keys.
    pub(crate) fn with(spec: &StateSpec) -> Self {
        let host = Self::with_state(spec);
        let url = host.store_url();
        host.inside(NOON, ["init", "--store", &url]).expect(0);
        host
    }

    /// With a small state, settings and keys.
    pub(crate) fn ready() -> Self {
        Self::with(&small())
    }

    /// With one snapshot besides, whose id is returned.
    pub(crate) fn backed_up() -> (Self, String) {
        let host = Self::ready();
        let id = host.back_up();
        (host, id)
    }

    /// Makes a snapshot now, and returns its id.
    pub(crate) fn back_up(&self) -> String {
        self.json(["run", "--state"]).expect(0).row()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root().join(below)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path("home/.si/backup")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.home().join("config.toml")
    }

    pub(crate) fn state_root(&self) -> PathBuf {
        self.path("home/.si/paas")
    }

    /// The directory of the context.
    pub(crate) fn context(&self) -> PathBuf {
        self.state_root().join("contexts/default")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("store")
    }

    pub(crate) fn store_url(&self) -> String {
        format!("file://{}", self.store().display())
    }

    /// A file of a snapshot in the store.
    pub(crate) fn object(&self, id: &str, name: &str) -> PathBuf {
        self.store().join("state/default").join(id).join(name)
    }

    pub(crate) fn bundle(&self, id: &str) -> PathBuf {
        self.object(id, "bundle.tar.zst.age")
    }

    /// The trail of this host about the context.
    pub(crate) fn trail(&self) -> PathBuf {
        self.home().join("trail/default.jsonl")
    }

    pub(crate) fn setenv(&mut self, name: &str, value: impl Into<OsString>) {
        self.env.insert(name.into(), value.into());
    }

    pub(crate) fn unsetenv(&mut self, name: &str) {
        self.env.remove(OsStr::new(name));
    }

    /// Has the settings know an app whose one check after a restore is that a file is there.
    pub(crate) fn check_that_there_is(&self, file: &Path) {
        let app = format!(
            "\n[contexts.default.apps.shop]\nenv_file = \"/etc/si/shop.env\"\nrunner = {{ kind = \"local\", pgdata = \"/x\" }}\n\
             checks = [{{ name = \"smoke\", command = [\"test\", \"-e\", \"{}\"], when = \"open\", attempts = 1 }}]\n",
            file.display()
        );
        fs::write(self.config(), fs::read_to_string(self.config()).unwrap() + &app).unwrap();
    }

    /// Replaces a text in the settings.
    pub(crate) fn edit_settings(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.config()).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(self.config(), text.replace(from, to)).unwrap();
    }

    /// The program, not yet started.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let program = if self.is_bound.get() { self.program() } else { tested_program().to_owned() };
        self.command_of(&program, args)
    }

    /// A line of a shell, which finds the program by its name.
    pub(crate) fn shell(&self, line: &str, dir: &Path) -> Ran {
        let program: &Path = tested_program();
        let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
        let mut command = self.command_of("sh".as_ref(), ["-euc", line]);
        Ran::of(command.env("PATH", path).current_dir(dir).output().unwrap())
    }

    fn command_of<A: AsRef<OsStr>>(&self, program: &Path, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(&self.env).current_dir(self.root()).stdin(Stdio::null());
        if self.is_bound.get() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Gives everything away to a user whom file permissions bind, as whom the program is run from now on.
    pub(crate) fn bind(&self) {
        if !rustix::process::getuid().is_root() {
            return;
        }
        // The directory that the program was built in may be closed to others.
        let program = self.program();
        if !program.exists() {
            fs::copy(tested_program(), &program).unwrap();
            fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        }
        give_away(self.root(), NOBODY);
        self.is_bound.set(true);
    }

    /// A copy of the program, for a user who may not enter the directory of the one that was built.
    fn program(&self) -> PathBuf {
        self.path("si-backup")
    }

    /// Runs the program to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    /// Runs it with `--json`, and holds what it prints to the rules of an envelope.
    pub(crate) fn json<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        let ran = Ran::of(self.command(args).arg("--json").output().unwrap());
        ran.envelope();
        ran
    }

    /// Runs it as a user whom file permissions bind.
    pub(crate) fn run_unprivileged<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        self.bind();
        let ran = self.run(args);
        self.is_bound.set(false);
        ran
    }

    /// Starts the program; it is killed when this is dropped.
    pub(crate) fn start<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Running {
        Running::start(&mut self.command(args))
    }

    /// Runs the library with a clock that says `now` and stands still, on a host and for a user with fixed names.
    pub(crate) fn inside<A: AsRef<OsStr>>(&self, now: &str, args: impl IntoIterator<Item = A>) -> Ran {
        let now: DateTime<Utc> = now.parse().unwrap();
        let (out, err) = (Written::default(), Written::default());
        let name = OsString::from("si-backup");
        let mut world = World {
            args: std::iter::once(name).chain(args.into_iter().map(|arg| arg.as_ref().to_owned())).collect(),
            env: self.env.clone(),
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            out_is_terminal: false,
            err_is_terminal: false,
            now: Box::new(move || now),
            is_time_of_stores: false,
            clock: Arc::new(StoppedClock::default()),
            program: PathBuf::from("si-backup"),
            boot_id: "boot-1".into(),
            interrupts: Interrupts::default(),
            host: "host-1".into(),
            user: "ada".into(),
            workers: 1,
        };
        let code = si_backup_cli::run(&mut world);
        Ran { code: Some(code.into()), stdout: out.text(), stderr: err.text() }
    }

    /// The ids of all snapshots, oldest first.
    pub(crate) fn ids(&self) -> Vec<String> {
        let listed = self.json(["list"]).expect(0).data();
        listed.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The uploads in the store that were begun and not finished.
    pub(crate) fn uploads(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.store().join(".si-store/tmp")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Waits until the bundle of a big state is on its way into the store.
    pub(crate) fn await_upload(&self) {
        wait_for("an upload that grows", || {
            self.uploads().iter().any(|path| fs::metadata(path).is_ok_and(|meta| meta.len() > 100_000))
        });
    }

    /// Every file below the root, with its bytes.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        walk(self.root(), &mut |path| files.push((path.to_owned(), fs::read(path).unwrap())));
        files
    }

    /// The text with everything that differs from run to run replaced by something as wide.
    pub(crate) fn redact(&self, text: &str) -> String {
        const RULES: [(&str, &str); 7] = [
            (r"(state-\d{8}T\d{6}Z-)[0-9a-f]{8}", "${1}xxxxxxxx"),
            (r"(-(?:passed|failed)-)[0-9a-z]+\.json", "${1}x.json"),
            (r"sha256:[0-9a-f]{64}", "sha256:[digest]"),
            (r"\b[0-9a-f]{64}\b", "[digest]"),
            (r"age1[0-9a-z]{58}", "age1[recipient]"),
            (r"ed25519:[A-Za-z0-9+/]{43}=", "ed25519:[key]"),
            (r"\b[0-9a-f]{32}\b", "[random id]"),
        ];
        let mut text = text.replace(self.root().to_str().unwrap(), "/host");
        for (pattern, with) in RULES {
            text = Regex::new(pattern).unwrap().replace_all(&text, with).into_owned();
        }
        // A sealed bundle has not always the same size, and what the generator writes is its own business.
        let size = Regex::new(r"\d+(\.\d\d [KMG]iB| B\b| bytes| lines)").unwrap();
        let digits = |size: &regex::Captures<'_>| size[0].replace(|c: char| c.is_ascii_digit(), "n");
        size.replace_all(&text, digits).into_owned()
    }
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Fails unless it ended with this exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The one JSON object on standard output, held to what is promised of it.
    #[track_caller]
    pub(crate) fn envelope(&self) -> Value {
        let envelope: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{e}\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr));
        let said = format!("{envelope:#}");
        assert_eq!(envelope["ok"], self.code == Some(0), "{said}");
        assert!(envelope["command"].as_str().unwrap().starts_with("backup"), "{said}");
        assert!(envelope["context"].is_string(), "{said}");
        assert!(["live", "dry-run"].contains(&envelope["mode"].as_str().unwrap()), "{said}");
        let ((Value::Array(rows), Value::Null) | (Value::Null, Value::Array(rows))) =
            (&envelope["data"], &envelope["checks"])
        else {
            panic!("neither data nor checks, or both: {said}");
        };
        assert_eq!(envelope["count"], rows.len(), "{said}");
        let complaints = shape::complaints(&envelope);
        assert!(complaints.is_empty(), "not of its schema: {complaints:#?}\n{said}");
        assert!(rows.iter().all(Value::is_object), "{said}");
        if self.code == Some(0) {
            assert!(envelope["error"].is_null(), "{said}");
        } else {
            let error = &envelope["error"];
            let code = error["code"].as_str().unwrap_or_else(|| panic!("no error code: {said}"));
            assert!(
                code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{said}"
            );
            for part in ["message", "hint"] {
                assert!(error[part].as_str().is_some_and(|text| text.len() > 3), "no {part}: {said}");
            }
            assert!(!error["message"].as_str().unwrap().contains('\n'), "{said}");
        }
        envelope
    }

    /// The rows of the envelope.
    #[track_caller]
    pub(crate) fn data(&self) -> Vec<Value> {
        let envelope = self.envelope();
        envelope["data"].as_array().or(envelope["checks"].as_array()).unwrap().clone()
    }

    /// Its only row.
    #[track_caller]
    pub(crate) fn row(&self) -> Value {
        let rows = self.data();
        assert_eq!(rows.len(), 1, "{rows:#?}");
        rows.into_iter().next().unwrap()
    }

    /// Fails unless the envelope's error has this code; returns message and hint.
    #[track_caller]
    pub(crate) fn error(&self, code: &str) -> String {
        let error = &self.envelope()["error"];
        assert_eq!(error["code"], code, "{error:#}");
        format!("{} -> {}", error["message"].as_str().unwrap(), error["hint"].as_str().unwrap())
    }
}

/// A started program.
pub(crate) struct Running(Option<Child>);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        let pid = Pid::from_child(self.child());
        kill_process(pid, signal).unwrap();
    }

    /// Waits until it has stopped after a SIGSTOP: nothing of it moves any more.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::STOP);
        let stat = format!("/proc/{}/stat", self.child().id());
        wait_for("a stopped process", || {
            let stat = fs::read_to_string(&stat).unwrap();
            stat.rsplit(") ").next().unwrap().starts_with('T')
        });
    }

    pub(crate) fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child().try_wait().unwrap().is_none()
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.as_ref().unwrap().id()
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Ran {
        wait_for("the end of the program", || !self.is_running());
        Ran::of(self.0.take().unwrap().wait_with_output().unwrap())
    }

    /// Kills it, and waits for its end.
    pub(crate) fn kill(mut self) -> ExitStatus {
        let mut child = self.0.take().unwrap();
        child.kill().unwrap();
        // What it has said until now is nobody's any more; a full pipe must not keep it.
        let mut said = Vec::new();
        let _ = child.stdout.take().unwrap().read_to_end(&mut said);
        child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A file system of a few bytes in memory, unmounted when it is dropped.
pub(crate) struct TinyDisk(PathBuf);

impl TinyDisk {
    /// Mounted on a directory; none, with a line that says so, where this user may not mount.
    pub(crate) fn mount(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_owned()));
        }
        skipped("this user cannot mount a tmpfs");
        None
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// What was written, shared with the world that it was handed to.
#[derive(Clone, Default)]
struct Written(Rc<RefCell<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A clock that only sleeping moves.
#[derive(Debug, Default)]
struct StoppedClock(AtomicU64);

impl Clock for StoppedClock {
    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn sleep(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::Relaxed);
    }
}

/// Waits for an event; a test that waits for ever says for what.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Says why a test was not made here.
#[expect(clippy::print_stderr, reason = "whoever reads the log of a test run should know what was not tried")]
pub(crate) fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// Whether the tests that take long are wanted too.
pub(crate) fn full() -> bool {
    std::env::var_os("SI_BACKUP_FULL").is_some_and(|value| value == "1")
}

/// Calls `each` with every file below a directory.
pub(crate) fn walk(dir: &Path, each: &mut impl FnMut(&Path)) {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()).collect();
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            walk(&entry.path(), each);
        } else if kind.is_file() {
            each(&entry.path());
        }
    }
}

/// The files below a directory with their bytes, by their paths in it.
pub(crate) fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    walk(dir, &mut |path| {
        files.insert(path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap());
    });
    files
}

fn give_away(path: &Path, to: u32) {
    chown(path, Some(to), Some(to)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            give_away(&entry.unwrap().path(), to);
        }
    }
}
