use crate::args::InitArgs;
use crate::open_store::open_store;
use crate::place;
use crate::report::row;
use crate::settings::{self, StoreSettings, render_template};
use crate::usecase::init::{publish_key, signing_key, store_settings};
use crate::view::{self, InitRow};
use crate::{CliError, Report, Session};
use backup_store::{Key, Prefix, Store, durable, outside_git_work_tree, read_bytes};
use chrono::TimeDelta;
use paas_state::Identities;
use restore_guard::{ActOutcome, Action, TrustedWriters, read_origin, signed_text, writers_of};
use std::fmt::Write;

/// The longest copy of the settings that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// How many of the newest copies are looked at: somebody may have flooded the store with them.
const LOOKED_AT: usize = 200;

/// What an identity file says of whose evidence counts: the line that `init` writes into it.
pub(super) const WRITER_LINE: &str = "# evidence counts when it is signed by: ";

/// Takes a context over after the loss of its host: settings from their newest sealed copy, the origin, and a trail that
/// goes on under a new writer.
pub(super) fn recover(session: &Session<'_>, args: &InitArgs) -> Result<Report, CliError> {
    let config = session.config_path();
    outside_git_work_tree(config)?;
    if config.exists() {
        return Err(settings::SettingsError::Exists(config.to_owned()).into());
    }
    let (Some(store_settings), Some(identity)) = (store_settings(args)?, &args.identity) else {
        return Err(CliError::usage("--recover needs --store and --identity", "see 'si-backup init --help'"));
    };
    let identities = Identities::read(identity)?;
    let store_url = store_settings.url.clone();
    let store = open_store(&store_settings, session)?;
    let context = &session.context;
    let Some(origin) = read_origin(&*store, context)? else {
        return Err(CliError::usage(
            format!("{store_url} holds no context '{context}'"),
            "name the context with --context, and look whether the URL is that of the recovery sheet",
        ));
    };
    let trusted = trusted(args, identity)?;
    let found = newest_settings(session, &*store, &identities, &trusted)?;

    session.home.make()?;
    session.home.directory("origin")?;
    let file = place::origin_file(session);
    if !file.exists() {
        durable::write_new(&file, format!("{}\n", origin.origin).as_bytes(), 0o600)?;
    }
    let key = signing_key(session)?;
    let writer = session.home.writer()?;
    if !trusted.is_empty() {
        let lines = trusted.iter().fold(String::new(), |text, (_, key)| format!("{text}{key}\n"));
        durable::replace(&session.home.recovered_writers(), lines.as_bytes(), 0o600)?;
    }
    if let Some(dir) = config.parent() {
        durable::create_dir_all(dir, 0o700)?;
    }
    let (text, copy) = chosen(session, found, &store_settings, &identities)?;
    session.adopt_settings(&text)?;
    let mut told = format!("wrote the settings {}\n  from {copy}\n", config.display());
    told += &place_identity(session, identity)?;
    if session.store_settings()?.url != store_url {
        session.warn(format!(
            "the settings name the store {}, and {store_url} was given: see which one is right",
            session.store_settings()?.url
        ));
    }
    publish_key(session, &*store, &key, &origin.origin)?;
    let names: Vec<_> = trusted.iter().map(|(_, key)| key.to_string()).collect();
    let earlier: Vec<_> = writers_of(&*store, context)?.iter().map(ToString::to_string).collect();
    let event = session
        .event(Action::Recover, ActOutcome::Done)
        .detail("public_key", key.public().to_string())
        .detail("settings", copy.clone())
        .detail("origin", origin.origin.to_string())
        .detail("trusted", names.join(" "))
        .detail("earlier_writers", earlier.join(" "));
    session.record(&event, Some(&*store))?;
    // Written last: as long as there are no settings, it can be run again, and everything before it too.
    durable::write_new(config, &text, 0o600)?;

    let _ = writeln!(
        told,
        "took over   context '{context}', origin {}, last claimed by {}",
        origin.origin,
        place::by(&origin)
    );
    let _ = writeln!(told, "public key  {}   (new writer {writer})", key.public());
    for key in &names {
        let _ = writeln!(told, "trusts      {key}");
    }
    if trusted.is_empty() {
        session.warn(
            "nobody's earlier evidence counts here: neither the identity file nor --trust names a key. Put the key of the recovery sheet into 'trusted_writers' of the settings, or restore with --checksum",
        );
    }
    let _ = writeln!(told, "\nnext: si-backup --context {context} restore --state --from LATEST --dry-run");
    let view = InitRow {
        config: config.display().to_string(),
        identity: None,
        recipients: session.context_settings()?.recipients.clone(),
        public_key: key.public().to_string(),
        origin: Some(origin.origin.to_string()),
    };
    Ok(Report::new("backup init", vec![row(&view)], told))
}

/// A copy of the settings in the store.
struct Found {
    copy: String,
    text: Vec<u8>,
    /// Whether a writer that is trusted has signed it, as this very copy: anyone can seal a text to a public recipient.
    is_signed: bool,
}

/// The settings that are written: those of the store where they are signed; else new ones, with those of the store beside
/// them to be read.
fn chosen(
    session: &Session<'_>,
    found: Found,
    store: &StoreSettings,
    identities: &Identities,
) -> Result<(Vec<u8>, String), CliError> {
    let Found { copy, text, is_signed } = found;
    if is_signed {
        return Ok((text, copy));
    }
    let beside = session.config_path().with_extension("toml.from-store");
    durable::replace(&beside, &text, 0o600)?;
    session.warn(format!(
        "nobody who is trusted here has signed the settings in the store ({copy}): they may be anybody's, and lie in {} for you to read; new ones were written, for this identity alone. Carry over recipients, trusted_writers and apps before the next backup",
        beside.display()
    ));
    let identity = session.home.identity();
    let text =
        render_template(&session.context, Some(store), &identities.recipients(), identity.to_str(), &[]);
    Ok((text.into_bytes(), "a template: none in the store is signed by a trusted key".to_owned()))
}

/// The newest copy of the settings that a trusted writer has signed; where there is none, the newest that can be opened.
fn newest_settings(
    session: &Session<'_>,
    store: &dyn Store,
    identities: &Identities,
    trusted: &TrustedWriters,
) -> Result<Found, CliError> {
    let prefix = Prefix::new(&format!("settings/{}", session.context))?;
    let mut keys =
        store.list(&prefix, None)?.map(|object| Ok(object?.key)).collect::<Result<Vec<_>, CliError>>()?;
    let mut unsigned = None;
    let mut failure = None;
    // They are named by their time.
    keys.sort();
    // What is dated ahead is nobody's who has a clock.
    let now = format!("{}.toml.age", (session.now() + TimeDelta::days(1)).format("%Y%m%dT%H%M%SZ"));
    let is_past = |key: &Key| key.as_str().rsplit('/').next().is_some_and(|name| *name <= *now);
    for key in keys.into_iter().filter(is_past).rev().take(LOOKED_AT) {
        // Somebody put it there, or it is sealed to others: an older one may do.
        let opened = read_bytes(store, &key, None, LIMIT)
            .map_err(CliError::from)
            .and_then(|sealed| Ok(identities.open_bytes(&sealed, "copy of the settings")?));
        let text = match opened {
            Ok(text) => text,
            Err(e) => {
                failure.get_or_insert(e);
                continue;
            }
        };
        if let Some(signed) = signed_text(trusted, key.as_str(), &text) {
            return Ok(Found { copy: key.to_string(), text: signed.to_vec(), is_signed: true });
        }
        unsigned.get_or_insert(Found { copy: key.to_string(), text, is_signed: false });
    }
    match (unsigned, failure) {
        (Some(found), _) => Ok(found),
        (None, Some(e)) => Err(e),
        (None, None) => Err(CliError::usage(
            format!("{} holds no copy of the settings of context '{}'", store.location(), session.context),
            "make new settings with 'si-backup init'; the backups can be opened with the stock tools of the recovery sheet",
        )),
    }
}

/// Whose evidence counts: what the identity file says, which nobody who can write to the store can change, and what the
/// operator read from the sheet.
fn trusted(args: &InitArgs, identity: &std::path::Path) -> Result<TrustedWriters, CliError> {
    let text = std::fs::read_to_string(identity).map_err(|source| CliError::Io {
        operation: "read",
        path: identity.to_owned(),
        source,
    })?;
    let named = text.lines().filter_map(|line| line.strip_prefix(WRITER_LINE)).map(str::trim);
    Ok(TrustedWriters::parse(named.chain(args.trust.iter().map(String::as_str)))?)
}

/// Puts the identity where the settings look for it, if nothing is there.
fn place_identity(session: &Session<'_>, given: &std::path::Path) -> Result<String, CliError> {
    let Some(named) = &session.context_settings()?.identity else { return Ok(String::new()) };
    let target = session.expand(named)?;
    if target.exists() {
        return Ok(String::new());
    }
    let io = |operation, path: &std::path::Path| {
        let path = path.to_owned();
        move |source| CliError::Io { operation, path, source }
    };
    let text = std::fs::read(given).map_err(io("read", given))?;
    if let Some(dir) = target.parent() {
        durable::create_dir_all(dir, 0o700)?;
    }
    durable::write_new(&target, &text, 0o600)?;
    Ok(format!(
        "identity    copied to {}, where the settings look for it\n",
        view::printable(&target.display().to_string())
    ))
}
