//! Which libraries a copy's server loaded at its start, and which of them a scratch server may.

use crate::{Error, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Libraries that watch or check what is asked, and nothing else: no worker of theirs starts, and nothing goes out.
const HARMLESS: [&str; 5] = ["auto_explain", "pg_stat_statements", "pgaudit", "plpgsql", "plpgsql_check"];

/// The longest file of settings that is read, in bytes.
const MOST: u64 = 1 << 20;

/// Whether a scratch server may load a library.
pub(super) fn is_harmless(name: &str) -> bool {
    HARMLESS.contains(&name)
}

/// What the settings in a copy of a data directory say of `shared_preload_libraries`; files that they include are not followed,
/// and settings that lie elsewhere are not known.
pub(super) fn configured(data: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    // The second wins where both say something.
    for name in ["postgresql.conf", "postgresql.auto.conf"] {
        let path = data.join(name);
        let text = match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_file() && meta.len() <= MOST => {
                fs::read(&path).map_err(Error::io("read", &path))?
            }
            Ok(_) => continue,
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => return Err(Error::io("look at", &path)(e)),
        };
        if let Some(names) = last_of(&String::from_utf8_lossy(&text)) {
            found = names;
        }
    }
    Ok(found)
}

/// The last setting of a file counts.
fn last_of(text: &str) -> Option<Vec<String>> {
    text.lines().rev().find_map(|line| {
        let line = line.trim_start();
        let name = line.get(..LIBRARIES.len()).filter(|name| name.eq_ignore_ascii_case(LIBRARIES))?;
        let rest = line.get(name.len()..)?;
        let value = rest.trim_start().strip_prefix('=').unwrap_or(rest);
        if value == rest && !rest.starts_with(char::is_whitespace) {
            return None;
        }
        let value = value.trim_start();
        let value = match value.strip_prefix('\'') {
            Some(quoted) => quoted.split('\'').next().unwrap_or_default(),
            None => value.split(|c: char| c.is_whitespace() || c == '#').next().unwrap_or_default(),
        };
        let names = value.split(',').map(|name| name.trim().trim_matches('"'));
        let base = |name: &str| name.strip_prefix("$libdir/").unwrap_or(name).to_owned();
        Some(names.filter(|name| !name.is_empty()).map(base).collect())
    })
}

const LIBRARIES: &str = "shared_preload_libraries";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_setting_counts() {
        let names = |text| last_of(text).map(|names| names.join(" "));
        assert_eq!(names("#shared_preload_libraries = 'a'\n"), None);
        assert_eq!(names("shared_preload_libraries_x = 'a'\n"), None);
        assert_eq!(names("shared_preload_libraries = ''\n").as_deref(), Some(""));
        assert_eq!(
            names("shared_preload_libraries = 'a'\n  Shared_Preload_Libraries 'pg_cron, \"pgaudit\",$libdir/b' # c\n")
                .as_deref(),
            Some("pg_cron pgaudit b")
        );
        assert_eq!(
            names("shared_preload_libraries=pg_stat_statements # c").as_deref(),
            Some("pg_stat_statements")
        );
    }

    #[test]
    fn what_was_set_with_alter_system_wins() {
        let dir = tempfile::tempdir().unwrap();
        assert!(configured(dir.path()).unwrap().is_empty());
        fs::write(dir.path().join("postgresql.conf"), "shared_preload_libraries = 'a'\n").unwrap();
        assert_eq!(configured(dir.path()).unwrap(), ["a"]);
        fs::write(dir.path().join("postgresql.auto.conf"), "work_mem = '4MB'\n").unwrap();
        assert_eq!(configured(dir.path()).unwrap(), ["a"]);
        fs::write(dir.path().join("postgresql.auto.conf"), "shared_preload_libraries = 'b'\n").unwrap();
        assert_eq!(configured(dir.path()).unwrap(), ["b"]);
    }
}
