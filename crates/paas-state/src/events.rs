use crate::layout::AUDIT_LOG;
use crate::{ContextDir, Error, Result};
use backup_store::fail_point::step;
use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::fs::{DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};

/// How much of the end of a log is read to find its newest events, in bytes.
const TAIL: u64 = 1024 * 1024;

/// One event of a context, in si's schema. Fields that this software does not know are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// When it happened: RFC 3339, UTC, with nanoseconds.
    pub timestamp: String,
    /// The context.
    pub context: String,
    /// What wrote it; `si-backup` for the events of this software.
    pub source: String,
    /// The command that it tells of: `backup run`.
    pub command: String,
    /// `ok` or `failed`.
    pub status: String,
    /// `live` or `dry-run`.
    pub mode: String,
    /// `info`, `warning` or `error`.
    pub severity: String,
    /// What else is to be told. Holds no secret.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// On failure: `error_code`, `error_message`, `error_remediation` and the like.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Event {
    /// An event of this software.
    #[must_use]
    pub fn new(at: DateTime<Utc>, context: &ContextDir, command: &str, ok: bool) -> Self {
        Self {
            timestamp: at.to_rfc3339_opts(SecondsFormat::Nanos, true),
            context: context.name().to_string(),
            source: "si-backup".into(),
            command: command.to_owned(),
            status: if ok { "ok" } else { "failed" }.into(),
            mode: "live".into(),
            severity: if ok { "info" } else { "error" }.into(),
            fields: BTreeMap::new(),
            more: Map::new(),
        }
    }

    /// The same event with one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: &impl ToString) -> Self {
        self.fields.insert(name.to_owned(), value.to_string());
        self
    }

    /// The same event with what went wrong.
    #[must_use]
    pub fn error(mut self, code: &str, message: &str, remediation: &str) -> Self {
        for (name, value) in
            [("error_code", code), ("error_message", message), ("error_remediation", remediation)]
        {
            self.more.insert(name.to_owned(), Value::from(value));
        }
        self
    }
}

/// Appends an event to the context's `events/audit.jsonl`, beside a running si: one whole line in one write, durable on
/// return. A line that si left unfinished is ended first, so that ours is never glued to it.
///
/// # Errors
/// [`Error::Io`].
pub fn append_event(context: &ContextDir, event: &Event) -> Result<()> {
    let io = |operation| move |e| context.io(operation, AUDIT_LOG, e);
    let mut private = DirBuilder::new();
    private.mode(0o700);
    match step("mkdir", || context.dir().create_dir_with("events", &private)) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(io("create the directory of")(e)),
        _ => {}
    }
    let dir = context.dir().open_dir_nofollow("events").map_err(io("open the directory of"))?;
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600).follow(FollowSymlinks::No).nonblock(true);
    let mut file = step("create", || dir.open_with("audit.jsonl", &options)).map_err(io("open"))?;
    let mut line = serde_json::to_vec(event)
        .map_err(|e| Error::Malformed { what: "event".into(), reason: e.to_string() })?;
    line.push(b'\n');
    if file.seek(SeekFrom::End(-1)).is_ok() {
        let mut last = [0];
        if file.read(&mut last).map_err(io("read"))? == 1 && last != [b'\n'] {
            line.insert(0, b'\n');
        }
    }
    step("append", || file.write_all(&line)).map_err(io("append to"))?;
    step("fsync", || file.sync_all()).map_err(io("append to"))
}

/// Whether the context's `events/audit.jsonl` tells of this command, with this field: anywhere in it, for what an event is
/// dated says nothing of when it was written. Lines that are no event are passed over.
///
/// # Errors
/// [`Error::Io`].
pub fn tells_of(context: &ContextDir, command: &str, field: (&str, &str)) -> Result<bool> {
    let path = crate::StatePath::new(AUDIT_LOG)?;
    let Some((file, _)) = crate::stable::open(context, &path)? else { return Ok(false) };
    let io = |e| context.io("read", path.as_str(), e);
    let (name, value) = field;
    let finder = memchr::memmem::Finder::new(value.as_bytes());
    let mut log = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
    while log.read_until(b'\n', &mut line).map_err(io)? > 0 {
        if finder.find(&line).is_some()
            && let Ok(event) = serde_json::from_slice::<Event>(&line)
            && event.command == command
            && event.fields.get(name).is_some_and(|found| found == value)
        {
            return Ok(true);
        }
        line.clear();
    }
    Ok(false)
}

/// The newest `limit` events of all three logs of a context, newest last. Lines that are no event are passed over.
///
/// # Errors
/// [`Error::Io`].
pub fn newest_events(context: &ContextDir, limit: usize) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for log in ["alerts", "audit", "deployments"] {
        let path = crate::StatePath::new(format!("events/{log}.jsonl"))?;
        let Some((mut file, stamp)) = crate::stable::open(context, &path)? else { continue };
        let io = |e| context.io("read", path.as_str(), e);
        let mut text = Vec::new();
        let from = stamp.size.saturating_sub(TAIL);
        file.seek(SeekFrom::Start(from)).map_err(io)?;
        file.take(TAIL).read_to_end(&mut text).map_err(io)?;
        let lines = text.split(|b| *b == b'\n').skip(usize::from(from > 0));
        events.extend(lines.filter_map(|line| serde_json::from_slice::<Event>(line).ok()));
    }
    // By the moment, not by the text: offsets and fractions differ between writers.
    events.sort_by_cached_key(|event| DateTime::parse_from_rfc3339(&event.timestamp).ok());
    Ok(events.split_off(events.len().saturating_sub(limit)))
}
