use super::{AccessKeys, Admin, Certificate, has_extended_attributes, skipped, versitygw};
use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// No start takes this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `versitygw` over a directory of its own, with versions and Object Lock for the buckets that want them.
#[derive(Debug)]
pub struct VersityGw {
    address: SocketAddr,
    keys: AccessKeys,
    ca_pem: Option<Vec<u8>>,
    keeper: Option<Keeper>,
    home: TempDir,
}

/// The thread that has started the program: the system kills the program when this thread ends, however it ends.
#[derive(Debug)]
struct Keeper {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl VersityGw {
    /// Starts one that speaks plain HTTP; none, with a line that says why, where it cannot run.
    ///
    /// # Panics
    /// When it cannot run and parts are required, or does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_in(|_| Ok(None))
    }

    /// Starts one that speaks TLS, with a certificate by an authority that was made for it.
    ///
    /// # Panics
    /// As [`VersityGw::start`].
    #[must_use]
    pub fn start_with_tls() -> Option<Self> {
        Self::start_in(|home| Certificate::make(home).map(Some))
    }

    /// The one that the tests of this process share as long as one of them holds it; a plain one.
    ///
    /// # Panics
    /// As [`VersityGw::start`].
    #[must_use]
    pub fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<VersityGw>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Some(running);
        }
        let started = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&started);
        Some(started)
    }

    fn start_in(certificate: impl Fn(&Path) -> io::Result<Option<Certificate>>) -> Option<Self> {
        let Some(program) = versitygw() else {
            skipped("there is no versitygw; scripts/setup installs it where Go is");
            return None;
        };
        // Memory has them since Linux 6.6.
        let homes = [std::env::temp_dir(), "/tmp".into()].map(|dir| {
            tempfile::Builder::new().prefix("si-backup-s3-").tempdir_in(dir).unwrap_or_else(|e| panic!("{e}"))
        });
        let Some(home) = homes.into_iter().find(|home| has_extended_attributes(home.path())) else {
            skipped("the temporary directory has no extended attributes, which versitygw needs; set TMPDIR");
            return None;
        };
        let started =
            certificate(home.path()).and_then(|certificate| Self::start_at(&program, home, certificate));
        Some(started.unwrap_or_else(|error| panic!("versitygw: {error}")))
    }

    fn start_at(program: &Path, home: TempDir, certificate: Option<Certificate>) -> io::Result<Self> {
        for dir in ["data", "versions"] {
            fs::create_dir(home.path().join(dir))?;
        }
        let keys = AccessKeys::random();
        // Another process may take the port between our look and its start: then it ends, and is started again.
        for _ in 0..10 {
            let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
            let mut command = command(program, address, home.path(), certificate.as_ref());
            command.env("ROOT_ACCESS_KEY_ID", &keys.id).env("ROOT_SECRET_ACCESS_KEY", &keys.secret);
            if let Some(keeper) = Keeper::start(command, address)? {
                let ca_pem = certificate.map(|certificate| certificate.ca_pem);
                return Ok(Self { address, keys, ca_pem, keeper: Some(keeper), home });
            }
        }
        let said = fs::read_to_string(home.path().join("log")).unwrap_or_default();
        Err(io::Error::other(format!("it does not start: {said}")))
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as settings have it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let scheme = if self.ca_pem.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Who may do everything.
    #[must_use]
    pub const fn keys(&self) -> &AccessKeys {
        &self.keys
    }

    /// The authority behind its certificate, where it has one.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&[u8]> {
        self.ca_pem.as_deref()
    }

    /// The directory whose directories are its buckets.
    #[must_use]
    pub fn data(&self) -> std::path::PathBuf {
        self.home.path().join("data")
    }

    /// A look behind the code that is tested.
    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin::at(&self.endpoint(), &self.keys, self.ca_pem())
    }
}

impl Drop for VersityGw {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.stop.send(());
            let _ = keeper.thread.join();
        }
    }
}

fn command(program: &Path, address: SocketAddr, home: &Path, certificate: Option<&Certificate>) -> Command {
    // Whatever becomes of this process, no server outlives it.
    let has_setpriv = Command::new("setpriv").arg("--version").stdout(Stdio::null()).status().is_ok();
    let mut command = if has_setpriv {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.arg("--port").arg(address.to_string()).args(["--region", super::REGION, "--quiet"]);
    if let Some(certificate) = certificate {
        command.arg("--cert").arg(&certificate.chain).arg("--key").arg(&certificate.key);
    }
    command.arg("posix").arg("--versioning-dir").arg(home.join("versions")).arg(home.join("data"));
    command.env_clear().stdin(Stdio::null());
    match File::create(home.join("log")).and_then(|log| Ok((log.try_clone()?, log))) {
        Ok((out, err)) => command.stdout(out).stderr(err),
        Err(_) => command.stdout(Stdio::null()).stderr(Stdio::null()),
    };
    command
}

impl Keeper {
    /// Returns when the program listens; nothing when it ended instead.
    fn start(mut command: Command, address: SocketAddr) -> io::Result<Option<Self>> {
        let (stop, stopped) = channel();
        let (tell, told) = channel();
        let thread = std::thread::Builder::new().name("versitygw".into()).spawn(move || {
            let started = command.spawn().and_then(|mut child| {
                let listens = await_port(&mut child, address)?;
                Ok(listens.then_some(child))
            });
            match started {
                Ok(Some(child)) => {
                    let _ = tell.send(Ok(true));
                    keep(child, &stopped);
                }
                Ok(None) => drop(tell.send(Ok(false))),
                Err(error) => drop(tell.send(Err(error))),
            }
        })?;
        let listens = told.recv().map_err(io::Error::other)??;
        Ok(listens.then_some(Self { stop, thread }))
    }
}

fn keep(mut child: Child, stopped: &Receiver<()>) {
    let _ = stopped.recv();
    let _ = child.kill();
    let _ = child.wait();
}

fn await_port(child: &mut Child, address: SocketAddr) -> io::Result<bool> {
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        if child.try_wait()?.is_some() {
            return Ok(false);
        }
        if began.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::other(format!("nothing listens on {address}")));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(true)
}
