use crate::process::Output;
use crate::runner::{Control, Job, Reads, Runner};
use crate::verify::control::{Control as ControlFile, IN_PRODUCTION};
use crate::wal::Lsn;
use crate::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// How many bytes a server's control file has, whatever is in it.
const CONTROL_BYTES: usize = 8192;

/// How long after its lock file a server may say that it was started: between the two it loads libraries and removes what
/// temporary files a crash has left.
const STARTING: i64 = 60;

/// How often is looked at what a checkpoint may have changed between two looks.
const LOOKS: usize = 4;

/// What the server is asked: its lock file too where the role may read it, which only the server's own directory has.
const QUESTION: &str = "select (select system_identifier from pg_control_system()), pg_is_in_recovery(), \
    floor(extract(epoch from pg_postmaster_start_time()))::bigint, (select checkpoint_lsn from pg_control_checkpoint());\n\
    select has_function_privilege('pg_read_file(text)', 'execute') as may_read \\gset\n\
    \\if :may_read\nselect pg_read_file('postmaster.pid');\n\\endif\n";

/// Makes sure that a directory, as jobs of this runner see it, is the one in which the server that answers SQL works.
///
/// `PGHOST` may lead to a primary on another machine while its standby lies here: the same system identifier, the same path,
/// and an engine that reads the wrong files. So the control file and the lock file that lie in the directory are held against
/// what the server says of its own.
///
/// # Errors
/// [`Error::Standby`] for a server that follows another one; [`Error::OtherDirectory`] when the directory is not the
/// server's, or that cannot be seen.
pub fn works_in(runner: &dyn Runner, directory: &Path, control: &Control<'_>) -> Result<()> {
    let other = |why: String| Error::OtherDirectory { path: directory.to_owned(), why };
    let mut found = Ok(());
    for _ in 0..LOOKS {
        let server = Server::parse(&runner.sql(QUESTION, control)?)?;
        if server.is_standby {
            return Err(Error::Standby);
        }
        found = Here::read(runner, directory, control)?.and_then(|here| here.is_of(&server));
        if !matches!(found, Err(Differs::Perhaps(_))) {
            break;
        }
    }
    found.map_err(|differs| other(differs.why()))
}

/// Where a path leads, as jobs of this runner see it: so wal-g calls the directory that it read, whatever the server calls it.
///
/// # Errors
/// When that cannot be seen.
pub fn resolved(runner: &dyn Runner, path: &Path, control: &Control<'_>) -> Result<PathBuf> {
    if !path.is_absolute() {
        return Err(Error::NotAbsolute(path.to_owned()));
    }
    let job = Job::new("readlink").args([OsStr::new("-f"), path.as_os_str()]);
    let ended = runner.run(&job.reads(Reads::Nothing).output(Output::Raw), control)?;
    if !ended.status.is_zero() {
        let said = ended.stderr.last_lines(2);
        return Err(Error::Stopped { program: "readlink".to_owned(), status: ended.status, said });
    }
    let mut said = ended.stdout.whole().ok_or(Error::TooMuchOutput)?;
    said.truncate(said.trim_ascii_end().len());
    Ok(PathBuf::from(OsString::from_vec(said)))
}

/// Why a directory is not a server's.
#[derive(Debug, PartialEq, Eq)]
enum Differs {
    Surely(String),
    /// Or something came in between.
    Perhaps(String),
}

impl Differs {
    fn why(self) -> String {
        match self {
            Self::Surely(why) | Self::Perhaps(why) => why,
        }
    }
}

/// What a server says of the directory in which it works.
#[derive(Debug, PartialEq, Eq)]
struct Server {
    system_identifier: u64,
    is_standby: bool,
    started: i64,
    checkpoint: Lsn,
    /// Its lock file, where the role may read that.
    lock: Option<Lock>,
}

impl Server {
    fn parse(said: &str) -> Result<Self> {
        let parsed = || {
            let (row, lock) = said.split_once('\n')?;
            let fields: Vec<&str> = row.split('|').collect();
            let [system, standby, started, checkpoint] = fields[..] else { return None };
            Some(Self {
                system_identifier: system.parse().ok()?,
                is_standby: standby == "t",
                started: started.parse().ok()?,
                checkpoint: checkpoint.parse().ok()?,
                lock: Lock::parse(lock),
            })
        };
        parsed().ok_or_else(|| Error::Sql("its answer is not what every server says".to_owned()))
    }
}

/// The lines of `postmaster.pid` that do not change while a server runs and differ from server to server.
#[derive(Debug, PartialEq, Eq)]
struct Lock {
    pid: String,
    directory: String,
    started: i64,
    port: String,
}

impl Lock {
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(|line| line.trim().to_owned());
        let (pid, directory) = (lines.next()?, lines.next()?);
        Some(Self { pid, directory, started: lines.next()?.parse().ok()?, port: lines.next()? })
    }
}

/// What lies in the directory.
#[derive(Debug)]
struct Here {
    control: ControlFile,
    lock: Lock,
}

impl Here {
    /// Reads both files with one job, which needs nothing but `cat` there.
    fn read(
        runner: &dyn Runner,
        directory: &Path,
        control: &Control<'_>,
    ) -> Result<std::result::Result<Self, Differs>> {
        if !directory.is_absolute() {
            return Err(Error::NotAbsolute(directory.to_owned()));
        }
        let files = ["global/pg_control", "postmaster.pid"].map(|name| directory.join(name));
        let ended =
            runner.run(&Job::new("cat").args(files).reads(Reads::Nothing).output(Output::Raw), control)?;
        if !matches!(ended.status, crate::process::Status::Exited(_)) {
            let said = ended.stderr.last_lines(6);
            return Err(Error::Stopped { program: "cat".to_owned(), status: ended.status, said });
        }
        if !ended.status.is_zero() {
            let said = ended.stderr.last_lines(2);
            return Ok(Err(Differs::Surely(format!("no server is seen to work in it: {said}"))));
        }
        Ok(Self::parse(&ended.stdout.whole().ok_or(Error::TooMuchOutput)?))
    }

    fn parse(bytes: &[u8]) -> std::result::Result<Self, Differs> {
        let torn = || Differs::Perhaps("its control file cannot be read".to_owned());
        let (control, lock) = bytes.split_at_checked(CONTROL_BYTES).ok_or_else(torn)?;
        let control = ControlFile::parse(control).ok_or_else(torn)?;
        let lock = Lock::parse(&String::from_utf8_lossy(lock))
            .ok_or_else(|| Differs::Perhaps("its postmaster.pid cannot be read".to_owned()))?;
        Ok(Self { control, lock })
    }

    fn is_of(&self, server: &Server) -> std::result::Result<(), Differs> {
        let ControlFile { system_identifier, state, checkpoint, .. } = self.control;
        if system_identifier != server.system_identifier {
            return Err(Differs::Surely(format!(
                "it is of the cluster {system_identifier}, and the server that answers of {}",
                server.system_identifier
            )));
        }
        if state != IN_PRODUCTION {
            return Err(Differs::Surely(
                "it is that of a standby, or of a server that is not up, and another one answers".to_owned(),
            ));
        }
        let is_its_lock = match &server.lock {
            Some(lock) => *lock == self.lock,
            None => (0..=STARTING).contains(&(server.started - self.lock.started)),
        };
        if !is_its_lock {
            return Err(Differs::Surely(format!(
                "the server that works in it was started at {} s of the epoch on port {}, which is not the one that answers",
                self.lock.started, self.lock.port
            )));
        }
        // A copy that was made while the server ran has all of that too, and is left behind at the next checkpoint.
        if checkpoint != server.checkpoint {
            return Err(Differs::Perhaps(format!(
                "its last checkpoint is at {checkpoint}, and that of the server that answers at {}: it is a copy",
                server.checkpoint
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::Timeline;

    const LOCK: &str = "4711\n/data\n1764000000\n5432\n/run/postgresql\n\n  1234567     32768\nready   \n";

    fn here(state: u32, lock: &str) -> Here {
        let control = ControlFile {
            system_identifier: 7,
            version: 1300,
            timeline: Timeline(1),
            state,
            checkpoint: Lsn(0x0300_0060),
        };
        Here { control, lock: Lock::parse(lock).unwrap() }
    }

    fn server(row: &str, lock: &str) -> Server {
        Server::parse(&format!("{row}\n{lock}")).unwrap()
    }

    fn differs(here: &Here, server: &Server) -> String {
        here.is_of(server).unwrap_err().why()
    }

    const ROW: &str = "7|f|1764000001|0/3000060";

    #[test]
    fn a_directory_is_a_servers_when_everything_agrees() {
        let here = here(IN_PRODUCTION, LOCK);
        // The last line changes while it runs, and a role need not be allowed to read the file.
        assert_eq!(here.is_of(&server(ROW, &LOCK.replace("ready", "stopping"))), Ok(()));
        assert_eq!(here.is_of(&server(ROW, "")), Ok(()));
    }

    #[test]
    fn whatever_differs_is_told() {
        let own = here(IN_PRODUCTION, LOCK);
        for (row, lock, told) in [
            ("8|f|1764000001|0/3000060", LOCK, "of the cluster 7"),
            (ROW, &*LOCK.replace("4711", "4712"), "not the one that answers"),
            (ROW, &LOCK.replace("\n5432", "\n5433"), "not the one that answers"),
            ("7|f|1763999999|0/3000060", "", "not the one that answers"),
            ("7|f|1764000061|0/3000060", "", "not the one that answers"),
            ("7|f|1764000001|0/4000060", LOCK, "it is a copy"),
        ] {
            let why = differs(&own, &server(row, lock));
            assert!(why.contains(told), "{row} {lock}: {why}");
        }
        for state in (0..=7).filter(|state| *state != IN_PRODUCTION) {
            assert!(differs(&here(state, LOCK), &server(ROW, LOCK)).contains("standby"), "{state}");
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for said in ["", "7|f|1|0/1", "7|f|x|0/1\n", "7|f|1\n", "7|f|1|nothing\n"] {
            assert_eq!(Server::parse(said).unwrap_err().code(), "sql-refused", "{said}");
        }
        assert!(matches!(Here::parse(&[0; 100]), Err(Differs::Perhaps(_))));
        assert!(matches!(Here::parse(&[0; CONTROL_BYTES + 20]), Err(Differs::Perhaps(_))));
    }
}
