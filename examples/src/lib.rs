//! Programs that use the libraries of si-backup alone; see `src/bin/`.
