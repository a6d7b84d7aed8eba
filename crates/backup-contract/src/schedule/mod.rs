//! When what is to be done, by the clock of the context's zone.

mod calendar;
mod rhythm;

pub use rhythm::Rhythm;

use crate::{AppSlug, Subject};
use chrono_tz::Tz;
use std::collections::BTreeMap;

/// The rhythms of everything that is done, for the context and for apps that have their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    zone: Tz,
    context: Rhythms,
    apps: BTreeMap<AppSlug, Rhythms>,
}

/// How often each thing is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rhythms {
    /// A full backup of a database.
    pub full: Rhythm,
    /// A delta of a database, and a snapshot of the private state.
    pub delta: Rhythm,
    /// The verified restore test.
    pub rehearse: Rhythm,
    /// The copy to the immutable store.
    pub offsite: Rhythm,
    /// The drill.
    pub drill: Rhythm,
}

impl Schedule {
    /// A schedule in which every subject has the same rhythms.
    #[must_use]
    pub const fn new(zone: Tz, context: Rhythms) -> Self {
        Self { zone, context, apps: BTreeMap::new() }
    }

    /// The same, with rhythms of its own for an app.
    #[must_use]
    pub fn with_app(mut self, app: AppSlug, rhythms: Rhythms) -> Self {
        self.apps.insert(app, rhythms);
        self
    }

    /// The zone by whose clock days and times are meant.
    #[must_use]
    pub const fn zone(&self) -> Tz {
        self.zone
    }

    /// The rhythms of a subject.
    #[must_use]
    pub fn of(&self, subject: &Subject) -> &Rhythms {
        match subject {
            Subject::State => &self.context,
            Subject::App(slug) => self.apps.get(slug).unwrap_or(&self.context),
        }
    }
}
