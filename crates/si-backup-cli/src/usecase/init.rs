use super::recover::WRITER_LINE;
use crate::args::InitArgs;
use crate::open_store::open_store;
use crate::place::{self, Sealed};
use crate::report::row;
use crate::settings::{SettingsError, StoreSettings, render_template};
use crate::view::InitRow;
use crate::{CliError, Report, Session};
use backup_contract::{AppSlug, ContextName};
use backup_store::{Store, durable, outside_git_work_tree};
use paas_state::{Identities, Recipients};
use restore_guard::{
    ActOutcome, Action, Claim, OriginId, OriginRecord, WriterKey, WriterRecord, claim_origin, publish_writer,
    read_origin,
};
use secrecy::{ExposeSecret, SecretString};
use std::fmt::Write;
use std::path::PathBuf;

/// Writes settings and keys, and claims the context's place in the store. Nothing that exists is overwritten.
pub(super) fn init(session: &Session<'_>, args: &InitArgs) -> Result<Report, CliError> {
    let config = session.config_path();
    outside_git_work_tree(config)?;
    if config.exists() {
        return Err(SettingsError::Exists(config.to_owned()).into());
    }
    session.home.make()?;
    let settings = store_settings(args)?;
    let store = settings.as_ref().map(|settings| open_store(settings, session)).transpose()?;
    if let Some(store) = &store {
        // So that a bucket that cannot be used is known before a key is made.
        store.capabilities()?;
    }
    let key = signing_key(session)?;
    let (recipients, made) = recipients(session, &args.recipient, &key)?;
    let identity = session.home.identity();
    let identity = identity.exists().then_some(identity);
    let writer = session.home.writer()?;
    let origin = match &store {
        Some(store) => Some(claim(session, &**store, &key)?),
        None => None,
    };
    let apps = apps_of(session);
    let text = render_template(
        &session.context,
        settings.as_ref(),
        &recipients,
        identity.as_deref().and_then(|path| path.to_str()),
        &apps,
    );
    if let Some(dir) = config.parent() {
        durable::create_dir_all(dir, 0o700)?;
    }
    // Written last: as long as there are no settings, init can be run again.
    durable::write_new(config, text.as_bytes(), 0o600)?;
    let event = session.event(Action::Init, ActOutcome::Done).detail("public_key", key.public().to_string());
    session.record(&event, store.as_deref())?;

    let public_key = key.public().to_string();
    let mut told = format!("wrote the settings {}\n", config.display());
    if let Some(path) = &made {
        let _ = writeln!(
            told,
            "wrote a new identity to {}: only who has it can open the backups",
            path.display()
        );
    }
    for recipient in &recipients {
        let _ = writeln!(told, "recipient   {recipient}");
    }
    let _ = writeln!(told, "public key  {public_key}   (writer {writer})");
    if let Some(origin) = &origin {
        let _ = writeln!(
            told,
            "claimed     context '{}' in {}, origin {origin}",
            session.context,
            args.store.as_deref().unwrap_or_default()
        );
    }
    if args.store.is_none() {
        let _ = writeln!(told, "\nset the store's url in {} before the first run", config.display());
    }
    if recipients.len() < 2 {
        told += "\nadd a second recipient whose identity is kept away from this host:\n\
                 a backup that only the lost host could open is no backup\n";
    }
    told += "\nnext: si-backup run --state --dry-run\n";
    let view = InitRow {
        config: config.display().to_string(),
        identity: made.map(|path| path.display().to_string()),
        recipients,
        public_key,
        origin: origin.map(|origin| origin.to_string()),
    };
    Ok(Report::new("backup init", vec![row(&view)], told))
}

/// The settings of the store that was named; files are named from the root, wherever the next command is run.
pub(super) fn store_settings(args: &InitArgs) -> Result<Option<StoreSettings>, CliError> {
    let Some(url) = &args.store else { return Ok(None) };
    let from_root = |path: &Option<PathBuf>| match path {
        Some(path) if !path.starts_with("~") => std::path::absolute(path)
            .map(Some)
            .map_err(|source| CliError::Io { operation: "resolve", path: path.clone(), source }),
        path => Ok(path.clone()),
    };
    Ok(Some(StoreSettings {
        endpoint: args.bucket.endpoint.clone(),
        region: args.bucket.region.clone(),
        credentials_file: from_root(&args.bucket.credentials_file)?,
        ca_file: from_root(&args.bucket.ca_file)?,
        ..StoreSettings::at(url)
    }))
}

/// The recipients that were given; else those of the identity that is here, or of one that is made now.
fn recipients(
    session: &Session<'_>,
    given: &[String],
    key: &WriterKey,
) -> Result<(Vec<String>, Option<PathBuf>), CliError> {
    if !given.is_empty() {
        Recipients::parse(given)?;
        return Ok((given.to_vec(), None));
    }
    let path = session.home.identity();
    if path.exists() {
        return Ok((Identities::read(&path)?.recipients(), None));
    }
    let identities = Identities::generate();
    // Who has lost the host has this file from elsewhere: it tells them whose evidence they can believe.
    let text = SecretString::from(format!(
        "{WRITER_LINE}{}\n{}",
        key.public(),
        identities.to_file_text().expose_secret()
    ));
    durable::write_new(&path, text.expose_secret().as_bytes(), 0o600)?;
    Ok((identities.recipients(), Some(path)))
}

pub(super) fn signing_key(session: &Session<'_>) -> Result<WriterKey, CliError> {
    let path = session.home.signing_key();
    Ok(if path.exists() { WriterKey::open(&path)? } else { WriterKey::create(&path)? })
}

/// Claims the context's place in the store for this home, and publishes this writer's key there.
pub(super) fn claim(session: &Session<'_>, store: &dyn Store, key: &WriterKey) -> Result<OriginId, CliError> {
    let claimed = read_origin(store, &session.context)?;
    // A claim is never removed: where there is none any more, this is not the store that it was.
    if claimed.is_none() && Sealed::last_in(session, store).is_some() {
        return Err(CliError::StoreEmptied { store: store.location(), memory: Sealed::file(session) });
    }
    let foreign = |theirs: &OriginRecord| CliError::ForeignOrigin {
        context: session.context.to_string(),
        by: place::by(theirs),
    };
    session.home.directory("origin")?;
    let file = place::origin_file(session);
    // A home that has no origin is given none where the place is another's: it would be taken for its own ever after.
    if let (Some(theirs), None) = (&claimed, OriginId::open(&file)?) {
        return Err(foreign(theirs));
    }
    let origin = OriginId::open_or_create(&file)?;
    let writer = session.home.writer()?;
    let record = OriginRecord {
        context: session.context.clone(),
        origin: origin.clone(),
        writer,
        host: session.world.host.clone(),
        operator: session.operator(),
        claimed_at: session.now(),
    };
    if let Claim::Foreign(theirs) = claim_origin(store, &record)? {
        return Err(foreign(&theirs));
    }
    publish_key(session, store, key, &origin)?;
    Ok(origin)
}

/// Tells the store whose this home's key is; that makes it believed by nobody.
pub(super) fn publish_key(
    session: &Session<'_>,
    store: &dyn Store,
    key: &WriterKey,
    origin: &OriginId,
) -> Result<(), CliError> {
    let record = WriterRecord {
        context: session.context.clone(),
        writer: session.home.writer()?,
        public_key: key.public(),
        origin: Some(origin.clone()),
        host: session.world.host.clone(),
        created_at: session.now(),
    };
    publish_writer(store, &record)?;
    Ok(())
}

/// The apps that the context's deployments name.
fn apps_of(session: &Session<'_>) -> Vec<AppSlug> {
    let context: &ContextName = &session.context;
    let path = session.state_root().join("contexts").join(context.as_str()).join("deployments.json");
    let Ok(text) = std::fs::read(path) else { return Vec::new() };
    let Ok(document) = serde_json::from_slice::<serde_json::Value>(&text) else { return Vec::new() };
    let apps = document.get("apps").and_then(|apps| apps.as_object());
    apps.into_iter().flatten().filter_map(|(slug, _)| AppSlug::new(slug.clone()).ok()).collect()
}
