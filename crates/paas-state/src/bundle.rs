use crate::compare::Expected;
use crate::encryption::Identities;
use crate::open::{Discard, Sink, Stop, read_bundle};
use crate::record::bundle_key;
use crate::unpack::{StagedTree, Staging};
use crate::{Error, Manifest, Record, Result, StatePath, Watch};
use backup_contract::SnapshotId;
use backup_store::{CheckedReader, Digest, Key, Store};
use std::io::{self, Read};
use std::path::Path;

/// A sealed bundle in a store, of which nothing is known but what its record says.
///
/// It can be proved, or unpacked into something proved; there is no way to its files around the proof.
///
/// ```compile_fail
/// fn files_without_proof(bundle: &paas_state::UnverifiedBundle<'_>) {
///     bundle.manifest(); // only a `VerifiedBundle` has one
/// }
/// ```
#[derive(Debug)]
pub struct UnverifiedBundle<'a> {
    store: &'a dyn Store,
    key: Key,
    record: Record,
}

/// Files of a bundle with their bytes.
type Files = Vec<(StatePath, Vec<u8>)>;

/// A bundle that was read to its end: decrypted, and every file equal to the manifest and well-formed.
#[derive(Debug, Clone)]
pub struct VerifiedBundle {
    manifest: Manifest,
}

impl VerifiedBundle {
    /// What it holds.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What it holds, by value.
    #[must_use]
    pub fn into_manifest(self) -> Manifest {
        self.manifest
    }
}

impl<'a> UnverifiedBundle<'a> {
    /// The bundle that a record describes.
    ///
    /// # Errors
    /// Never in practice: the record's names are valid parts of a key.
    pub fn new(store: &'a dyn Store, record: Record) -> Result<Self> {
        let key = bundle_key(&record.context, &record.id)?;
        Ok(Self { store, key, record })
    }

    /// The snapshot.
    #[must_use]
    pub fn id(&self) -> &SnapshotId {
        &self.record.id
    }

    /// Level `stored`: the bundle is there, with its size.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn check_stored(&self) -> Result<()> {
        let meta = self.store.head(&self.key, None)?;
        if meta.size == self.record.bytes {
            return Ok(());
        }
        Err(Error::Malformed {
            what: format!("bundle of {}", self.record.id),
            reason: format!("it has {} bytes instead of {}", meta.size, self.record.bytes),
        })
    }

    /// Level `checksum`: every byte read again, equal to the record.
    ///
    /// # Errors
    /// [`Error::Store`], with the digest that was found.
    pub fn check_sum(&self, watch: &dyn Watch) -> Result<()> {
        let mut reader = self.reader()?;
        drain(&mut reader, watch)?;
        Ok(reader.finish()?)
    }

    /// Level `content`: decrypted, each file equal to the manifest and well-formed.
    ///
    /// # Errors
    /// [`Error::Bundle`], [`Error::WrongIdentity`], [`Error::Store`].
    pub fn verify(&self, identities: &Identities, watch: &dyn Watch) -> Result<VerifiedBundle> {
        Ok(VerifiedBundle { manifest: self.read(identities, &mut Discard, watch)? })
    }

    /// Reads and proves the bundle, and keeps the text of the files that `wanted` names.
    ///
    /// # Errors
    /// As for [`UnverifiedBundle::verify`].
    pub fn read_files(
        &self,
        identities: &Identities,
        wanted: &dyn Fn(&StatePath) -> bool,
        watch: &dyn Watch,
    ) -> Result<(VerifiedBundle, Files)> {
        let mut keep = Keep { wanted, files: Vec::new(), open: false };
        let manifest = self.read(identities, &mut keep, watch)?;
        Ok((VerifiedBundle { manifest }, keep.files))
    }

    /// Unpacks beside `target` while proving. What is returned is right, and not yet visible at the target.
    ///
    /// # Errors
    /// As for [`UnverifiedBundle::verify`], and those of [`Staging::beside`]; in every case nothing is left behind.
    pub fn stage(
        &self,
        identities: &Identities,
        target: &Path,
        only: Option<StatePath>,
        watch: &dyn Watch,
    ) -> Result<StagedTree> {
        let mut staging = Staging::beside(target, only)?;
        let manifest = self.read(identities, &mut staging, watch)?;
        staging.proved(manifest, &self.record.id)
    }

    fn reader(&self) -> Result<CheckedReader<'a>> {
        let digest = Digest(*self.record.checksum.sha256());
        Ok(backup_store::read_checked(self.store, &self.key, None, digest, self.record.bytes)?)
    }

    fn read(&self, identities: &Identities, sink: &mut dyn Sink, watch: &dyn Watch) -> Result<Manifest> {
        let mut reader = Remembering { inner: self.reader()?, failed: None };
        // What the record says is not known to be true yet, and decides about how much may be unpacked.
        let sealed_size = self.record.bytes.min(self.store.head(&self.key, None)?.size);
        let expected = Expected { id: &self.record.id, context: &self.record.context };
        let outcome = read_bundle(&mut reader, sealed_size, expected, identities, sink, watch);
        let Remembering { inner: mut reader, failed } = reader;
        // Whatever the layers above made of it: a store that failed, or held other bytes, is what went wrong.
        if let Some(e) = failed {
            return Err(backup_store::Error::from_io(e, "read", self.key.as_str()).into());
        }
        let refused = match outcome {
            Ok(manifest) => {
                reader.finish()?;
                return Ok(manifest);
            }
            Err(Stop::Fault(reason)) => Error::Bundle { id: self.record.id.clone(), reason },
            // An altered header looks like one for somebody else.
            Err(Stop::Error(e @ Error::WrongIdentity { .. })) => e,
            Err(Stop::Error(e)) => return Err(e),
        };
        drain(&mut reader, watch)?;
        reader.finish()?;
        Err(refused)
    }
}

/// Keeps the first error of the store, which the layers above would take for a broken bundle.
struct Remembering<'a> {
    inner: CheckedReader<'a>,
    failed: Option<io::Error>,
}

impl Read for Remembering<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|e| {
            let kind = e.kind();
            if kind != io::ErrorKind::Interrupted && self.failed.is_none() {
                self.failed = Some(e);
            }
            kind.into()
        })
    }
}

fn drain(reader: &mut dyn Read, watch: &dyn Watch) -> Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        if watch.stop() {
            return Err(Error::Stopped);
        }
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => watch.advanced(n as u64),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(backup_store::Error::from_io(e, "read", "bundle").into()),
        }
    }
}

struct Keep<'a> {
    wanted: &'a dyn Fn(&StatePath) -> bool,
    files: Vec<(StatePath, Vec<u8>)>,
    open: bool,
}

impl Sink for Keep<'_> {
    fn begin(&mut self, path: &StatePath) -> Result<()> {
        self.open = (self.wanted)(path);
        if self.open {
            self.files.push((path.clone(), Vec::new()));
        }
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<()> {
        if let (true, Some((_, text))) = (self.open, self.files.last_mut()) {
            text.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}
