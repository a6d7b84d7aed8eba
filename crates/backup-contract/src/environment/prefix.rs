use super::check::Environment;
use crate::profile::StorageKind;
use crate::{Checked, ClauseId, Finding, Severity};
use std::fmt;

/// A place within a bucket: `s3://bucket/some/prefix`.
///
/// Rejected: other schemes, names that no bucket has, a bare bucket's missing prefix as [`PrefixFault::BareBucket`],
/// empty segments, `.` and `..`, blanks, and what a URL would take for a query, a fragment or a password.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct S3Prefix {
    bucket: String,
    prefix: String,
}

/// Why a text is no [`S3Prefix`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrefixFault {
    /// There is nothing behind the bucket.
    BareBucket,
    /// It is not what the sentence says.
    Malformed(&'static str),
}

impl S3Prefix {
    /// Takes `s3://bucket/prefix`, with or without a slash at its end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PrefixFault> {
        let malformed = |reason| Err(PrefixFault::Malformed(reason));
        let Some(rest) = text.strip_prefix("s3://") else {
            return malformed("it does not begin with 's3://'");
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_bucket(bucket) {
            return malformed(
                "its bucket is not named with 3 to 63 lower-case letters, digits, '-' and '.', as every bucket is",
            );
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        if prefix.is_empty() {
            return Err(PrefixFault::BareBucket);
        }
        if prefix.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return malformed("a segment of its path is empty, '.' or '..'");
        }
        if prefix
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '@' | '\\' | '*'))
        {
            return malformed("its path holds a blank or one of '?', '#', '@', '*' and '\\'");
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    /// The bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The path within the bucket, without slashes around it.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The same place, so many segments deeper.
    #[must_use]
    pub(super) fn below(mut self, segments: &str) -> Self {
        let segments = segments.trim_matches('/');
        if !segments.is_empty() {
            self.prefix = format!("{}/{segments}", self.prefix);
        }
        self
    }
}

impl fmt::Debug for S3Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It is a value of an env file, and those are never shown.
        f.write_str("S3Prefix(<redacted>)")
    }
}

fn is_bucket(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|b| inner(*b))
        && [bytes[0], bytes[bytes.len() - 1]].iter().all(u8::is_ascii_alphanumeric)
        && !name.contains("..")
}

/// The prefix of the profile's storage is one, and the app's own.
pub(super) fn check(env: &Environment<'_>, out: &mut Checked) {
    let name = env.profile.storage().prefix_setting();
    let Some(text) = env.text(name) else { return };
    let finding = match env.profile.storage() {
        StorageKind::S3 => match S3Prefix::parse(text) {
            Ok(_) => return,
            Err(PrefixFault::BareBucket) => Finding::new(
                "env-prefix-bare-bucket",
                Severity::Error,
                env.place(name),
                "is a whole bucket: whatever else is put there mixes with the backups, and is deleted with them",
                "give the app a prefix of its own, such as s3://bucket/app",
            ),
            Err(PrefixFault::Malformed(reason)) => Finding::new(
                "env-prefix-malformed",
                Severity::Error,
                env.place(name),
                format!("is no place in a bucket: {reason}"),
                "write it like s3://bucket/app",
            ),
        },
        StorageKind::Directory => match text {
            path if !path.starts_with('/') || path.split('/').any(|part| part == "..") => Finding::new(
                "env-prefix-malformed",
                Severity::Error,
                env.place(name),
                "is not a directory given from the root: where it leads depends on where the engine is started",
                "write it like /srv/backups/app",
            ),
            _ => return,
        },
    };
    out.findings.push(finding.about(ClauseId::AppContract));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineKind::WalG;
    use crate::environment::check::tests::codes;
    use proptest::prelude::*;

    #[test]
    fn only_a_prefix_within_a_bucket_is_one() {
        for good in ["s3://backups/shop", "s3://backups/shop/", "s3://a.b-c/x/y_z", "s3://123/x"] {
            assert!(S3Prefix::parse(good).is_ok(), "{good}");
        }
        for bare in ["s3://backups", "s3://backups/"] {
            assert_eq!(S3Prefix::parse(bare), Err(PrefixFault::BareBucket), "{bare}");
        }
        for bad in [
            "",
            "backups/shop",
            "S3://backups/shop",
            "https://backups/shop",
            "s3:///shop",
            "s3://Backups/shop",
            "s3://ab/x",
            "s3://a:b@backups/shop",
            "s3://backups//shop",
            "s3://backups/../x",
            "s3://backups/a b",
            "s3://backups/a?x",
            "s3://-backups/x",
            "s3://back..ups/x",
            "s3://backups/shop//",
        ] {
            assert!(matches!(S3Prefix::parse(bad), Err(PrefixFault::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn a_bucket_as_a_whole_is_refused() {
        assert_eq!(codes("WALG_S3_PREFIX=s3://backups", WalG, check), ["env-prefix-bare-bucket"]);
        assert_eq!(codes("WALG_S3_PREFIX=backups/shop", WalG, check), ["env-prefix-malformed"]);
        assert!(codes("WALG_S3_PREFIX=s3://backups/shop", WalG, check).is_empty());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(s3://)?.*") {
            let _ = S3Prefix::parse(&text);
        }
    }
}
