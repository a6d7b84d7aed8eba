use super::model::Project;
use super::spot::Spot;
use super::syntax::tidy;
use super::value::is_interpolated;

/// What a project says of its database, for whoever adds something beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DatabaseFacts {
    pub(crate) service: String,
    pub(crate) image: String,
    pub(crate) pgdata: Option<String>,
    pub(crate) data: Option<DataPlace>,
    /// One of its networks; nothing, where it is on the project's default.
    pub(crate) network: Option<String>,
    /// Whether its command line makes it push WAL.
    pub(crate) pushes: bool,
}

/// Where its data directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DataPlace {
    /// A directory of the host.
    Directory(String),
    /// The one directory right within a volume, which is mounted above it.
    InVolume(String),
}

impl Project {
    pub(crate) fn database_facts(&self) -> Option<DatabaseFacts> {
        let name = self.roles().database?;
        let service = self.services.get(&name)?;
        let pgdata = tidy(service.variable("PGDATA").unwrap_or(super::PGDATA));
        let pgdata = (!is_interpolated(&pgdata)).then_some(pgdata);
        let spot = pgdata.as_deref().and_then(|pgdata| self.spot(&name, pgdata));
        let data = match spot {
            Some(Spot::Path(path)) => Some(DataPlace::Directory(relative(path))),
            Some(Spot::InVolume { path, .. }) if !path.is_empty() && !path.contains('/') => {
                let mounts = service.mounts.iter().filter(|mount| mount.source.is_some());
                let above =
                    pgdata.as_deref().and_then(|pgdata| pgdata.rsplit_once('/')).map(|(above, _)| above);
                let mount = mounts.into_iter().find(|mount| Some(mount.target.as_str()) == above);
                mount.and_then(|mount| mount.source.clone()).map(DataPlace::InVolume)
            }
            _ => None,
        };
        let networks = service.networks.as_ref();
        let on_default =
            networks.is_none_or(|networks| networks.is_empty() || networks.contains_key("default"));
        Some(DatabaseFacts {
            image: service.image.clone().unwrap_or_default(),
            pgdata,
            data,
            network: networks.filter(|_| !on_default).and_then(|networks| networks.keys().next().cloned()),
            pushes: service
                .server_setting("archive_command")
                .is_some_and(|command| command.contains("wal-push")),
            service: name,
        })
    }
}

/// A path of the host as compose takes it for one.
fn relative(path: String) -> String {
    if path.starts_with(['/', '.', '~', '$']) { path } else { format!("./{path}") }
}
