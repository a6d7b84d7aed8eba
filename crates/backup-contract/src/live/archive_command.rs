/// What an `archive_command` does with a segment, so far as its text tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveCommand {
    /// There is none.
    Empty,
    /// One push, whose failure the server learns of.
    OnePush,
    /// More than one push: each skips what the other has pushed, and WAL is lost.
    SeveralPushes,
    /// Success whatever happens: WAL is dropped, or a failed push is forgotten.
    AlwaysSucceeds,
    /// A program that is not known here.
    Other,
}

impl ArchiveCommand {
    /// Reads the text of the setting.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() || text == "(disabled)" {
            return Self::Empty;
        }
        let words: Vec<_> = text
            .split(|c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')' | '\'' | '"' | '`'))
            .filter(|word| !word.is_empty())
            .collect();
        let pushes = words.iter().filter(|word| **word == "wal-push").count();
        if hides_failure(text) {
            Self::AlwaysSucceeds
        } else if pushes > 1 {
            Self::SeveralPushes
        } else if pushes == 1 {
            Self::OnePush
        } else {
            Self::Other
        }
    }
}

/// Whether the shell would answer 0 whatever happened before: a last command that cannot fail, a push in the
/// background, or a pipe that has an end of its own.
fn hides_failure(text: &str) -> bool {
    let text = text.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '\'' | '"'));
    if text.ends_with('&') || text.contains("& ;") {
        return true;
    }
    let last = text.rsplit([';', '\n']).find(|part| !part.trim().is_empty()).unwrap_or("");
    let cannot_fail = |command: &str| {
        let command = command.trim().trim_start_matches("exec ");
        let mut words = command.split_whitespace();
        match words.next() {
            Some("true" | "/bin/true" | "/usr/bin/true" | ":" | "echo" | "printf" | "logger") => true,
            Some("exit") => words.next() == Some("0"),
            _ => false,
        }
    };
    // After '||' the last word counts; after '&&' a failure before it is told.
    let alternatives: Vec<_> = last.split("||").collect();
    let tail = alternatives.last().copied().unwrap_or("");
    if alternatives.len() > 1 || !tail.contains("&&") {
        if cannot_fail(tail.rsplit("&&").next().unwrap_or("")) {
            return true;
        }
        // A pipe answers what its last part answers.
        let piped: Vec<_> = tail.split('|').collect();
        return !text.contains("pipefail")
            && piped.len() > 1
            && piped[..piped.len() - 1].iter().any(|part| part.contains("wal-push"));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_apart() {
        use ArchiveCommand::{AlwaysSucceeds, Empty, OnePush, Other, SeveralPushes};
        for (text, meaning) in [
            ("", Empty),
            ("  ", Empty),
            ("(disabled)", Empty),
            ("wal-g wal-push %p", OnePush),
            ("/usr/bin/envdir /etc/wal-g.d/env /usr/local/bin/wal-g wal-push \"%p\"", OnePush),
            ("timeout 60 si-backup engine -- wal-push %p", OnePush),
            ("test ! -f /tmp/stop && wal-g wal-push %p", OnePush),
            ("sh -c 'wal-g wal-push %p'", OnePush),
            ("wal-g wal-push %p && wal-g --config /b wal-push %p", SeveralPushes),
            ("a wal-push %p; b wal-push %p", SeveralPushes),
            ("wal-g wal-push %p || true", AlwaysSucceeds),
            ("wal-g wal-push %p ; true", AlwaysSucceeds),
            ("wal-g wal-push %p; exit 0", AlwaysSucceeds),
            ("wal-g wal-push %p || :", AlwaysSucceeds),
            ("wal-g wal-push %p &", AlwaysSucceeds),
            ("wal-g wal-push %p 2>&1 | logger", AlwaysSucceeds),
            ("wal-g wal-push %p || echo failed", AlwaysSucceeds),
            ("sh -c 'wal-g wal-push %p || true'", AlwaysSucceeds),
            ("/bin/true", AlwaysSucceeds),
            ("true", AlwaysSucceeds),
            (":", AlwaysSucceeds),
            ("wal-g wal-push %p || exit 1", OnePush),
            ("cp %p /mnt/archive/%f", Other),
            ("my-wal-push-script %p", Other),
            ("/usr/bin/admin-mgr wal-push %p >> /var/log/wal-g/wal-push.log 2>&1", OnePush),
            ("bash -c 'set -o pipefail; wal-g wal-push %p | logger'", OnePush),
            ("wal-g wal-push %p; rc=$?; logger done; exit $rc", OnePush),
            ("wal-g wal-push %p && logger done", OnePush),
        ] {
            assert_eq!(ArchiveCommand::of(text), meaning, "{text}");
        }
    }
}
