use super::prove::{Accused, Proved, Prover, fault_in, write_evidence};
use super::rehearse::rehearse;
use crate::args::VerifyArgs;
use crate::report::{message_of, row};
use crate::shelf::reference;
use crate::usecase::prove::{Measured, Verification};
use crate::usecase::verify::{line, origin_of, record_proof, row_of};
use crate::view::VerifyRow;
use crate::{AppBucket, AppEnvironment, AppShelf, CliError, Report, Session, metered};
use backup_contract::{AppSlug, CheckResult, Level, Snapshot};
use backup_store::Store;
use restore_guard::OriginId;
use walg_driver::bucket::Backup;

/// Proves backups of an app's database, and writes the evidence into the control store.
pub(in crate::usecase) fn verify(
    session: &Session<'_>,
    args: &VerifyArgs,
    app: &AppSlug,
) -> Result<Report, CliError> {
    let control = session.open_store()?;
    let origin = origin_of(session, &*control)?;
    let environment = AppEnvironment::read(session, app)?;
    let bucket = AppBucket::open(&environment)?;
    let shelf = AppShelf::read(session, &*control, &bucket)?;
    let chosen: Vec<&Snapshot> =
        if args.all { shelf.snapshots().iter().collect() } else { vec![shelf.resolve(&args.id)?] };
    let mut one = One {
        session,
        app: &environment,
        bucket: &bucket,
        control: &*control,
        shelf: &shelf,
        origin,
        prover: Prover::new(session, &bucket, &shelf),
    };
    let (mut rows, mut text, mut failure, mut hindered) = (Vec::new(), String::new(), None, None);
    for snapshot in chosen {
        let (proved, times, evidence) = match one.verify(snapshot, args.level) {
            // One that cannot be looked at must not keep the others from being proved, and is not called a failure either.
            Err(error) if args.all && error.code() != "interrupted" => {
                session.warn(format!(
                    "{} could not be verified: {}",
                    reference(snapshot),
                    message_of(&error)
                ));
                hindered.get_or_insert(error);
                continue;
            }
            verified => verified?,
        };
        let verification = proved.verification;
        text += &line(snapshot, &verification);
        if let Some(why) = verification.failure() {
            let id = reference(snapshot).to_string();
            failure.get_or_insert(CliError::NotProved { id, level: args.level, why });
        }
        rows.push(row(&VerifyRow {
            checksum: proved.checksum,
            recovery_seconds: times.0,
            data_loss_seconds: times.1,
            ..row_of(session, snapshot, verification, evidence)
        }));
    }
    if rows.is_empty() && hindered.is_none() {
        text += "there is no backup to verify\n";
    }
    let report = Report::new("backup verify", rows, text);
    // A backup that is known to be bad counts for more than one of which nothing is known.
    Ok(match failure.or(hindered) {
        Some(error) => report.with_error(error),
        None => report,
    })
}

/// What was found, how long the restore took and what would have been lost, and where the evidence is.
type Looked = (Proved, (Option<u64>, Option<u64>), Option<String>);

struct One<'a> {
    session: &'a Session<'a>,
    app: &'a AppEnvironment<'a>,
    bucket: &'a AppBucket,
    control: &'a dyn Store,
    shelf: &'a AppShelf,
    origin: OriginId,
    prover: Prover<'a>,
}

impl One<'_> {
    fn verify(&mut self, snapshot: &Snapshot, level: Level) -> Result<Looked, CliError> {
        let session = self.session;
        let backup =
            self.shelf.backup(snapshot).ok_or_else(|| CliError::NoSnapshot(snapshot.id.to_string()))?;
        let total = self.prover.bytes(backup, level);
        let (mode, interrupts) = (session.progress(), &session.world.interrupts);
        let what = format!("verifying {}", snapshot.id);
        let done = metered(mode, &what, total, interrupts, None, |meter| {
            if level == Level::Restore {
                let stored = self.prover.prove(backup, Level::Stored, meter)?;
                if stored.verification.failure().is_some() {
                    return Ok((stored, Measured::default()));
                }
                let (bucket, known) = (self.bucket, &self.prover.known);
                let tried = rehearse(session, self.app, bucket, self.shelf, snapshot, known, meter)?;
                tried.notes.into_iter().for_each(|note| session.warn(note));
                return Ok((tried.proved, tried.measured));
            }
            Ok((self.prover.prove(backup, level, meter)?, Measured::default()))
        });
        let (proved, measured) = match done {
            Ok(done) => done,
            Err(error) => match fault_in(&error) {
                Some((level, why)) => {
                    (Proved { checksum: snapshot.checksum, ..self.unsigned(level, why) }, Measured::default())
                }
                None => return Err(session.explain(error)),
            },
        };
        let times = (measured.recovery_seconds, measured.data_loss_seconds);
        let evidence = self.sign(snapshot, backup, &proved, measured)?;
        for base in &proved.bases {
            self.accuse(base)?;
        }
        Ok((proved, times, evidence))
    }

    fn sign(
        &self,
        snapshot: &Snapshot,
        backup: &Backup,
        proved: &Proved,
        measured: Measured,
    ) -> Result<Option<String>, CliError> {
        let about = (snapshot, backup);
        let evidence = write_evidence(self.session, self.control, &self.origin, about, proved, measured)?;
        let verification = &proved.verification;
        record_proof(
            self.session,
            self.control,
            snapshot,
            proved.checksum,
            verification,
            evidence.as_deref(),
        )?;
        Ok(evidence)
    }

    /// Signs what was found wrong with a backup that was read for the sake of one that is a delta of it.
    fn accuse(&self, base: &Accused) -> Result<(), CliError> {
        let Some(snapshot) = self.shelf.snapshots().iter().find(|snapshot| snapshot.id == base.id) else {
            return Ok(());
        };
        let Some(backup) = self.shelf.backup(snapshot) else { return Ok(()) };
        let checksum = self.prover.known.get(&base.id).copied();
        let mut proved = self.unsigned(base.level, String::new());
        proved.verification.checks = vec![base.check.clone()];
        self.sign(snapshot, backup, &Proved { checksum, ..proved }, Measured::default()).map(drop)
    }

    /// A failure that was not found by a check.
    fn unsigned(&self, level: Level, why: String) -> Proved {
        let now = self.session.now();
        let check = CheckResult { name: level.to_string(), ok: false, detail: why, duration_ms: 0 };
        let checks = vec![check];
        let verification = Verification { level, checks, started_at: now, finished_at: now, accounted: None };
        Proved { verification, checksum: None, segments: Vec::new(), bases: Vec::new() }
    }
}
