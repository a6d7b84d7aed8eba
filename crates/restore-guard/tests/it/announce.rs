//! From a decision to a permit: into the trail first, then the bytes, then for an hour.

use crate::gate::{World, id};
use crate::support::{at, checksum};
use crate::trail::home;
use backup_contract::{Checksum, SnapshotRef, Subject};
use chrono::{DateTime, TimeDelta, Utc};
use restore_guard::{
    ActOutcome, Action, Allowed, Decision, Error, Growth, Journal, Materialise, Permit, Plan, Protected,
    Trail,
};
use std::path::{Path, PathBuf};

const NOW: i64 = 7 * 86_400;

fn allowed() -> Allowed {
    match World::new().decide() {
        Decision::Allowed(allowed) => *allowed,
        Decision::Refused(refusal) => panic!("{refusal:?}"),
    }
}

/// Has bytes of a checksum, and looks into the trail's file before it hands them out.
struct Source<'a> {
    trail: &'a Path,
    bytes: Checksum,
    read: Vec<String>,
    asked: Vec<(SnapshotRef, PathBuf)>,
}

impl<'a> Source<'a> {
    fn new(trail: &'a Trail, bytes: Checksum) -> Self {
        Self { trail: trail.path(), bytes, read: Vec::new(), asked: Vec::new() }
    }
}

impl Materialise for Source<'_> {
    type Output = &'static str;
    type Error = Error;

    fn materialise(
        &mut self,
        snapshot: &SnapshotRef,
        into: &Path,
    ) -> Result<(Checksum, Self::Output), Error> {
        self.read = std::fs::read_to_string(self.trail).unwrap().lines().map(str::to_owned).collect();
        self.asked.push((snapshot.clone(), into.to_owned()));
        Ok((self.bytes, "staged"))
    }
}

#[test]
fn the_request_is_in_the_trail_before_anything_is_fetched() {
    let (home, trail) = home();
    let into = home.path().join("staged");
    let announced = allowed().announce(Path::new("/srv/paas"), &trail, at(NOW)).unwrap();
    let request = announced.request();
    let mut source = Source::new(&trail, checksum(2));
    let (permit, output) = announced.fetch(&mut source, &into, || at(NOW + 60)).unwrap();

    let about = SnapshotRef { subject: Subject::State, id: id(2) };
    assert_eq!((source.asked, output), (vec![(about.clone(), into)], "staged"));
    assert_eq!(source.read.len(), 1, "{:?}", source.read);
    let report = trail.verify().unwrap();
    let [line] = &report.lines[..] else { panic!("{report:?}") };
    assert!(source.read[0].contains(&line.digest.to_string()));
    assert_eq!((line.digest, &line.entry.outcome), (request, &ActOutcome::Announced));
    assert_eq!((&line.entry.action, line.entry.at), (&Action::Restore, at(NOW)));
    assert_eq!((line.entry.id.as_ref(), line.entry.checksum), (Some(&id(2)), Some(checksum(2))));
    assert_eq!(line.entry.detail["target"], "/srv/paas");

    let grant = permit.grant();
    assert_eq!((grant.snapshot(), grant.checksum, grant.request), (about, checksum(2), request));
    assert_eq!(grant.operator, "ada@host-1");
    let evidence = grant.evidence.as_ref().unwrap().to_string();
    assert!(evidence.contains(&id(2).to_string()), "{evidence}");
    assert_eq!(line.entry.detail["evidence"], evidence);
    assert_eq!((grant.granted_at, grant.valid_until), (at(NOW + 60), at(NOW + 60) + TimeDelta::hours(1)));
}

#[test]
fn what_cannot_be_announced_is_not_fetched() {
    let home = tempfile::tempdir().unwrap();
    let trail = Trail::new(home.path(), crate::support::context(), crate::support::writer());
    assert_eq!(allowed().announce(Path::new("/srv/paas"), &trail, at(NOW)).unwrap_err().code(), "io");
}

#[test]
fn other_bytes_are_no_permit() {
    let (home, trail) = home();
    let announced = allowed().announce(Path::new("/srv/paas"), &trail, at(NOW)).unwrap();
    let mut source = Source::new(&trail, checksum(3));
    let refused = announced.fetch(&mut source, &home.path().join("staged"), || at(NOW)).unwrap_err();
    assert_eq!(refused.code(), "bytes-changed");
    assert!(
        matches!(refused, Error::BytesChanged { proved, found, .. } if (proved, found) == (checksum(2), checksum(3)))
    );
}

/// A failure to fetch is that of the source.
#[test]
fn what_does_not_come_is_no_permit() {
    struct Away;
    impl Materialise for Away {
        type Output = ();
        type Error = Error;
        fn materialise(&mut self, _: &SnapshotRef, _: &Path) -> Result<(Checksum, ()), Error> {
            Err(Error::Io {
                operation: "reach",
                path: "/store".into(),
                source: std::io::ErrorKind::ConnectionRefused.into(),
            })
        }
    }
    let (home, trail) = home();
    let announced = allowed().announce(Path::new("/srv/paas"), &trail, at(NOW)).unwrap();
    assert!(announced.fetch(&mut Away, &home.path().join("staged"), || at(NOW)).is_err());
}

#[test]
fn a_permit_is_good_for_an_hour() {
    let (home, trail) = home();
    let (live, staged) = (home.path().join("live"), home.path().join("staged"));
    for (place, text) in [(&live, "old"), (&staged, "new")] {
        std::fs::create_dir(place).unwrap();
        std::fs::write(place.join("a.json"), text).unwrap();
    }
    let permit = || -> Permit {
        let announced = allowed().announce(&live, &trail, at(NOW)).unwrap();
        announced.fetch(&mut Source::new(&trail, checksum(2)), &staged, || at(NOW)).unwrap().0
    };
    let promote = |permit: Permit, now: DateTime<Utc>| {
        let plan =
            Plan::files(&live, &staged, &[Protected { path: "a.json".into(), growth: Growth::Any }]).unwrap();
        Journal::new(live.join(".si-backup/restore/state")).promote(&plan, permit, now)
    };
    let late = promote(permit(), at(NOW) + TimeDelta::hours(1)).unwrap_err();
    assert_eq!(late.code(), "permit-expired");
    assert_eq!(std::fs::read_to_string(live.join("a.json")).unwrap(), "old");
    promote(permit(), at(NOW) + TimeDelta::seconds(3_599)).unwrap();
    assert_eq!(std::fs::read_to_string(live.join("a.json")).unwrap(), "new");
}

#[test]
fn a_permit_is_for_what_was_proved_and_for_the_place_that_was_announced() {
    let (home, trail) = home();
    let place = |name: &str| {
        let dir = home.path().join(name);
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("a.json"), name).unwrap();
        dir
    };
    let [live, other_live, staged, other_staged] =
        ["live", "other-live", "staged", "other-staged"].map(place);
    let permit = |target: &Path, into: &Path| -> Permit {
        let announced = allowed().announce(target, &trail, at(NOW)).unwrap();
        announced.fetch(&mut Source::new(&trail, checksum(2)), into, || at(NOW)).unwrap().0
    };
    let protected = [Protected { path: "a.json".into(), growth: Growth::Any }];
    let files = Plan::files(&live, &staged, &protected).unwrap();
    let directory = Plan::directory(&live, &staged).unwrap();
    let journal = Journal::new(home.path().join("journal"));
    for plan in [&files, &directory] {
        for permit in [
            permit(&live, &other_staged),
            permit(&other_live, &staged),
            // Nothing was brought there.
            permit(&live, &home.path().join("nowhere")),
        ] {
            let refused = journal.promote(plan, permit, at(NOW)).unwrap_err();
            assert_eq!(refused.code(), "not-promotable", "{refused}");
            assert_eq!(std::fs::read_to_string(live.join("a.json")).unwrap(), "live");
            assert_eq!(journal.pending().unwrap(), None);
        }
    }
    // Another directory of that name is another one.
    let proved = permit(&live, &staged);
    std::fs::rename(&staged, home.path().join("moved")).unwrap();
    std::fs::rename(&other_staged, &staged).unwrap();
    let plan = Plan::files(&live, &staged, &protected).unwrap();
    assert_eq!(journal.promote(&plan, proved, at(NOW)).unwrap_err().code(), "not-promotable");
    // What was noted with a plan is there until it is confirmed.
    let note = serde_json::json!({ "files": ["a.json"] });
    let plan = plan.noting(note.clone());
    journal.promote(&plan, permit(&live, &staged), at(NOW)).unwrap();
    assert_eq!(std::fs::read_to_string(live.join("a.json")).unwrap(), "other-staged");
    assert_eq!(journal.pending().unwrap().unwrap().note, Some(note));
}
