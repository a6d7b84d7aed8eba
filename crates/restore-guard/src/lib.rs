//! restore-guard: introduction to come.
