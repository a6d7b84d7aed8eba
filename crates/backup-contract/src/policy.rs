use crate::ClauseId;
use chrono::TimeDelta;
use std::fmt;

/// How old the newest backup may be: an hour, and half an hour in which the next one is made.
pub const BACKUP_WITHIN: TimeDelta = TimeDelta::minutes(90);

/// How old the newest rehearsal may be: a day, and six hours in which the next one is made.
pub const REHEARSAL_WITHIN: TimeDelta = TimeDelta::hours(30);

/// How old the newest full that was copied offsite may be: a day, and six hours in which the next one is copied.
pub const OFFSITE_WITHIN: TimeDelta = TimeDelta::hours(30);

/// How old the newest drill may be. A quarter has up to 92 days; a drill is due on the first of them and takes people, so
/// there are eight more.
pub const DRILL_WITHIN: TimeDelta = TimeDelta::days(100);

/// How many daily copies are kept.
pub const DAILY_COPIES: u32 = 7;

/// How many weekly copies are kept.
pub const WEEKLY_COPIES: u32 = 4;

/// How many monthly copies are kept.
pub const MONTHLY_COPIES: u32 = 3;

/// One clause of the backup policy, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clause {
    /// What findings and reports cite.
    pub id: ClauseId,
    /// Where it stands.
    pub section: Section,
    /// What it asks for.
    pub text: &'static str,
    /// What makes it met: everything that [`assess`](crate::assess) looks at.
    pub met_when: &'static str,
    /// The numbers in it.
    pub parameters: &'static [Parameter],
}

/// A section of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// What is in a backup, and what is not.
    Scope,
    /// Who can read what is stored, and where it lies.
    Protection,
    /// What an app has to have.
    Apps,
    /// How often.
    Frequency,
    /// That it can be restored.
    Verification,
    /// How long, and where else.
    Retention,
    /// What a restore may do.
    Restore,
    /// That people can do it.
    Drills,
}

impl Section {
    /// The section's name, as rows and reports write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::Protection => "protection",
            Self::Apps => "apps",
            Self::Frequency => "frequency",
            Self::Verification => "verification",
            Self::Retention => "retention",
            Self::Restore => "restore",
            Self::Drills => "drills",
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A number of a clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, kebab-case.
    pub name: &'static str,
    /// How much.
    pub value: ParameterValue,
}

/// How much a clause asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterValue {
    /// So many.
    Count(u32),
    /// So long.
    Within(TimeDelta),
}

impl fmt::Display for ParameterValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(n) => n.fmt(f),
            Self::Within(time) if time.num_minutes() % 60 != 0 => write!(f, "{} minutes", time.num_minutes()),
            Self::Within(time) if time.num_hours() % 24 != 0 => write!(f, "{} hours", time.num_hours()),
            Self::Within(time) => write!(f, "{} days", time.num_days()),
        }
    }
}

const fn count(name: &'static str, n: u32) -> Parameter {
    Parameter { name, value: ParameterValue::Count(n) }
}

const fn within(name: &'static str, time: TimeDelta) -> Parameter {
    Parameter { name, value: ParameterValue::Within(time) }
}

impl Clause {
    /// Every clause, in the order of the policy.
    pub fn all() -> impl Iterator<Item = Self> {
        ClauseId::ALL.into_iter().map(Self::of)
    }

    /// The clause of an identifier.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "the table of all clauses: text, and nothing that is done")]
    pub const fn of(id: ClauseId) -> Self {
        const fn clause(
            (id, section): (ClauseId, Section),
            text: &'static str,
            met_when: &'static str,
            parameters: &'static [Parameter],
        ) -> Clause {
            Clause { id, section, text, met_when, parameters }
        }
        match id {
            ClauseId::ProtectedFiles => clause(
                (id, Section::Scope),
                "Every backup of the private state holds the ten protected files and the fragments of the add-ons; \
                 a protected file that is not there is recorded as absent.",
                "The newest backup of the state that can be counted on was opened since it was stored, and its evidence \
                 says that each protected file is in it or recorded as absent.",
                &[],
            ),
            ClauseId::Exclusions => clause(
                (id, Section::Scope),
                "No backup of the private state holds the vault, an env file, a key, a dump, a volume or a secret in \
                 plaintext.",
                "Every backup of the state was opened since it was stored: one with such a file does not pass. Secrets in \
                 plaintext are looked for when a backup is made, which is refused when one is found.",
                &[],
            ),
            ClauseId::EncryptedAtRest => clause(
                (id, Section::Protection),
                "What is stored is encrypted, and can be opened by somebody whose key is not kept on the host.",
                "The settings name a recipient whose identity is not on this host, the newest backup of the state is \
                 sealed to more recipients than there are identities here, and the contract of each active app says that \
                 the backups of its database are encrypted.",
                const { &[count("recipients-away", 1)] },
            ),
            ClauseId::EncryptedInTransit => clause(
                (id, Section::Protection),
                "What leaves the host travels encrypted.",
                "Each store is a directory, into which only what is sealed is written, or is reached over TLS, and the \
                 contract of each active app says so of its bucket. Outside of production the host may talk to itself in \
                 the clear.",
                &[],
            ),
            ClauseId::OutsideGit => clause(
                (id, Section::Protection),
                "No backup, key, setting or env file lies inside a git work tree, where it could be committed.",
                "The state root, the program's home, the settings, the stores that are directories, the identity, the \
                 exceptions of the secret scan and the env files were looked up, all links followed, and none of them lies \
                 inside a work tree.",
                &[],
            ),
            ClauseId::AppContract => clause(
                (id, Section::Apps),
                "An active app is backed up, and has the packs, services and settings of its profile.",
                "The settings name each active app, it was held to its profile in full, and nothing was found that stands \
                 in the way of a restore.",
                &[],
            ),
            ClauseId::HourlyIncremental => clause(
                (id, Section::Frequency),
                "The private state and the database of each active app are backed up every hour.",
                "The newest backup of each that can be counted on was begun no longer ago than the hour, and the half hour \
                 in which the next one is made.",
                const { &[within("newest-backup-within", BACKUP_WITHIN)] },
            ),
            ClauseId::DailyRehearsal => clause(
                (id, Section::Verification),
                "Every day a backup is restored and used on a host that is not production's.",
                "The newest restore test of the state and of each active app passed, and was begun no longer ago than the \
                 day, and the six hours in which the next one is made. In production one on the subject's own host does \
                 not count.",
                const { &[within("newest-rehearsal-within", REHEARSAL_WITHIN)] },
            ),
            ClauseId::Retention => clause(
                (id, Section::Retention),
                "Seven daily, four weekly and three monthly copies are kept.",
                "The settings ask for as many or more, and as many are there as a series of that age has: a series that is \
                 younger than a tier is not short of it.",
                const {
                    &[
                        count("daily", DAILY_COPIES),
                        count("weekly", WEEKLY_COPIES),
                        count("monthly", MONTHLY_COPIES),
                    ]
                },
            ),
            ClauseId::ImmutableOffsite => clause(
                (id, Section::Retention),
                "The full backup of each day has a copy elsewhere that nobody can change or delete.",
                "A full of the state and of each active app, begun no longer ago than the day and the six hours in which the \
                 next one is copied, is complete in the offsite store, and the store itself locks it for as long as the \
                 retention needs it.",
                const { &[within("newest-copy-within", OFFSITE_WITHIN)] },
            ),
            ClauseId::DatabasusPrivate => clause(
                (id, Section::Apps),
                "Databasus publishes no port of the host, and nothing else publishes it.",
                "The compose project of each active app was looked at in full, and no way to reach Databasus from outside \
                 was found.",
                &[],
            ),
            ClauseId::RestoreGate => clause(
                (id, Section::Restore),
                "A restore names a backup and its checksum, and both were verified; every other one is refused.",
                "A restore into a live place passes a gate that asks for evidence of level 'checksum' at least, and each \
                 one that the trail knows of had an id, a checksum and evidence.",
                &[],
            ),
            ClauseId::RestoreLog => clause(
                (id, Section::Restore),
                "Each restore is recorded: who asked for what, from which backup, by which evidence, into which place, \
                 and how it ended.",
                "The trail is whole, and each restore in it has operator, subject, id, checksum, evidence and target.",
                &[],
            ),
            ClauseId::MutationBlock => clause(
                (id, Section::Restore),
                "After a restore whose checks failed nothing is deployed and no secret is changed, until they pass or an \
                 operator takes it upon himself.",
                "After each restore whose checks have not passed the mutation lock is shut, or was opened by checks that \
                 passed in the end, or by an operator who said why.",
                &[],
            ),
            ClauseId::VaultReconcile => clause(
                (id, Section::Restore),
                "Secrets that no longer match after a restore are reported and mended by the vault's own workflow; none is \
                 written into a restored state.",
                "After each restore the vault was asked; what does not match was reported, and nothing was written.",
                &[],
            ),
            ClauseId::QuarterlyDrill => clause(
                (id, Section::Drills),
                "Every quarter people restore production's backups in a drill, and its outcome is recorded.",
                "The newest drill of the state and of each active app passed, and was begun no longer ago than a quarter, and \
                 eight days in which the next one is held. Not applicable where the context is not production.",
                const { &[within("newest-drill-within", DRILL_WITHIN)] },
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clause_is_said_in_a_sentence() {
        for clause in Clause::all() {
            assert!(
                clause.text.ends_with('.') && !clause.text.contains("  "),
                "{}: {}",
                clause.id,
                clause.text
            );
        }
        assert_eq!(Clause::all().count(), ClauseId::ALL.len());
    }

    #[test]
    fn parameters_read_as_people_say_them() {
        let said = |id| -> Vec<_> {
            Clause::of(id).parameters.iter().map(|p| format!("{} {}", p.name, p.value)).collect()
        };
        assert_eq!(said(ClauseId::HourlyIncremental), ["newest-backup-within 90 minutes"]);
        assert_eq!(said(ClauseId::DailyRehearsal), ["newest-rehearsal-within 30 hours"]);
        assert_eq!(said(ClauseId::QuarterlyDrill), ["newest-drill-within 100 days"]);
        assert_eq!(said(ClauseId::Retention), ["daily 7", "weekly 4", "monthly 3"]);
    }
}
