//! The short syntaxes of ports and mounts.

use super::model::{Mount, MountKind, Port};

/// Splits at colons, but not within `${…}` nor within the brackets of an IPv6 address.
fn split_colons(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, letter) in text.char_indices() {
        match letter {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// `[[HOST:]PUBLISHED:]TARGET[/PROTOCOL]`.
pub(crate) fn short_port(entry: &str) -> Port {
    let last = split_colons(entry).pop().unwrap_or_default();
    let target = last.split('/').next().unwrap_or_default();
    let known = !target.is_empty() && target.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    Port { entry: entry.to_owned(), target: known.then(|| target.to_owned()) }
}

/// The long syntax, written in the short one.
pub(crate) fn long_port(
    target: &str,
    published: Option<&str>,
    host: Option<&str>,
    protocol: Option<&str>,
) -> Port {
    let host = match host {
        Some(host) if host.contains(':') => format!("[{host}]:"),
        Some(host) => format!("{host}:"),
        None => String::new(),
    };
    let published = match published {
        Some(published) => format!("{published}:"),
        None if host.is_empty() => String::new(),
        None => ":".to_owned(),
    };
    let protocol = match protocol {
        None | Some("tcp") => String::new(),
        Some(protocol) => format!("/{protocol}"),
    };
    let entry = format!("{host}{published}{target}{protocol}");
    Port { target: short_port(target).target, entry }
}

/// `TARGET`, or `SOURCE:TARGET[:OPTIONS]`.
pub(crate) fn short_mount(entry: &str) -> Option<Mount> {
    let parts = split_colons(entry);
    let (source, target, options) = match parts.as_slice() {
        [target] => (None, *target, ""),
        [source, target] => (Some(*source), *target, ""),
        [source, target, options] => (Some(*source), *target, *options),
        _ => return None,
    };
    if target.is_empty() || source == Some("") {
        return None;
    }
    let is_path = |source: &str| source.starts_with(['.', '/', '~', '$']) || source.contains('/');
    Some(Mount {
        kind: if source.is_some_and(is_path) { MountKind::Bind } else { MountKind::Volume },
        source: source.map(str::to_owned),
        target: target.to_owned(),
        read_only: options.split(',').any(|option| option == "ro"),
    })
}

/// A path without `.`, `..`, doubled and trailing slashes, as far as its text alone says.
pub(crate) fn tidy(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    if path.starts_with('/') { format!("/{joined}") } else { joined }
}

/// Whether `path` is `dir` or lies below it. Both are tidy.
pub(crate) fn is_within(path: &str, dir: &str) -> bool {
    match dir {
        "/" => path.starts_with('/'),
        // The project's own directory holds every relative path that does not leave it.
        "" => !path.starts_with('/') && !path.starts_with("..") && !path.starts_with('~'),
        _ => path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_in_the_container_is_found_in_every_syntax() {
        for (entry, target) in [
            ("4005", Some("4005")),
            ("4005:4005", Some("4005")),
            ("127.0.0.1:80:4005/tcp", Some("4005")),
            ("127.0.0.1::4005", Some("4005")),
            ("[::1]:80:4005/udp", Some("4005")),
            ("4000-4010:4000-4010", Some("4000-4010")),
            ("${PORT:-4005}:4005", Some("4005")),
            ("${PORT}", None),
            ("80:${PORT:-4005}", None),
        ] {
            let port = short_port(entry);
            assert_eq!(port.target.as_deref(), target, "{entry}");
            assert_eq!(port.entry, entry);
        }
        assert_eq!(long_port("4005", None, None, None).entry, "4005");
        assert_eq!(long_port("4005", Some("80"), Some("::1"), Some("udp")).entry, "[::1]:80:4005/udp");
        assert_eq!(long_port("4005", None, Some("127.0.0.1"), Some("tcp")).entry, "127.0.0.1::4005");
    }

    #[test]
    fn mounts_are_told_apart_by_their_source() {
        let mount = |entry| short_mount(entry).map(|m| (m.kind, m.source, m.target, m.read_only));
        let bind = |s: &str, t: &str, ro| Some((MountKind::Bind, Some(s.to_owned()), t.to_owned(), ro));
        assert_eq!(mount("./a:/b"), bind("./a", "/b", false));
        assert_eq!(mount("${DIR:-./a}/x:/b:ro,z"), bind("${DIR:-./a}/x", "/b", true));
        assert_eq!(mount("data:/b:z"), Some((MountKind::Volume, Some("data".into()), "/b".into(), false)));
        assert_eq!(mount("/b"), Some((MountKind::Volume, None, "/b".into(), false)));
        assert_eq!(mount(""), None);
        assert_eq!(mount(":/b"), None);
    }

    #[test]
    fn paths_are_compared_tidied() {
        assert_eq!(tidy("./volumes//db/./data/"), "volumes/db/data");
        assert_eq!(tidy("/a/../b"), "/b");
        assert_eq!(tidy("../x/../y"), "../y");
        assert_eq!(tidy("."), "");
        assert!(is_within("volumes/db", "") && is_within("volumes/db", "volumes") && is_within("/a/b", "/"));
        assert!(!is_within("volumes2", "volumes") && !is_within("../x", "") && !is_within("a", "/"));
    }
}
