//! An app's env file, read as compose reads it, and what it must and must not say.
//!
//! | step | type |
//! |---|---|
//! | the file as the caller found it | [`EnvFileFacts`] |
//! | its bytes | [`EnvFile`], whose values never show themselves |
//! | held against the profile and the engine | [`Environment::check`] |
//! | held against all other apps | [`PrefixUse::check_apart`] |
//! | how its bucket is reached, and opened | [`Environment::bucket`], [`Environment::bucket_key`] |
//!
//! ```
//! use backup_contract::environment::EnvFile;
//!
//! let file = EnvFile::parse(b"export WALG_S3_PREFIX=s3://backups/shop # ours\nPGHOST='db'\n")?;
//! let prefix = file.get("WALG_S3_PREFIX").and_then(|variable| variable.literal());
//! assert_eq!(prefix.map(|value| value.expose()), Some("s3://backups/shop"));
//! assert_eq!(format!("{:?}", prefix.unwrap()), "<redacted>");
//! # Ok::<(), backup_contract::Error>(())
//! ```

mod apart;
mod check;
mod dollars;
mod encryption;
mod endpoint;
mod engine_only;
mod engine_version;
mod facts;
mod file;
mod libsodium;
mod oddities;
mod parse;
mod placeholder;
mod prefix;
mod pushing;
mod reach;
mod required;
mod shadow;
mod storage;
mod value;

pub use apart::PrefixUse;
pub use check::{Environment, KeyFile};
pub use endpoint::Endpoint;
pub use facts::{EnvFileFacts, FileState, GitPlace, parse_failed};
pub use file::{EnvFile, Given, Variable};
pub use prefix::{PrefixFault, S3Prefix};
pub use reach::{BucketKey, BucketReach, S3Keys, S3Reach, SodiumBytes};
pub use shadow::STORAGE_NAMES;
pub use storage::Location;
pub use value::EnvValue;
