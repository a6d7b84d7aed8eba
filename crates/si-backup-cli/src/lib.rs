//! si-backup-cli: introduction to come.
