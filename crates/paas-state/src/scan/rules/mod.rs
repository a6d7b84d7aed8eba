//! What secrets look like: one rule a kind, each from its vendor's published format.
//!
//! A rule has literal anchors, found by one automaton, and a pattern that is tried only there. A body of few different
//! characters (`ghp_xxxx…`) is a mask whatever the prefix.

mod cloud;
mod forge;
mod infrastructure;
mod key;
mod messaging;
mod model;
mod service;

use regex::bytes::{Regex, RegexBuilder};
use std::sync::OnceLock;

/// How one kind of secret is recognised.
pub(super) struct Rule {
    /// The kind's stable identifier.
    pub(super) kind: &'static str,
    /// Where its vendor publishes the format.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for whoever reviews the rule, and for the test of the rules")
    )]
    pub(super) source: &'static str,
    /// Texts of which one is in every secret of the kind.
    pub(super) anchors: &'static [&'static str],
    /// How far before an anchor a secret may begin, in bytes.
    pub(super) back: usize,
    /// What it matches; its first group is the value, if it has one.
    pub(super) pattern: &'static str,
    /// How many leading characters of the value are public and may be shown.
    pub(super) public: usize,
}

/// The rules of all vendors.
pub(super) const GROUPS: [&[Rule]; 7] = [
    key::RULES,
    cloud::RULES,
    forge::RULES,
    messaging::RULES,
    service::RULES,
    model::RULES,
    infrastructure::RULES,
];

/// A rule with its pattern, which is compiled when it is first needed: most never are.
pub(super) struct Lazy {
    pub(super) rule: &'static Rule,
    regex: OnceLock<Option<Regex>>,
}

impl Lazy {
    pub(super) fn all() -> Vec<Self> {
        GROUPS.into_iter().flatten().map(|rule| Self { rule, regex: OnceLock::new() }).collect()
    }

    /// The pattern; one without look-behind matches at the start only. `None` is shown to be impossible by a test.
    pub(super) fn regex(&self) -> Option<&Regex> {
        self.regex
            .get_or_init(|| {
                let Rule { pattern, back, .. } = self.rule;
                let anchored = if *back == 0 { r"\A(?:" } else { "(?:" };
                compile(&format!("{anchored}{pattern})"))
            })
            .as_ref()
    }
}

fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern).unicode(false).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_compiles_and_is_documented() {
        for lazy in Lazy::all() {
            let Rule { kind, source, anchors, back, public, .. } = lazy.rule;
            assert!(lazy.regex().is_some(), "{kind}");
            assert!(source.starts_with("https://"), "{kind}");
            assert!(anchors.iter().all(|anchor| anchor.len() >= 2), "{kind}");
            assert!(*back <= 64 && *public <= 17, "{kind}");
            assert!(kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{kind}");
        }
    }
}
