use crate::args::ExtractArgs;
use crate::report::row;
use crate::shelf::reference;
use crate::view::{self, ExtractRow};
use crate::{CliError, Report, Session, Shelf, metered};
use paas_state::{StagedTree, StatePath};
use restore_guard::{ActOutcome, Action};

/// Unpacks a snapshot into a new or empty directory. Needs no evidence: it proves the bundle as it unpacks.
pub(super) fn extract(session: &Session<'_>, args: &ExtractArgs) -> Result<Report, CliError> {
    let only = args.file.clone().map(StatePath::new).transpose()?;
    let store = session.open_store()?;
    let identities = session.identities()?.ok_or_else(|| session.no_identity(None))?;
    let shelf = Shelf::read(session, &*store)?;
    let snapshot = shelf.resolve(&args.id)?;
    let record = shelf.record(snapshot)?;
    let bundle = shelf.bundle(snapshot)?;
    let entry = |outcome| {
        session
            .event(Action::Extract, outcome)
            .snapshot(reference(snapshot))
            .checksum(record.checksum)
            .detail("into", args.into.display().to_string())
    };
    // Before the act: whoever reads the trail must be able to trust that nothing was unpacked in silence.
    session.record(&entry(ActOutcome::Announced), Some(&*store))?;
    let (mode, interrupts) = (session.progress(), &session.world.interrupts);
    let unpacked = metered(mode, "unpacking", record.bytes, interrupts, None, |meter| {
        bundle.stage(&identities, &args.into, only.clone(), meter)
    })
    .and_then(StagedTree::publish);
    let manifest = match unpacked {
        Ok(manifest) => manifest,
        Err(e) => {
            let error = session.explain(e.into());
            session.record_failure(entry, &error, Some(&*store));
            return Err(error);
        }
    };
    let unpacked = manifest.files.iter().filter(|file| only.as_ref().is_none_or(|only| file.path == *only));
    let view = ExtractRow {
        id: record.id.clone(),
        subject: snapshot.subject.clone(),
        checksum: record.checksum,
        into: args.into.display().to_string(),
        files: unpacked.clone().count(),
        bytes: unpacked.map(|file| file.size).sum(),
        server: None,
    };
    session.record(&entry(ActOutcome::Done), Some(&*store))?;
    let text = format!(
        "unpacked {}: {}, {}, each equal to the manifest, into {}\n",
        reference(snapshot),
        view::count(view.files, "file", "files"),
        view::bytes(view.bytes),
        args.into.display(),
    );
    Ok(Report::new("backup extract", vec![row(&view)], text))
}
