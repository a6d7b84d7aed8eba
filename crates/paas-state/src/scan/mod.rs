//! Plaintext secrets in what is to be sealed.
//!
//! A state should hold references to secrets, never secrets; what is protected is therefore searched before it is
//! sealed. The search has two stages. A *sweep* runs over raw bytes at the speed of memory: it visits long unbroken runs
//! of letters and digits (where vendors' tokens and base64 are), words that promise a secret (`password`, `token`, …),
//! and the authority of URLs, and tries a [rule](rules) only there. Where it finds something in JSON, the line or document is parsed
//! and walked, so that what is reported has its place, and the value without its escapes.
//!
//! Values never leave this module: a [`Hit`] holds a redacted excerpt and a digest.

mod allow;
mod anchors;
mod context;
mod decode;
mod document;
mod hit;
mod log;
mod names;
mod raw;
mod references;
mod rules;
mod runs;
mod sweep;
mod values;
mod words;

pub use allow::AllowList;
pub(crate) use allow::Allowances;
pub(crate) use hit::Hit;
pub(crate) use log::LogScan;

use hit::Hits;
use sweep::Sweeper;

/// Finds secrets. Cheap to make; used by several threads at once.
pub(crate) struct Scanner {
    sweeper: Sweeper,
}

impl Scanner {
    /// A scanner with all rules. Patterns are compiled when they are first needed.
    pub(crate) fn new() -> Self {
        Self { sweeper: Sweeper::new() }
    }

    /// The secrets of one JSON document, with their pointers. What is no JSON is searched as text.
    pub(crate) fn scan_json_document(&self, bytes: &[u8]) -> Vec<Hit> {
        let mut hits = Hits::every_place();
        if raw::is_suspicious(&self.sweeper, bytes) {
            document::scan(&self.sweeper, bytes, None, &mut hits);
        }
        hits.finish()
    }

    /// The secrets of a text with fields such as `key: value` and `KEY=value`: YAML, env files, anything else.
    #[cfg(test)]
    pub(crate) fn scan_text(&self, bytes: &[u8]) -> Vec<Hit> {
        let mut text = self.text();
        text.feed(bytes);
        text.finish()
    }

    /// A search through a log of one JSON value a line, fed in blocks.
    pub(crate) fn log(&self) -> LogScan<'_> {
        LogScan::new(&self.sweeper, log::Form::Lines)
    }

    /// A search through any other text, fed in blocks.
    pub(crate) fn text(&self) -> LogScan<'_> {
        LogScan::new(&self.sweeper, log::Form::Text)
    }
}

#[cfg(test)]
mod tests;
