//! retention: introduction to come.
