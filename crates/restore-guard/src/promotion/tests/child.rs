//! The test binary itself, as a process that restores and is killed.

use super::support::{Kind, World, now, permit};
use crate::Writes;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Set in the processes that these tests start: what to do, whether plainly, at which fail point to die, the kind, where.
const CHILD: &str = "RESTORE_GUARD_TEST_PROMOTION";

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Promote,
    Resume,
    Undo,
    Confirm,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// At its own end, with the fail points that it came to.
    Done(Vec<String>),
    /// Killed.
    Killed,
    /// With an error.
    Failed(String),
}

const VERBS: [(&str, Verb); 4] =
    [("promote", Verb::Promote), ("resume", Verb::Resume), ("undo", Verb::Undo), ("confirm", Verb::Confirm)];
const KINDS: [(&str, Kind); 4] = [
    ("files", Kind::Files),
    ("directory", Kind::Directory),
    ("new-directory", Kind::NewDirectory),
    ("in-place", Kind::InPlace),
];

pub(crate) fn start(world: &World, verb: Verb, plain: bool, deadly: u64) -> Child {
    let verb = VERBS.iter().find(|(_, it)| *it == verb).unwrap().0;
    let kind = KINDS.iter().find(|(_, it)| *it == world.kind).unwrap().0;
    let plain = if plain { "plain" } else { "native" };
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "promotion::tests::child::child_process", "--nocapture", "--quiet"])
        .env(CHILD, format!("{verb} {plain} {deadly} {kind} {}", world.root.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(crate) fn run(world: &World, verb: Verb, plain: bool, deadly: u64) -> Ended {
    ended(start(world, verb, plain, deadly))
}

pub(crate) fn ended(child: Child) -> Ended {
    use std::os::unix::process::ExitStatusExt as _;
    let output = child.wait_with_output().unwrap();
    if output.status.signal() == Some(9) {
        return Ended::Killed;
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start).map(str::to_owned));
    match (line("hits "), line("error ")) {
        (Some(hits), _) => Ended::Done(hits.split(' ').map(str::to_owned).collect()),
        (None, Some(error)) => Ended::Failed(error),
        (None, None) => panic!("{text}{}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// Not a test by itself: restores when it was started for that.
#[test]
fn child_process() {
    let Ok(what) = std::env::var(CHILD) else { return };
    let words: Vec<&str> = what.splitn(5, ' ').collect();
    let verb = VERBS.iter().find(|(word, _)| *word == words[0]).unwrap().1;
    super::fault::set_plain(words[1] == "plain");
    let kind = KINDS.iter().find(|(word, _)| *word == words[3]).unwrap().1;
    let world = World { root: Path::new(words[4]).to_owned(), kind };
    let plan = (verb == Verb::Promote).then(|| world.plan().unwrap());
    let journal = world.journal();
    backup_store::fail_point::arm(words[2].parse().unwrap());
    let done = match verb {
        Verb::Promote => journal.promote(&plan.unwrap(), permit(), now()).map(drop),
        Verb::Resume => journal.resume(now()).map(drop),
        Verb::Undo => journal.undo(Writes::Refuse, now()).map(drop),
        Verb::Confirm => journal.confirm(now()),
    };
    match done {
        Ok(()) => println!("\nhits {}", backup_store::fail_point::hits().join(" ")),
        Err(error) => println!("\nerror {} {error}", error.code()),
    }
}
