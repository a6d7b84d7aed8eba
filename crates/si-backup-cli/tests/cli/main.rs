//! The program end to end: the real binary in a world of its own, and the library where the clock must stand still.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod aftermath;
mod apps;
mod bad_input;
mod beside_si;
mod bucket;
mod by_hand;
mod clock;
mod clusters;
mod commands;
mod compose;
mod contained_rehearsals;
mod containers;
mod contract;
mod crashes;
mod databases;
#[path = "../../../walg-driver/tests/docker/mod.rs"]
mod docker;
mod extracting;
mod extracting_databases;
mod faulty_restores;
mod gate;
mod git;
mod hard_times;
mod harness;
mod help;
mod interrupted;
mod killed_restores;
mod majors;
mod model;
mod operations;
mod output;
mod policy;
mod postgres;
mod readme;
mod rehearsals;
mod restoring;
mod rows;
mod schemas;
mod secrets;
#[path = "../../../walg-driver/tests/docker/server_image.rs"]
mod server_image;
mod servers;
mod stage;
mod tampering;
mod together;
mod unguarded_calls;
mod walg;
mod way_back;

use harness::skipped;
