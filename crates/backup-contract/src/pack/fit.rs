//! Parameters read off the project that a fragment is for.

use super::{Data, Databasus, SupabaseWalg};
use crate::compose::{DataPlace, Project};

impl SupabaseWalg {
    /// The defaults, fitted to a project as far as its files tell: the database's service, image, data and network, and
    /// no receiver where the server pushes its WAL itself.
    #[must_use]
    pub fn fitted(project: &Project) -> Self {
        let mut pack = Self::default();
        let Some(database) = project.database_facts() else { return pack };
        keep(&mut pack.database_service, &database.service);
        keep(&mut pack.image, &database.image);
        if let Some(Ok(pgdata)) = database.pgdata.as_deref().map(str::parse) {
            let data = match &database.data {
                Some(DataPlace::Directory(path)) => {
                    path.parse().ok().map(|path| Data::Directory { path, pgdata })
                }
                Some(DataPlace::InVolume(volume)) => {
                    volume.parse().ok().map(|volume| Data::Volume { volume, pgdata })
                }
                None => None,
            };
            pack.data = data.unwrap_or(pack.data);
        }
        pack.network = database.network.as_deref().and_then(|network| network.parse().ok());
        if database.pushes {
            pack.receiver = None;
        }
        pack
    }
}

impl Databasus {
    /// The defaults, with a relay to the database of a project.
    #[must_use]
    pub fn fitted(project: &Project) -> Self {
        let mut pack = Self::default();
        if let (Some(relay), Some(database)) = (&mut pack.relay, project.database_facts()) {
            keep(&mut relay.database_service, &database.service);
            relay.database_network = database.network.as_deref().and_then(|network| network.parse().ok());
        }
        pack
    }
}

/// Takes a value where it is one that a fragment can have.
fn keep<T: std::str::FromStr>(parameter: &mut T, value: &str) {
    if let Ok(value) = value.parse() {
        *parameter = value;
    }
}
