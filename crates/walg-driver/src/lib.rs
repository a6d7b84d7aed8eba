//! walg-driver: introduction to come.
