use crate::events::{EventLines, EventLog};
use crate::{Random, documents, releases};
use serde_json::Value;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What a generated state holds. Equal specifications give equal bytes.
#[derive(Debug, Clone)]
pub struct StateSpec {
    /// Determines everything that looks random.
    pub seed: u64,
    /// How many apps there are.
    pub apps: usize,
    /// How many targets there are.
    pub targets: usize,
    /// The releases of each app.
    pub releases: usize,
    /// The size of the three event logs together, in bytes: half of it deployments, a quarter each of the others.
    pub events_bytes: u64,
    /// The size of the cache in bytes; 0 for none.
    pub cache_bytes: u64,
    /// Whether there is a `vault/secrets.env` with secrets in it, and an alert channel's token.
    pub vault: bool,
    /// Whether the releases also hold what must never be taken: env files, dumps, volumes, keys.
    pub never_taken: bool,
}

impl Default for StateSpec {
    /// A typical context: about 100 KB in the protected files.
    fn default() -> Self {
        Self {
            seed: 1,
            apps: 3,
            targets: 2,
            releases: 6,
            events_bytes: 80_000,
            cache_bytes: 16_384,
            vault: true,
            never_taken: true,
        }
    }
}

/// Where a state was written, and what to expect of it.
#[derive(Debug, Clone)]
pub struct GeneratedState {
    /// The directory that holds `contexts/` and `current_context`.
    pub state_root: PathBuf,
    /// The context's directory.
    pub context_dir: PathBuf,
    /// The slugs of the apps.
    pub apps: Vec<String>,
    /// The names of the targets.
    pub targets: Vec<String>,
}

impl StateSpec {
    /// The slugs of the apps.
    #[must_use]
    pub fn app_names(&self) -> Vec<String> {
        names(self.apps, &["shop", "billing", "blog", "crm", "search", "auth", "docs", "mail"], "app")
    }

    /// The names of the targets.
    #[must_use]
    pub fn target_names(&self) -> Vec<String> {
        names(self.targets, &["prod-1", "prod-2", "staging-1"], "node")
    }

    /// The lines of one of the event logs.
    #[must_use]
    pub fn lines(&self, context: &str, log: EventLog) -> EventLines {
        EventLines::new(log, context, &self.app_names(), &self.target_names(), self.seed)
    }

    /// The JSON stores of the context, by their paths.
    #[must_use]
    pub fn stores(&self, context: &str, state_root: &Path) -> Vec<(&'static str, Value)> {
        let (apps, targets, random) = (self.app_names(), self.target_names(), Random::new(self.seed));
        vec![
            ("addons.json", documents::addons(&apps)),
            ("alerts/policy.json", documents::policy()),
            ("bluegreen.json", documents::bluegreen(&random, &apps, &targets, self.releases)),
            ("config.json", documents::config(context, &state_root.to_string_lossy())),
            ("deployments.json", documents::deployments(&random, &apps, self.releases)),
            ("targets.json", documents::targets(&random, &targets)),
            ("webhooks/mappings.json", documents::mappings(&apps, &targets)),
        ]
    }

    /// Writes the context beneath the state root and selects it. Directories are made 0700 and files 0600, as si does.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write(&self, state_root: &Path, context: &str) -> io::Result<GeneratedState> {
        let context_dir = state_root.join("contexts").join(context);
        let tree = Tree(&context_dir);
        for (path, value) in self.stores(context, state_root) {
            tree.file(path, pretty(&value).as_bytes())?;
        }
        for log in EventLog::ALL {
            let share = if log == EventLog::Deployments { 2 } else { 4 };
            let mut file = BufWriter::with_capacity(0, tree.create(log.path())?);
            self.lines(context, log).write_bytes(self.events_bytes / share, &mut file)?;
            file.flush()?;
        }
        let random = Random::new(self.seed);
        for app in self.app_names() {
            tree.file(&format!("addons/{app}/walg.compose.yaml"), releases::fragment(&app).as_bytes())?;
            for release in documents::releases(&random, &app, self.releases) {
                self.release(tree, &app, &release)?;
            }
        }
        let mut cache = random.fork("cache");
        let mut left = self.cache_bytes;
        while left > 0 {
            let size = left.min(1024 * 1024);
            let bytes = cache.bytes(usize::try_from(size).unwrap_or(usize::MAX));
            tree.file(&format!("cache/layers/{}.bin", cache.hex(16)), &bytes)?;
            left -= size;
        }
        if self.vault {
            tree.file("vault/secrets.env", releases::env_file(self.seed).as_bytes())?;
            let token = crate::secrets::telegram(&mut random.fork("alerts"));
            tree.file("alerts/telegram.token", token.as_bytes())?;
        }
        Tree(state_root).file("current_context", format!("{context}\n").as_bytes())?;
        Ok(GeneratedState {
            state_root: state_root.to_owned(),
            context_dir,
            apps: self.app_names(),
            targets: self.target_names(),
        })
    }

    fn release(&self, tree: Tree<'_>, app: &str, release: &documents::Release) -> io::Result<()> {
        let dir = format!("releases/{app}/{}", release.name);
        tree.file(&format!("{dir}/compose.yaml"), releases::compose(app, release).as_bytes())?;
        tree.file(&format!("{dir}/compose.addon.walg.yaml"), releases::fragment(app).as_bytes())?;
        tree.file(&format!("{dir}/manifest.json"), releases::manifest(app, release).as_bytes())?;
        if self.never_taken {
            let mut random = Random::new(self.seed).fork(&release.name);
            tree.file(&format!("{dir}/.env"), releases::env_file(self.seed).as_bytes())?;
            tree.file(&format!("{dir}/dumps/users.sql"), releases::dump(&mut random).as_bytes())?;
            tree.file(&format!("{dir}/volumes/db/data/PG_VERSION"), b"15\n")?;
            tree.file(&format!("{dir}/tls/server.key"), crate::secrets::pem(&mut random).as_bytes())?;
        }
        Ok(())
    }
}

/// The text of a store, as si writes it.
pub(crate) fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn names(count: usize, known: &[&str], stem: &str) -> Vec<String> {
    let more = (known.len()..).map(|n| format!("{stem}-{n}"));
    known.iter().map(|name| (*name).to_owned()).chain(more).take(count).collect()
}

#[derive(Clone, Copy)]
struct Tree<'a>(&'a Path);

impl Tree<'_> {
    fn create(self, path: &str) -> io::Result<fs::File> {
        let path = self.0.join(path);
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
    }

    fn file(self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.create(path)?.write_all(bytes)
    }
}
