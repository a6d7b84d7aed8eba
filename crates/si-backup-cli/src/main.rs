//! The `si-backup` program.
fn main() {}
