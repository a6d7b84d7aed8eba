use super::check::Environment;
use super::file::{Given, Oddity, Variable};
use crate::{Checked, ClauseId, Finding, Place, Severity};
use std::collections::BTreeMap;

/// How many findings of one kind are told; a file that has more is wrong as a whole.
const TOLD: usize = 20;

/// What compose reads otherwise than it looks, or than other readers do.
pub(super) fn check(env: &Environment<'_>, out: &mut Checked) {
    let mut findings: Vec<_> = substituted(env).take(TOLD).collect();
    findings.extend(inherited(env).take(TOLD));
    findings.extend(assigned_twice(env).take(TOLD));
    findings.extend(misread(env).take(TOLD));
    out.findings.extend(findings.into_iter().map(|finding| finding.about(ClauseId::AppContract)));
}

fn place(env: &Environment<'_>, variable: &Variable) -> Place {
    let place = Place::of(env.path).line(variable.line);
    match variable.printable_name() {
        Some(name) => place.pointer(name),
        None => place,
    }
}

fn substituted<'a>(env: &'a Environment<'_>) -> impl Iterator<Item = Finding> + 'a {
    let is_it = |variable: &&Variable| matches!(variable.given, Given::Substituted(_));
    env.file.iter().filter(is_it).map(|variable| {
        Finding::new(
            "env-dollar",
            Severity::Error,
            place(env, variable),
            "holds an unescaped '$': compose puts a variable's value there, and other readers do not",
            "write '$$', or put the value between single quotes",
        )
    })
}

fn inherited<'a>(env: &'a Environment<'_>) -> impl Iterator<Item = Finding> + 'a {
    env.file.iter().filter(|variable| matches!(variable.given, Given::Inherited)).map(|variable| {
        Finding::new(
            "env-inherited",
            Severity::Warning,
            place(env, variable),
            "is a name without a value: what it holds depends on who starts the program",
            "give it a value here, or remove the line",
        )
    })
}

fn assigned_twice<'a>(env: &'a Environment<'_>) -> impl Iterator<Item = Finding> + 'a {
    let mut first = BTreeMap::new();
    env.file.iter().filter_map(move |variable| {
        let before = first.insert(variable.name(), variable.line())?;
        Some(Finding::new(
            "env-assigned-twice",
            Severity::Warning,
            place(env, variable),
            format!("was given a value on line {before} already; this one counts"),
            "keep one of the two",
        ))
    })
}

fn misread<'a>(env: &'a Environment<'_>) -> impl Iterator<Item = Finding> + 'a {
    env.file.oddities.iter().map(|oddity| match *oddity {
        Oddity::CommentAsValue { variable } => Finding::new(
            "env-comment-as-value",
            Severity::Warning,
            place(env, &env.file.variables[variable]),
            "has no value but a comment, which compose takes for the value",
            "put the comment on a line of its own",
        ),
        Oddity::TextAfterQuote { variable } => Finding::new(
            "env-text-after-quote",
            Severity::Warning,
            place(env, &env.file.variables[variable]),
            "goes on after its closing quote: compose takes the rest for another assignment",
            "put the whole value between the quotes",
        ),
    })
}
