use crate::{CliError, Session, Shelf, metered};
use backup_contract::{Checksum, SnapshotRef};
use paas_state::{Identities, Manifest, StagedTree};
use restore_guard::Materialise;
use std::path::Path;

/// Fetches a snapshot of the state, and proves it file by file while it is unpacked.
pub(super) struct Bundles<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) shelf: &'a Shelf<'a>,
    pub(super) identities: &'a Identities,
}

impl Materialise for Bundles<'_> {
    type Output = Manifest;
    type Error = CliError;

    fn materialise(&mut self, snapshot: &SnapshotRef, into: &Path) -> Result<(Checksum, Manifest), CliError> {
        let found = crate::shelf::find(self.shelf.snapshots(), &snapshot.subject, snapshot.id.as_str())?;
        // The bytes are held against the record's checksum as they are read: what comes out has that, or nothing does.
        let record = self.shelf.record(found)?;
        let bundle = self.shelf.bundle(found)?;
        let (mode, interrupts) = (self.session.progress(), &self.session.world.interrupts);
        let manifest = metered(mode, "fetching", record.bytes, interrupts, None, |meter| {
            bundle.stage(self.identities, into, None, meter)
        })
        .and_then(StagedTree::publish)?;
        Ok((record.checksum, manifest))
    }
}
