//! Backups restored into a real server: what comes back, and what is refused.
//!
//! The program is its own restore command: called with `wal-get` it brings one file of a mirror.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its data fails")]

#[path = "../clock/mod.rs"]
mod clock;
#[path = "../docker/mod.rs"]
mod docker;
#[path = "../docker/server_image.rs"]
mod server_image;
#[path = "../support/mod.rs"]
mod support;

mod contained;
#[cfg(feature = "embedded")]
mod engine;
mod extracted;
mod held;
mod hostile;
mod leftovers;
mod refused;
mod restored;
mod stage;
#[cfg(feature = "embedded")]
mod timelines;

use clock::skipped;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// The tests of this program, by name.
const TESTS: &[(&str, fn())] = &[
    ("a_full_comes_back_to_the_end_of_the_archive", restored::to_the_end),
    ("wal_that_waits_decoded_is_not_asked_for", restored::wal_that_waits),
    ("a_full_comes_back_as_it_was_when_it_was_made", restored::to_the_end_of_the_backup),
    ("a_full_comes_back_up_to_a_place_and_up_to_a_time", restored::to_a_point),
    ("an_encrypted_bucket_comes_back", restored::encrypted),
    #[cfg(feature = "embedded")]
    ("chains_come_back_as_the_engine_unpacks_them", engine::chains),
    #[cfg(feature = "embedded")]
    ("an_engine_that_restores_nothing_is_found_out", engine::restored_nothing),
    #[cfg(feature = "embedded")]
    ("an_engine_that_gives_up_is_a_check_that_failed", engine::engine_gives_up),
    #[cfg(feature = "embedded")]
    ("a_cluster_that_was_promoted_comes_back_on_either_timeline", timelines::both),
    ("what_cannot_work_is_refused_before_the_first_byte", refused::before_the_first_byte),
    ("a_disk_that_ran_full_is_no_fault_of_the_backup", refused::full_disk),
    ("an_engine_that_does_not_start_is_no_fault_of_the_backup", refused::no_engine),
    ("targets_are_held_against_the_archive", refused::targets),
    ("a_time_behind_the_last_commit_is_no_fault_of_the_backup", refused::time_behind_the_last_commit),
    ("a_restore_command_that_does_not_know_is_never_the_end", refused::unknown_is_not_the_end),
    ("what_says_nothing_of_the_backup_is_an_error", refused::what_says_nothing_of_the_backup),
    ("an_archive_that_ends_early_is_not_reached", refused::ended_early),
    ("damaged_wal_is_a_check_that_failed", held::damaged_wal),
    ("other_bytes_than_recorded_are_not_unpacked", held::other_bytes_than_recorded),
    ("a_tar_with_a_way_out_is_not_unpacked", held::ways_out_of_a_tar),
    ("a_place_that_others_can_write_to_is_refused", held::a_place_that_others_can_write_to),
    ("what_the_bucket_has_no_longer_is_not_replayed", held::an_older_mirror),
    ("a_sentinel_that_is_altered_meanwhile_is_found", held::a_sentinel_that_is_altered_meanwhile),
    ("what_unpacks_has_the_copy_alone", held::an_engine_has_the_copy_alone),
    ("what_is_extracted_has_every_file_that_a_server_needs", extracted::without_settings),
    ("damaged_wal_is_not_extracted_where_it_is_needed", extracted::damaged_wal),
    ("what_an_engine_left_is_looked_at", hostile::what_an_engine_left),
    ("a_question_of_an_app_starts_no_program", hostile::app_checks),
    ("settings_of_the_source_have_no_say", hostile::settings_of_the_source),
    ("what_a_killed_verification_left_is_removed_by_the_next", leftovers::killed),
    ("in_a_container_a_full_comes_back", contained::restored),
    ("in_a_container_a_server_has_the_copy_alone", contained::confined),
    ("in_a_container_what_cannot_work_is_refused_before_the_first_byte", contained::refused),
    ("in_a_container_lost_wal_is_never_the_end", contained::lost_wal),
    ("in_a_container_what_ends_it_says_nothing_of_the_backup", contained::ended),
    ("in_a_container_no_answer_is_not_a_wrong_one", contained::unanswered),
    ("in_a_container_what_was_killed_is_removed_by_the_next", contained::killed),
];

fn main() -> ExitCode {
    #[cfg(feature = "embedded")]
    if let Some(code) = walg_driver::engine::dispatch_engine() {
        return code;
    }
    let args: Vec<String> = env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("wal-get") => return stage::wal_get_here(&args[1..]),
        Some("hang") => return leftovers::hang(&args[1..]),
        Some("hang-contained") => return contained::hang(&args[1..]),
        Some("--list") => {
            for (name, _) in TESTS {
                say(&format!("{name}: test"));
            }
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    if let Err(why) = stage::parts() {
        say(&format!("skipped: {why}"));
        assert!(env::var_os("SI_BACKUP_REQUIRE_PARTS").is_none(), "a part of the tests is missing: {why}");
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let mut failed = 0;
    for (name, test) in TESTS {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        let passed = catch_unwind(AssertUnwindSafe(test)).is_ok();
        failed += usize::from(!passed);
        say(&format!("test {name} ... {}", if passed { "ok" } else { "FAILED" }));
    }
    contained::over();
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stdout, reason = "what a test runner says")]
fn say(line: &str) {
    println!("{line}");
}
