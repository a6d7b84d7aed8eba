//! What one backup needs, fetched into a local WAL-G prefix: an engine then unpacks from files whose bytes are known.
//!
//! An engine does its own GETs, takes no version, and hashes nothing. So the objects are downloaded by our own store,
//! several at once and hashed on the way, and the engine is pointed at the directory (`WALG_FILE_PREFIX`). The
//! fingerprint that comes out of it is that of the bytes that are unpacked: what is used is what was proved.
//!
//! The WAL up to the target is fetched with it, which is the read-ahead of [`wal_get`](crate::wal_get): a replay that asks
//! for one segment after the other never waits for a round trip. It may also be left out, and fetched as it is asked for.

mod fetch;
mod plan;
mod record;
pub(crate) mod space;

pub use fetch::{Fetch, Mirror};
pub use plan::{MirrorObject, MirrorPlan, MirrorWal};
pub use space::free_bytes;
