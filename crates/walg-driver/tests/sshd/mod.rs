//! A real `sshd` for one test, on this machine.

use crate::skipped;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A server for one test, with keys made for it.
pub(crate) struct Sshd {
    pub(crate) dir: TempDir,
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
    /// Starts one, with these lines in its settings.
    pub(crate) fn start(more: &str) -> Option<Self> {
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
             UsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n{more}",
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
        // Its own word: a port that answers may be another's, or the caller's own end.
        loop {
            let log = fs::read_to_string(path("log")).unwrap();
            if log.contains("Server listening on") {
                break;
            }
            assert!(server.try_wait().unwrap().is_none(), "sshd ended: {log}");
            assert!(begun.elapsed() < Duration::from_secs(10), "sshd does not answer: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { dir, server })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Ends the server's ends of all connections at once, as a machine does that loses its power.
    pub(crate) fn end_sessions(&self) {
        for session in children(self.server.id()) {
            for pid in children(session).into_iter().filter(|pid| is_sshd(*pid)).chain([session]) {
                let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

pub(crate) fn stat(pid: u32) -> Option<(String, Vec<String>)> {
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
