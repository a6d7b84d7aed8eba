/// How a caller follows a long piece of work, and stops it.
///
/// Called often and from several threads: an implementation counts or sets a flag, and draws elsewhere.
pub trait Watch: Sync {
    /// `bytes` more of the plain data were read.
    fn advanced(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Whether the work is to end with [`Error::Stopped`](crate::Error::Stopped), leaving nothing behind.
    fn stop(&self) -> bool {
        false
    }
}

/// Nobody watches: the work runs to its end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}
