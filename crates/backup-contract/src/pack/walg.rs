use super::parameter::{ContainerPath, HostPath, Key, PinnedImage, Prefix, SlotName, Word};
use super::text::{Yaml, quoted};

/// Where the restore service has the directory above the data.
const BESIDE: &str = "/restore";

/// The parameters of the pack `supabase-walg`.
///
/// The default fits the layout in which Supabase is self-hosted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SupabaseWalg {
    /// The service that makes backups.
    pub backup_service: Key,
    /// The service that fetches one for a restore.
    pub restore_service: Key,
    /// The service that receives WAL, where the server does not push it itself.
    pub receiver: Option<Receiver>,
    /// The database's service.
    pub database_service: Key,
    /// The database's own image, so that program versions, users and locales are the server's.
    pub image: PinnedImage,
    /// The file with `WALG_*` and `PGPASSWORD`, outside of git.
    pub env_file: HostPath,
    /// Where the database's files are.
    pub data: Data,
    /// Where backups go; nothing, where the env file says so.
    pub prefix: Option<Prefix>,
    /// The network on which the database is; nothing, where it is the project's default.
    pub network: Option<Key>,
    /// The role that may back up.
    pub user: Word,
}

/// Where the database's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// In a directory of the host.
    Directory {
        /// The directory that is mounted as the data directory.
        path: HostPath,
        /// The data directory as the server calls it.
        pgdata: ContainerPath,
    },
    /// In a directory of a named volume, which is mounted as the data directory's parent.
    Volume {
        /// The volume.
        volume: Key,
        /// The data directory as the server calls it.
        pgdata: ContainerPath,
    },
}

/// A service that receives WAL through a replication slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// The service.
    pub service: Key,
    /// The slot, which the engine makes where it is missing.
    pub slot: SlotName,
}

impl Default for Receiver {
    fn default() -> Self {
        Self { service: Key::known("supabase-walg-receive"), slot: SlotName::known("si_backup") }
    }
}

impl Default for SupabaseWalg {
    fn default() -> Self {
        Self {
            backup_service: Key::known("supabase-walg-backup"),
            restore_service: Key::known("supabase-walg-restore"),
            receiver: Some(Receiver::default()),
            database_service: Key::known("db"),
            image: PinnedImage::known("supabase/postgres:15.8.1.085"),
            env_file: HostPath::known("./walg.env"),
            data: Data::Directory {
                path: HostPath::known("./volumes/db/data"),
                pgdata: ContainerPath::known("/var/lib/postgresql/data"),
            },
            prefix: None,
            network: None,
            user: Word::known("supabase_admin"),
        }
    }
}

impl Data {
    pub(super) fn pgdata(&self) -> &ContainerPath {
        let (Self::Directory { pgdata, .. } | Self::Volume { pgdata, .. }) = self;
        pgdata
    }

    /// The data directory's own name, under the directory that the restore service has.
    fn name(&self) -> &str {
        match self {
            Self::Directory { path, .. } => path.name(),
            Self::Volume { pgdata, .. } => pgdata.name(),
        }
    }
}

impl SupabaseWalg {
    /// The fragment.
    #[must_use]
    pub fn render(&self) -> String {
        let mut yaml = Yaml::default();
        yaml.why(&[
            "Add-on pack supabase-walg: WAL-G beside self-hosted Supabase. It adds services and overrides none.",
            "Secrets come from the env file alone. What is kept is decided by 'si-backup retention', not here.",
        ]);
        yaml.below("services", |yaml| {
            self.backup(yaml);
            yaml.blank();
            self.restore(yaml);
            if let Some(receiver) = &self.receiver {
                yaml.blank();
                self.receive(yaml, receiver);
            }
        });
        yaml.finish()
    }

    fn backup(&self, yaml: &mut Yaml) {
        let pgdata = self.data.pgdata().as_str();
        yaml.why(&["Makes one backup and ends: docker compose run --rm, as 'si-backup run' does."]);
        yaml.below(self.backup_service.as_str(), |yaml| {
            self.tool(yaml);
            yaml.why(&["The files belong to this user; nothing else is needed to read them."]);
            yaml.text("user", "postgres").list("cap_drop", &["ALL"]).list("security_opt", &["no-new-privileges:true"]);
            self.environment(yaml, |yaml| {
                yaml.why(&["Each hourly delta hangs on the day's full alone: one bad delta spoils no other."]);
                yaml.text("WALG_DELTA_MAX_STEPS", "24").text("WALG_DELTA_ORIGIN", "LATEST_FULL");
                yaml.why(&["Without it a backup whose last WAL cannot be archived never ends."]);
                yaml.text("WALG_STOP_BACKUP_TIMEOUT", "10m");
            });
            yaml.below("volumes", |yaml| {
                yaml.why(&["The same path as in the server, or the engine refuses. It reads, and writes nothing there."]);
                match &self.data {
                    Data::Directory { path, .. } => bind(yaml, path.as_str(), pgdata, true),
                    Data::Volume { volume, pgdata } => named(yaml, volume, pgdata.parent(), true),
                }
            });
            yaml.why(&["A push that is told to stop undoes the server's backup mode first."]);
            yaml.bare("stop_grace_period", "5m");
            yaml.list("command", &["wal-g", "backup-push", pgdata]);
            yaml.below("healthcheck", |yaml| {
                yaml.list("test", &["CMD", "pg_isready", "--quiet"]).bare("interval", "30s").bare("timeout", "5s").bare("retries", "3");
            });
        });
    }

    fn restore(&self, yaml: &mut Yaml) {
        let name = self.data.name();
        yaml.why(&[
            "Fetches one backup into a new directory beside the live one, and removes nothing. Putting it in place is the",
            "work of 'si-backup restore', after its checks. The backup is named, because LATEST may be another one:",
            &format!("  docker compose run --rm -e BACKUP=base_... {}", self.restore_service),
        ]);
        yaml.below(self.restore_service.as_str(), |yaml| {
            self.tool(yaml);
            self.environment(yaml, |_| {});
            yaml.below("volumes", |yaml| match &self.data {
                Data::Directory { path, .. } => {
                    yaml.why(&["The directory above the data: a rename within it is one step."]);
                    bind(yaml, &path.parent(), BESIDE, false);
                    yaml.why(&["The live data itself, where this container cannot write."]);
                    bind(yaml, path.as_str(), &format!("{BESIDE}/{name}"), true);
                }
                Data::Volume { volume, .. } => {
                    yaml.why(&[
                        "The volume, in which the data is one directory: a rename within it is one step.",
                    ]);
                    named(yaml, volume, BESIDE, false);
                }
            });
            let target = format!("{BESIDE}/{name}.fetched");
            yaml.shell(
                "command",
                &[
                    "# mkdir fails where the directory exists: nothing is ever fetched over something."
                        .to_owned(),
                    format!("target=\"{target}-${{BACKUP:?name the backup that is to be fetched}}\""),
                    "mkdir \"$target\"".to_owned(),
                    "chmod 0700 \"$target\"".to_owned(),
                    "wal-g backup-fetch \"$target\" \"$BACKUP\"".to_owned(),
                    "chown -R postgres:postgres \"$target\"".to_owned(),
                ],
            );
            yaml.why(&["It asks nobody anything; it ends with what the fetch ends with."]);
            yaml.below("healthcheck", |yaml| {
                yaml.bare("disable", "true");
            });
        });
    }

    fn receive(&self, yaml: &mut Yaml, receiver: &Receiver) {
        yaml.why(&[
            "Receives WAL through a replication slot, for a server that does not push it itself. The server needs, once:",
            "  ALTER SYSTEM SET max_slot_wal_keep_size = '10GB';  -- or a dead receiver fills the disk",
            "  ALTER SYSTEM SET archive_timeout = '60s';          -- or a quiet server keeps its last changes to itself",
            "  SELECT pg_reload_conf();",
            "and in pg_hba.conf a line that lets the role in for 'replication'. After a restore the slot is gone: it is",
            "made again, and then a full backup is due.",
        ]);
        yaml.below(receiver.service.as_str(), |yaml| {
            yaml.text("image", self.image.as_str()).bare("restart", "unless-stopped");
            self.networks(yaml);
            yaml.text("user", "postgres").list("cap_drop", &["ALL"]).list("security_opt", &["no-new-privileges:true"]);
            self.environment(yaml, |yaml| {
                yaml.text("WALG_SLOTNAME", receiver.slot.as_str());
            });
            yaml.shell(
                "command",
                &[
                    "limit=$(psql -AtXc 'show max_slot_wal_keep_size')".to_owned(),
                    "if [ \"$limit\" = -1 ]; then".to_owned(),
                    "  echo 'max_slot_wal_keep_size is unlimited: the slot could fill the disk. Not receiving.' >&2".to_owned(),
                    "  exit 1".to_owned(),
                    "fi".to_owned(),
                    "exec wal-g wal-receive".to_owned(),
                ],
            );
            yaml.below("healthcheck", |yaml| {
                let asked = format!("select active from pg_replication_slots where slot_name = '{}'", receiver.slot);
                yaml.list("test", &["CMD-SHELL", &format!("psql -AtXc \"{asked}\" | grep -qx t")]);
                yaml.bare("interval", "30s").bare("timeout", "5s").bare("retries", "4").bare("start_period", "30s");
            });
        });
    }

    /// What both tools have: they start when they are asked to, once.
    fn tool(&self, yaml: &mut Yaml) {
        yaml.text("image", self.image.as_str());
        yaml.why(&["Not with 'docker compose up': it is run by name."]);
        yaml.list("profiles", &["backup"]);
        yaml.bare("restart", "\"no\"");
        self.networks(yaml);
    }

    fn networks(&self, yaml: &mut Yaml) {
        if let Some(network) = &self.network {
            yaml.why(&["The database's network."]);
            yaml.list("networks", &[network.as_str()]);
        }
    }

    fn environment(&self, yaml: &mut Yaml, more: impl FnOnce(&mut Yaml)) {
        yaml.text("env_file", self.env_file.as_str());
        yaml.below("environment", |yaml| {
            yaml.why(&["Without a host the engine would look for a server in its own container."]);
            yaml.text("PGHOST", self.database_service.as_str()).text("PGPORT", "5432");
            yaml.text("PGUSER", self.user.as_str()).text("PGDATABASE", "postgres");
            if let Some(prefix) = &self.prefix {
                yaml.text("WALG_S3_PREFIX", prefix.as_str());
            }
            yaml.text("WALG_COMPRESSION_METHOD", "zstd").text("WALG_PREVENT_WAL_OVERWRITE", "true");
            more(yaml);
        });
    }
}

/// A path of the host. A missing one is an error, not a new, empty directory.
fn bind(yaml: &mut Yaml, source: &str, target: &str, read_only: bool) {
    let (source, target) = (quoted(source), quoted(target));
    let mut pairs = vec![("type", "bind"), ("source", &source), ("target", &target)];
    if read_only {
        pairs.push(("read_only", "true"));
    }
    pairs.push(("bind", "{create_host_path: false}"));
    yaml.item(&pairs);
}

fn named(yaml: &mut Yaml, volume: &Key, target: &str, read_only: bool) {
    let (source, target) = (quoted(volume.as_str()), quoted(target));
    let mut pairs = vec![("type", "volume"), ("source", source.as_str()), ("target", &target)];
    if read_only {
        pairs.push(("read_only", "true"));
    }
    yaml.item(&pairs);
}
