use super::{Job, Reads};
use crate::process::{Ended, Output, Status};
use crate::{Error, Result};

/// What `psql` ends with when it has no connection.
const NO_CONNECTION: i32 = 2;

/// SQL as a job.
pub(super) fn job(sql: &str) -> Job {
    let flags = ["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1"];
    Job::new("psql")
        .args(flags)
        .set("PGAPPNAME", "si-backup")
        .set("PGCONNECT_TIMEOUT", "15")
        .set("PGCLIENTENCODING", "UTF8")
        .reads(Reads::Server)
        .input(sql)
        .output(Output::Raw)
}

/// The rows, when all of them came.
pub(super) fn rows(ended: &Ended) -> Result<String> {
    let said = || ended.stderr.last_lines(6);
    match ended.status {
        Status::Exited(0) => {}
        Status::Exited(NO_CONNECTION) => return Err(Error::NoServer(said())),
        Status::Exited(_) => return Err(Error::Sql(said())),
        status => return Err(Error::Stopped { program: "psql".to_owned(), status, said: said() }),
    }
    let bytes = ended.stdout.whole().ok_or(Error::TooMuchOutput)?;
    String::from_utf8(bytes).map_err(|_| Error::Sql("the rows are not UTF-8".to_owned()))
}
