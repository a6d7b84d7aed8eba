use crate::report::message_of;
use crate::settings::ContextSettings;
use crate::{CliError, Session};
use backup_contract::{Known, Passage, Placement, Transit, Whereabouts};
use backup_store::{Error, outside_git_work_tree};
use std::path::{Path, PathBuf};

/// Where everything lies that must not be committed.
pub(super) fn placements(session: &Session<'_>, settings: &ContextSettings) -> Vec<Placement> {
    let mut places = vec![
        ("state root".to_owned(), session.state_root().to_owned()),
        ("home of si-backup".to_owned(), session.home.path().to_owned()),
        ("settings".to_owned(), session.config_path().to_owned()),
    ];
    let mut add = |what: &str, path: Option<&PathBuf>| {
        places.extend(path.map(|path| (what.to_owned(), path.clone())));
    };
    add("identity", settings.identity.as_ref());
    add("exceptions of the secret scan", settings.allow_secrets.as_ref());
    let directory = |url: &str| match url.split_once("://") {
        Some(("file", path)) => Some(PathBuf::from(path)),
        Some(_) => None,
        None => Some(PathBuf::from(url)),
    };
    add("control store", settings.store.as_ref().and_then(|store| directory(&store.url)).as_ref());
    add("offsite store", settings.offsite.as_ref().and_then(|store| directory(&store.url)).as_ref());
    for (slug, app) in &settings.apps {
        add(&format!("env file of {slug}"), Some(&app.env_file));
    }
    places.into_iter().map(|(what, path)| placement(session, what, &path)).collect()
}

fn placement(session: &Session<'_>, what: String, path: &Path) -> Placement {
    let whereabouts = session.expand(path).and_then(|path| match outside_git_work_tree(&path) {
        Ok(()) => Ok(Whereabouts::Outside),
        Err(Error::InsideGitWorkTree { work_tree, .. }) => {
            Ok(Whereabouts::InGit(work_tree.display().to_string()))
        }
        Err(e) => Err(CliError::from(e)),
    });
    Placement {
        what,
        path: path.display().to_string(),
        whereabouts: Known::of(whereabouts.map_err(|e| message_of(&e))),
    }
}

/// How what is stored gets to the stores of the settings.
pub(super) fn passages(settings: &ContextSettings) -> Vec<Passage> {
    let control = settings.store.as_ref().map(|s| ("control store", &s.url, s.endpoint.as_deref()));
    let offsite = settings.offsite.as_ref().map(|s| ("offsite store", &s.url, s.endpoint.as_deref()));
    let passage = |(to, url, endpoint): (&str, &String, Option<&str>)| Passage {
        to: to.to_owned(),
        transit: transit(url, endpoint),
    };
    control.into_iter().chain(offsite).map(passage).collect()
}

fn transit(url: &str, endpoint: Option<&str>) -> Known<Transit> {
    match url.split_once("://") {
        Some(("file", _)) | None => Known::Known(Transit::Directory),
        Some(("s3", _)) => Transit::to_endpoint(endpoint).map_or_else(
            || Known::unknown("its endpoint begins with neither https:// nor http://"),
            Known::Known,
        ),
        Some((scheme, _)) => Known::unknown(format!("it is not known how '{scheme}' travels")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_tells_how_it_is_reached() {
        let known = |url, endpoint| transit(url, endpoint).known().copied();
        assert_eq!(known("file:///srv/backups", None), Some(Transit::Directory));
        assert_eq!(known("/srv/backups", None), Some(Transit::Directory));
        assert_eq!(known("s3://bucket/prefix", None), Some(Transit::Encrypted));
        assert_eq!(known("s3://bucket", Some("http://10.0.0.1:9000")), Some(Transit::Plain));
        assert_eq!(known("s3://bucket", Some("10.0.0.1")), None);
        assert_eq!(known("ftp://host/dir", None), None);
    }
}
