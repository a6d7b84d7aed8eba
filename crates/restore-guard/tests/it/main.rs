//! What restore-guard promises, tried from outside.
#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

mod announce;
mod checks;
mod copies;
mod envelope;
mod evidence;
mod facts;
mod fixtures;
mod gate;
#[cfg(feature = "fail-points")]
mod killed;
mod ledger;
mod lock_race;
mod openssl;
mod origin;
mod pins;
mod processes;
mod remembered;
mod standing;
mod support;
mod trail;
mod trail_mutations;
mod writers;
