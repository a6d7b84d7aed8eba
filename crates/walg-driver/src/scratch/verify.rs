use super::cluster::Cluster;
use super::inspect::{Copied, inspect, make_ready};
use super::psql::Psql;
use super::questions::{self, Identity, Said};
use super::report::ScratchReport;
use super::request::{ScratchRequest, Step};
use super::run::Runner;
use super::server::{Recovery, Server, why_ended};
use super::settings::Settings;
use super::target::Goal;
use super::user::{must_reach, own, own_all};
use super::{Programs, Room, ScratchFault};
use crate::bucket::Backup;
use crate::mirror::{Fetch, Mirror, MirrorPlan, space};
use crate::process::Status;
use crate::wal::Lsn;
use crate::{Error, Result};
use backup_contract::CheckResult;
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The first major version that recovers with `recovery.signal`.
const OLDEST: u32 = 12;

/// What is known before anything is written.
struct Plan<'a> {
    backup: &'a Backup,
    goal: Goal,
    programs: Programs,
    mirror: MirrorPlan,
}

/// Restores a backup into a scratch server, asks it, and throws it away.
///
/// Before the first byte is fetched it is known that nothing of the chain has tablespaces, that the archive leads to the
/// target, that a server of the right version is here, and that the disk is large enough.
///
/// # Errors
/// [`Error::Scratch`] and [`Error::NoSpace`] for what keeps the restore from being tried or says nothing of the backup;
/// [`Error::NotRestorable`]; [`Error::Store`]; whatever the engine fails with. What is wrong with the backup is a check.
pub fn verify_by_restore(request: &ScratchRequest<'_>) -> Result<ScratchReport> {
    Room::sweep(request.place, request.clock)?;
    let plan = request.plan()?;
    let mirror = plan.mirror.fetch(&Fetch {
        store: request.store,
        root: request.root,
        into: request.mirror,
        threads: request.threads,
        free: request.free,
        read: &|bytes| (request.watch)(Step::Fetching { bytes, of: plan.mirror.bytes() }),
    })?;
    let room = Room::create(request.place, request.user)?;
    let report = Attempt { request, plan: &plan, mirror: &mirror, room: &room }.run()?;
    room.discard()?;
    Ok(report)
}

impl ScratchRequest<'_> {
    fn plan(&self) -> Result<Plan<'_>> {
        let backup = self.bucket.backup(self.backup).ok_or_else(|| Error::NoBackup(self.backup.clone()))?;
        for id in &backup.chain {
            let sentinel = self.bucket.backup(id).and_then(|link| link.sentinel.as_ref());
            if let Some(spaces) = sentinel.map(|sentinel| &sentinel.tablespaces).filter(|s| !s.is_empty()) {
                let places: Vec<_> =
                    spaces.iter().map(|(oid, place)| format!("{oid} in '{place}'")).collect();
                return Err(ScratchFault::Tablespaces { id: id.clone(), places: places.join(", ") }.into());
            }
        }
        let goal = self.target.within(backup, self.bucket.archive.segment_size())?;
        let version = backup.sentinel.as_ref().and_then(|sentinel| sentinel.pg_version);
        let major = version.and_then(|version| u32::try_from(version / 10_000).ok());
        let major = major.ok_or_else(|| ScratchFault::NoVersion(backup.id.clone()))?;
        if major < OLDEST {
            return Err(ScratchFault::TooOld(major).into());
        }
        let usual = Programs::usual_places(major);
        let places = if self.server_dirs.is_empty() { &usual } else { self.server_dirs };
        let programs = Programs::find(major, places)?;
        let mirror = MirrorPlan::new(self.store, self.root, self.bucket, &backup.id, &goal.wal())?;
        self.must_fit(&mirror)?;
        Ok(Plan { backup, goal, programs, mirror })
    }

    /// Whether the disk takes the mirror and the copy. How large the copy becomes, only the sentinels say: the largest of
    /// the chain, and a tenth for what a recovery writes.
    fn must_fit(&self, plan: &MirrorPlan) -> Result<()> {
        let sizes = plan.chain().iter().filter_map(|backup| backup.sentinel.as_ref()?.uncompressed_size);
        let copy = sizes.max().unwrap_or_default();
        let copy =
            copy.saturating_add(copy / 10).saturating_add(8 * self.bucket.archive.segment_size().bytes());
        let mirror = plan.missing_bytes(self.mirror)?;
        let disk =
            |path: &Path| path.ancestors().find_map(|above| fs::metadata(above).ok()).map(|meta| meta.dev());
        let shared = if disk(self.mirror) == disk(self.place) { mirror } else { 0 };
        space::must_fit(self.place, copy.saturating_add(shared), (self.free)(self.place)?)
    }
}

/// One attempt, in a room of its own.
struct Attempt<'a> {
    request: &'a ScratchRequest<'a>,
    plan: &'a Plan<'a>,
    mirror: &'a Mirror,
    room: &'a Room,
}

impl Attempt<'_> {
    fn run(&self) -> Result<ScratchReport> {
        let Self { request, plan, room, .. } = self;
        let mut report = ScratchReport {
            checks: Vec::new(),
            fingerprints: self.mirror.fingerprints.clone(),
            unpack_seconds: 0.0,
            recovery_seconds: None,
            reached: None,
            timeline: None,
            newest_commit: None,
            backup_finished: plan.backup.sentinel.as_ref().and_then(|sentinel| sentinel.finished_at),
            server_version: plan.programs.version.clone(),
            has_own_network: false,
            tables: Vec::new(),
            log: None,
            notes: Vec::new(),
        };
        self.step(Step::Unpacking)?;
        let began = request.clock.monotonic();
        let unpacked = request.engine.unpack(self.mirror.prefix(), &plan.backup.id, &room.data());
        report.unpack_seconds = self.since(began).as_secs_f64();
        let looked_at = || match unpacked {
            Ok(()) => self.inspect(),
            // Everything lay on this machine: what it could not do with it is wrong with the backup, or with the key.
            Err(Error::Stopped { program, status: status @ Status::Exited(_), said }) => {
                Ok((false, format!("{program} {status}: {said}")))
            }
            Err(error) => Err(error),
        };
        if !self.check(&mut report, "unpacked", looked_at)? {
            return Ok(report);
        }
        report.notes.extend(make_ready(&room.data(), request.user)?);
        if let Some(user) = request.user {
            // The restore command runs as the server does, and reads the mirror.
            own_all(self.mirror.dir(), user)?;
            must_reach(self.mirror.prefix(), user)?;
        }
        let interrupted = || (request.watch)(Step::Asking).is_break();
        let runner = Runner {
            user: request.user,
            clock: request.clock,
            limit: request.limits.question,
            interrupted: &interrupted,
        };
        let cluster = Cluster::read(&plan.programs, &room.data(), &runner)?;
        let mut server = self.start(&cluster, &runner, &mut report)?;
        if !self.recover(&mut server, &runner, &mut report)? {
            return Ok(report);
        }
        self.step(Step::Asking)?;
        let psql = Psql {
            program: plan.programs.path("psql"),
            sockets: room.sockets(),
            user: request.superuser,
            runner,
        };
        self.ask(&psql, &mut report)?;
        self.check(&mut report, "stopped", || {
            server.stop(&runner).map(|()| (true, "it stopped with a last checkpoint".into()))
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

    /// For what reads every block.
    fn reader<'r>(&self, runner: Runner<'r>) -> Runner<'r> {
        Runner { limit: self.request.limits.reading, ..runner }
    }

    fn inspect(&self) -> Result<Said> {
        let sentinel = self.plan.backup.sentinel.as_ref();
        let list =
            self.mirror.prefix().join(format!("basebackups_005/{}/files_metadata.json", self.plan.backup.id));
        let list = File::open(list).ok();
        let has_list = list.is_some();
        let expected = Copied {
            major: self.plan.programs.major,
            system_identifier: sentinel.and_then(|sentinel| sentinel.system_identifier),
        };
        let faults = inspect(&self.room.data(), expected, list)?;
        Ok(match faults.as_slice() {
            [] if has_list => (true, "every file of the backup's list is there".into()),
            [] => (true, "what a cluster needs is there; the backup has no list of files".into()),
            _ => (false, faults.iter().take(5).cloned().collect::<Vec<_>>().join("; ")),
        })
    }

    fn start(&self, cluster: &Cluster, runner: &Runner<'_>, report: &mut ScratchReport) -> Result<Server> {
        let Self { request, plan, room, .. } = self;
        let restore_command = (request.restore_command)(self.mirror, cluster.segments);
        let preload = self.preload(runner, report);
        let settings = Settings {
            cluster,
            major: plan.programs.major,
            goal: &plan.goal,
            restore_command: &restore_command,
            sockets: &room.sockets(),
            preload: &preload,
        };
        let files = settings.write(&room.conf())?;
        if let Some(user) = request.user {
            for path in [&files.config, &files.hba, &files.ident] {
                own(path, user)?;
            }
        }
        let server = Server::start(room, &plan.programs, &files, &restore_command, request.network, runner)?;
        report.has_own_network = server.has_own_network;
        Ok(server)
    }

    /// The libraries that are installed, of those that are needed.
    fn preload(&self, runner: &Runner<'_>, report: &mut ScratchReport) -> Vec<String> {
        let program = self.plan.programs.path("pg_config");
        let asked = runner.run(&program, ["--pkglibdir"], "").ok().filter(|said| said.is_ok);
        let dir = asked
            .map_or_else(|| self.plan.programs.dir().join("../lib"), |said| PathBuf::from(said.out.trim()));
        let is_installed = |name: &&String| {
            name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
                && dir.join(format!("{name}.so")).is_file()
        };
        let (installed, missing): (Vec<&String>, Vec<&String>) =
            self.request.preload.iter().partition(is_installed);
        report
            .notes
            .extend(missing.iter().map(|name| format!("{name} is not installed here, and was not loaded")));
        installed.into_iter().cloned().collect()
    }

    /// Waits for the promotion, and holds where it ended against where it had to.
    fn recover(&self, server: &mut Server, runner: &Runner<'_>, report: &mut ScratchReport) -> Result<bool> {
        let Self { request, plan, .. } = self;
        let began = request.clock.monotonic();
        let go_on = || (request.watch)(Step::Recovering).is_continue();
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

        let mut tables = Vec::new();
        self.check(report, "databases", || match questions::databases(psql)? {
            Ok(databases) => questions::connect_to_all(psql, &databases, &mut tables),
            Err(why) => Ok((false, why)),
        })?;
        report.tables = tables;
        for check in request.app_checks {
            self.step(Step::Asking)?;
            self.check(report, &check.name, || questions::app(psql, check))?;
        }
        // A block that a delta took from the wrong place has a good checksum.
        if plan.backup.chain.len() > 1 {
            self.check(report, "amcheck", || {
                questions::amcheck(psql, &self.reader(psql.runner), &plan.programs)
            })?;
        }
        Ok(())
    }

    fn check(
        &self,
        report: &mut ScratchReport,
        name: &str,
        ask: impl FnOnce() -> Result<Said>,
    ) -> Result<bool> {
        let began = self.request.clock.monotonic();
        let said = ask()?;
        let ok = said.0;
        push(report, name, said, self.since(began));
        Ok(ok)
    }

    fn step(&self, step: Step) -> Result<()> {
        match (self.request.watch)(step) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ScratchFault::Interrupted.into()),
        }
    }

    fn since(&self, began: Duration) -> Duration {
        self.request.clock.monotonic().saturating_sub(began)
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
