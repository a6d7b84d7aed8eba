use crate::args::KitArgs;
use crate::report::row;
use crate::view::{self, KitRow};
use crate::{CliError, Judge, Report, Session, Shelf};
use backup_contract::Level;
use backup_store::{durable, outside_git_work_tree};
use paas_state::OptionalTree;
use restore_guard::TrustedWriters;
use std::fmt::Write;

/// Prints the one sheet of paper that is needed to come back after the loss of this host. It holds no secret, and says
/// where each one must be.
pub(super) fn kit(session: &Session<'_>, args: &KitArgs) -> Result<Report, CliError> {
    let text = sheet(session)?;
    if let Some(out) = &args.out {
        outside_git_work_tree(out)?;
        let path = std::path::absolute(out).map_err(|source| CliError::Io {
            operation: "resolve",
            path: out.clone(),
            source,
        })?;
        durable::write_new(&path, text.as_bytes(), 0o600)?;
    }
    let view = KitRow {
        out: args.out.as_ref().map(|out| out.display().to_string()),
        text: text.clone(),
        optional_trees: OptionalTree::ALL.to_vec(),
    };
    let told =
        args.out.as_ref().map_or(text, |out| format!("wrote the recovery sheet to {}\n", out.display()));
    Ok(Report::new("backup kit", vec![row(&view)], told))
}

fn sheet(session: &Session<'_>) -> Result<String, CliError> {
    let settings = session.context_settings()?;
    let store = session.open_store()?;
    let shelf = Shelf::read(session, &*store)?;
    let context = &session.context;
    let url = &session.store_settings()?.url;
    let mut text = format!(
        "RECOVERY SHEET of si-backup, context '{context}'\nprinted {} on {}\n",
        view::time(session.now()),
        session.world.host,
    );
    let mut section = |title: &str, lines: Vec<String>| {
        let _ = write!(text, "\n{title}\n");
        for line in lines {
            let _ = writeln!(text, "  {line}");
        }
    };
    section("1. WHERE THE BACKUPS ARE", vec![format!("store    {url}")]);
    let mut keys: Vec<_> = settings
        .recipients
        .iter()
        .map(|recipient| {
            format!("recipient {recipient}\n            its identity file is kept at: ______________________")
        })
        .collect();
    keys.push("One of these identity files opens the backups. Without any, nobody can.".into());
    section("2. WHO CAN OPEN THEM", keys);
    let mut writers = Vec::new();
    if let Ok(key) = session.home.open_signing_key() {
        writers.push(format!("{}   this host", key.public()));
    }
    let own = session.home.open_signing_key().ok().map(|key| key.public());
    let trusted = session.trusted()?;
    let others = trusted.iter().map(|(_, key)| *key).filter(|key| Some(*key) != own);
    writers.extend(others.map(|key| format!("{key}   trusted here")));
    section("3. WHOSE EVIDENCE COUNTS (public keys)", writers);
    let proved: Vec<_> = shelf
        .snapshots()
        .iter()
        .rev()
        .filter(|snapshot| snapshot.restorable() && !snapshot.suspect)
        .filter_map(|snapshot| Some((snapshot, shelf.proved(snapshot)?)))
        .filter(|(_, (level, _))| level.covers(Level::Checksum))
        .take(3)
        .collect();
    // The digest to compare with is printed for proved ones only.
    let newest = proved.first().map_or("<id>".to_owned(), |(snapshot, _)| snapshot.id.to_string());
    let mut proved: Vec<_> = proved
        .into_iter()
        .map(|(snapshot, (level, _))| {
            let checksum = snapshot.checksum.map(|checksum| checksum.to_string()).unwrap_or_default();
            let sealed_to = shelf.catalogue.records.get(&snapshot.id).map_or(0, |record| record.recipients);
            let note = if sealed_to == settings.recipients.len() {
                String::new()
            } else {
                format!("\n    sealed to {sealed_to} recipient(s), NOT to all of section 2: run again, and print this sheet anew")
            };
            format!("{}   proved: {level}\n    {checksum}{note}", snapshot.id)
        })
        .collect();
    if proved.is_empty() {
        proved.push("none yet: run 'si-backup run --state' and print this sheet again".into());
    }
    section("4. THE NEWEST PROVED SNAPSHOTS", proved);
    section("5. COMING BACK WITH SI-BACKUP, on an empty machine", coming_back(session, &trusted, &newest)?);
    section(
        "6. COMING BACK WITH STOCK TOOLS (age, zstd, tar)",
        vec![
            format!("bundle='<store>/state/{context}/{newest}/bundle.tar.zst.age'"),
            "sha256sum \"$bundle\"                    # compare with section 4".into(),
            "mkdir restored && age -d -i IDENTITY \"$bundle\" | zstd -d | tar -x -C restored".into(),
            "The files of the context are in restored/context, their digests in restored/manifest.json."
                .into(),
            format!("The settings: age -d -i IDENTITY '<store>/settings/{context}/<newest>.toml.age'"),
        ],
    );
    section(
        "7. WHAT IS NOT IN THE BACKUPS",
        vec![
            "The vault and every other secret: they come back from where they are kept.".into(),
            "Databases: their backups are WAL-G's.".into(),
        ],
    );
    Ok(text)
}

/// The commands of this program, with all that they need to be told.
fn coming_back(
    session: &Session<'_>,
    trusted: &TrustedWriters,
    newest: &str,
) -> Result<Vec<String>, CliError> {
    let context = &session.context;
    let trust = trusted.iter().fold(String::new(), |text, (_, key)| format!("{text} --trust {key}"));
    let settings = session.store_settings()?;
    let reach = [("--endpoint", &settings.endpoint), ("--region", &settings.region)]
        .into_iter()
        .filter_map(|(option, value)| Some(format!(" {option} '{}'", value.as_ref()?)))
        .collect::<String>();
    let url = &settings.url;
    Ok(vec![
        format!(
            "si-backup --context {context} init --recover --store '{url}'{reach} --identity IDENTITY{trust}"
        ),
        format!("si-backup --context {context} restore --state --from LATEST --force"),
        format!("or, by the checksum of section 4: --from {newest} --checksum sha256:..."),
        format!(
            "Then the vault, from where it is kept; 'si-backup --context {context} guard recheck'; the same with 'restore confirm'."
        ),
        "A bucket's credentials, and the file with its certificate authority, come from where they are kept."
            .into(),
    ])
}
