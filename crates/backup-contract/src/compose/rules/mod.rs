//! What a compose project must be, each rule a finding or, where the files do not tell, a clause left unjudged.

mod archive;
mod coverage;
mod data;
mod databasus;
mod images;
mod routes;
mod secrets;
mod walg;

use super::model::{Beyond, Project, Service};
use super::roles::Roles;
use crate::{Checked, ClauseId, Finding, Place, Severity, Unjudged};
use std::collections::{BTreeMap, BTreeSet};

/// What a profile asks of a compose project, and what the caller knows beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The service that makes backups.
    pub backup_service: String,
    /// The service that restores.
    pub restore_service: String,
    /// The variables that both need.
    pub required_env: Vec<String>,
    /// The database's service, where it cannot be told from image and name.
    pub database: Option<String>,
    /// The names of the variables in env files that the caller has read, by the path that [`Project::env_files`] gives.
    /// An env file that is not among them leaves unjudged what it could bring.
    pub env_files: BTreeMap<String, BTreeSet<String>>,
}

impl Default for Expected {
    /// What the profile of self-hosted Supabase asks.
    fn default() -> Self {
        let required =
            ["WALG_S3_PREFIX", "WALG_AWS_ACCESS_KEY_ID", "WALG_AWS_SECRET_ACCESS_KEY", "WALG_AWS_ENDPOINT"];
        Self {
            backup_service: "supabase-walg-backup".to_owned(),
            restore_service: "supabase-walg-restore".to_owned(),
            required_env: required.map(str::to_owned).to_vec(),
            database: None,
            env_files: BTreeMap::new(),
        }
    }
}

/// Holds a project against every rule.
#[must_use]
pub fn check(project: &Project, expected: &Expected) -> Checked {
    let mut roles = project.roles();
    if let Some(database) = &expected.database {
        roles.database = Some(database.clone());
    }
    let mut judge = Judge { project, roles: &roles, expected, checked: Checked::default() };
    judge.beyond();
    judge.databasus();
    judge.images();
    judge.secrets();
    judge.walg();
    judge.archive();
    judge.data();
    judge.coverage();
    judge.checked
}

/// What is said where there is no project to judge: its files could not be read, or compose refuses them. `place` is
/// the project, `why` holds no value of it.
#[must_use]
pub fn unreadable(place: Place, why: impl Into<String>) -> Checked {
    let why = why.into();
    let finding = Finding::new(
        "compose-unreadable",
        Severity::Error,
        place,
        why.clone(),
        "name the release's directory and compose files in the app's runner; 'docker compose config --quiet' says what is wrong with them",
    )
    .about(ClauseId::AppContract);
    Checked { findings: vec![finding], unjudged: vec![Unjudged { clause: ClauseId::DatabasusPrivate, why }] }
}

/// A project being judged.
struct Judge<'a> {
    project: &'a Project,
    roles: &'a Roles,
    expected: &'a Expected,
    checked: Checked,
}

impl<'a> Judge<'a> {
    fn add(&mut self, finding: Finding) {
        if !self.checked.findings.contains(&finding) {
            self.checked.findings.push(finding);
        }
    }

    fn leave(&mut self, clause: ClauseId, why: impl Into<String>) {
        let unjudged = Unjudged { clause, why: why.into() };
        if !self.checked.unjudged.contains(&unjudged) {
            self.checked.unjudged.push(unjudged);
        }
    }

    fn database(&self) -> Option<(&'a str, &'a Service)> {
        let name = self.roles.database.as_deref()?;
        Some((name, self.project.services.get(name)?))
    }

    /// The services that hold or handle the backup: what is wrong with them is an error, elsewhere a warning.
    fn is_ours(&self, name: &str) -> bool {
        self.roles.database.as_deref() == Some(name)
            || self.roles.databasus.contains(name)
            || self.roles.receivers.contains(name)
            || [&self.expected.backup_service, &self.expected.restore_service]
                .iter()
                .any(|ours| *ours == name)
    }

    /// What only compose itself resolves could put anything anywhere: a port, a network, a service.
    fn beyond(&mut self) {
        for beyond in &self.project.beyond {
            let what = match beyond {
                Beyond::Include => "'include' brings in files that are not read here".to_owned(),
                Beyond::Extends { service } => {
                    format!("service {service} inherits by 'extends' what is not read here")
                }
                Beyond::Tagged { pointer } => {
                    format!("{pointer} is under a tag (!reset, !override) that is not followed here")
                }
            };
            let why = format!("{what}; where Docker is there, the resolved project is judged");
            self.leave(ClauseId::DatabasusPrivate, why.clone());
            self.leave(ClauseId::AppContract, why);
        }
    }
}

/// A key of a service.
fn place(service: &str, key: &str) -> Place {
    Place::of(format!("service {service} {key}"))
}
