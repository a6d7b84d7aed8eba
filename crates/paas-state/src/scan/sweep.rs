//! One pass over text: where a secret may be, and what the rules say there.

use super::anchors::Anchors;
use super::hit::{Secret, Value};
use super::references::few_distinct;
use super::rules::Lazy;
use super::runs::{Run, for_each_run};
use super::words::Words;
use super::{context, decode};
use memchr::memmem::Finder;
use std::ops::Range;

/// How often base64 is looked into: a value may be encoded once more.
const MOST_WRAPS: u8 = 2;
/// How far before a run a rule's anchor may begin, in bytes.
const BEFORE_RUN: usize = 24;
/// The longest stretch of text that a pattern is tried on, in bytes.
const REACH: usize = 40 * 1024;

/// What a sweep comes upon.
pub(super) enum Spot {
    /// A secret.
    Found(Found),
    /// A place that only a parser can judge.
    Maybe(usize),
}

/// A secret, and where in the text it is.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) range: Range<usize>,
    pub(super) secret: Secret,
    /// Whether its name or place gave it away, not its form. A form says more.
    pub(super) by_context: bool,
}

/// The rules, and what finds the places to try them.
pub(super) struct Sweeper {
    rules: Vec<Lazy>,
    anchors: Anchors,
    words: Words,
    authority: Finder<'static>,
}

impl Sweeper {
    pub(super) fn new() -> Self {
        let rules = Lazy::all();
        let anchors = Anchors::new(&rules);
        Self { rules, anchors, words: Words::new(), authority: Finder::new(b"://") }
    }

    /// Tells of everything in a text that is or may be a secret, in no order.
    pub(super) fn sweep(&self, text: &[u8], tell: &mut dyn FnMut(Spot)) {
        self.sweep_wrapped(text, 0, tell);
    }

    fn sweep_wrapped(&self, text: &[u8], wraps: u8, tell: &mut dyn FnMut(Spot)) {
        for_each_run(text, |run| self.run(text, run, wraps, tell));
        self.words.for_each(text, |at| {
            if text[at..].starts_with(b"TE KEY") {
                self.rules_of("private-key", text, at.saturating_sub(8), wraps, tell);
                return at + 6;
            }
            context::word(text, at, wraps, tell)
        });
        for at in self.authority.find_iter(text) {
            context::url(text, at, wraps, tell);
        }
        for at in memchr::memchr_iter(b'~', text) {
            if text[..at].last() == Some(&b'Q') {
                self.rules_of("azure-client-secret", text, at - 1, wraps, tell);
            }
        }
    }

    fn run(&self, text: &[u8], run: Run, wraps: u8, tell: &mut dyn FnMut(Spot)) {
        let Run { range, hex, plain } = run;
        let len = range.len();
        if hex && len == 50 {
            self.rules_of("mailgun-key", text, range.start, wraps, tell);
        }
        if plain || (hex && len <= 64) {
            return;
        }
        let window = range.start.saturating_sub(BEFORE_RUN)..range.end;
        self.anchors.for_each(text, window, |rule, at| self.try_rule(rule, text, at, wraps, tell));
        if len >= 34 && text[range.start] == b'A' && range.start > 0 && text[range.start - 1] == b':' {
            self.rules_of("telegram-bot-token", text, range.start, wraps, tell);
        }
        if text.get(range.end) == Some(&b'.') && matches!(text[range.start], b'M' | b'N' | b'O') {
            self.rules_of("discord-bot-token", text, range.start, wraps, tell);
        }
        if wraps < MOST_WRAPS {
            decode::for_each_text(&text[range.clone()], |part, decoded| {
                let place = range.start + part.start..range.start + part.end;
                self.sweep_wrapped(decoded, wraps + 1, &mut |spot| {
                    if let Spot::Found(found) = spot {
                        tell(Spot::Found(Found { range: place.clone(), ..found }));
                    } else {
                        tell(Spot::Maybe(place.start));
                    }
                });
            });
        }
    }

    fn rules_of(&self, kind: &str, text: &[u8], at: usize, wraps: u8, tell: &mut dyn FnMut(Spot)) {
        for index in 0..self.rules.len() {
            if self.rules[index].rule.kind == kind {
                self.try_rule(index, text, at, wraps, tell);
            }
        }
    }

    /// Tries a rule whose anchor is at `at`.
    fn try_rule(&self, index: usize, text: &[u8], at: usize, wraps: u8, tell: &mut dyn FnMut(Spot)) {
        let rule = self.rules[index].rule;
        if rule.back == 0 && at > 0 && text[at - 1].is_ascii_alphanumeric() {
            return;
        }
        let Some(regex) = self.rules[index].regex() else { return };
        let from = at.saturating_sub(rule.back);
        let reach = &text[from..text.len().min(at + REACH)];
        let mut start = 0;
        while let Some(groups) = regex.captures_at(reach, start) {
            let Some(whole) = groups.get(0) else { return };
            if from + whole.start() > at {
                return;
            }
            if from + whole.end() > at {
                let value = groups.get(1).unwrap_or(whole);
                let body = &value.as_bytes()[rule.public.min(value.len())..];
                if !few_distinct(body, 4) {
                    let secret = Secret {
                        kind: rule.kind,
                        value: Value(value.as_bytes().to_vec()),
                        public: rule.public,
                        wraps,
                    };
                    let range = from + value.start()..from + value.end();
                    tell(Spot::Found(Found { range, secret, by_context: false }));
                }
                return;
            }
            start = whole.end().max(whole.start() + 1);
        }
    }
}

/// Of secrets that lie over each other the one that says most: a form before a name, plain before wrapped, longer before
/// shorter.
pub(super) fn choose(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_key(|found| {
        (found.by_context, found.secret.wraps, usize::MAX - found.range.len(), found.range.start)
    });
    let mut kept: Vec<Found> = Vec::new();
    for one in found {
        let overlaps = |other: &Found| other.range.start < one.range.end && one.range.start < other.range.end;
        // Several secrets may come out of one wrapping, and share its range.
        let beside = |other: &Found| {
            other.secret.wraps > 0
                && one.secret.wraps > 0
                && other.secret.value != one.secret.value
                && !one.by_context
        };
        if !kept.iter().any(|other| overlaps(other) && !beside(other)) {
            kept.push(one);
        }
    }
    kept.sort_by_key(|found| found.range.start);
    kept
}
