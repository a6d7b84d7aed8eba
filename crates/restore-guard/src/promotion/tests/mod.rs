mod changed;
#[cfg(feature = "fail-points")]
mod child;
pub(super) mod fault;
mod faults;
mod formats;
#[cfg(feature = "fail-points")]
mod killed;
mod laws;
mod many;
mod round;
mod support;
