use crate::wal::Lsn;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What a sentinel says of a backup, by whichever engine and version it was written.
///
/// Sentinels have gained fields over the years: of an old one most are missing, and each is `None` then. In
/// older ones the list of files is in the sentinel itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Sentinel {
    /// Where in the WAL the backup began.
    pub start: Lsn,
    /// Where it ended: what is replayed at least, for it to be consistent.
    pub finish: Option<Lsn>,
    /// What it is a delta of; `None` for a full.
    pub delta: Option<DeltaOf>,
    /// The server's version, as `150018`.
    pub pg_version: Option<u64>,
    /// Which cluster it is of.
    pub system_identifier: Option<u64>,
    /// How many bytes were read, as the engine counted them.
    pub uncompressed_size: Option<u64>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was finished.
    pub finished_at: Option<DateTime<Utc>>,
    /// On which host.
    pub hostname: Option<String>,
    /// From which directory.
    pub data_dir: Option<String>,
    /// Whether the engine was told never to delete it.
    pub permanent: bool,
    /// What whoever made it wished to say.
    pub user_data: Option<Value>,
    /// Whether the engine wrote no list of files.
    pub without_files_metadata: bool,
    /// Where the tablespaces were, by their OID. Read this before any fetch: an engine may unpack into those places.
    pub tablespaces: BTreeMap<String, String>,
    /// The names of its tars, where an old sentinel lists them itself.
    pub(super) tars: Option<Vec<String>>,
    /// What no engine ever writes again, in one spelling, before the metadata was added.
    unchanging: String,
}

/// What a delta is a delta of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeltaOf {
    /// The name of its parent.
    pub parent: String,
    /// Where its parent began, as the delta remembers it.
    pub start: Option<Lsn>,
    /// The full that the chain begins with, as the delta remembers it.
    pub full: Option<String>,
}

/// Why a sentinel cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadSentinel {
    #[error("it is not JSON: {0}")]
    NotJson(String),
    #[error("it is not a JSON object")]
    NotAnObject,
    #[error("it is longer than any engine writes it")]
    TooLong,
    #[error("it names no LSN at which the backup began")]
    NoStart,
    #[error("its {0} is not what that field holds")]
    Field(&'static str),
}

type Parsed<T> = Result<T, BadSentinel>;

impl Sentinel {
    pub(super) fn parse(bytes: &[u8]) -> Parsed<Self> {
        let fields = fields(bytes)?;
        let delta = match text(&fields, "DeltaFrom")? {
            Some(parent) => Some(DeltaOf {
                parent,
                start: lsn(&fields, "DeltaLSN")?,
                full: text(&fields, "DeltaFullName")?,
            }),
            None => None,
        };
        let mut sentinel = Self {
            start: lsn(&fields, "LSN")?.ok_or(BadSentinel::NoStart)?,
            finish: lsn(&fields, "FinishLSN")?,
            delta,
            pg_version: number(&fields, "PgVersion")?.filter(|version| *version > 0),
            system_identifier: number(&fields, "SystemIdentifier")?,
            uncompressed_size: number(&fields, "UncompressedSize")?,
            started_at: time(&fields, "StartTime")?,
            finished_at: time(&fields, "FinishTime")?,
            hostname: text(&fields, "Hostname")?,
            data_dir: text(&fields, "DataDir")?,
            permanent: flag(&fields, "IsPermanent")?,
            user_data: present(&fields, "UserData").cloned(),
            without_files_metadata: flag(&fields, "FilesMetadataDisabled")?,
            tablespaces: tablespaces(&fields)?,
            tars: match present(&fields, "TarFileSets") {
                None => None,
                Some(Value::Object(sets)) => Some(sets.keys().cloned().collect()),
                Some(_) => return Err(BadSentinel::Field("TarFileSets")),
            },
            unchanging: String::new(),
        };
        sentinel.unchanging = sentinel.spell_unchanging();
        Ok(sentinel)
    }

    /// Lines `sentinel <field> <value>` for what is there. The permanent mark is not among them, nor sizes and notes: an
    /// engine that sets the mark writes the whole sentinel again, in its own spelling.
    fn spell_unchanging(&self) -> String {
        let delta = self.delta.as_ref();
        let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Nanos, true);
        let fields = [
            ("LSN", Some(self.start.to_string())),
            ("FinishLSN", self.finish.map(|lsn| lsn.to_string())),
            ("DeltaFrom", delta.map(|delta| delta.parent.clone())),
            ("DeltaLSN", delta.and_then(|delta| delta.start).map(|lsn| lsn.to_string())),
            ("PgVersion", self.pg_version.map(|version| version.to_string())),
            ("SystemIdentifier", self.system_identifier.map(|system| system.to_string())),
            ("StartTime", self.started_at.map(time)),
            ("FinishTime", self.finished_at.map(time)),
            ("FilesMetadataDisabled", self.without_files_metadata.then(|| "true".to_owned())),
        ];
        let mut text = String::new();
        for (name, value) in fields {
            if let Some(value) = value {
                // A name of a parent is any text: spelt as JSON, it is one line.
                let _ = writeln!(text, "sentinel {name} {}", Value::from(value));
            }
        }
        for (oid, place) in &self.tablespaces {
            let _ =
                writeln!(text, "tablespace {} {}", Value::from(oid.as_str()), Value::from(place.as_str()));
        }
        text
    }

    /// What no engine ever writes again, a line each.
    pub(crate) fn unchanging(&self) -> &str {
        &self.unchanging
    }

    /// Adds what only the metadata says: an older sentinel has no times, and either may carry the permanent mark.
    pub(super) fn complete(&mut self, metadata: &[u8]) -> Parsed<()> {
        let fields = fields(metadata)?;
        self.permanent |= flag(&fields, "is_permanent")?;
        self.started_at = self.started_at.or(time(&fields, "start_time")?);
        self.finished_at = self.finished_at.or(time(&fields, "finish_time")?);
        self.finish = self.finish.or(lsn(&fields, "finish_lsn")?);
        self.system_identifier = self.system_identifier.or(number(&fields, "system_identifier")?);
        self.hostname = self.hostname.take().or(text(&fields, "hostname")?);
        self.data_dir = self.data_dir.take().or(text(&fields, "data_dir")?);
        self.user_data = self.user_data.take().or_else(|| present(&fields, "user_data").cloned());
        Ok(())
    }
}

fn fields(bytes: &[u8]) -> Parsed<Map<String, Value>> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(BadSentinel::NotAnObject),
        Err(e) => Err(BadSentinel::NotJson(e.to_string())),
    }
}

fn present<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

fn number(fields: &Map<String, Value>, name: &'static str) -> Parsed<Option<u64>> {
    present(fields, name).map(|value| value.as_u64().ok_or(BadSentinel::Field(name))).transpose()
}

/// A number, as both engines write it. No cluster begins at 0: that is how one of them writes that there is none.
fn lsn(fields: &Map<String, Value>, name: &'static str) -> Parsed<Option<Lsn>> {
    Ok(number(fields, name)?.filter(|lsn| *lsn > 0).map(Lsn))
}

fn flag(fields: &Map<String, Value>, name: &'static str) -> Parsed<bool> {
    present(fields, name).map_or(Ok(false), |value| value.as_bool().ok_or(BadSentinel::Field(name)))
}

fn text(fields: &Map<String, Value>, name: &'static str) -> Parsed<Option<String>> {
    let value =
        present(fields, name).map(|value| value.as_str().ok_or(BadSentinel::Field(name))).transpose()?;
    Ok(value.filter(|text| !text.is_empty()).map(str::to_owned))
}

/// A time; the year 1, which is how a Go program writes none, is none.
fn time(fields: &Map<String, Value>, name: &'static str) -> Parsed<Option<DateTime<Utc>>> {
    let Some(text) = text(fields, name)? else { return Ok(None) };
    let time = DateTime::parse_from_rfc3339(&text).map_err(|_| BadSentinel::Field(name))?.to_utc();
    Ok((time.timestamp() > 0).then_some(time))
}

/// `Spec` of WAL-G, `spec` of WAL-E: where each tablespace was. One that is named without its place counts, with the place
/// unknown.
fn tablespaces(fields: &Map<String, Value>) -> Parsed<BTreeMap<String, String>> {
    let bad = BadSentinel::Field("Spec");
    let spec = match present(fields, "Spec").or_else(|| present(fields, "spec")) {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(spec)) => spec,
        Some(_) => return Err(bad),
    };
    let names = match present(spec, "tablespaces") {
        None => return Ok(BTreeMap::new()),
        Some(Value::Array(names)) => names,
        Some(_) => return Err(bad),
    };
    names
        .iter()
        .map(|name| {
            let name = name.as_str().ok_or_else(|| bad.clone())?;
            let place = spec.get(name).and_then(|place| place.get("loc")).and_then(Value::as_str);
            Ok((name.to_owned(), place.unwrap_or_default().to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_sentinel_of_today_says_everything() {
        let sentinel = Sentinel::parse(
            br#"{"LSN":67108904,"DeltaLSN":33554472,"DeltaFrom":"base_000000010000000000000002","DeltaFullName":"base_000000010000000000000002",
                "DeltaCount":1,"PgVersion":150018,"FinishLSN":67109120,"SystemIdentifier":7711480237486108024,"UncompressedSize":346199,
                "CompressedSize":40339,"ChkpNum":null,"Version":2,"StartTime":"2026-11-23T21:21:49.364729Z","FinishTime":"2026-11-23T21:21:50Z",
                "Hostname":"vm","DataDir":"/data","IsPermanent":true,"UserData":{"a":1},
                "Spec":{"base_prefix":"/data","tablespaces":["16385"],"16385":{"loc":"/fast","link":"pg_tblspc/16385"}}}"#,
        )
        .unwrap();
        assert_eq!(sentinel.start.to_string(), "0/4000028");
        assert_eq!(sentinel.delta.unwrap().start, Some(Lsn(33_554_472)));
        assert_eq!(sentinel.tablespaces["16385"], "/fast");
        assert!(sentinel.permanent && sentinel.started_at.is_some() && sentinel.user_data.is_some());
    }

    #[test]
    fn an_old_one_says_little_and_its_metadata_more() {
        let mut sentinel = Sentinel::parse(
            br#"{"LSN":33554472,"TarFileSets":{"part_001.tar.lz4":["/a"]},"PgVersion":90600}"#,
        )
        .unwrap();
        assert_eq!(sentinel.tars.as_deref(), Some(&["part_001.tar.lz4".to_owned()][..]));
        assert_eq!((sentinel.finish, sentinel.started_at, sentinel.permanent), (None, None, false));
        sentinel
            .complete(br#"{"start_time":"2020-01-01T00:00:00Z","finish_time":"0001-01-01T00:00:00Z","is_permanent":true,"finish_lsn":33554688}"#)
            .unwrap();
        assert!(sentinel.permanent && sentinel.started_at.is_some() && sentinel.finished_at.is_none());
        assert_eq!(sentinel.finish, Some(Lsn(33_554_688)));
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        for (text, why) in [
            ("", "it is not JSON"),
            ("[]", "it is not a JSON object"),
            ("{}", "it names no LSN"),
            (r#"{"LSN":null}"#, "it names no LSN"),
            (r#"{"LSN":-1}"#, "its LSN is not"),
            (r#"{"LSN":1,"DeltaFrom":5}"#, "its DeltaFrom is not"),
            (r#"{"LSN":1,"FinishTime":"yesterday"}"#, "its FinishTime is not"),
            (r#"{"LSN":1,"Spec":{"tablespaces":[7]}}"#, "its Spec is not"),
        ] {
            let said = Sentinel::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(said.starts_with(why), "{text}: {said}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Sentinel::parse(&bytes);
        }
    }
}
