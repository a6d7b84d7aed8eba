//! An image with the server programs of this machine in it, and nothing else: no registry is asked.

use super::docker::Docker;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a server, and who asks it, runs; with what a shell needs to copy a file.
const PROGRAMS: [&str; 7] =
    ["postgres", "psql", "pg_ctl", "pg_controldata", "pg_checksums", "pg_amcheck", "pg_config"];
const TOOLS: [&str; 4] = ["sh", "cp", "sleep", "cat"];

/// Makes one of the programs in `bin`, whose users are root alone: as whom they run is a number there.
pub(crate) fn make(docker: &Docker, name: &str, bin: &Path) {
    let root = docker.dir.path().join(format!("root-{}", name.replace([':', '/'], "-")));
    let places = ["--pkglibdir", "--sharedir"].map(|what| {
        let output = Command::new(bin.join("pg_config")).arg(what).output().unwrap();
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    });
    let mut files: BTreeSet<PathBuf> = PROGRAMS.iter().map(|program| bin.join(program)).collect();
    files.extend(TOOLS.iter().map(|tool| Path::new("/usr/bin").join(tool)));
    let libraries = fs::read_dir(&places[0]).unwrap().map(|entry| entry.unwrap().path());
    // Of the extensions those that a rehearsal asks: others bring half of an operating system with them.
    files.extend(libraries.filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        path.is_file()
            && ["amcheck", "dict_snowball", "pg_stat_statements", "plpgsql"]
                .iter()
                .any(|known| name.starts_with(known))
    }));
    for file in files.clone() {
        let output = Command::new("ldd").arg(&file).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        files.extend(text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from));
    }
    files.insert(places[1].clone());
    files.extend(
        ["/usr/share/zoneinfo", "/usr/lib/locale"]
            .map(PathBuf::from)
            .into_iter()
            .filter(|path| path.exists()),
    );
    for empty in ["usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "proc", "sys", "dev", "tmp"] {
        fs::create_dir_all(root.join(empty)).unwrap();
    }
    for link in ["bin", "lib", "lib64", "sbin"] {
        std::os::unix::fs::symlink(Path::new("usr").join(link), root.join(link)).unwrap();
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/:/bin/sh\n").unwrap();
    for file in files {
        // Under the name that is asked for, where it lies in truth.
        let above = file.parent().unwrap().canonicalize().unwrap();
        let to = root.join(above.strip_prefix("/").unwrap());
        fs::create_dir_all(&to).unwrap();
        let copied = Command::new("cp").args(["-rL", "--"]).args([&file, &to]).output().unwrap();
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    }
    let tar = docker.dir.path().join("server.tar");
    let packed = Command::new("tar").arg("-C").arg(&root).arg("-cf").args([&*tar, Path::new(".")]).status();
    assert!(packed.unwrap().success());
    docker.docker(&["import", tar.to_str().unwrap(), name]).unwrap();
    fs::remove_dir_all(root).unwrap();
}
