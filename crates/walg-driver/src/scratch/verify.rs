use super::cluster::Cluster;
use super::collation::Otherwise;
use super::container::{self, Container};
use super::decoded;
use super::held::{Held, Left};
use super::image::FoundImage;
use super::inspect::make_ready;
use super::libraries;
use super::psql::Psql;
use super::questions::{self, Identity, Said};
use super::report::ScratchReport;
use super::request::ScratchRequest;
use super::restore::{Plan, Restore, Step};
use super::run::Runner;
use super::server::{Recovery, Server, why_ended};
use super::settings::Settings;
use super::unpacked::looked_at;
use super::user::{must_be_ours, must_reach, own, show, show_all, walk};
use super::{Room, ScratchFault};
use crate::mirror::Mirror;
use crate::wal::Lsn;
use crate::{Error, Result};
use backup_contract::CheckResult;
use std::path::PathBuf;
use std::time::Duration;

/// Restores a backup into a scratch server, asks it, and throws it away.
///
/// Before the first byte is fetched it is known that nothing of the chain has tablespaces, that the archive leads to the
/// target, that a server of the right version is here, and that the disk is large enough. Before the first is unpacked, that
/// all are the recorded ones, that no tar holds a way out of its directory, and that the WAL on the way is that WAL.
///
/// # Errors
/// [`Error::Scratch`] and [`Error::NoSpace`] for what keeps the restore from being tried or says nothing of the backup;
/// [`Error::NotRestorable`]; [`Error::Store`]; whatever the engine fails with. What is wrong with the backup is a check.
pub fn verify_by_restore(request: &ScratchRequest<'_>) -> Result<ScratchReport> {
    let restore = &request.restore;
    must_be_ours(request.place)?;
    let early = || (restore.watch)(Step::Fetching { bytes: 0, of: 0 }).is_break();
    let interrupted = || (restore.watch)(Step::Asking).is_break();
    let runner = restore.runner(request.limits.question, &interrupted);
    let before = Runner { interrupted: &early, ..runner };
    let image = request.image.map(|image| image.find(&before)).transpose()?;
    sweep(request, image.as_ref())?;
    let plan = match &image {
        Some(image) => {
            if !restore.cipher.is_readable() {
                // Its WAL could not be decoded for a server that has no key.
                return Err(Error::NotReadable(restore.backup.clone()));
            }
            restore.plan_with(|major| image.programs(major, restore.server_dirs, restore.user, &before))?
        }
        None => restore.plan()?,
    };
    let wal = ahead(request, &plan, image.is_some())?;
    let mirror = restore.fetch(&plan.mirror, request.mirror)?;
    let room = Room::create(request.place, restore.user, image.as_ref().map(|image| image.engine.as_str()))?;
    room.must_have_a_socket()?;
    let image = image.as_ref();
    let mut report =
        Attempt { request, restore, plan: &plan, mirror: &mirror, room: &room, wal, image, runner }.run()?;
    for check in report.checks.iter().filter(|check| !check.ok) {
        // Whoever stops a whole group of processes stops the one that was asked too.
        restore.step(Step::Asking)?;
        restore.must_have_had_room(request.place, &check.detail)?;
    }
    // What was found is worth more than a tidy disk.
    if let Err(error) = room.discard() {
        report.notes.push(format!("what it was tried in stays: {error}"));
    }
    Ok(report)
}

/// Of how many segments what was decoded is kept for the server. Refuses a disk that has no room for what cannot be left out.
fn ahead(request: &ScratchRequest<'_>, plan: &Plan<'_>, is_contained: bool) -> Result<usize> {
    let restore = &request.restore;
    let size = restore.bucket.archive.segment_size().bytes();
    let all = decoded::bytes(restore, plan)?;
    let bytes = match () {
        () if is_contained => all,
        () if restore.cipher.is_readable() => all.min(request.wal_ahead),
        () => 0,
    };
    let fits = |bytes| restore.must_fit(&plan.mirror, request.mirror, request.place, bytes);
    match fits(bytes) {
        Err(Error::NoSpace { .. }) if !is_contained && bytes > 0 => fits(0).map(|()| 0),
        fits => fits.map(|()| usize::try_from(bytes / size).unwrap_or(usize::MAX)),
    }
}

/// Removes what killed verifications have left, with the containers of the engine that is used now.
fn sweep(request: &ScratchRequest<'_>, image: Option<&FoundImage<'_>>) -> Result<Vec<PathBuf>> {
    let clock = request.restore.clock;
    let Some(image) = image else { return Room::sweep(request.place, clock) };
    Room::sweep_with(request.place, clock, &|contained, dir| {
        Ok(contained.engine == image.engine && container::remove(image.docker, contained, dir, clock)?)
    })
}

/// One attempt, in a room of its own.
struct Attempt<'a> {
    request: &'a ScratchRequest<'a>,
    restore: &'a Restore<'a>,
    plan: &'a Plan<'a>,
    mirror: &'a Mirror,
    room: &'a Room,
    /// How many segments of WAL are decoded for the server before it asks.
    wal: usize,
    image: Option<&'a FoundImage<'a>>,
    /// On this machine.
    runner: Runner<'a>,
}

impl<'a> Attempt<'a> {
    fn run(&self) -> Result<ScratchReport> {
        let Self { request, restore, plan, room, .. } = self;
        let mut report = ScratchReport {
            checks: Vec::new(),
            fingerprints: self.mirror.fingerprints.clone(),
            segments: Vec::new(),
            unpack_seconds: 0.0,
            recovery_seconds: None,
            reached: None,
            timeline: None,
            newest_commit: None,
            backup_finished: plan.backup.sentinel.as_ref().and_then(|sentinel| sentinel.finished_at),
            server_version: plan.programs.version.clone(),
            image: self.image.map(|image| image.used.clone()),
            has_own_network: false,
            tables: Vec::new(),
            log: None,
            notes: plan.goal.beyond().into_iter().collect(),
        };
        if !self.hold(&mut report)? {
            return Ok(report);
        }
        if let Some(user) = restore.user {
            // The engine and the restore command run as the server does, read the mirror, and cannot alter it.
            must_be_ours(self.mirror.dir())?;
            show_all(self.mirror.dir(), user)?;
            must_reach(self.mirror.prefix(), user)?;
        }
        if self.image.is_some() {
            let interrupted = || (restore.watch)(Step::Reading).is_break();
            decoded::complete(restore, plan, self.mirror, room, &interrupted)?;
        }
        restore.step(Step::Unpacking)?;
        let began = restore.clock.monotonic();
        let refused = restore.unpack(plan, self.mirror, &room.data())?;
        report.unpack_seconds = self.since(began).as_secs_f64();
        let unpacked = self.check(&mut report, "unpacked", || match refused {
            Some(why) => Ok((false, why)),
            None => looked_at(plan, self.mirror, &room.data()),
        })?;
        if !unpacked {
            return Ok(report);
        }
        report.notes.extend(make_ready(&room.data(), restore.user)?);
        let container = self.container()?;
        let runner = Runner { inside: container.as_ref(), ..self.runner };
        let cluster = Cluster::read(&plan.programs, &room.data(), &runner)?;
        let mut server = self.start(&cluster, &runner, &mut report)?;
        if !self.recover(&mut server, &runner, &mut report)? {
            return Ok(report);
        }
        self.restore.step(Step::Asking)?;
        let psql = Psql {
            program: plan.programs.path("psql"),
            sockets: room.sockets(),
            user: request.superuser,
            runner,
        };
        self.ask(&psql, &mut report)?;
        self.check(&mut report, "stopped", || {
            server.stop(&plan.programs, &runner).map(|()| (true, "it stopped with a last checkpoint".into()))
        })?;
        if cluster.has_checksums {
            self.check(&mut report, "data-checksums", || {
                questions::checksums(&self.reader(runner), &plan.programs, &room.data())
            })?;
        } else {
            report.notes.push("the cluster has no data checksums".into());
        }
        Ok(report)
    }

    /// The container that everything of the server runs in, where it is to be one.
    fn container(&self) -> Result<Option<Container<'a>>> {
        self.image
            .map(|image| Container::start(image, self.room, self.restore.user, &self.runner))
            .transpose()
    }

    /// Holds what was fetched against what was recorded, and reads all of it. Of bytes that are not the recorded ones nothing
    /// is used.
    fn hold(&self, report: &mut ScratchReport) -> Result<bool> {
        let Self { restore, plan, .. } = self;
        let interrupted = || (restore.watch)(Step::Reading).is_break();
        let held = Held {
            mirror: self.mirror,
            cipher: restore.cipher,
            threads: restore.threads,
            interrupted: &interrupted,
        };
        held.refuse_tablespaces()?;
        if !self.check(report, "fingerprint", || Ok(held.fingerprints(restore.recorded)))? {
            return Ok(false);
        }
        if !restore.cipher.is_readable() {
            report.notes.push(
                "the bucket is encrypted in a way that only its engine can undo: neither tars nor WAL were read before".into(),
            );
            return Ok(true);
        }
        let tars = self.check(report, "tars", || held.tars())?;
        let left = Left { dir: &self.room.wal(), first: self.wal };
        let archive = &restore.bucket.archive;
        let mut segments = Vec::new();
        let wal = self.check(report, "wal", || {
            let (said, digests) = held.wal(plan.backup, &plan.goal, archive, left)?;
            segments = digests;
            Ok(said)
        })?;
        report.segments = segments;
        Ok(tars && wal)
    }

    /// For what reads every block.
    fn reader<'r>(&self, runner: Runner<'r>) -> Runner<'r> {
        Runner { limit: self.request.limits.reading, ..runner }
    }

    fn start(&self, cluster: &Cluster, runner: &Runner<'_>, report: &mut ScratchReport) -> Result<Server> {
        let Self { request, plan, room, .. } = self;
        let restore_command = match self.image {
            Some(_) => decoded::restore_command(room),
            None => (request.restore_command)(self.mirror, cluster.segments),
        };
        let ready = self.ready()?;
        let preload = self.preload(runner, report)?;
        let settings = Settings {
            cluster,
            major: plan.programs.major,
            goal: &plan.goal,
            restore_command: &restore_command,
            ready: ready.as_deref(),
            sockets: &room.sockets(),
            preload: &preload,
        };
        let files = settings.write(&room.conf())?;
        if let Some(user) = self.restore.user {
            for path in [&files.config, &files.hba, &files.ident] {
                show(path, user)?;
            }
        }
        let server = Server::start(room, &plan.programs, &files, &restore_command, request.network, runner)?;
        report.has_own_network = server.has_own_network;
        Ok(server)
    }

    /// Where the server, on this machine, finds WAL decoded. It is its own from now on: it moves it into the copy, and uses it up
    /// there. Nothing that was run as its user before could alter it.
    fn ready(&self) -> Result<Option<PathBuf>> {
        if self.image.is_some() || self.wal == 0 {
            return Ok(None);
        }
        let dir = self.room.wal();
        if let Some(user) = self.restore.user {
            walk(&dir, &mut |path, _| own(path, user))?;
            own(&dir, user)?;
        }
        Ok(Some(dir))
    }

    /// The libraries that are installed, of those that are needed, and of those that the copy's own settings name the harmless
    /// ones.
    fn preload(&self, runner: &Runner<'_>, report: &mut ScratchReport) -> Result<Vec<String>> {
        let (harmless, others): (Vec<_>, Vec<_>) = libraries::configured(&self.room.data())?
            .into_iter()
            .partition(|name| libraries::is_harmless(name));
        if !others.is_empty() {
            report.notes.push(format!(
                "not loaded, because they may start workers or need what is not here: {}",
                others.join(", ")
            ));
        }
        let mut wanted = self.request.preload.to_vec();
        wanted.extend(harmless);
        wanted.sort();
        wanted.dedup();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let program = self.plan.programs.path("pg_config");
        let asked = runner.run(&program, ["--pkglibdir"], "").ok().filter(|said| said.is_ok);
        let dir = asked
            .map_or_else(|| self.plan.programs.dir().join("../lib"), |said| PathBuf::from(said.out.trim()));
        let mut installed = Vec::new();
        for name in &wanted {
            let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
            if is_name && runner.has_file(&dir.join(format!("{name}.so")))? {
                installed.push(name.clone());
            } else {
                report.notes.push(format!("{name} is not installed here, and was not loaded"));
            }
        }
        Ok(installed)
    }

    /// Waits for the promotion, and holds where it ended against where it had to.
    fn recover(&self, server: &mut Server, runner: &Runner<'_>, report: &mut ScratchReport) -> Result<bool> {
        let Self { request, plan, .. } = self;
        let began = self.restore.clock.monotonic();
        let go_on = || (self.restore.watch)(Step::Recovering).is_continue();
        let ended = server.recover(runner, request.limits.recovery, &go_on)?;
        let took = self.since(began);
        let (ok, detail) = match ended {
            Recovery::Promoted => {
                report.recovery_seconds = Some(took.as_secs_f64());
                (true, format!("promoted at {}", plan.goal.point()))
            }
            Recovery::Ended { log, had_begun } => {
                let log = why_ended(log, had_begun, plan.goal.point().to_string())?;
                let last = log.lines().rev().find(|line| line.contains("FATAL") || line.contains("PANIC"));
                let detail = last.or_else(|| log.lines().last()).unwrap_or("the server ended").to_owned();
                report.log = Some(log);
                (false, detail)
            }
        };
        push(report, "recovery", (ok, detail), took);
        Ok(ok)
    }

    fn ask(&self, psql: &Psql<'_>, report: &mut ScratchReport) -> Result<()> {
        let Self { request, plan, room, .. } = self;
        let mut identity = None;
        self.check(report, "answers", || {
            Ok(match Identity::ask(psql)? {
                Ok(found) => {
                    let said = format!("PostgreSQL {}", found.version);
                    identity = Some(found);
                    (true, said)
                }
                // A setting of ours is wrong, and nothing is told of the backup.
                Err(why) if why.contains("role \"") && why.contains("does not exist") => {
                    return Err(ScratchFault::NoRole(request.superuser.to_owned()).into());
                }
                Err(why) => (false, why),
            })
        })?;
        let Some(identity) = identity else { return Ok(()) };
        report.timeline = identity.timeline();
        report.newest_commit = identity.newest_commit();
        report.reached = report.timeline.and_then(|timeline| questions::reached(&room.data(), timeline));
        let reached = report.reached;
        self.check(report, "reached", || Ok(reached_enough(reached, plan.goal.least())))?;

        let (mut tables, mut databases) = (Vec::new(), Vec::new());
        self.check(report, "databases", || match questions::databases(psql)? {
            Ok(found) => {
                databases = found;
                questions::connect_to_all(psql, &databases, &mut tables)
            }
            Err(why) => Ok((false, why)),
        })?;
        report.tables = tables;
        for check in request.app_checks {
            self.restore.step(Step::Asking)?;
            self.check(report, &check.name, || questions::app(psql, check))?;
        }
        let otherwise = Otherwise::ask(psql, &databases)?;
        // A block that a delta took from the wrong place has a good checksum.
        if plan.backup.chain.len() > 1 {
            self.check(report, "amcheck", || {
                questions::amcheck(psql, &self.reader(psql.runner), &plan.programs, &otherwise)
            })?;
        }
        if let Some(told) = otherwise.told() {
            report
                .notes
                .push(format!("{told}: a server that is to live on such a host needs REINDEX of that first"));
        }
        Ok(())
    }

    fn check(
        &self,
        report: &mut ScratchReport,
        name: &str,
        ask: impl FnOnce() -> Result<Said>,
    ) -> Result<bool> {
        let began = self.restore.clock.monotonic();
        let said = ask()?;
        let ok = said.0;
        push(report, name, said, self.since(began));
        Ok(ok)
    }

    fn since(&self, began: Duration) -> Duration {
        self.restore.clock.monotonic().saturating_sub(began)
    }
}

fn reached_enough(reached: Option<Lsn>, least: Lsn) -> Said {
    match reached {
        Some(reached) if reached >= least => (true, format!("{reached}, and {least} was expected at least")),
        Some(reached) => (false, format!("the recovery ended at {reached}, before {least}")),
        None => (false, "where the recovery ended is not told by the history of the new timeline".into()),
    }
}

fn push(report: &mut ScratchReport, name: &str, (ok, detail): Said, took: Duration) {
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    report.checks.push(CheckResult { name: name.to_owned(), ok, detail, duration_ms });
}
