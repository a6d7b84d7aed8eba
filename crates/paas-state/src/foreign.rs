//! Files of another context: what a copy by hand, or a restore by another tool, may have left.

use crate::stable;
use crate::{ContextDir, Result, StatePath, newest_events};
use backup_contract::{Finding, Place, Severity};
use serde::Deserialize;
use std::io::Read;

/// The longest `config.json` that is looked into, in bytes.
const LIMIT: u64 = 1 << 20;

/// How many of the newest events are asked whose they are.
const EVENTS: usize = 500;

/// What in a context says of itself that it is another one's. What says nothing, or cannot be read, is not judged here.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io).
pub fn foreign_files(context: &ContextDir) -> Result<Vec<Finding>> {
    #[derive(Deserialize)]
    struct Config {
        name: Option<String>,
    }
    let ours = context.name().as_str();
    let mut findings = Vec::new();
    let mut add = |place: &str, theirs: &str| {
        findings.push(Finding::new(
            "foreign-context-file",
            Severity::Error,
            Place::of(place),
            format!("is of the context '{theirs}', and lies in '{ours}'"),
            "find out who put it there; restore the state of this context, or move it where it belongs",
        ));
    };
    let path = StatePath::new("config.json")?;
    if let Some((file, _)) = stable::open(context, &path)? {
        let mut text = Vec::new();
        file.take(LIMIT).read_to_end(&mut text).map_err(|e| context.io("read", path.as_str(), e))?;
        if let Ok(Config { name: Some(name) }) = serde_json::from_slice(&text)
            && !name.is_empty()
            && name != ours
        {
            add(path.as_str(), &name);
        }
    }
    let newest = newest_events(context, EVENTS)?;
    if let Some(foreign) = newest.iter().find(|event| !event.context.is_empty() && event.context != ours) {
        add("events", &foreign.context);
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_contract::ContextName;
    use std::fs;

    #[test]
    fn what_says_that_it_is_of_another_context_is_told() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("contexts/default");
        fs::create_dir_all(dir.join("events")).unwrap();
        let context = ContextDir::open(home.path(), ContextName::new("default").unwrap()).unwrap();
        let event = |context: &str| {
            format!(
                "{{\"timestamp\":\"2026-11-23T20:15:00Z\",\"context\":\"{context}\",\"source\":\"si\",\"command\":\"x\",\"status\":\"ok\",\"mode\":\"live\",\"severity\":\"info\"}}\n"
            )
        };
        fs::write(dir.join("config.json"), "{\"name\": \"default\"}").unwrap();
        fs::write(dir.join("events/audit.jsonl"), event("default")).unwrap();
        assert_eq!(foreign_files(&context).unwrap(), []);
        fs::write(dir.join("config.json"), "{\"name\": \"staging\"}").unwrap();
        fs::write(dir.join("events/audit.jsonl"), event("default") + &event("staging")).unwrap();
        let found = foreign_files(&context).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|finding| finding.detail.contains("'staging'")));
    }
}
