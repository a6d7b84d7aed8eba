//! backup-contract: introduction to come.
