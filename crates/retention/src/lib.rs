#![doc = include_str!("../README.md")]

mod canonical;
mod decide;
mod error;
mod explain;
mod forecast;
mod found;
mod index;
mod lock;
mod period;
mod plan;
mod point;
mod policy;
mod reason;
#[cfg(feature = "serde")]
mod row;
mod schedule;
mod slots;
mod snapshot;
mod sort;

pub use error::Error;
pub use explain::{Ending, Explanation, Remedy, explain};
pub use forecast::{Forecast, ForecastDay, forecast};
pub use lock::{LockHorizon, LockStep, Locking, lock_horizon, lock_horizons};
pub use period::{Slot, Tier};
pub use plan::{Decision, Outcome, Plan, Summary, plan};
pub use point::Chain;
pub use policy::{Count, Counting, Counts, Policy};
pub use reason::{DropReason, Reason, Rule};
#[cfg(feature = "serde")]
pub use row::{PlanRow, ReasonRow, Row};
pub use schedule::{Arrival, Rhythm, Schedule};
pub use snapshot::{Kind, Snapshot};
