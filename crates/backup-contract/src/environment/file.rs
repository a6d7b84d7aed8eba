use super::parse;
use super::value::EnvValue;
use crate::Result;
use std::fmt;

/// What an env file says, in its order.
///
/// The syntax is that of compose's `env_file`, without its interpolation: a value with an unescaped `$` is kept as
/// [`Given::Substituted`], because nobody but the reader's environment knows what it becomes.
#[derive(Debug, Clone)]
pub struct EnvFile {
    pub(super) variables: Vec<Variable>,
    pub(super) oddities: Vec<Oddity>,
}

/// One assignment of an env file.
#[derive(Clone)]
pub struct Variable {
    pub(super) name: String,
    pub(super) line: u64,
    pub(super) given: Given,
}

/// What a name was given.
#[derive(Debug, Clone)]
pub enum Given {
    /// A value that every reader reads alike.
    Literal(EnvValue),
    /// A text with an unescaped `$`, as it is written: compose would put something else there.
    Substituted(EnvValue),
    /// Nothing, only the name: whoever starts the container decides.
    Inherited,
}

/// Something that compose reads otherwise than it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oddity {
    /// `NAME= # text`: the comment is the value.
    CommentAsValue { variable: usize },
    /// `NAME="a" text`: what follows a closing quote begins another assignment.
    TextAfterQuote { variable: usize },
}

impl EnvFile {
    /// The longest file that is read, in bytes: a few thousand times what a real one has.
    pub const MAX_BYTES: usize = 1 << 20;

    /// Reads the bytes of an env file.
    ///
    /// Stricter than compose in what no sound file has: bytes that are not UTF-8, NUL, a name that is empty or has a
    /// blank in it.
    ///
    /// # Errors
    /// [`Error::EnvTooLarge`](crate::Error::EnvTooLarge) and [`Error::EnvSyntax`](crate::Error::EnvSyntax), which name
    /// the line and never its text.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        parse::parse(bytes)
    }

    /// What a name was given last: that is what counts.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().rfind(|variable| variable.name == name)
    }

    /// All assignments, in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = &Variable> {
        self.variables.iter()
    }
}

impl Variable {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name where it can be printed. A secret that was pasted on a line of its own, or a value that was broken
    /// over lines, is read as a name too; only what is written as names are is taken for one.
    #[must_use]
    pub fn printable_name(&self) -> Option<&str> {
        let looks_like_a_name = self.name.len() <= 64
            && self.name.contains('_')
            && self.name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            || self.name.starts_with("PG")
                && self.name.len() <= 24
                && self.name.bytes().all(|b| b.is_ascii_uppercase());
        looks_like_a_name.then_some(&*self.name)
    }

    /// The line that it begins on, counted from 1.
    #[must_use]
    pub const fn line(&self) -> u64 {
        self.line
    }

    /// What it was given.
    #[must_use]
    pub const fn given(&self) -> &Given {
        &self.given
    }

    /// Its value, where every reader reads the same.
    #[must_use]
    pub const fn literal(&self) -> Option<&EnvValue> {
        match &self.given {
            Given::Literal(value) => Some(value),
            Given::Substituted(_) | Given::Inherited => None,
        }
    }
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variable")
            .field("name", &self.printable_name().unwrap_or("<redacted>"))
            .field("line", &self.line)
            .field("given", &self.given)
            .finish()
    }
}
