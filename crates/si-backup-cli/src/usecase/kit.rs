use crate::args::KitArgs;
use crate::report::{row, shell_word};
use crate::view::{self, KitRow};
use crate::{CliError, Judge, Report, Session, Shelf};
use backup_contract::{Level, SnapshotId};
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
    let proved_newest = proved.first().map(|(snapshot, _)| snapshot.id.clone());
    let newest = proved_newest.as_ref().map_or("<id>".to_owned(), ToString::to_string);
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
        "6. COMING BACK WITH STOCK TOOLS (sh, sha256sum, age, zstd, tar): fill in the blanks, then what is behind each $",
        with_stock_tools(session, &shelf, proved_newest.as_ref())?,
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
        .filter_map(|(option, value)| Some(format!(" {option} {}", shell_word(value.as_ref()?))))
        .collect::<String>();
    let url = &settings.url;
    Ok(vec![
        format!(
            "si-backup --context {context} init --recover --store {}{reach} --identity IDENTITY{trust}",
            shell_word(url)
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

/// What a shell needs to bring the files back without this program. What is to be filled in is a blank.
fn with_stock_tools(
    session: &Session<'_>,
    shelf: &Shelf<'_>,
    newest: Option<&SnapshotId>,
) -> Result<Vec<String>, CliError> {
    const BLANK: &str = "______________________";
    let context = &session.context;
    let settings = session.store_settings()?;
    let store = match (settings.url.strip_prefix("file://"), &settings.endpoint) {
        (Some(path), _) => format!("store={}", shell_word(path)),
        (None, Some(endpoint)) => format!(
            "store='{BLANK}'   # a copy of the bucket: aws s3 sync --endpoint-url {} {} DIRECTORY",
            shell_word(endpoint),
            shell_word(&settings.url)
        ),
        (None, None) => {
            format!(
                "store='{BLANK}'   # a copy of the bucket: aws s3 sync {} DIRECTORY",
                shell_word(&settings.url)
            )
        }
    };
    let root = session.state_root();
    let home = session.world.home().ok().filter(|home| home.parent().is_some());
    let root = match home.and_then(|home| root.strip_prefix(home).ok()) {
        Some(below) => format!("\"$HOME\"/{}", shell_word(&below.display().to_string())),
        None => shell_word(&root.display().to_string()),
    };
    let Some(id) = newest else {
        return Ok(vec!["of a snapshot of section 4, once there is one".into()]);
    };
    let checksum = shelf.snapshots().iter().find(|snapshot| snapshot.id == *id).and_then(|it| it.checksum);
    let digest = checksum.map(|checksum| checksum.to_hex()).unwrap_or_default();
    let commands = [
        format!("identity='{BLANK}'   # an identity file of section 2"),
        store,
        format!("context={root}/contexts/{context}"),
        format!("bundle=\"$store\"/state/{context}/{id}/bundle.tar.zst.age"),
        "umask 077".into(),
        // One chain: what comes behind a step that failed is not done. The manifest is the last that a bundle holds.
        format!("printf '%s  %s\\n' {digest} \"$bundle\" | sha256sum -c &&"),
        "mkdir restored && age -d -i \"$identity\" \"$bundle\" | zstd -d | tar -x --no-same-owner -C restored &&"
            .into(),
        "test -s restored/manifest.json && mkdir -p \"$context\" && cp -Rp restored/context/. \"$context\"".into(),
        format!(
            "age -d -i \"$identity\" \"$(ls \"$store\"/settings/{context}/*.toml.age | tail -n 1)\" > restored/config.toml"
        ),
    ];
    let mut lines: Vec<_> = commands.into_iter().map(|command| format!("$ {command}")).collect();
    lines.push("What each file must be is in restored/manifest.json.".into());
    lines.push(
        "restored/config.toml are the settings. Who wrote them is not checked this way: read them first."
            .into(),
    );
    Ok(lines)
}
