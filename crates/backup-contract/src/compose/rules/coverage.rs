use super::{Judge, place};
use crate::compose::model::{Mount, MountKind, Service};
use crate::compose::roles::DATABASUS_DATA;
use crate::compose::syntax::is_within;
use crate::compose::value::{Value, is_interpolated};
use crate::{Finding, Severity};

/// The label by which an operator declares that a service's files are backed up in another way, with the way as its value.
const COVERED: &str = "si-backup.covered-by";

/// What the database's backup does not hold, said while there is time to do something about it.
impl Judge<'_> {
    pub(super) fn coverage(&mut self) {
        for (name, service) in &self.project.services {
            let Some(backend) = service.environment.get("STORAGE_BACKEND") else { continue };
            if self.declared(name, service) {
                continue;
            }
            match backend.as_ref().map(Value::reveal) {
                Some("file") => {
                    let directory =
                        service.variable("FILE_STORAGE_BACKEND_PATH").unwrap_or("/var/lib/storage");
                    self.storage(name, service, directory);
                }
                Some("s3") => self.own_object_store(name, service),
                Some(backend) if !is_interpolated(backend) => {}
                _ => self.add(Finding::new(
                    "compose-storage-unknown",
                    Severity::Info,
                    place(name, "environment").pointer("/STORAGE_BACKEND"),
                    "where uploads are kept depends on a variable; with 'file' they are in no backup",
                    "back them up in another way where they are files",
                )),
            }
        }
        for name in &self.roles.databasus {
            let Some(service) = self.project.services.get(name) else { continue };
            let data = service
                .mounts
                .iter()
                .find(|mount| DATABASUS_DATA.iter().any(|data| is_within(data, &mount.target)));
            if let Some(mount) = data.filter(|mount| mount.kind != MountKind::Other) {
                self.add(Finding::new(
                    "compose-databasus-data-not-covered",
                    Severity::Info,
                    place(name, "volumes"),
                    format!(
                        "{} holds what Databasus knows and its keys; it is in no backup of the database",
                        source(mount)
                    ),
                    "losing it loses the settings of Databasus, not the database; copy it where that matters",
                ));
            }
        }
    }

    /// Whether the operator declares that what a service keeps is backed up in another way.
    fn declared(&mut self, name: &str, service: &Service) -> bool {
        let Some(reason) = service.labels.get(COVERED).map(Value::reveal).filter(|reason| !reason.is_empty())
        else {
            return false;
        };
        self.add(Finding::new(
            "compose-storage-declared-covered",
            Severity::Info,
            place(name, "labels"),
            format!("the label {COVERED} declares its files backed up in another way: {reason}"),
            "nothing here makes or proves that backup; restore from it now and then",
        ));
        true
    }

    fn storage(&mut self, name: &str, service: &Service, directory: &str) {
        let holder = service.mounts.iter().find(|mount| is_within(directory, &mount.target));
        let what = holder.map_or_else(|| "the container itself".to_owned(), source);
        self.add(Finding::new(
            "compose-storage-not-covered",
            Severity::Warning,
            place(name, "volumes"),
            format!("uploads are files in {what}, and in no backup of the database"),
            "back them up in another way, or keep them in an object store outside of the host",
        ));
    }

    /// An object store of the same project loses its objects with the host.
    fn own_object_store(&mut self, name: &str, service: &Service) {
        let endpoint =
            ["GLOBAL_S3_ENDPOINT", "STORAGE_S3_ENDPOINT"].into_iter().find_map(|name| service.variable(name));
        let Some((_, rest)) = endpoint.and_then(|endpoint| endpoint.split_once("://")) else { return };
        let host = rest.split([':', '/']).next().unwrap_or_default();
        let Some(store) = self.project.services.get(host) else { return };
        let held = store
            .mounts
            .iter()
            .filter(|mount| mount.kind != MountKind::Other && !mount.read_only)
            .map(source);
        let held = held.collect::<Vec<_>>().join(", ");
        self.add(Finding::new(
            "compose-storage-not-covered",
            Severity::Warning,
            place(host, "volumes"),
            format!("uploads of {name} are in the object store {host} on the same host ({held}), and in no backup of the database"),
            "back them up in another way, or keep them in an object store outside of the host",
        ));
    }
}

fn source(mount: &Mount) -> String {
    match (&mount.source, mount.kind) {
        (Some(source), MountKind::Volume) => format!("the volume {source}"),
        (Some(source), _) => source.clone(),
        (None, _) => format!("an anonymous volume at {}", mount.target),
    }
}
