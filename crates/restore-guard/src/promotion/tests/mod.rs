pub(super) mod fault;
mod round;
mod support;
