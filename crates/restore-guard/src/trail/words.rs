use serde::{Deserialize, Serialize};
use std::fmt;

/// An enum written as a word, which keeps the words that only a newer version knows.
macro_rules! open_words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        #[non_exhaustive]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)+
            /// A word of a newer version.
            Other(String),
        }

        impl $type {
            /// The word, as it stands in the trail.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<String> for $type {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($word => Self::$variant,)+
                    _ => Self::Other(word),
                }
            }
        }

        impl From<$type> for String {
            fn from(word: $type) -> Self {
                match word {
                    $type::Other(word) => word,
                    known => known.as_str().to_owned(),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

open_words!(
    /// What was done, or asked for.
    Action {
        /// The writer's home was made.
        Init = "init",
        /// A context was taken over after the loss of its host.
        Recover = "recover",
        /// A backup.
        Run = "run",
        /// A verification.
        Verify = "verify",
        /// A verification by restoring.
        Rehearse = "rehearse",
        /// A drill.
        Drill = "drill",
        /// A snapshot was unpacked somewhere else than in the live place.
        Extract = "extract",
        /// A restore into the live place.
        Restore = "restore",
        /// An interrupted restore was finished.
        RestoreResume = "restore-resume",
        /// What a restore replaced was put back.
        RestoreUndo = "restore-undo",
        /// What a restore replaced was dropped.
        RestoreConfirm = "restore-confirm",
        /// The mutation lock was shut.
        LockShut = "lock-shut",
        /// The mutation lock was opened because the checks passed.
        LockOpened = "lock-opened",
        /// The mutation lock was opened by an operator.
        LockReleased = "lock-released",
        /// The post-restore checks were run.
        Recheck = "recheck",
        /// A snapshot was pinned.
        Pin = "pin",
        /// A snapshot was unpinned.
        Unpin = "unpin",
        /// Snapshots were deleted by the policy.
        RetentionApply = "retention-apply",
        /// Snapshots were copied to the offsite store.
        OffsiteSync = "offsite-sync",
        /// The end of the trail was torn by a crash and set aside.
        TrailRecovered = "trail-recovered",
    }
);

open_words!(
    /// How far an action came.
    ActOutcome {
        /// It is about to begin. Written, and on disk, before anything is done.
        Announced = "announced",
        /// It was done.
        Done = "done",
        /// It was begun and failed.
        Failed = "failed",
        /// It was not allowed.
        Refused = "refused",
        /// It was interrupted by its operator.
        Interrupted = "interrupted",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_word_survives() {
        for word in ["run", "restore-undo", "teleport"] {
            let action: Action = serde_json::from_str(&format!("\"{word}\"")).unwrap();
            assert_eq!(serde_json::to_string(&action).unwrap(), format!("\"{word}\""));
        }
        assert_eq!(Action::from("teleport".to_owned()), Action::Other("teleport".to_owned()));
    }
}
