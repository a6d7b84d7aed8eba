use super::file::{EnvFile, Given};
use super::value::EnvValue;
use super::{encryption, endpoint, engine_only, oddities, prefix, pushing, required, shadow, storage};
use crate::engine::EngineKind;
use crate::profile::Profile;
use crate::{Checked, Place, Stage};

/// An app's env file, and what it is held against.
#[derive(Debug, Clone, Copy)]
pub struct Environment<'a> {
    /// How findings call the file.
    pub path: &'a str,
    /// What it says.
    pub file: &'a EnvFile,
    /// What it must say.
    pub profile: &'a Profile,
    /// Which engine reads it.
    pub engine: EngineKind,
    /// Which rules hold.
    pub stage: Stage,
    /// The file that `WALG_LIBSODIUM_KEY_PATH` names.
    pub key_file: KeyFile<'a>,
}

/// The file that `WALG_LIBSODIUM_KEY_PATH` names.
#[derive(Debug, Clone, Copy)]
pub enum KeyFile<'a> {
    /// Nobody has looked at it; it may be on another host.
    NotLookedAt,
    /// It could not be read.
    Unreadable,
    /// It was read.
    Read {
        /// What it holds.
        key: &'a EnvValue,
        /// Its permission bits.
        mode: u32,
    },
}

impl<'a> Environment<'a> {
    /// Everything that is wrong or weak in it, at once.
    #[must_use]
    pub fn check(&self) -> Checked {
        let mut out = Checked::default();
        oddities::check(self, &mut out);
        required::check(self, &mut out);
        storage::check(self, &mut out);
        prefix::check(self, &mut out);
        endpoint::check(self, &mut out);
        encryption::check(self, &mut out);
        shadow::check(self, &mut out);
        engine_only::check(self, &mut out);
        pushing::check(self, &mut out);
        out
    }

    /// Where a name is given, or would be.
    pub(super) fn place(&self, name: &str) -> Place {
        let place = Place::of(self.path).pointer(name);
        match self.file.get(name) {
            Some(variable) => place.line(variable.line()),
            None => place,
        }
    }

    /// The value of a name, where it is one that every reader reads alike; the engines take an empty one for none.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        let value = self.file.get(name)?.literal()?;
        Some(value.expose()).filter(|text| !text.is_empty())
    }

    /// Whether the engine would find something under a name.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.file.get(name).is_some_and(|variable| match variable.given() {
            Given::Literal(value) | Given::Substituted(value) => !value.is_empty(),
            Given::Inherited => true,
        })
    }

    /// Those of the names under which the engine would find something.
    pub(super) fn set_among<'n>(&self, names: &[&'n str]) -> Vec<&'n str> {
        names.iter().copied().filter(|name| self.is_set(name)).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::Finding;

    /// What is found in a file with these lines.
    pub(in crate::environment) fn found(
        text: &str,
        engine: EngineKind,
        stage: Stage,
        check: fn(&Environment<'_>, &mut Checked),
    ) -> Vec<Finding> {
        let file = EnvFile::parse(text.as_bytes()).unwrap();
        let profile = Profile::find("supabase-self-hosted").unwrap();
        let key_file = KeyFile::NotLookedAt;
        let mut out = Checked::default();
        check(&Environment { path: "shop.env", file: &file, profile, engine, stage, key_file }, &mut out);
        out.findings
    }

    /// The codes alone.
    pub(in crate::environment) fn codes(
        text: &str,
        engine: EngineKind,
        check: fn(&Environment<'_>, &mut Checked),
    ) -> Vec<&'static str> {
        found(text, engine, Stage::Production, check).iter().map(|finding| finding.code).collect()
    }
}
