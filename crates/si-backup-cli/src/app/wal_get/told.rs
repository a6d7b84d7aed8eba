use crate::World;
use crate::app::{bucket, env_file};
use crate::report::message_of;
use backup_contract::engine::EngineKind;
use backup_contract::environment::{Environment, SodiumBytes};
use backup_contract::profile::Profile;
use backup_contract::{Severity, Stage};
use backup_store::{DirStore, Store};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use walg_driver::bucket::Root;
use walg_driver::wal::SegmentSize;
use walg_driver::{Ahead, Cipher, Segments, SodiumKey, WalGet, WalSource, wal_get, wal_get_ahead};

/// Where a mirror is; it is asked first.
pub(super) const PREFIX: &str = "SI_BACKUP_WAL_PREFIX";
/// The key of libsodium for the mirror, in hexadecimal digits; absent where nothing is encrypted.
pub(super) const KEY: &str = "SI_BACKUP_WAL_KEY";
/// The app's env file, which says where its bucket is and with what that is opened.
const ENV_FILE: &str = "SI_BACKUP_WAL_ENV_FILE";
/// A directory on the file system of `pg_wal`, for segments that are fetched before they are asked for.
const AHEAD: &str = "SI_BACKUP_WAL_AHEAD";
/// How long a segment is, in bytes: 16 MiB where nothing is said.
pub(super) const SIZE: &str = "SI_BACKUP_WAL_SEGMENT_BYTES";
/// The system identifier of the cluster; where nothing is said, that of the data directory in which a server runs this.
pub(super) const SYSTEM: &str = "SI_BACKUP_WAL_SYSTEM";

/// What the environment says of the archive.
pub(super) struct Told {
    places: Vec<Place>,
    ahead: Option<PathBuf>,
    segments: Segments,
}

struct Place {
    store: Box<dyn Store>,
    cipher: Cipher,
}

impl Told {
    /// Reads it.
    pub(super) fn by(world: &World) -> Result<Self, String> {
        let number = |name: &str| -> Result<Option<u64>, String> {
            let Some(text) = world.var(name) else { return Ok(None) };
            let number = text.to_str().and_then(|text| text.parse().ok());
            number.map(Some).ok_or_else(|| format!("{name} is no number"))
        };
        let size = match number(SIZE)? {
            None => SegmentSize::DEFAULT,
            Some(bytes) => u32::try_from(bytes)
                .ok()
                .and_then(SegmentSize::new)
                .ok_or_else(|| format!("{SIZE} is not the size of a segment"))?,
        };
        let mut places = Vec::new();
        if let Some(prefix) = world.var(PREFIX) {
            let cipher = match world.var(KEY) {
                None => Cipher::None,
                Some(text) => {
                    let key = SodiumBytes::from_hex(text.to_str().unwrap_or_default())
                        .ok_or_else(|| format!("{KEY} is no key"))?;
                    Cipher::Sodium(SodiumKey::new(*key.expose()))
                }
            };
            let store = DirStore::open(prefix).map_err(|error| message_of(&error.into()))?;
            places.push(Place { store: Box::new(store), cipher });
        }
        if let Some(path) = world.var(ENV_FILE) {
            places.push(Place::of_env_file(Path::new(path))?);
        }
        if places.is_empty() {
            return Err(format!(
                "nothing says where the WAL is: set {ENV_FILE} to the env file that the server's archive_command has"
            ));
        }
        Ok(Self {
            places,
            ahead: world.var(AHEAD).map(PathBuf::from),
            segments: Segments { size, system_identifier: number(SYSTEM)?.or_else(system_here) },
        })
    }

    /// Brings a file of the archive.
    pub(super) fn bring(&self, name: &str, path: &Path) -> WalGet {
        let root = Root::default();
        let sources: Vec<_> = self
            .places
            .iter()
            .map(|place| WalSource { store: &*place.store, root: &root, cipher: &place.cipher })
            .collect();
        match &self.ahead {
            None => wal_get(&sources, name, path, self.segments),
            Some(dir) => wal_get_ahead(&sources, name, path, self.segments, &Ahead::in_directory(dir)),
        }
    }
}

/// Of which cluster the data directory is that this is run in: the first number of its control file.
fn system_here() -> Option<u64> {
    let mut system = [0; 8];
    File::open("global/pg_control").ok()?.read_exact(&mut system).ok()?;
    Some(u64::from_le_bytes(system)).filter(|system| *system != 0)
}

impl Place {
    /// The bucket of an env file, whichever engine writes into it: what only wal-g reads, no other engine is given.
    fn of_env_file(path: &Path) -> Result<Self, String> {
        let found = env_file::look_at(path);
        // Whoever could write to it could send the recovery anywhere.
        let faults = found.facts.check().findings;
        if let Some(fault) = faults.into_iter().find(|fault| fault.severity == Severity::Error) {
            return Err(format!("{}: {}; {}", fault.place, fault.detail, fault.hint));
        }
        let file = match found.parsed {
            Some(Ok(file)) => file,
            Some(Err(error)) => return Err(format!("{}: {error}", path.display())),
            None => return Err(format!("{} is not there", path.display())),
        };
        let is_directory = file.get("WALG_FILE_PREFIX").is_some();
        let profile = if is_directory { "local-directory" } else { "supabase-self-hosted" };
        let key = env_file::key_file_here(&file);
        let environment = Environment {
            path: &path.display().to_string(),
            file: &file,
            profile: Profile::find(profile).map_err(|error| error.to_string())?,
            engine: EngineKind::WalG,
            stage: Stage::Production,
            key_file: env_file::key_found(key.as_ref()),
        };
        let (store, cipher) = bucket::reach(&environment).map_err(|error| message_of(&error))?;
        Ok(Self { store, cipher })
    }
}
