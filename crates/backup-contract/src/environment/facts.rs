use crate::{Checked, ClauseId, Error, Finding, Place, Severity, Unjudged};

/// An env file as its caller found it, before a byte of it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFileFacts {
    /// How findings call it: its path as the settings have it.
    pub path: String,
    /// What was found there.
    pub state: FileState,
}

/// What was found where an env file should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// Nothing.
    Missing,
    /// Something that could not be read, and why.
    Unreadable(String),
    /// A file.
    Readable {
        /// Its permission bits.
        mode: u32,
        /// Where it lies.
        git: GitPlace,
    },
}

/// Whether a file could be committed by accident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitPlace {
    /// It is in no git work tree.
    Outside,
    /// It is in one.
    Inside,
    /// Nobody could tell, and why.
    Unknown(String),
}

impl EnvFileFacts {
    /// Whether the file is there, for its owner alone, and outside of git work trees.
    #[must_use]
    pub fn check(&self) -> Checked {
        let place = || Place::of(&self.path);
        let mut out = Checked::default();
        match &self.state {
            FileState::Missing => out.findings.push(
                Finding::new(
                    "env-file-missing",
                    Severity::Error,
                    place(),
                    "is not there: without it nothing can be backed up, nor restored",
                    "write it, or correct 'env_file' in the settings",
                )
                .about(ClauseId::AppContract),
            ),
            FileState::Unreadable(why) => out.findings.push(
                Finding::new(
                    "env-file-unreadable",
                    Severity::Error,
                    place(),
                    format!("cannot be read: {why}"),
                    "give this user access to it, or correct 'env_file' in the settings",
                )
                .about(ClauseId::AppContract),
            ),
            FileState::Readable { mode, git } => {
                if mode & 0o077 != 0 {
                    out.findings.push(
                        Finding::new(
                            "env-file-exposed",
                            Severity::Error,
                            place(),
                            format!("is open to other users (mode {:04o}), and holds keys", mode & 0o7777),
                            format!("chmod 600 {}", self.path),
                        )
                        .about(ClauseId::AppContract),
                    );
                }
                match git {
                    GitPlace::Outside => {}
                    GitPlace::Inside => out.findings.push(
                        Finding::new(
                            "env-file-in-git",
                            Severity::Error,
                            place(),
                            "is inside a git work tree, where its keys could be committed",
                            "move it out, and correct 'env_file' in the settings",
                        )
                        .about(ClauseId::OutsideGit),
                    ),
                    GitPlace::Unknown(why) => out.unjudged.push(Unjudged::new(
                        ClauseId::OutsideGit,
                        format!("whether it is inside a git work tree could not be found out: {why}"),
                    )),
                }
            }
        }
        out
    }
}

/// The finding about a file that is no env file: compose would start nothing with it.
#[must_use]
pub fn parse_failed(path: &str, error: &Error) -> Finding {
    let place = match error {
        Error::EnvSyntax { line, .. } => Place::of(path).line(*line),
        _ => Place::of(path),
    };
    let reason = match error {
        Error::EnvSyntax { reason, .. } => (*reason).to_owned(),
        other => other.to_string(),
    };
    Finding::new(
        "env-file-malformed",
        Severity::Error,
        place,
        format!("is no env file: {reason}"),
        error.hint(),
    )
    .about(ClauseId::AppContract)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(state: FileState) -> Vec<&'static str> {
        let facts = EnvFileFacts { path: "/etc/si/shop.env".into(), state };
        facts.check().findings.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_file_is_for_its_owner_alone_and_outside_of_git() {
        let at = |mode, git| FileState::Readable { mode, git };
        assert!(codes(at(0o600, GitPlace::Outside)).is_empty());
        assert!(codes(at(0o400, GitPlace::Outside)).is_empty());
        for open in [0o640, 0o604, 0o610, 0o602] {
            assert_eq!(codes(at(open, GitPlace::Outside)), ["env-file-exposed"], "{open:o}");
        }
        assert_eq!(codes(at(0o644, GitPlace::Inside)), ["env-file-exposed", "env-file-in-git"]);
        assert_eq!(codes(FileState::Missing), ["env-file-missing"]);
        assert_eq!(codes(FileState::Unreadable("permission denied".into())), ["env-file-unreadable"]);
    }

    #[test]
    fn a_place_that_nobody_could_look_at_is_not_judged() {
        let state = FileState::Readable { mode: 0o600, git: GitPlace::Unknown("no access".into()) };
        let checked = EnvFileFacts { path: "x".into(), state }.check();
        assert!(checked.findings.is_empty());
        assert_eq!(checked.unjudged[0].clause, ClauseId::OutsideGit);
    }
}
