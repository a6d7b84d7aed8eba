use std::time::Duration;

/// A question, and how patiently it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name in records.
    pub name: String,
    /// What is asked.
    pub kind: CheckKind,
    /// How often it is asked until it is answered as it should be. At least once.
    pub attempts: u32,
    /// How long to wait between two attempts.
    pub every: Duration,
    /// How long an attempt may take.
    pub timeout: Duration,
}

impl Check {
    /// A question that is asked for a minute: what was just started needs a while until it answers.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: CheckKind) -> Self {
        Self {
            name: name.into(),
            kind,
            attempts: 12,
            every: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckKind {
    /// Something that this crate has no way to ask: whoever has one asks it by [`ask_by`](crate::ask_by).
    Other,
    /// A web page, by GET. No redirection is followed.
    Http {
        /// Its address, `http://…` or `https://…`.
        url: String,
        /// The status that it must answer with.
        expect: u16,
        /// What must stand somewhere in the first mebibyte of its body.
        contains: Option<String>,
    },
    /// An address `host:port` that must accept connections.
    Tcp(String),
    /// A program with its arguments that must end with 0. It is run without a shell, in a process group of its own; what it
    /// prints is kept nowhere, for it may hold secrets.
    Command(Vec<String>),
}
