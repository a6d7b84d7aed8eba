//! Programs that use the libraries of si-backup alone; each is a file in `src/bin/`.
//!
//! - `back_up_context` backs up a context of si and reads it back.
//! - `deploy_under_lock` changes an app unless a restore keeps it from being changed.
//!
//! The crate `retention` has an example of its own, which prunes a plain directory of dated files.
