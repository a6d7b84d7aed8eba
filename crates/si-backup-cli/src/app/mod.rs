//! The databases of apps: their buckets, and what is known of the backups in them.

mod bucket;
pub(crate) mod containers;
pub(crate) mod env_file;
mod environment;
pub(crate) mod file;
pub(crate) mod server;
mod shelf;
pub(crate) mod wal_get;

pub use bucket::AppBucket;
pub use environment::AppEnvironment;
pub use server::{Answers, AppServer};
pub use shelf::AppShelf;
pub(crate) use shelf::cluster_detail;
