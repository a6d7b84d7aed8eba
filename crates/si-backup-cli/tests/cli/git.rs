//! Nothing of a backup may lie where it could be committed and pushed.

use crate::harness::{Host, small};
use std::fs;
use std::path::Path;

/// Makes a git work tree of a directory: by a directory, or by a file as submodules and linked work trees have it.
fn make_work_tree(dir: &Path, by_file: bool) {
    if by_file {
        fs::write(dir.join(".git"), "gitdir: /elsewhere\n").unwrap();
    } else {
        fs::create_dir(dir.join(".git")).unwrap();
    }
}

#[test]
fn the_state_root() {
    for by_file in [false, true] {
        let mut host = Host::ready();
        make_work_tree(&host.state_root(), by_file);
        for args in [&["run"][..], &["run", "--dry-run"], &["events", "list"]] {
            let said = host.json(args).expect(2).error("state-root-in-git");
            assert!(said.contains("SI_PAAS_ALLOW_REPO_STATE"), "{said}");
        }
        assert!(host.ids().is_empty());
        let doctor = host.json(["doctor"]).expect(10).data();
        assert!(doctor.iter().any(|check| check["code"] == "state-root-in-git"), "{doctor:#?}");
        for (value, code) in
            [("0", 2), ("no", 2), ("", 2), ("1", 0), ("true", 0), ("yes", 0), ("on", 0), ("TRUE", 0)]
        {
            host.setenv("SI_PAAS_ALLOW_REPO_STATE", value);
            host.json(["run", "--dry-run"]).expect(code);
        }
        host.json(["run"]).expect(0);
    }
}

#[test]
fn the_store() {
    for by_file in [false, true] {
        let (host, _) = Host::backed_up();
        make_work_tree(&host.store(), by_file);
        for args in [&["run"][..], &["list"], &["verify"]] {
            host.json(args).expect(2).error("inside-git-work-tree");
        }
        let fresh = Host::with_state(&small());
        fs::create_dir(fresh.path("store/below")).unwrap();
        make_work_tree(&fresh.store(), by_file);
        let url = format!("{}/below", fresh.store_url());
        fresh.json(["init", "--store", &url]).expect(2).error("inside-git-work-tree");
        assert!(!fresh.config().exists());
    }
}

#[test]
fn the_target_of_an_extraction() {
    for by_file in [false, true] {
        let (host, id) = Host::backed_up();
        let tree = host.path("tree");
        fs::create_dir_all(&tree).unwrap();
        make_work_tree(&tree, by_file);
        std::os::unix::fs::symlink(&tree, host.path("link")).unwrap();
        for into in ["tree/back", "link/back", "link"] {
            let args = ["extract", &id, "--into", host.path(into).to_str().unwrap()].map(str::to_owned);
            host.json(args).expect(2).error("inside-git-work-tree");
        }
        assert_eq!(fs::read_dir(&tree).unwrap().count(), 1);
        let sheet = tree.join("sheet.txt");
        host.json(["kit", "--out", sheet.to_str().unwrap()]).expect(2).error("inside-git-work-tree");
        assert!(!sheet.exists());
    }
}

#[test]
fn the_home_of_the_program() {
    for by_file in [false, true] {
        let mut host = Host::with_state(&small());
        let tree = host.path("tree");
        fs::create_dir(&tree).unwrap();
        make_work_tree(&tree, by_file);
        host.setenv("SI_BACKUP_HOME", tree.join("home"));
        for args in [&["init", "--store", &host.store_url()][..], &["audit", "list"]] {
            let ran = host.json(args);
            assert_ne!(ran.code, Some(0), "{args:?}");
        }
        let elsewhere = host.path("config.toml");
        let args = ["init", "--store", &host.store_url(), "--config", elsewhere.to_str().unwrap()];
        host.json(args).expect(2).error("inside-git-work-tree");
        assert!(!tree.join("home").exists() && !elsewhere.exists(), "no key is made there");
    }
}

#[test]
fn a_home_that_became_a_work_tree() {
    let (host, id) = Host::backed_up();
    // As somebody does who keeps the settings of a home directory in git.
    make_work_tree(&host.home(), false);
    for args in [
        &["run"][..],
        &["verify"],
        &["pin", &id, "--reason", "x"],
        &["audit", "list"],
        &["extract", &id, "--into", "x"],
    ] {
        host.json(args).expect(2).error("inside-git-work-tree");
    }
    let doctor = host.json(["doctor"]).expect(10).data();
    assert!(doctor.iter().any(|check| check["code"] == "inside-git-work-tree"), "{doctor:#?}");
    // What only reads still works: in the worst hour nobody should have to move a repository first.
    assert_eq!(host.ids(), [id]);
}
