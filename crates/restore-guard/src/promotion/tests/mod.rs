mod changed;
#[cfg(feature = "fail-points")]
mod child;
pub(super) mod fault;
mod faults;
mod formats;
mod kept_attributes;
#[cfg(feature = "fail-points")]
mod killed;
mod laws;
mod links;
mod many;
mod round;
mod support;
mod undone;
