use super::PackError;
use crate::environment::S3Prefix;
use std::fmt;
use std::str::FromStr;

/// What every parameter must be: something to write into a YAML text, and nothing that compose would fill in.
fn plain(value: &str) -> Result<(), &'static str> {
    if value.is_empty() {
        return Err("it is empty");
    }
    if value.len() > 512 {
        return Err("it is longer than 512 bytes");
    }
    if value.contains('$') {
        return Err("it holds a '$', and what compose fills in nobody can check");
    }
    if value.chars().any(|letter| {
        letter.is_control() || matches!(letter, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
    }) {
        return Err("it holds a control character");
    }
    Ok(())
}

fn key(value: &str) -> Result<(), &'static str> {
    if !value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        return Err("it holds a character other than letters, digits, '.', '_' and '-'");
    }
    if !value.as_bytes()[0].is_ascii_alphanumeric() {
        return Err("it does not begin with a letter or digit");
    }
    Ok(())
}

fn word(value: &str) -> Result<(), &'static str> {
    let harmless = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if value.bytes().all(harmless) {
        Ok(())
    } else {
        Err("it holds a character other than letters, digits, '.', '_' and '-'")
    }
}

fn slot(value: &str) -> Result<(), &'static str> {
    if value.len() > 63 {
        return Err("it is longer than 63 bytes");
    }
    let harmless = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if value.bytes().all(harmless) {
        Ok(())
    } else {
        Err("it holds a character other than lower-case letters, digits and '_'")
    }
}

fn image(value: &str) -> Result<(), &'static str> {
    if value
        .bytes()
        .any(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'.' | b'_' | b'-' | b'/' | b':' | b'@'))
    {
        return Err("it holds a character that no image reference has");
    }
    let (rest, digest) = match value.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (value, None),
    };
    let name = rest.rsplit('/').next().unwrap_or_default();
    let (name, tag) = match name.split_once(':') {
        Some((name, tag)) => (name, Some(tag)),
        None => (name, None),
    };
    if name.is_empty()
        || rest.split('/').any(str::is_empty)
        || tag.is_some_and(|tag| tag.is_empty() || tag.contains(':'))
    {
        return Err("it is not an image reference");
    }
    if let Some(digest) = digest {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        let whole = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        return if whole { Ok(()) } else { Err("its digest is not 'sha256:' and 64 hexadecimal digits") };
    }
    match tag {
        None => Err("it has no tag: name a version"),
        Some("latest" | "stable" | "edge" | "main" | "master" | "nightly") => {
            Err("its tag moves from image to image: name a version")
        }
        Some(_) => Ok(()),
    }
}

fn parts(value: &str) -> impl Iterator<Item = &str> {
    value.split('/').filter(|part| !part.is_empty() && *part != ".")
}

fn host_path(value: &str) -> Result<(), &'static str> {
    let absolute = value.starts_with('/');
    if !absolute && !value.starts_with("./") && !value.starts_with("../") {
        return Err("it begins with none of '/', './' and '../'");
    }
    let mut names = parts(value).skip_while(|part| *part == "..");
    if names.any(|part| part == "..") || (absolute && parts(value).any(|part| part == "..")) {
        return Err("it goes back with '..'");
    }
    let depth = parts(value).filter(|part| *part != "..").count();
    match (absolute, depth) {
        (true, 0 | 1) => Err("the directory above it is the whole file system"),
        (false, 0) => Err("it names no directory"),
        _ => Ok(()),
    }
}

fn container_path(value: &str) -> Result<(), &'static str> {
    if !value.starts_with('/') {
        return Err("it does not begin with '/'");
    }
    if value.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
        return Err("it is not a plain path: '.', '..' or a doubled or trailing slash is in it");
    }
    if parts(value).count() < 2 { Err("the directory above it is the container's root") } else { Ok(()) }
}

fn prefix(value: &str) -> Result<(), &'static str> {
    match S3Prefix::parse(value) {
        Ok(_) => Ok(()),
        Err(_) => Err("it is not like s3://bucket/prefix"),
    }
}

macro_rules! parameter {
    ($(#[$doc:meta])* $type:ident, $noun:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(String);

        impl $type {
            /// As it is written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = PackError;
            fn from_str(value: &str) -> Result<Self, PackError> {
                match plain(value).and_then(|()| $check(value)) {
                    Ok(()) => Ok(Self(value.to_owned())),
                    Err(reason) => Err(PackError::Parameter { noun: $noun, value: value.to_owned(), reason }),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

parameter!(
    /// The name of a service, volume or network: letters, digits, `.`, `_` and `-`.
    Key,
    "a name in a compose file",
    key
);
parameter!(
    /// A user or a database: letters, digits, `.`, `_` and `-`.
    Word,
    "a plain word",
    word
);
parameter!(
    /// The name of a replication slot: lower-case letters, digits and `_`.
    SlotName,
    "the name of a replication slot",
    slot
);
parameter!(
    /// An image with a digest, or with a tag that is a version; `latest` and its like are refused.
    PinnedImage,
    "a pinned image",
    image
);
parameter!(
    /// A path of the host that compose takes for one: absolute, or beginning with `./` or `../`. Something is above it.
    HostPath,
    "a path of the host",
    host_path
);
parameter!(
    /// An absolute path in a container, with something but the root above it.
    ContainerPath,
    "a path in a container",
    container_path
);
parameter!(
    /// Where in an S3-compatible store: `s3://bucket/prefix`, never a bare bucket.
    Prefix,
    "a prefix of a bucket",
    prefix
);

macro_rules! known {
    ($($type:ident),*) => {$(
        impl $type {
            /// A default of a pack. That all of them are right, a test holds.
            pub(super) fn known(value: &str) -> Self {
                Self(value.to_owned())
            }
        }
    )*};
}

known!(Key, Word, SlotName, PinnedImage, HostPath, ContainerPath);

impl HostPath {
    /// The directory above it, as compose takes it for a path.
    pub(super) fn parent(&self) -> String {
        let path = self.0.trim_end_matches('/');
        match path.rsplit_once('/') {
            Some((parent, _)) if !parent.is_empty() => parent.to_owned(),
            _ => ".".to_owned(),
        }
    }

    /// Its own name.
    pub(super) fn name(&self) -> &str {
        self.0.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }
}

impl ContainerPath {
    /// The directory above it.
    pub(super) fn parent(&self) -> &str {
        self.0.rsplit_once('/').map_or("/", |(parent, _)| parent)
    }

    /// Its own name.
    pub(super) fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_into_a_fragment_is_plain() {
        for (good, bad) in [
            ("db", &["", "-db", "a b", "a:b", "${X}", "a\n", "ä"][..]),
            ("supabase-walg-backup", &["a/b", ".x"]),
        ] {
            assert!(good.parse::<Key>().is_ok(), "{good}");
            for bad in bad {
                assert!(bad.parse::<Key>().is_err(), "{bad:?}");
            }
        }
        assert!("si_backup".parse::<SlotName>().is_ok() && "Si".parse::<SlotName>().is_err());
        let error = "a b".parse::<Key>().unwrap_err();
        assert_eq!(error.code(), "invalid-pack-parameter");
    }

    #[test]
    fn images_are_pinned() {
        let digest = format!("x/y@sha256:{}", "0".repeat(64));
        for good in [
            "supabase/postgres:15.8.1.085",
            "localhost:5000/x:v1",
            &digest,
            &format!("a:latest{}", &digest[3..]),
        ] {
            assert!(good.parse::<PinnedImage>().is_ok(), "{good}");
        }
        for bad in [
            "supabase/postgres",
            "x:latest",
            "localhost:5000/x",
            "x@sha256:00",
            "x:",
            "/x:1",
            "a//b:1",
            "x:1:2",
            "${I}:1",
            "x y:1",
        ] {
            assert!(bad.parse::<PinnedImage>().is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_have_something_above_them() {
        for (good, parent, name) in [
            ("./volumes/db/data", "./volumes/db", "data"),
            ("./data/", ".", "data"),
            ("../x/data", "../x", "data"),
            ("/srv/data", "/srv", "data"),
        ] {
            let path: HostPath = good.parse().unwrap();
            assert_eq!((path.parent().as_str(), path.name()), (parent, name));
        }
        for bad in ["/", "/data", "data", ".", "./", "..", "../..", "/a/../b", "./a/../b", "/a/b\nc"] {
            assert!(bad.parse::<HostPath>().is_err(), "{bad:?}");
        }
        for bad in ["/", "/data", "data/x", "/a//b", "/a/b/", "/a/../b"] {
            assert!(bad.parse::<ContainerPath>().is_err(), "{bad:?}");
        }
        assert_eq!("/var/lib/x".parse::<ContainerPath>().unwrap().parent(), "/var/lib");
    }

    #[test]
    fn a_prefix_is_more_than_a_bucket() {
        assert!("s3://bucket/p".parse::<Prefix>().is_ok());
        for bad in [
            "s3://bucket",
            "s3://bucket/",
            "s3:///p",
            "https://bucket/p",
            "s3://u:p@bucket/p",
            "s3://bucket/p q",
        ] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad}");
        }
    }
}
