//! The private state of one si context, backed up so that it can be proved and opened again.
//!
//! | step | here |
//! |---|---|
//! | what a context holds, and what of it is taken | [`ContextDir`], [`Inventory`], [`Class`] |
//! | what must not be in a backup | the secret scan: [`Finding`](backup_contract::Finding)s, and reviewed exceptions in an [`AllowList`] |
//! | reading beside a running si | [`Reading`], as patiently as [`Patience`] says |
//! | sealing: tar, zstd, age | [`Recipients`], [`Sealing`], [`Reading::back_up`] |
//! | what is stored | [`Record`] in the open, [`Manifest`] inside |
//! | what there is | [`Catalogue`] |
//! | what goes again | [`Purge`] |
//! | proving, and opening again | [`UnverifiedBundle`] → [`VerifiedBundle`] or [`StagedTree`], with [`Identities`] |
//! | what changed | [`Side::compare`] |
//! | which files a restore replaces | [`spoken_for`] |
//! | keeping events that a restore would lose | [`carry_events_into`], [`carry_events_from`] |
//! | whether the secrets that it refers to are still the same | [`VaultPrints`], [`compare_vault`] |
//! | the apps that a context runs | [`deployed_apps`] |
//! | the context's own event log | [`append_event`], [`newest_events`] |
//!
//! A bundle is `age` over `zstd` over `tar`, so that three common programs open it in the worst hour. Nothing in this
//! crate writes into a context, except [`append_event`], which appends whole lines to one log.

mod apps;
mod backup;
mod blocks;
mod bundle;
mod carry;
mod catalogue;
mod compare;
mod context;
mod diff;
mod encryption;
mod error;
mod events;
mod foreign;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod inspect;
mod inventory;
mod jsonl;
mod layout;
mod manifest;
mod names;
mod open;
mod path;
mod purge;
mod record;
mod restored;
mod scan;
mod seal;
mod stable;
mod unpack;
mod vault;
mod watch;

pub use apps::{DeployedApp, deployed_apps};
pub use backup::{Backup, Inspection, Reading, Sealing};
pub use bundle::{UnverifiedBundle, VerifiedBundle};
pub use carry::{Carried, carry_events_from, carry_events_into};
pub use catalogue::{Catalogue, Stray, read_record};
pub use context::{ContextDir, contexts_of};
pub use diff::{Change, Difference, KeyChange, Side, is_store};
pub use encryption::{Identities, Recipients};
pub use error::{BundleFault, Error};
pub use events::{Event, append_event, newest_events, tells_of};
pub use foreign::foreign_files;
pub use inventory::{Entry, Inventory};
pub use layout::{AUDIT_LOG, Class, OWN_DIRECTORY, OptionalTree, PROTECTED, Shape};
pub use manifest::{AllowedSecret, FileEntry, LeftOut, MANIFEST_FORMAT, MANIFEST_VERSION, Manifest};
pub use path::StatePath;
pub use purge::{Consent, Fate, Purge, Purged, Purges, lock_of};
pub use record::{RECORD_FORMAT, RECORD_VERSION, Record, bundle_key, objects_of, prefix_of, record_key};
pub use restored::spoken_for;
pub use scan::AllowList;
pub use stable::Patience;
pub use unpack::{StagedTree, Staging};
pub use vault::{VaultPrints, compare_vault};
pub use watch::{Unwatched, Watch};

/// The result of an operation on a private state.
pub type Result<T> = std::result::Result<T, Error>;
