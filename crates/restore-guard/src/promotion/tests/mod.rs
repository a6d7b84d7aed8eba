#[cfg(feature = "fail-points")]
mod child;
pub(super) mod fault;
#[cfg(feature = "fail-points")]
mod killed;
mod round;
mod support;
