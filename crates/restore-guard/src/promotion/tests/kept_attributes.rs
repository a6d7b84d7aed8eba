//! Owner, mode, access lists and extended attributes.

use super::support::{Kind, MANY, World, access_list, now, permit, set_extended, temp, tree};
use crate::Error;

#[test]
fn attributes_of_a_replaced_file_are_kept_and_no_others() {
    let home = temp();
    let world = World::new(home.path(), Kind::Files);
    set_extended(&world.staged().join("a.json"), "user.theirs", b"not wanted");
    set_extended(&world.staged().join("sub/both.json"), "system.posix_acl_access", &access_list());
    set_extended(&world.staged().join("new.json"), "system.posix_acl_access", &access_list());
    let old = world.seen();
    world.promote().unwrap();
    let new = world.seen();
    for path in ["a.json", "sub/both.json"] {
        let ((mode, owner, group, extended, _), now) = (&old[path], &new[path]);
        assert_eq!((mode, owner, group, extended), (&now.0, &now.1, &now.2, &now.3), "{path}");
    }
    assert_eq!(new["a.json"].3.keys().collect::<Vec<_>>(), ["system.posix_acl_access", "user.note"]);
    assert_eq!((new["new.json"].0, &new["new.json"].3), (0o600, &std::collections::BTreeMap::new()));
}

#[test]
fn an_attribute_that_cannot_be_kept_is_an_error_before_any_change() {
    let mut lost = Vec::new();
    for call in 1..MANY {
        let home = temp();
        let world = World::new(home.path(), Kind::Files);
        let plan = world.plan().unwrap();
        let before = tree(&world.live());
        super::fault::fail_at(call, rustix::io::Errno::PERM);
        let outcome = world.journal().promote(&plan, permit(), now());
        super::fault::fail_at(0, rustix::io::Errno::PERM);
        if world.journal().pending().unwrap().is_some() {
            outcome.unwrap_err();
            break;
        }
        assert_eq!(tree(&world.live()), before);
        if let Err(Error::AttributeLost { attribute, path, source }) = outcome {
            assert!(path.starts_with(world.live()) && source.kind() == std::io::ErrorKind::PermissionDenied);
            lost.push(attribute);
        }
    }
    lost.sort();
    lost.dedup();
    let mut all = vec!["mode", "system.posix_acl_access", "user.note"];
    if rustix::process::geteuid().is_root() {
        all.insert(1, "owner");
    }
    assert_eq!(lost, all);
}
