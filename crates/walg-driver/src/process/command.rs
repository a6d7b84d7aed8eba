use super::{User, Variables};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is written on standard input to say that we are there: see [`Command::beat`].
pub(super) const BEAT: u8 = b'.';

/// A program to run, with everything that it gets.
///
/// Arguments are open to every user of a machine, so a secret never is one: it goes into the environment or to standard
/// input.
#[derive(Clone, Debug)]
pub struct Command {
    pub(super) program: OsString,
    pub(super) args: Vec<OsString>,
    pub(super) environment: Variables,
    pub(super) directory: PathBuf,
    pub(super) input: Input,
    pub(super) holds_input_open: bool,
    pub(super) beat: Option<Duration>,
    pub(super) user: Option<User>,
    pub(super) output: Output,
    pub(super) leftovers: Leftovers,
}

/// Standard input; not for anybody's eyes.
#[derive(Clone, Default)]
pub(crate) struct Input(pub(crate) Vec<u8>);

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// How standard output is kept. Standard error is always redacted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// For people: without the secrets of the environment.
    #[default]
    Redacted,
    /// For a parser: every byte as it came, because a row may well hold what happens to be a password too. It is never to
    /// be shown.
    Raw,
}

/// What becomes of the processes that a child leaves in its group when it ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leftovers {
    /// They are ended: an engine whose shell was killed must not push on alone.
    #[default]
    End,
    /// They go on.
    Leave,
}

impl Command {
    /// A program without arguments, environment or input, in the root directory.
    ///
    /// A name without a slash is looked up in the `PATH` that it is given.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            environment: Variables::default(),
            // The caller's own may be closed to the user that the child runs as.
            directory: PathBuf::from("/"),
            input: Input::default(),
            holds_input_open: false,
            beat: None,
            user: None,
            output: Output::default(),
            leftovers: Leftovers::default(),
        }
    }

    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// With more arguments.
    #[must_use]
    pub fn args<T: Into<OsString>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// With this environment and no other.
    #[must_use]
    pub fn environment(mut self, environment: Variables) -> Self {
        self.environment = environment;
        self
    }

    /// In this directory.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// With these bytes on standard input, and then its end.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Input(input.into());
        self
    }

    /// Without the end of standard input until it has ended: for one that takes that end for the sign that we are gone.
    #[must_use]
    pub fn hold_input_open(mut self) -> Self {
        self.holds_input_open = true;
        self
    }

    /// With a byte on standard input this often once the input is written, until it has ended: for one that takes a
    /// silence for the sign that we are gone. The end of standard input is held back too.
    #[must_use]
    pub fn beat(mut self, every: Duration) -> Self {
        self.beat = Some(every);
        self.hold_input_open()
    }

    /// As this user, without supplementary groups; only root can become another one.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.user = Some(user);
        self
    }

    /// With standard output kept so.
    #[must_use]
    pub fn output(mut self, output: Output) -> Self {
        self.output = output;
        self
    }

    /// With this done to what it leaves behind.
    #[must_use]
    pub fn leftovers(mut self, leftovers: Leftovers) -> Self {
        self.leftovers = leftovers;
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

    /// Its environment.
    #[must_use]
    pub fn variables(&self) -> &Variables {
        &self.environment
    }

    /// The name that messages call it by.
    pub(super) fn name(&self) -> String {
        Path::new(&self.program).file_name().unwrap_or(&self.program).to_string_lossy().into_owned()
    }
}
