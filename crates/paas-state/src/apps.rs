use crate::layout::MAX_STORE;
use crate::{ContextDir, Error, Result};
use backup_contract::AppSlug;
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::OpenOptions;
use serde_json::{Map, Value};
use std::io::Read;

const DEPLOYMENTS: &str = "deployments.json";

/// An app that the context has deployed at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployedApp {
    /// Its slug.
    pub slug: AppSlug,
    /// The release that is running; `None` when none is.
    pub current_release: Option<String>,
    /// The directory on its target that its releases lie in; `None` where the state does not say.
    pub remote_dir: Option<String>,
}

/// The apps that the context's deployments name, by slug. No file is an empty store.
///
/// # Errors
/// [`Error::Io`]; [`Error::Malformed`], also while si is writing the file.
pub fn deployed_apps(context: &ContextDir) -> Result<Vec<DeployedApp>> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No);
    let file = match context.dir().open_with(DEPLOYMENTS, &options) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(context.io("open", DEPLOYMENTS, e)),
    };
    let mut text = Vec::new();
    file.take(MAX_STORE).read_to_end(&mut text).map_err(|e| context.io("read", DEPLOYMENTS, e))?;
    let document: Map<String, Value> =
        serde_json::from_slice(&text).map_err(|e| Error::malformed(DEPLOYMENTS, &e))?;
    match document.get("apps") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(apps)) => apps.iter().map(|(slug, app)| of_entry(slug, app)).collect(),
        Some(_) => Err(Error::malformed(DEPLOYMENTS, &"its apps are no object")),
    }
}

/// Whatever else is in an entry is si's own.
fn of_entry(slug: &str, app: &Value) -> Result<DeployedApp> {
    let malformed = |reason: &str| Error::malformed(DEPLOYMENTS, &format_args!("of app '{slug}' {reason}"));
    let app = app.as_object().ok_or_else(|| malformed("the entry is no object"))?;
    let current_release = match app.get("current_release") {
        None | Some(Value::Null) => None,
        Some(Value::String(release)) => Some(release.clone()).filter(|release| !release.is_empty()),
        Some(_) => return Err(malformed("the current release is no text")),
    };
    let slug = AppSlug::new(slug).map_err(|e| Error::malformed(DEPLOYMENTS, &e))?;
    let remote_dir = app.get("current_remote_dir").and_then(Value::as_str).filter(|dir| !dir.is_empty());
    Ok(DeployedApp { slug, current_release, remote_dir: remote_dir.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_contract::ContextName;
    use std::fs;

    fn told(text: Option<&str>) -> Result<Vec<(String, Option<String>)>> {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("contexts/default");
        fs::create_dir_all(&dir).unwrap();
        if let Some(text) = text {
            fs::write(dir.join(DEPLOYMENTS), text).unwrap();
        }
        let context = ContextDir::open(root.path(), ContextName::new("default").unwrap()).unwrap();
        let apps = deployed_apps(&context)?;
        Ok(apps.into_iter().map(|app| (app.slug.to_string(), app.current_release)).collect())
    }

    #[test]
    fn apps_are_told_with_their_running_release() {
        let text = r#"{"apps": {"shop": {"current_release": "r7", "history": [], "of a newer si": 1},
                                "blog": {"current_release": ""}, "wiki": {}}, "more": true}"#;
        let expected = [("blog".into(), None), ("shop".into(), Some("r7".into())), ("wiki".into(), None)];
        assert_eq!(told(Some(text)).unwrap(), expected);
        assert_eq!(told(None).unwrap(), []);
        assert_eq!(told(Some("{}")).unwrap(), []);
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_empty() {
        for text in [
            "",
            "{\"apps\": {",
            "[]",
            r#"{"apps": {"../x": {}}}"#,
            r#"{"apps": {"shop": 7}}"#,
            r#"{"apps": []}"#,
        ] {
            assert_eq!(told(Some(text)).unwrap_err().code(), "malformed", "{text}");
        }
    }
}
