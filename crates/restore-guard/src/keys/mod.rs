//! Who signs evidence, and whose signature counts.

mod public;
mod published;
mod signed_text;
mod signing;
mod trusted;

pub use public::{KeyId, WriterPublicKey};
pub use published::{PublishedWriter, PublishedWriters, WriterRecord, publish_writer, published_writers};
pub use signed_text::{sign_text, signed_text};
pub use signing::WriterKey;
pub use trusted::TrustedWriters;
