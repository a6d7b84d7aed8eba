//! The databases of apps: their buckets, and what is known of the backups in them.

mod bucket;
pub(crate) mod env_file;
pub(crate) mod file;
mod shelf;

pub use bucket::AppBucket;
pub use shelf::AppShelf;
