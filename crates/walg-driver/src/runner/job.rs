use crate::process::{Input, Output};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// A command to be run where the server is. Nothing in it is a secret but its standard input.
#[derive(Debug, Clone)]
pub struct Job {
    pub(super) program: OsString,
    pub(super) args: Vec<OsString>,
    /// What is set, or unset, beside what the environment says there.
    pub(super) settings: BTreeMap<&'static str, Option<OsString>>,
    pub(super) reads: Reads,
    pub(super) input: Input,
    pub(super) output: Output,
}

/// Which settings a job is to see. In a container, and on another machine, it sees all that there are: they are not ours to
/// take away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reads {
    /// All of the app's.
    #[default]
    All,
    /// Those with which the server is reached, and not those of the storage.
    Server,
    /// None.
    Nothing,
}

impl Job {
    /// A program without arguments.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            settings: BTreeMap::new(),
            reads: Reads::default(),
            input: Input::default(),
            output: Output::default(),
        }
    }

    /// With more arguments.
    #[must_use]
    pub fn args<T: Into<OsString>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// With a setting that counts more than what the environment says. Everybody may see it.
    #[must_use]
    pub fn set(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.settings.insert(name, Some(value.into()));
        self
    }

    /// Without a setting, whatever the environment says.
    #[must_use]
    pub fn unset(mut self, name: &'static str) -> Self {
        self.settings.insert(name, None);
        self
    }

    /// With sight of these settings.
    #[must_use]
    pub fn reads(mut self, reads: Reads) -> Self {
        self.reads = reads;
        self
    }

    /// With these bytes on standard input.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Input(input.into());
        self
    }

    /// With standard output kept so.
    #[must_use]
    pub fn output(mut self, output: Output) -> Self {
        self.output = output;
        self
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &OsStr {
        &self.program
    }

    /// Its arguments.
    #[must_use]
    pub fn arguments(&self) -> &[OsString] {
        &self.args
    }

    /// What is set for it, or with none unset, beside what the environment says.
    pub fn settings(&self) -> impl Iterator<Item = (&'static str, Option<&OsStr>)> {
        self.settings.iter().map(|(name, value)| (*name, value.as_deref()))
    }
}
