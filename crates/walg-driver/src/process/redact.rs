use aho_corasick::{AhoCorasick, MatchKind};

/// What stands where a secret stood.
const REDACTED: &[u8] = b"<redacted>";

/// Takes secrets out of a stream, also where one lies across two reads.
#[derive(Debug)]
pub(super) struct Redactor {
    secrets: Secrets,
    /// The end of what came, in which a secret may have begun.
    held: Vec<u8>,
}

#[derive(Debug)]
enum Secrets {
    None,
    Some(AhoCorasick),
    /// More than a matcher can be made of: then nothing is shown.
    TooMany,
}

impl Redactor {
    pub(super) fn new(secrets: &[&str]) -> Self {
        // The longest first: of a key and its first line, the key is what is taken out.
        let secrets = match AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(secrets) {
            _ if secrets.is_empty() => Secrets::None,
            Ok(matcher) => Secrets::Some(matcher),
            Err(_) => Secrets::TooMany,
        };
        Self { secrets, held: Vec::new() }
    }

    /// Takes what came, and gives on what can hold no secret any more.
    pub(super) fn feed(&mut self, bytes: &[u8], give: &mut impl FnMut(&[u8])) {
        let secrets = match &self.secrets {
            Secrets::None => return give(bytes),
            Secrets::Some(secrets) => secrets,
            Secrets::TooMany => return,
        };
        self.held.extend_from_slice(bytes);
        // Every match that begins before this is known in its whole length.
        let settled = self.held.len().saturating_sub(secrets.max_pattern_len().saturating_sub(1));
        let done = redact(secrets, &self.held, settled, give);
        self.held.drain(..done);
    }

    /// Gives on the rest.
    pub(super) fn finish(&mut self, give: &mut impl FnMut(&[u8])) {
        let held = std::mem::take(&mut self.held);
        if let Secrets::Some(secrets) = &self.secrets {
            redact(secrets, &held, held.len(), give);
        }
    }
}

/// Gives on what lies before `settled`, and says how many bytes that were.
fn redact(secrets: &AhoCorasick, held: &[u8], settled: usize, give: &mut impl FnMut(&[u8])) -> usize {
    let mut done = 0;
    for found in secrets.find_iter(held).take_while(|found| found.start() < settled) {
        give(&held[done..found.start()]);
        give(REDACTED);
        done = found.end();
    }
    if done < settled {
        give(&held[done..settled]);
        done = settled;
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn through(secrets: &[&str], pieces: &[&[u8]]) -> String {
        let mut out = Vec::new();
        let mut give = |bytes: &[u8]| out.extend_from_slice(bytes);
        let mut redactor = Redactor::new(secrets);
        for piece in pieces {
            redactor.feed(piece, &mut give);
        }
        redactor.finish(&mut give);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn without_secrets_all_passes_at_once() {
        let mut out = Vec::new();
        Redactor::new(&[]).feed(b"abc", &mut |bytes| out.extend_from_slice(bytes));
        assert_eq!(out, b"abc");
    }

    #[test]
    fn the_longer_of_two_is_taken_out() {
        assert_eq!(
            through(&["abcdef", "abcdefghij"], &[b"-abcdefg", b"hij-abcdefgh-"]),
            "-<redacted>-<redacted>gh-"
        );
    }

    proptest! {
        /// However the bytes come, the same comes out, and no secret is in it.
        #[test]
        fn read_boundaries_change_nothing(
            text in "([ab]{0,3}|secret|hunter22|secretary){0,12}",
            cuts in proptest::collection::vec(0usize..60, 0..8),
        ) {
            let secrets = ["secret", "hunter22", "secretary"];
            let whole = through(&secrets, &[text.as_bytes()]);
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(&through(&secrets, &pieces), &whole);
            prop_assert!(!secrets.iter().any(|secret| whole.contains(secret)));
        }
    }
}
