//! backup-store: introduction to come.
