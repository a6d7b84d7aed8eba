//! Every system call by which a restore changes something lies between two fail points: held against what `strace` sees.

use crate::harness::skipped;
use crate::killed_restores::Act;
use crate::stage::{Stage, Start};
use regex::Regex;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The calls by which something of a file system is changed.
const CHANGES: &str = "open,openat,creat,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,\
    symlink,symlinkat,mknod,mknodat,chmod,fchmod,fchmodat,chown,lchown,fchown,fchownat,truncate,ftruncate,fallocate,\
    utimensat,setxattr,lsetxattr,fsetxattr,removexattr,lremovexattr,fremovexattr,fsync,fdatasync,syncfs,write,writev,\
    pwrite64,pwritev,pwritev2,copy_file_range,sendfile,splice";

/// What a trace says that is changed below `root` outside of two fail points, whose names go to the file `points`.
fn outside(trace: &str, root: &str, points: &str) -> Vec<String> {
    let line = Regex::new(r"^(\d+) +(\w+)\((.*)$").unwrap();
    let here = Regex::new("AT_FDCWD<[^>]*>").unwrap();
    let mut is_inside: BTreeMap<&str, bool> = BTreeMap::new();
    let mut found = Vec::new();
    for parts in trace.lines().filter_map(|text| line.captures(text)) {
        let (process, call) = (parts.get(1).unwrap().as_str(), &parts[2]);
        let arguments = here.replace_all(&parts[3], "AT_FDCWD");
        let is_inside = is_inside.entry(process).or_default();
        if call == "write" && arguments.contains(&format!("<{points}>")) {
            *is_inside = !*is_inside;
            continue;
        }
        let is_opening = call.starts_with("open");
        let makes = arguments.contains("O_CREAT") || arguments.contains("O_TRUNC");
        if arguments.contains(root) && !*is_inside && (!is_opening || makes) && !arguments.contains(points) {
            found.push(format!("{call}({arguments}"));
        }
    }
    found
}

/// What is unpacked beside its place is nobody's until it is renamed, and swept when it never is.
fn is_unpacking(call: &str) -> bool {
    call.contains("/.state.incoming.si-backup-")
}

#[test]
fn every_change_is_between_two_fail_points() {
    if !Path::new("/usr/bin/strace").exists() {
        assert!(std::env::var_os("SI_BACKUP_REQUIRE_PARTS").is_none(), "strace is missing: scripts/setup");
        return skipped("strace is missing: scripts/setup");
    }
    let stage = Stage::new(Start::Damaged);
    let (root, trace) = (stage.host.root().to_str().unwrap(), stage.host.path("trace"));
    let points = stage.host.path("points");
    for act in Act::ALL {
        act.prepare(&stage);
        let program = stage.host.command(act.args());
        let mut command = Command::new("/usr/bin/strace");
        command
            .args(["-f", "-y", "-qq", "-e", "signal=none", "-e", &format!("trace={CHANGES}"), "-o"])
            .arg(&trace);
        command
            .arg(program.get_program())
            .args(program.get_args())
            .current_dir(stage.host.root())
            .env_clear();
        command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ran = command.env("SI_BACKUP_FAIL_POINTS_TO", &points).output().unwrap();
        if !ran.status.success() && String::from_utf8_lossy(&ran.stderr).contains("ptrace") {
            return skipped("nothing may be traced here");
        }
        assert!(ran.status.success(), "{act:?}: {}", String::from_utf8_lossy(&ran.stderr));
        let text = fs::read_to_string(&trace).unwrap();
        let mut found = outside(&text, root, points.to_str().unwrap());
        found.retain(|call| !is_unpacking(call));
        assert!(found.is_empty(), "{act:?} changes something outside of fail points: {found:#?}");
        let told = text.matches(&format!("<{}>", points.display())).count();
        assert!(told > 20, "{act:?}: {told} fail points");
    }
}

#[test]
fn a_change_outside_of_them_is_seen() {
    let trace = "\
7  write(3</r/points>, \"rename\\n\", 7) = 7
7  renameat2(5</r/a>, \"x\", 6</r/b>, \"y\", RENAME_EXCHANGE) = 0
8  unlinkat(5</r/a>, \"z\", 0) = 0
7  write(3</r/points>, \"rename\\n\", 7) = 7
7  openat(AT_FDCWD</r>, \"/etc/x\", O_RDONLY|O_CREAT) = 9
7  openat(5</r/a>, \"x\", O_RDONLY) = 9
7  openat(5</r/a>, \"x\", O_RDWR|O_CREAT <unfinished ...>
7  fsync(9</r/a/x>) = 0
";
    let found = outside(trace, "/r", "/r/points");
    let calls: Vec<_> = found.iter().map(|call| call.split('(').next().unwrap()).collect();
    assert_eq!(calls, ["unlinkat", "openat", "fsync"], "{found:#?}");
}
