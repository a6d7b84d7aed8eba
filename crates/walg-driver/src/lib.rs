//! Databases in WAL-G compatible buckets: to be made, understood, verified and brought back up.
//!
//! [`bucket`] is a bucket's catalogue, [`wal`] its archive, both read from the objects alone, and [`verify`] recognises the
//! bytes of a backup. [`engine`] makes backups and unpacks them, through a [`runner`] where the server is, as a child that
//! [`process`] holds to its limits, once [`works_in()`] has seen that what it reads is the server's. What an engine says of its
//! work is never believed: the bucket is looked at. [`mirror`]
//! fetches what one backup needs, and [`scratch`] proves that it comes back up; [`wal_get()`] is its `restore_command`.
//!
//! ```no_run
//! use backup_store::DirStore;
//! use walg_driver::Cipher;
//! use walg_driver::bucket::{Bucket, Root};
//!
//! let store = DirStore::open("/srv/backups/shop")?;
//! let bucket = Bucket::read(&store, &Root::default(), &Cipher::None)?;
//! for backup in &bucket.backups {
//!     let reach = backup.reach.last().map(|reach| reach.end);
//!     println!("{}: restorable {}, up to {reach:?}", backup.id, backup.restorable());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod beside;
// The one that the tests outside have.
pub mod bucket;
#[cfg(test)]
#[path = "../tests/clock/real.rs"]
mod clock;
mod codec;
pub mod engine;
mod error;
pub mod mirror;
pub mod process;
pub mod runner;
pub mod scratch;
mod several;
pub mod verify;
pub mod wal;
mod wal_get;

pub use beside::{resolved, works_in};
pub use codec::{Cipher, Compression, SodiumKey};
#[cfg(feature = "embedded")]
pub use engine::dispatch_engine;
pub use error::{Error, Result};
pub use wal_get::{Ahead, Segments, WalGet, WalSource, wal_get, wal_get_ahead};
