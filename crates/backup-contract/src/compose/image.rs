use super::value::is_interpolated;

/// An image reference, taken apart as far as its text tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Image<'a> {
    /// The repository with its registry: `ghcr.io/acme/web`.
    repository: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

/// How well an image reference says which image it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pin {
    /// A digest, or a tag that is a version.
    Pinned,
    /// No tag, or one that moves by its very meaning.
    Floating,
    /// The part that would say is filled in by compose.
    Unknown,
}

impl<'a> Image<'a> {
    pub(crate) fn of(reference: &'a str) -> Self {
        // Signs within `${…}` belong to that, not to the reference.
        let signs = masked(reference);
        let at = signs.find('@').unwrap_or(reference.len());
        let digest = reference.get(at + 1..);
        // A colon before the last slash is a registry's port.
        let name_from = signs[..at].rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match signs[name_from..at].find(':') {
            Some(colon) => (&reference[..name_from + colon], Some(&reference[name_from + colon + 1..at])),
            None => (&reference[..at], None),
        };
        Self { repository, tag, digest }
    }

    /// The last part of the repository, by which an image is known whatever registry mirrors it; `None` where compose
    /// fills it in.
    pub(crate) fn name(&self) -> Option<&'a str> {
        let from = masked(self.repository).rfind('/').map_or(0, |slash| slash + 1);
        let name = &self.repository[from..];
        (!name.is_empty() && !is_interpolated(name)).then_some(name)
    }

    /// The part of the repository before the name: `supabase` of `supabase/postgres`.
    pub(crate) fn owner(&self) -> Option<&'a str> {
        self.repository.rsplit('/').nth(1)
    }

    pub(crate) fn pin(&self) -> Pin {
        match (self.digest, self.tag) {
            (Some(digest), _) if is_interpolated(digest) => Pin::Unknown,
            (None, Some(tag)) if is_interpolated(tag) => Pin::Unknown,
            (None, Some("latest" | "stable" | "edge" | "main" | "master" | "nightly" | "")) => Pin::Floating,
            (Some(_), _) | (None, Some(_)) => Pin::Pinned,
            // The whole reference may be one variable that brings its tag.
            (None, None) if is_interpolated(self.repository) => Pin::Unknown,
            (None, None) => Pin::Floating,
        }
    }
}

/// The text with everything within `${…}` blotted out, byte for byte.
fn masked(text: &str) -> String {
    let mut depth = 0_usize;
    let mut masked = String::with_capacity(text.len());
    let mut before = ' ';
    for letter in text.chars() {
        depth = match letter {
            '{' if before == '$' || depth > 0 => depth + 1,
            '}' => depth.saturating_sub(1),
            _ => depth,
        };
        before = letter;
        if depth > 0 || letter == '}' {
            masked.extend(std::iter::repeat_n('_', letter.len_utf8()));
        } else {
            masked.push(letter);
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart() {
        for (reference, name, pin) in [
            ("supabase/postgres:15.8.1.085", Some("postgres"), Pin::Pinned),
            ("localhost:5000/databasus", Some("databasus"), Pin::Floating),
            ("localhost:5000/x/databasus:v3", Some("databasus"), Pin::Pinned),
            ("databasus/databasus:latest", Some("databasus"), Pin::Floating),
            ("databasus/databasus@sha256:00", Some("databasus"), Pin::Pinned),
            ("databasus/databasus:latest@sha256:00", Some("databasus"), Pin::Pinned),
            ("databasus/databasus:${TAG}", Some("databasus"), Pin::Unknown),
            ("databasus/databasus:${TAG:-latest}", Some("databasus"), Pin::Unknown),
            ("${IMAGE}", None, Pin::Unknown),
            ("${IMAGE:-databasus/databasus:v3}", None, Pin::Unknown),
            ("${REGISTRY}/web:1", Some("web"), Pin::Pinned),
            ("${R:-a/b@c}/web@sha256:00", Some("web"), Pin::Pinned),
            ("", None, Pin::Floating),
        ] {
            let image = Image::of(reference);
            assert_eq!((image.name(), image.pin()), (name, pin), "{reference}");
        }
        assert_eq!(Image::of("docker.io/supabase/postgres:1").owner(), Some("supabase"));
    }
}
