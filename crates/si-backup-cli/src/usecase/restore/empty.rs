use crate::{CliError, Session};
use backup_store::durable;
use backup_store::fail_point::step;
use std::path::PathBuf;

/// The directories of a context that was not there, empty: what is restored comes into them. Dropped, they are gone again
/// as far as they are still empty.
#[derive(Debug)]
pub(super) struct EmptyContext {
    /// The deepest first.
    made: Vec<PathBuf>,
}

impl EmptyContext {
    /// Makes what is missing of a context's directory.
    ///
    /// # Errors
    /// [`CliError::RepoState`], [`CliError::Store`].
    pub(super) fn make(session: &Session<'_>) -> Result<Self, CliError> {
        session.check_state_root()?;
        let context = session.state_root().join("contexts").join(session.context.as_str());
        let missing = context.ancestors().take_while(|dir| !dir.exists()).map(PathBuf::from).collect();
        durable::create_dir_all(&context, 0o700)?;
        Ok(Self { made: missing })
    }

    /// Leaves them where they are.
    pub(super) fn keep(mut self) {
        self.made.clear();
    }
}

impl Drop for EmptyContext {
    fn drop(&mut self) {
        for dir in &self.made {
            // One that somebody has put something into stays.
            if step("rmdir", || std::fs::remove_dir(dir)).is_err() {
                break;
            }
        }
    }
}
