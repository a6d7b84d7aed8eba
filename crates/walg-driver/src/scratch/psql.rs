use super::run::{Runner, failed};
use crate::Result;
use serde::de::DeserializeOwned;
use std::ffi::OsString;
use std::path::PathBuf;

/// Questions to the scratch server, one `psql` each. What is asked goes in by standard input.
pub(super) struct Psql<'a> {
    pub(super) program: PathBuf,
    pub(super) sockets: PathBuf,
    pub(super) user: &'a str,
    pub(super) runner: Runner<'a>,
}

/// An answer, or what the server said instead.
pub(super) type Answer = std::result::Result<String, String>;

impl Psql<'_> {
    /// Runs a script of our own in a database.
    pub(super) fn ask(&self, database: &str, script: &str) -> Result<Answer> {
        let place = self.sockets.to_string_lossy();
        let connect = [
            ("host", &*place),
            ("port", "5432"),
            ("user", self.user),
            ("dbname", database),
            ("connect_timeout", "30"),
            ("application_name", "si-backup"),
        ];
        let words: Vec<String> =
            connect.iter().map(|(name, value)| format!("{name}='{}'", escaped(value, "\\'"))).collect();
        let args: [OsString; 11] = [
            "-X".into(),
            "-w".into(),
            "-q".into(),
            "-A".into(),
            "-t".into(),
            "-v".into(),
            "ON_ERROR_STOP=1".into(),
            "-f".into(),
            "-".into(),
            "-d".into(),
            words.join(" ").into(),
        ];
        let said = self.runner.run(&self.program, args, script)?;
        Ok(if said.is_ok { Ok(said.out) } else { Err(said.why) })
    }

    /// Runs one text of SQL that somebody else wrote. It is handed over as a value and executed by the server alone:
    /// nothing in it is a command of `psql`, which could start programs. Of an error only the code comes back: its text may
    /// quote whatever is in the tables.
    pub(super) fn ask_foreign(&self, database: &str, sql: &str) -> Result<Answer> {
        if sql.contains('\0') {
            return Ok(Err("it holds a zero byte".into()));
        }
        let value = escaped(sql, "\\'").replace('\n', "\\n").replace('\r', "\\r");
        // Why there is no connection has no row in it.
        if let Err(why) = self.ask(database, "")? {
            return Ok(Err(why));
        }
        let script = format!("\\set VERBOSITY sqlstate\n\\set text '{value}'\nSELECT :'text' \\gexec\n");
        Ok(self.ask(database, &script)?.map_err(|why| match code_in(&why) {
            Some((severity, code)) => format!("the server refused it: {severity} {code}"),
            None => "it could not be asked to its end".into(),
        }))
    }

    /// Runs a query of our own that yields one JSON value.
    pub(super) fn json<T: DeserializeOwned>(
        &self,
        database: &str,
        query: &str,
    ) -> Result<std::result::Result<T, String>> {
        let text = match self.ask(database, query)? {
            Ok(text) => text,
            Err(why) => return Ok(Err(why)),
        };
        match serde_json::from_str(&text) {
            Ok(value) => Ok(Ok(value)),
            Err(e) => Err(failed(&self.program, format!("an answer cannot be read: {e}"))),
        }
    }
}

/// The severity and the SQLSTATE of an error, as `psql` tells it when it is to tell no more.
fn code_in(said: &str) -> Option<(&'static str, &str)> {
    ["ERROR", "FATAL", "PANIC"].into_iter().find_map(|severity| {
        let (_, behind) = said.split_once(&format!("{severity}:"))?;
        let code = behind.trim_start().get(..5)?;
        code.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()).then_some((severity, code))
    })
}

/// The text with a backslash before each of `marks`.
fn escaped(text: &str, marks: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if marks.contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
