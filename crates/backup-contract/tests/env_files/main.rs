//! Env files: read as compose reads them, silent about their values, and harmless whatever they hold.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod compose_rules;
mod hostile;
mod model;
mod silence;

use backup_contract::environment::{EnvFile, Given};

/// What a file says, with what compose would substitute as `$`, and what it would inherit as nothing.
fn read(text: &str) -> Vec<(String, Option<String>)> {
    let file = EnvFile::parse(text.as_bytes()).unwrap();
    let given = |given: &Given| match given {
        Given::Literal(value) => Some(value.expose().to_owned()),
        Given::Substituted(_) => Some("<substituted>".to_owned()),
        Given::Inherited => None,
    };
    file.iter().map(|variable| (variable.name().to_owned(), given(variable.given()))).collect()
}
