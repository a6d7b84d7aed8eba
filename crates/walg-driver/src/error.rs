use thiserror::Error as ThisError;

/// What went wrong with a bucket.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The store refused, or an object was not what was recorded.
    #[error(transparent)]
    Store(#[from] backup_store::Error),
}

impl Error {
    /// A stable, kebab-case code for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
        }
    }

    /// What to do next, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Store(error) => error.hint(),
        }
    }
}

/// The result of an operation on a bucket.
pub type Result<T> = std::result::Result<T, Error>;
