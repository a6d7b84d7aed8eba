//! What decides whether a snapshot may take the place of live data.
//!
//! | step | type |
//! |---|---|
//! | what is asked for, and what stands in the way whatever is asked | [`RestoreRequest`], [`Obstacle`] |
//! | what there is, with what is known of it | [`Candidate`] |
//! | the answer, which is a pure function of these and the time | [`decide`] → [`Decision`] |
//! | yes: it is announced in the trail before anything is done | [`Allowed`] → [`Announced`] |
//! | the bytes are fetched, and are the proved ones | [`Materialise`], [`Announced::fetch`] → [`Permit`] |
//! | no: every reason at once, and what would do instead | [`Refusal`], [`Reason`], [`LastVerified`] |

mod allowed;
mod decide;
mod permit;
mod reason;
mod refusal;
mod request;

pub use allowed::{Allowed, Announced, Materialise, PassedOver};
pub use decide::{Decision, decide};
pub(crate) use permit::What;
pub use permit::{Grant, Permit};
pub use reason::{Obstacle, Reason};
pub use refusal::{LastVerified, Refusal};
pub use request::{AcceptedLevel, Candidate, Latest, RestoreRequest, Wanted};
