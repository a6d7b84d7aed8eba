use super::ENGINE_WORD;
use super::settings::bare;
use crate::process::{PARENT, end_with_parent};
use backup_contract::environment::STORAGE_NAMES;
use clap::Parser as _;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use tokio::runtime::Builder;
use walrus::cli::Cli;
use walrus::config::Vars;

/// Runs the linked-in engine, when this process was started as one, and says with which code to end.
///
/// One program then is both, and the process boundary stays that other engines have: what hangs can be ended, what is
/// printed can be kept apart. A program that embeds this crate calls it before anything else:
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     if let Some(code) = walg_driver::engine::dispatch_engine() {
///         return code;
///     }
///     // What the program is for.
///     ExitCode::SUCCESS
/// }
/// ```
///
/// Two forms are taken for the engine's: `PROGRAM engine -- ARGS`, and `PROGRAM [--config FILE] wal-prefetch SEGMENT DIR`,
/// with which the engine's `wal-fetch` starts the program that it is in again, knowing nothing of the word.
///
/// Nothing may have been set up before: it installs the engine's own log, starts its runtime, and reads its settings from
/// the environment, as a program of its own would. glibc's memory arenas, which `walrus` bounds by a call, are left to
/// `MALLOC_ARENA_MAX`.
#[must_use]
pub fn dispatch_engine() -> Option<ExitCode> {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let engine = engine_args(&args)?;
    if !end_with_parent(std::env::var_os(PARENT).as_deref()) {
        return Some(ExitCode::FAILURE);
    }
    let unknown = unknown_names(|name| std::env::var_os(name));
    Some(if unknown.is_empty() { run(engine) } else { again(&args, unknown) })
}

/// Settings of the storage that are given under names which this engine passes over, under those that it reads: in an
/// `archive_command` nobody has translated them, and it would look for the bucket elsewhere.
fn unknown_names(value: impl Fn(&str) -> Option<OsString>) -> Vec<(&'static str, OsString)> {
    let value = |name: &str| value(name).filter(|text| !text.is_empty());
    let told = |names: &[&'static str]| {
        let known = bare(names);
        let other = names.iter().find_map(|name| value(name)).filter(|_| value(known).is_none())?;
        Some((known, other))
    };
    STORAGE_NAMES.into_iter().filter_map(told).collect()
}

/// Starts this program again in the place of this process, with more in its environment: no process may change its own.
fn again(args: &[OsString], more: Vec<(&'static str, OsString)>) -> ExitCode {
    let failed = match std::env::current_exe() {
        Ok(program) => Command::new(program).args(args).envs(more).exec(),
        Err(error) => error,
    };
    say(&failed);
    ExitCode::FAILURE
}

/// The engine's arguments, when these are for it.
fn engine_args(args: &[OsString]) -> Option<&[OsString]> {
    let is_segment =
        |name: &OsStr| name.len() == 24 && name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit);
    match args {
        [word, dashes, rest @ ..] if word == ENGINE_WORD && dashes == "--" => Some(rest),
        [verb, segment, _] | [_, _, verb, segment, _]
            if verb == "wal-prefetch"
                && is_segment(segment)
                && (args.len() == 3 || args[0] == "--config") =>
        {
            Some(args)
        }
        _ => None,
    }
}

fn run(args: &[OsString]) -> ExitCode {
    // The name is what `--version` prints.
    let cli = match Cli::try_parse_from(
        std::iter::once(OsStr::new("walrus")).chain(args.iter().map(AsRef::as_ref)),
    ) {
        Ok(cli) => cli,
        Err(said) => {
            // Help and version come this way too. Nobody is left to tell of a closed pipe.
            let _ = said.print();
            return if said.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    walrus::log::init();
    match run_to_end(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&*error);
            ExitCode::FAILURE
        }
    }
}

/// As `walrus` does it itself.
fn run_to_end(cli: Cli) -> Result<(), Box<dyn Error + Send + Sync>> {
    let vars = match cli.config.as_deref() {
        Some(path) => Vars::load(path)?,
        None => Vars::default(),
    };
    let threads = cli.worker_threads(&vars)?;
    let mut builder = if threads > 1 { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    let stack = if cfg!(debug_assertions) { 512 << 10 } else { 256 << 10 };
    builder.thread_stack_size(stack).enable_all().build()?.block_on(cli.run(vars))?;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "this process is the engine, and that is where engines complain")]
fn say(error: &dyn Error) {
    eprintln!("ERROR {}", Chain(error));
}

/// An error with everything that led to it.
struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        std::iter::successors(self.0.source(), |error| (*error).source())
            .try_for_each(|error| write!(f, ": {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(args: &[&str]) -> Option<Vec<OsString>> {
        engine_args(&args.iter().map(OsString::from).collect::<Vec<_>>()).map(<[_]>::to_vec)
    }

    #[test]
    fn the_engine_is_started_by_its_word_alone() {
        assert_eq!(taken(&["engine", "--", "backup-list"]), Some(vec!["backup-list".into()]));
        assert_eq!(taken(&["engine", "--"]), Some(vec![]));
        for other in [&[][..], &["engine"], &["engine", "list"], &["verify", "engine", "--"]] {
            assert_eq!(taken(other), None, "{other:?}");
        }
    }

    #[test]
    fn names_that_the_engine_passes_over_are_told_by_those_that_it_reads() {
        let told = |given: &[(&str, &str)]| {
            unknown_names(|name| given.iter().find(|(known, _)| *known == name).map(|(_, text)| text.into()))
        };
        assert_eq!(
            told(&[
                ("WALG_AWS_ENDPOINT", "e"),
                ("WALG_AWS_ACCESS_KEY_ID", "i"),
                ("WALG_S3_PREFIX", "s3://b"),
                ("AWS_REGION", "r"),
                ("WALG_AWS_REGION", "other"),
                ("WALG_AWS_SESSION_TOKEN", ""),
            ]),
            [("AWS_ENDPOINT", "e".into()), ("AWS_ACCESS_KEY_ID", "i".into())]
        );
        // So that it comes to an end.
        assert!(told(&[("AWS_ENDPOINT", "e"), ("AWS_ACCESS_KEY_ID", "i")]).is_empty());
    }

    #[test]
    fn the_engine_may_start_itself_again() {
        let segment = "000000010000000000000002";
        assert_eq!(taken(&["wal-prefetch", segment, "/pg_wal"]).map(|args| args.len()), Some(3));
        assert_eq!(
            taken(&["--config", "f", "wal-prefetch", segment, "/pg_wal"]).map(|args| args.len()),
            Some(5)
        );
        for other in [
            &["wal-prefetch", "shop", "/pg_wal"][..],
            &["wal-prefetch", segment],
            &["--home", "f", "wal-prefetch", segment, "/pg_wal"],
        ] {
            assert_eq!(taken(other), None, "{other:?}");
        }
    }
}
