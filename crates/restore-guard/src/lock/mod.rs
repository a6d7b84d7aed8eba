//! The mutation lock: from a restore's first change until its checks have passed, nobody changes what was restored.
//!
//! It lies in the directory of the context, so that whoever uses the context sees it. Two things make it: a record for
//! each subject whose lock is shut, and one locked file that orders changes and shutting: who changes something holds it
//! together with others ([`MutationPass`]), who shuts a lock holds it alone. So when a lock is shut, no change is under way
//! and none can begin.

mod record;
mod state;

pub use record::ShutRecord;
pub use state::{LockStanding, MutationLock, MutationPass, PassedChecks};
