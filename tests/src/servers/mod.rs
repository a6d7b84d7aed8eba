//! Real S3 servers on the loopback interface, and a proxy that stands between one of them and its client and does what
//! networks do.
//!
//! | server | what it has |
//! |---|---|
//! | [`VersityGw`] | the program `versitygw`: versions, Object Lock, conditional writes, TLS |
//! | [`FsServer`] | the crate `s3s-fs`, in this process: conditional writes or, on request, none |
//! | [`Proxy`] | in front of either: a [`Fault`] for each request, chosen by the test |
//!
//! [`Admin`] looks into a server and prepares it with the SDK alone, so that what a test believes does not come from
//! the code that it tests. Every server ends with the value that stands for it.

mod admin;
mod certificate;
mod fs_server;
mod keys;
mod part;
mod proxy;
mod versity;

pub use admin::{Admin, BucketKind, VersionRow};
pub use certificate::Certificate;
pub use fs_server::{FsServer, IfNoneMatch};
pub use keys::AccessKeys;
pub use part::{has_extended_attributes, postgres_of, skipped, versitygw, wal_g};
pub use proxy::{Asked, Fault, Proxy, Schedule};
pub use versity::VersityGw;

/// The region that every server here is in.
pub const REGION: &str = "us-east-1";
