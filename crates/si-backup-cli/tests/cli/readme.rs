//! The README, followed to the letter: its commands are run in its order, and print what it says they print.

use crate::harness::{Host, skipped, small, tree};
use regex::Regex;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A command that the README shows, and what it prints, where that is shown.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) command: String,
    output: String,
}

pub(crate) fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The steps of every console block of the README below a heading.
fn steps(heading: &str) -> Vec<Vec<Step>> {
    steps_of("README.md", heading)
}

/// The steps of every console block of a document below a heading.
pub(crate) fn steps_of(document: &str, heading: &str) -> Vec<Vec<Step>> {
    let text = fs::read_to_string(repository().join(document)).unwrap();
    let section = text.split(&format!("\n{heading}\n")).nth(1).unwrap();
    let section = section.split("\n#").next().unwrap();
    let blocks = section.split("```console\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks
        .map(|block| {
            let mut steps: Vec<Step> = Vec::new();
            for line in block.lines() {
                match (line.strip_prefix("$ "), steps.last_mut()) {
                    (Some(command), _) => steps.push(Step { command: command.into(), output: String::new() }),
                    (None, Some(step)) => step.output.extend([line, "\n"]),
                    (None, None) => panic!("'{line}' is printed by nothing"),
                }
            }
            steps
        })
        .collect()
}

/// A text without what differs from run to run.
pub(crate) fn plain(text: &str) -> String {
    const RULES: [(&str, &str); 8] = [
        (r"by \S+@\S+", "by <operator>"),
        (r"state-\d{8}T\d{6}Z-[0-9a-f]{8}", "<id>"),
        (r"sha256:[0-9a-f]{64}", "<checksum>"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "<time>"),
        (r"\d+(\.\d+)? ([KMG]i)?B\b", "<size>"),
        (r"loses \d+ (s|min)", "loses <span>"),
        (r"file://\S+", "<store>"),
        (r"[ ]{2,}", "  "),
    ];
    RULES.iter().fold(text.to_owned(), |text, (pattern, with)| {
        Regex::new(pattern).unwrap().replace_all(&text, *with).into_owned()
    })
}

/// Runs a step, with the places of this host for those that the README names, and holds it to what it should print.
pub(crate) fn follow(host: &Host, step: &Step, dir: &Path) {
    let store = host.path("srv").display().to_string();
    let line = step
        .command
        .replace("/srv/backups/si", &store)
        .replace("/media/", &format!("{}/", host.path("media").display()))
        .replace("/tmp/mended", &host.path("mended").display().to_string())
        .replace("/tmp/state", &host.path("state").display().to_string());
    let ran = host.shell(&line, dir).expect(0);
    if !step.output.is_empty() {
        // What follows the shown lines is left out where a document says what a refusal begins with.
        let (said, shown) = (plain(&ran.stdout), plain(&step.output));
        let is_as_shown =
            if step.command.contains("|| [") { said.starts_with(&shown) } else { said == shown };
        assert!(is_as_shown, "{}:\n{said}\ninstead of\n{shown}", step.command);
    }
}

fn has_age() -> bool {
    let there =
        ["age", "age-keygen", "zstd"].map(|program| Command::new(program).arg("--version").output().is_ok());
    let all = there.iter().all(|there| *there);
    if !all {
        assert!(
            std::env::var_os("SI_BACKUP_REQUIRE_PARTS").is_none(),
            "age or zstd is missing: scripts/setup"
        );
        skipped("age or zstd is missing: scripts/setup");
    }
    all
}

#[test]
fn what_it_says_to_try_is_there() {
    for step in steps("## Try it").into_iter().flatten() {
        let script = step.command.split_whitespace().next().unwrap();
        assert!(repository().join(script).is_file(), "{script}");
    }
}

#[test]
fn what_it_says_works() {
    if !has_age() {
        return;
    }
    let host = Host::with_state(&small());
    let mut uses = steps("## Use it").into_iter();
    let (first, second) = (uses.next().unwrap(), uses.next().unwrap());
    let (install, first) = first.split_first().unwrap();
    let package = install.command.strip_prefix("cargo install --path ").unwrap();
    assert!(repository().join(package).join("src/main.rs").is_file(), "{package}");
    assert!(first.len() >= 5 && first.iter().any(|step| !step.output.is_empty()));
    for step in first {
        follow(&host, step, host.root());
    }
    for step in &second {
        follow(&host, step, host.root());
        if step.command.starts_with("age-keygen") {
            let key = fs::read_to_string(host.path("second.txt")).unwrap();
            let public = key.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
            host.edit_settings("recipients = [", &format!("recipients = [\"{public}\", "));
        }
    }
    let sheet = fs::read_to_string(host.path("sheet.txt")).unwrap();

    let mut losses = steps("### When something is lost").into_iter();
    for step in &losses.next().unwrap() {
        follow(&host, step, host.root());
    }
    let live = tree(&host.context());
    let equals_the_live_state = |back: &Path| {
        let back = tree(back);
        assert!(back.len() >= 10, "{:?}", back.keys());
        for (path, bytes) in back {
            // The run told of itself in there afterwards.
            assert!(
                live[&path].starts_with(&bytes) && (path == "events/audit.jsonl" || live[&path] == bytes),
                "{path}"
            );
        }
    };
    equals_the_live_state(&host.path("state"));

    // With the second identity alone, as after the loss of the host.
    let dir = host.path("elsewhere");
    fs::create_dir(&dir).unwrap();
    let id = sheet.lines().find_map(|line| line.trim().strip_suffix("   proved: content")).unwrap();
    let bundle = host.path("srv/state/default").join(id).join("bundle.tar.zst.age");
    fs::copy(bundle, dir.join("bundle.tar.zst.age")).unwrap();
    fs::copy(host.path("second.txt"), dir.join("identity.txt")).unwrap();
    let stock = losses.next().unwrap();
    assert_eq!(stock.len(), 2, "{stock:?}");
    let sum = host.shell(&stock[0].command, &dir).expect(0).stdout;
    assert!(sheet.contains(&format!("sha256:{}", sum.split(' ').next().unwrap())), "{sum}");
    follow(&host, &stock[1], &dir);
    equals_the_live_state(&dir.join("context"));
}
