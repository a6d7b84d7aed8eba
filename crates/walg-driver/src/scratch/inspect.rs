//! What an engine left in a directory: it may exit with 0 and have restored a few files, or none.

use super::user::{own, walk};
use crate::process::User;
use crate::verify::control::Control;
use crate::{Error, Result};
use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use std::fmt;
use std::fs::{self, DirBuilder};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path};

/// How many missing files are named.
const NAMED: usize = 3;
/// The longest control file, in bytes.
const CONTROL: u64 = 16 * 1024;
/// The longest text of a version, in bytes.
const VERSION: u64 = 64;

/// What a copy of a cluster has to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copied {
    pub(super) major: u32,
    pub(super) system_identifier: Option<u64>,
}

/// What is wrong with an unpacked copy; nothing, when it may be started. `list` is the backup's list of files.
pub(super) fn inspect(data: &Path, expected: Copied, list: Option<impl Read>) -> Result<Vec<String>> {
    // First: what is read below, as who we are, must be a file of the copy.
    let mut faults = astray(data)?;
    if !faults.is_empty() {
        return Ok(faults);
    }
    let version = data.join("PG_VERSION");
    match fs::File::open(&version).and_then(|file| {
        let mut text = String::new();
        file.take(VERSION).read_to_string(&mut text).map(|_| text)
    }) {
        Ok(text) if text.trim() == expected.major.to_string() => {}
        Ok(text) => faults.push(format!("PG_VERSION says {:?}, not {}", text.trim(), expected.major)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => faults.push("there is no PG_VERSION".into()),
        Err(e) => return Err(Error::io("read", &version)(e)),
    }
    faults.extend(control(data, expected)?);
    // Without it the server would begin at the newest checkpoint of the copy, and be wrong without a word.
    if !data.join("backup_label").is_file() {
        faults.push("there is no backup_label".into());
    }
    let map = data.join("tablespace_map");
    if fs::metadata(&map).is_ok_and(|meta| meta.len() > 0) {
        faults.push("it has tablespaces: tablespace_map is not empty".into());
    }
    if let Some(list) = list {
        faults.extend(missing(data, list));
    }
    Ok(faults)
}

/// What of a copy is no file and no directory, or leads elsewhere.
pub(super) fn astray(data: &Path) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let whole = data.canonicalize().map_err(Error::io("look at", data))?;
    walk(data, &mut |path, kind| {
        let below = path.strip_prefix(data).unwrap_or(path).display();
        if kind.is_symlink() {
            if !path.canonicalize().is_ok_and(|to| to.starts_with(&whole)) {
                faults.push(format!("the link {below} leads out of the copy"));
            }
        } else if !kind.is_dir() && !kind.is_file() {
            faults.push(format!("{below} is neither a file nor a directory"));
        }
        Ok(())
    })?;
    Ok(faults)
}

fn control(data: &Path, expected: Copied) -> Result<Option<String>> {
    let path = data.join("global/pg_control");
    let mut bytes = Vec::new();
    let read = fs::File::open(&path).and_then(|file| file.take(CONTROL).read_to_end(&mut bytes));
    match read {
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Ok(Some("there is no global/pg_control".into()));
        }
        Err(e) => return Err(Error::io("read", &path)(e)),
    }
    let Some(control) = Control::parse(&bytes) else {
        return Ok(Some("the checksum of global/pg_control is not that of its bytes".into()));
    };
    let system = expected.system_identifier.filter(|system| *system != control.system_identifier);
    if let Some(system) = system {
        return Ok(Some(format!("it is of the cluster {}, not of {system}", control.system_identifier)));
    }
    Ok((control.fits(u64::from(expected.major) * 10_000) == Some(false))
        .then(|| format!("no server of version {} wrote its pg_control", expected.major)))
}

/// What of the list of files is not there.
fn missing(data: &Path, list: impl Read) -> Option<String> {
    let mut seen = Missing { data, files: 0, gone: 0, named: Vec::new() };
    let mut json = serde_json::Deserializer::from_reader(io::BufReader::new(list));
    let read = serde::de::DeserializeSeed::deserialize(&mut seen, &mut json);
    if let Err(e) = read {
        return Some(format!("its list of files cannot be used: {e}"));
    }
    if seen.gone == 0 {
        return None;
    }
    Some(format!("{} of its {} files are missing: {}", seen.gone, seen.files, seen.named.join(", ")))
}

/// Looks for the files of a list as it is read: that of a large cluster does not fit into memory beside everything else.
struct Missing<'a> {
    data: &'a Path,
    files: u64,
    gone: u64,
    named: Vec<String>,
}

impl Missing<'_> {
    fn look(&mut self, name: &str) {
        self.files += 1;
        // Engines differ in the slash.
        let relative = Path::new(name.trim_start_matches('/'));
        let is_plain =
            relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        // Where the source had a link to it, engines leave it out; it is made anew.
        if relative == Path::new("pg_wal") {
            return;
        }
        if !is_plain || fs::symlink_metadata(self.data.join(relative)).is_err() {
            self.gone += 1;
            if self.named.len() < NAMED {
                self.named.push(name.to_owned());
            }
        }
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for &mut Missing<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_map(Fields(self))
    }
}

/// The fields of the document.
struct Fields<'a, 'd>(&'a mut Missing<'d>);

impl<'de> Visitor<'de> for Fields<'_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of files")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        while let Some(field) = map.next_key::<String>()? {
            if field == "Files" {
                map.next_value_seed(Files(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The field `Files`: the names are its keys.
struct Files<'a, 'd>(&'a mut Missing<'d>);

impl<'de> serde::de::DeserializeSeed<'de> for Files<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Files<'_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("files by their names")
    }
    fn visit_unit<E>(self) -> std::result::Result<(), E> {
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            self.0.look(&name);
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Writes a file of the copy anew, and gives it to the server's user. What was there is replaced, never written through.
pub(super) fn put(path: &Path, bytes: &[u8], user: Option<&User>) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::io("remove", path)(e)),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(Error::io("write", path))?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    given(path, user)
}

fn given(path: &Path, user: Option<&User>) -> Result<()> {
    user.map_or(Ok(()), |user| own(path, user))
}

/// What of the source must not be in a scratch copy, made so: its own settings are put aside, nothing makes it a standby,
/// its slots are gone, and there is a `pg_wal` where the source had a link. What was done is told.
pub(super) fn make_ready(data: &Path, user: Option<&User>) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let auto = data.join("postgresql.auto.conf");
    if auto.exists() {
        // It is read whatever file the server is told to take, and would win.
        let aside = data.join("postgresql.auto.conf.of-the-source");
        fs::rename(&auto, &aside).map_err(Error::io("rename", &auto))?;
    }
    for name in ["standby.signal", "recovery.conf", "recovery.done", "postmaster.pid", "postmaster.opts"] {
        let path = data.join(name);
        if path.exists() {
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            notes.push(format!("{name} of the source was removed from the copy"));
        }
    }
    let slots = data.join("pg_replslot");
    if fs::read_dir(&slots).is_ok_and(|mut entries| entries.next().is_some()) {
        fs::remove_dir_all(&slots).map_err(Error::io("remove", &slots))?;
        notes.push("replication slots of the source were removed from the copy".into());
    }
    for name in ["pg_wal", "pg_replslot", "pg_tblspc", "pg_stat_tmp", "pg_dynshmem", "pg_notify"] {
        let path = data.join(name);
        if !path.exists() {
            DirBuilder::new().mode(0o700).create(&path).map_err(Error::io("make", &path))?;
            given(&path, user)?;
        }
    }
    put(&data.join("recovery.signal"), b"", user)?;
    // A tablespace that is made on the way is a link in here to where the live one lies: its records were looked for, and one
    // that was missed ends the recovery.
    let spaces = data.join("pg_tblspc");
    fs::set_permissions(&spaces, fs::Permissions::from_mode(0o555))
        .map_err(Error::io("set the mode of", &spaces))?;
    // The server refuses a directory that others can read.
    fs::set_permissions(data, fs::Permissions::from_mode(0o700))
        .map_err(Error::io("set the mode of", data))?;
    Ok(notes)
}
