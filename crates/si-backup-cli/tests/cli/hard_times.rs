//! Databases backed up while they are written to, and onto a disk that is full.

use crate::harness::{skipped, wait_for};
use crate::postgres::Database;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What holds in every state that a transaction of `pgbench` leaves, and in none between.
const SUMS: &str = "select b = t and t = a and a = h from (select (select sum(bbalance) from pgbench_branches) b, \
    (select sum(tbalance) from pgbench_tellers) t, (select sum(abalance) from pgbench_accounts) a, \
    (select sum(delta) from pgbench_history) h) s";

/// A load that ends with the value that stands for it.
struct Load(Child);

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_is_restored_is_consistent_though_it_was_written_to_all_the_time() {
    let Some(database) = Database::in_a_directory() else { return };
    let pgbench = |args: &[&str]| {
        let mut command = database.command("pgbench");
        command.args(args).args(["-U", "postgres", "-h"]).arg(database.path("cluster").parent().unwrap());
        command.arg("postgres").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    if !Path::new(pgbench(&[]).get_program()).exists() {
        return skipped("there is no pgbench (Debian package postgresql-contrib)");
    }
    assert!(pgbench(&["-i", "-s", "2"]).status().unwrap().success());
    database.host.edit_settings(
        "checks = [{ name = \"orders\"",
        &format!("checks = [{{ name = \"sums\", sql = \"{SUMS}\", when = \"both\" }}, {{ name = \"orders\""),
    );
    let load = Load(pgbench(&["-n", "-c", "4", "-T", "600"]).spawn().unwrap());
    let written = || database.sql("select count(*) from pgbench_history").parse::<u64>().unwrap();
    wait_for("the load to begin", || written() > 100);
    let mut before = written();
    for kind in ["full", "delta"] {
        let row = database.json(&["run", "--app", "shop"]).expect(0).row();
        assert_eq!(row["kind"], kind, "{row:#}");
        let now = written();
        assert!(now > before + 100, "it was written to meanwhile: {before}, {now}");
        before = now;
    }
    drop(load);
    let archived = |database: &Database| {
        let segment = database.sql("select pg_walfile_name(pg_switch_wal())");
        wait_for("its WAL to be archived", || {
            database.sql("select last_archived_wal from pg_stat_archiver") >= segment
        });
    };
    archived(&database);
    let sums = |code: i32| {
        let row = database.json(&["verify", "--app", "shop", "--level", "restore"]).expect(code).row();
        let checks = row["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == "sums").unwrap()["ok"].clone()
    };
    assert_eq!(sums(0), true);
    // And the check would have noticed.
    database.sql("update pgbench_tellers set tbalance = tbalance + 1 where tid = 1");
    archived(&database);
    assert_eq!(sums(12), false);
}

/// A small disk, for as long as the value is there.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: PathBuf, size: &str, (uid, gid): (u32, u32)) -> Option<Self> {
        let options = format!("size={size},uid={uid},gid={gid},mode=755");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "si-backup-test"]).arg(&at).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(at))
    }

    fn enlarge(&self, size: &str) {
        let options = format!("remount,size={size}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_no_backup_and_leaves_the_server_as_it_was() {
    let Some(database) = Database::in_a_directory() else { return };
    let Some(ids) = database.ids() else { return skipped("only root can mount a disk") };
    let Some(disk) = Disk::mount(database.path("bucket"), "1500k", ids) else {
        return skipped("no tmpfs can be mounted here");
    };
    let ran = database.json(&["run", "--app", "shop", "--timeout", "2m"]).expect(14);
    let said = ran.error("engine-failed");
    assert!(said.contains("no new backup is in the bucket"), "{said}");
    assert!(database.json(&["list", "--app", "shop"]).expect(0).data().is_empty());
    let backing_up = "select count(*) from pg_stat_activity where query ilike '%pg_backup_start%' and pid <> pg_backend_pid()";
    wait_for("the server to leave backup mode", || database.sql(backing_up) == "0");
    // With room again the next run goes on, over what the first has left.
    disk.enlarge("512m");
    let row = database.json(&["run", "--app", "shop"]).expect(0).row();
    assert_eq!((&row["restorable"], &row["verified"]["level"]), (&true.into(), &"checksum".into()));
    database.stop();
}
