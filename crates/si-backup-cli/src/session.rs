use crate::args::GlobalArgs;
use crate::home::{Home, HomeLock};
use crate::open_store::open_store;
use crate::place;
use crate::report::message_of;
use crate::settings::{self, AppSettings, ContextSettings, Settings, SettingsError, StoreSettings};
use crate::world::World;
use crate::{CliError, ProgressMode};
use backup_contract::{AppSlug, ContextName};
use backup_store::{Holder, Lease, LeaseRequest, Store, outside_git_work_tree};
use chrono::{DateTime, Utc};
use paas_state::{AllowList, ContextDir, Identities, Recipients};
use restore_guard::{ActOutcome, Action, Ledger, TrailEvent, TrustedWriters, WriterPublicKey};
use std::cell::{OnceCell, RefCell};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// After how long a silence another host may take a run for dead.
const LEASE_TTL: Duration = Duration::from_secs(90);

/// How long to wait for a lease before looking whether somebody asked to stop.
const LEASE_LOOK: Duration = Duration::from_secs(1);

/// What a command works with: the world, the words, and what the settings make of them.
#[derive(Debug)]
pub struct Session<'w> {
    /// The world.
    pub world: &'w World,
    /// The options that every command takes.
    pub global: GlobalArgs,
    /// The program's own files.
    pub home: Home,
    /// The context that is meant.
    pub context: ContextName,
    state_root: PathBuf,
    config: PathBuf,
    settings: OnceCell<Settings>,
    warnings: RefCell<Vec<String>>,
}

impl<'w> Session<'w> {
    /// Finds out which home, state root and context are meant. Reads one line of si's, and nothing else.
    ///
    /// # Errors
    /// [`CliError::Usage`] when the environment names no home; [`CliError::Io`] when it cannot be known which context is
    /// selected; [`CliError::Contract`] when that has no valid name.
    pub fn new(world: &'w World, global: GlobalArgs) -> Result<Self, CliError> {
        let home = Home::of(world)?;
        let config = match (&global.config, world.var("SI_BACKUP_CONFIG")) {
            (Some(path), _) => path.clone(),
            (None, Some(path)) => PathBuf::from(path),
            (None, None) => home.path().join("config.toml"),
        };
        let state_root = match (&global.state_root, world.var("SI_PAAS_STATE_ROOT")) {
            (Some(path), _) => path.clone(),
            (None, Some(path)) => PathBuf::from(path),
            (None, None) => world.home()?.join(".si/paas"),
        };
        let selected = state_root.join("current_context");
        let context = match &global.context {
            Some(name) => name.clone(),
            None => match std::fs::read_to_string(&selected) {
                Ok(line) if !line.trim().is_empty() => ContextName::new(line.trim())?,
                Ok(_) => ContextName::new("default")?,
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    ContextName::new("default")?
                }
                // Which one is selected cannot be known: the default one may be another.
                Err(source) => return Err(CliError::Io { operation: "read", path: selected, source }),
            },
        };
        Ok(Self {
            world,
            global,
            home,
            context,
            state_root,
            config,
            settings: OnceCell::new(),
            warnings: RefCell::default(),
        })
    }

    /// Where si keeps its contexts.
    #[must_use]
    pub fn state_root(&self) -> &Path {
        &self.state_root
    }

    /// The settings file.
    #[must_use]
    pub fn config_path(&self) -> &Path {
        &self.config
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        (self.world.now)()
    }

    /// A ledger, held to the times of its store where those can be compared with this host's.
    #[must_use]
    pub const fn as_dated<'a>(&self, ledger: Ledger<'a>) -> Ledger<'a> {
        if self.world.is_time_of_stores { ledger.held_to_its_store() } else { ledger }
    }

    /// Who asks.
    #[must_use]
    pub fn operator(&self) -> String {
        match (&self.global.operator, self.world.var("SI_BACKUP_OPERATOR")) {
            (Some(name), _) => name.clone(),
            (None, Some(name)) => name.to_string_lossy().into_owned(),
            (None, None) => format!("{}@{}", self.world.user, self.world.host),
        }
    }

    /// The settings, read once.
    ///
    /// # Errors
    /// [`CliError::Settings`].
    pub fn settings(&self) -> Result<&Settings, CliError> {
        if let Some(settings) = self.settings.get() {
            return Ok(settings);
        }
        let settings = settings::load(&self.config)?;
        Ok(self.settings.get_or_init(|| settings))
    }

    /// Takes the text of settings for those of this session before they are written: what they ask for is done first.
    ///
    /// # Errors
    /// [`CliError::Settings`] when it is none.
    pub fn adopt_settings(&self, text: &[u8]) -> Result<(), CliError> {
        let settings = settings::parse(&self.config, &String::from_utf8_lossy(text))?;
        // Nobody has asked for settings that are not there yet.
        let _ = self.settings.set(settings);
        Ok(())
    }

    /// The settings of the context.
    ///
    /// # Errors
    /// [`CliError::Settings`].
    pub fn context_settings(&self) -> Result<&ContextSettings, CliError> {
        let settings = self.settings()?;
        Ok(settings.contexts.get(&self.context).ok_or_else(|| SettingsError::NoContext {
            path: self.config.clone(),
            context: self.context.to_string(),
            known: settings.contexts.keys().map(ToString::to_string).collect(),
        })?)
    }

    /// The settings of one app of the context.
    ///
    /// # Errors
    /// [`CliError::Settings`].
    pub fn app_settings(&self, app: &AppSlug) -> Result<&AppSettings, CliError> {
        let apps = &self.context_settings()?.apps;
        Ok(apps.get(app).ok_or_else(|| SettingsError::NoApp {
            context: self.context.to_string(),
            app: app.to_string(),
            known: apps.keys().map(ToString::to_string).collect(),
        })?)
    }

    /// A path of the settings, with a leading `~/` resolved.
    ///
    /// # Errors
    /// [`CliError::Usage`] when the environment names no home.
    pub fn expand(&self, path: &Path) -> Result<PathBuf, CliError> {
        Ok(match path.strip_prefix("~") {
            Ok(rest) => self.world.home()?.join(rest),
            Err(_) => path.to_owned(),
        })
    }

    /// The opened context, which must lie outside of git work trees as si itself demands.
    ///
    /// # Errors
    /// [`CliError::RepoState`]; [`CliError::State`] when there is no such context.
    pub fn open_context(&self) -> Result<ContextDir, CliError> {
        self.check_state_root()?;
        Ok(ContextDir::open(&self.state_root, self.context.clone())?)
    }

    /// Refuses a state root inside a git work tree, unless si was told to allow it.
    ///
    /// # Errors
    /// [`CliError::RepoState`].
    pub fn check_state_root(&self) -> Result<(), CliError> {
        let allowed = self.world.var("SI_PAAS_ALLOW_REPO_STATE").is_some_and(|value| {
            ["1", "true", "yes", "on"].contains(&value.to_string_lossy().to_ascii_lowercase().as_str())
        });
        if allowed { Ok(()) } else { outside_git_work_tree(&self.state_root).map_err(CliError::RepoState) }
    }

    /// The settings of the control store.
    ///
    /// # Errors
    /// [`CliError::Settings`].
    pub fn store_settings(&self) -> Result<&StoreSettings, CliError> {
        let store = self.context_settings()?.store.as_ref();
        Ok(store.ok_or_else(|| SettingsError::Incomplete {
            context: self.context.to_string(),
            what: "store",
            example: format!(
                "url = \"file:///srv/backups/si\" in a section [contexts.{}.store]",
                self.context
            ),
        })?)
    }

    /// The control store.
    ///
    /// # Errors
    /// [`CliError::Settings`], [`CliError::Store`]; [`CliError::StoreEmptied`] where this home has stored before and
    /// nothing of that is there.
    pub fn open_store(&self) -> Result<Box<dyn Store>, CliError> {
        let store = open_store(self.store_settings()?, self)?;
        place::refuse_emptied(self, &*store)?;
        Ok(store)
    }

    /// Who can open the bundles.
    ///
    /// # Errors
    /// [`CliError::Settings`] when the settings name nobody; [`CliError::State`].
    pub fn recipients(&self) -> Result<Recipients, CliError> {
        let recipients = &self.context_settings()?.recipients;
        if recipients.is_empty() {
            return Err(SettingsError::Incomplete {
                context: self.context.to_string(),
                what: "recipients, and nothing is stored that nobody can open",
                example: "recipients = [\"age1...\"]".into(),
            }
            .into());
        }
        Ok(Recipients::parse(recipients)?)
    }

    /// Whether every recipient's identity is in the file on this host: whoever loses the host has then lost them all,
    /// unless there are copies.
    ///
    /// # Errors
    /// As for [`Session::identities`].
    pub fn opens_all_alone(&self) -> Result<bool, CliError> {
        let Some(identities) = self.identities()? else { return Ok(false) };
        let own = identities.recipients();
        Ok(self.context_settings()?.recipients.iter().all(|named| own.iter().any(|own| own == named.trim())))
    }

    /// Whether the settings seal to this recipient.
    #[must_use]
    pub fn names_recipient(&self, recipient: &str) -> bool {
        self.context_settings()
            .is_ok_and(|settings| settings.recipients.iter().any(|named| named.trim() == recipient))
    }

    /// The identities that open the bundles, where this host has them.
    ///
    /// # Errors
    /// [`CliError::State`] when the file is there and cannot be used.
    pub fn identities(&self) -> Result<Option<Identities>, CliError> {
        let Some(path) = &self.context_settings()?.identity else { return Ok(None) };
        let path = self.expand(path)?;
        match Identities::read(&path) {
            Ok(identities) => Ok(Some(identities)),
            Err(paas_state::Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// What to say when there is no identity and one is needed; `otherwise` tells what would do without.
    #[must_use]
    pub fn no_identity(&self, otherwise: Option<&'static str>) -> CliError {
        let named = self.context_settings().ok().and_then(|settings| settings.identity.as_deref());
        CliError::NoIdentity { named: named.and_then(|path| self.expand(path).ok()), otherwise }
    }

    /// The reviewed exceptions of the secret scan.
    ///
    /// # Errors
    /// [`CliError::Io`] when the file is named and not there; [`CliError::State`] when it is not valid.
    pub fn allow_list(&self) -> Result<AllowList, CliError> {
        let Some(path) = &self.context_settings()?.allow_secrets else { return Ok(AllowList::default()) };
        let path = self.expand(path)?;
        let text = std::fs::read_to_string(&path).map_err(|source| CliError::Io {
            operation: "read",
            path,
            source,
        })?;
        Ok(AllowList::parse(&text)?)
    }

    /// Whose evidence counts: this host's own, and whoever the settings name.
    ///
    /// # Errors
    /// [`CliError::Guard`].
    pub fn trusted(&self) -> Result<TrustedWriters, CliError> {
        let path = self.home.recovered_writers();
        let recovered = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => String::new(),
            Err(source) => return Err(CliError::Io { operation: "read", path, source }),
        };
        let named = self.context_settings()?.trusted_writers.iter().map(String::as_str);
        let named = TrustedWriters::parse(named.chain(recovered.lines().filter(|line| !line.is_empty())))?;
        Ok(TrustedWriters::new(named.iter().map(|(_, key)| *key).chain(self.own_key()?)))
    }

    /// The key by which evidence of this host is known; `None` where it makes none.
    ///
    /// # Errors
    /// [`CliError::Guard`].
    pub fn own_key(&self) -> Result<Option<WriterPublicKey>, CliError> {
        match self.home.open_signing_key() {
            Ok(key) => Ok(Some(key.public())),
            Err(CliError::NoSigningKey(_)) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Something that the user should know, though the command goes on.
    pub fn warn(&self, warning: impl Into<String>) {
        self.warnings.borrow_mut().push(warning.into());
    }

    /// Everything that was warned of.
    pub fn take_warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    /// An error that is the consequence of a signal is that signal.
    #[must_use]
    pub fn explain(&self, error: CliError) -> CliError {
        match self.world.interrupts.signal() {
            Some(signal) if error.code() == "interrupted" => CliError::Interrupted(signal),
            _ => error,
        }
    }

    /// How progress is shown.
    #[must_use]
    pub fn progress(&self) -> ProgressMode {
        let quiet = self.global.quiet;
        ProgressMode::choose(self.global.progress, quiet, self.world.err_is_terminal)
    }

    /// The beginning of an entry of the trail.
    #[must_use]
    pub fn event(&self, action: Action, outcome: ActOutcome) -> TrailEvent {
        TrailEvent::new(self.operator(), action, outcome)
    }

    /// Puts it into the trail that something failed, or was interrupted, and why: `entry` makes the beginning for an outcome.
    /// What went wrong is more than that it could not be put there, which is a warning.
    pub fn record_failure(
        &self,
        entry: impl FnOnce(ActOutcome) -> TrailEvent,
        error: &CliError,
        store: Option<&dyn Store>,
    ) {
        let outcome =
            if error.code() == "interrupted" { ActOutcome::Interrupted } else { ActOutcome::Failed };
        let ended = entry(outcome).detail("error_code", error.code()).detail("error", message_of(error));
        if let Err(e) = self.record(&ended, store) {
            self.warn(format!("the failure could not be put into the trail: {}", message_of(&e)));
        }
    }

    /// Appends to the trail, durable on return, and copies it into the store as far as that can be reached.
    ///
    /// # Errors
    /// [`CliError::Guard`] when the trail itself cannot be written. Copies that cannot be made are a warning: the next
    /// command makes them.
    pub fn record(&self, event: &TrailEvent, store: Option<&dyn Store>) -> Result<(), CliError> {
        let trail = self.home.trail(&self.context)?;
        if let Some(torn) = trail.append(event, self.now())?.set_aside {
            self.warn(format!(
                "the end of the trail was torn by a crash; its bytes are in {}",
                torn.path.display()
            ));
        }
        if let Some(store) = store
            && let Err(e) = trail.publish(store)
        {
            self.warn(format!("the trail could not be copied into the store: {}", message_of(&e.into())));
        }
        Ok(())
    }

    /// The lease under which the state is backed up, restored, and its snapshots deleted.
    #[must_use]
    pub fn state_lease(&self) -> String {
        format!("run-state-{}", self.context)
    }

    /// Keeps other processes of this home from what is done under a lease, whether the store is reached or not.
    ///
    /// # Errors
    /// As for [`Home::lock`].
    pub fn lock_for(&self, lease: &str, wait: Duration) -> Result<HomeLock, CliError> {
        self.home.lock(&lease.replace('/', "-"), wait, self.world)
    }

    fn lease_request(&self, name: &str) -> Result<LeaseRequest, CliError> {
        Ok(LeaseRequest {
            name: name.to_owned(),
            holder: Holder {
                id: self.home.writer()?.to_string(),
                description: format!("{} (process {})", self.operator(), std::process::id()),
            },
            ttl: LEASE_TTL,
            wait: Duration::ZERO,
        })
    }

    /// Who works under the lease `name` now, in words; `None` where nobody does. Takes nothing, and keeps nobody from it.
    ///
    /// # Errors
    /// [`CliError::Store`] when the store cannot be asked; [`CliError::Io`].
    pub fn at_work(&self, store: &dyn Store, name: &str) -> Result<Option<String>, CliError> {
        match self.lock_for(name, Duration::ZERO) {
            Err(busy @ CliError::Busy(_)) => return Ok(Some(message_of(&busy))),
            free => drop(free?),
        }
        let mut observation = self.home.observation(name, self.world);
        let clock = &*self.world.clock;
        let held = Lease::held_by(store, clock, &self.lease_request(name)?, &mut observation)?;
        self.home.remember(name, &observation, self.world)?;
        Ok(held)
    }

    /// Does `work` while this process, and no other on any host, holds the lease `name`. The flag that `work` is given
    /// rises when the lease was lost.
    ///
    /// # Errors
    /// [`CliError::Busy`], [`CliError::Interrupted`], [`CliError::Store`] with a lease held or lost; those of `work`.
    pub fn with_lease<T>(
        &self,
        store: &dyn Store,
        name: &str,
        work: impl FnOnce(&AtomicBool) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        let wait = self.global.lock_wait.unwrap_or_default();
        let began = self.world.clock.monotonic();
        let _one_process = self.lock_for(name, wait)?;
        let mut request = self.lease_request(name)?;
        let mut observation = self.home.observation(name, self.world);
        let lease = loop {
            let left = wait.saturating_sub(self.world.clock.monotonic().saturating_sub(began));
            request.wait = left.min(LEASE_LOOK);
            let lease = Lease::acquire(store, &*self.world.clock, &request, &mut observation);
            self.home.remember(name, &observation, self.world)?;
            match (lease, self.world.interrupts.signal()) {
                (Err(backup_store::Error::LeaseHeld { .. }), Some(signal)) => {
                    return Err(CliError::Interrupted(signal));
                }
                (Err(backup_store::Error::LeaseHeld { .. }), None) if left > LEASE_LOOK => {}
                (lease, _) => break lease?,
            }
        };
        keep(lease, work)
    }
}

/// Renews a lease on a thread of its own while `work` is done, and gives it back.
fn keep<T>(lease: Lease<'_>, work: impl FnOnce(&AtomicBool) -> Result<T, CliError>) -> Result<T, CliError> {
    let lost = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        let (lost, mut lease) = (&lost, lease);
        let keeper = scope.spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = is_done.recv_timeout(LEASE_TTL / 3) {
                // After any other error the store may come back before the lease runs out.
                if let Err(e @ backup_store::Error::LeaseLost { .. }) = lease.renew() {
                    lost.store(true, Ordering::Relaxed);
                    return Err(e);
                }
            }
            // A lease that cannot be given back ends by its time to live.
            let _ = lease.release();
            Ok(())
        });
        let outcome = work(lost);
        drop(done);
        match (keeper.join(), outcome) {
            // What was finished before the loss was noticed is finished.
            (Ok(_), Ok(value)) => Ok(value),
            (Ok(Err(e)), Err(_)) => Err(e.into()),
            (Ok(Ok(())), Err(e)) => Err(e),
            (Err(panic), _) => std::panic::resume_unwind(panic),
        }
    })
}
