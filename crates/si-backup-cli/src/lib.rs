//! The command line of si-backup, as a library: `si` embeds the same commands.
//!
//! | part | here |
//! |---|---|
//! | what can be typed | [`args`]: clap types that flatten into another parser |
//! | the settings file | [`settings`] |
//! | what comes from outside: environment, clock, terminal, signals | [`World`] |
//! | what a command works with | [`Session`]: home, context, store, keys, trail, leases |
//! | what a command does | [`usecase`], one file a verb |
//! | what it prints | [`Report`], made of the rows and texts of [`view`] |
//! | how it ends | [`CliError::exit_code`] |
//!
//! Everything that decides or acts lies in the libraries beneath; what is here composes them.

mod app;
pub mod args;
mod error;
mod home;
mod judge;
mod open_store;
mod place;
mod progress;
mod report;
mod session;
pub mod settings;
mod shelf;
pub mod usecase;
pub mod view;
mod world;

pub use app::{Answers, AppBucket, AppEnvironment, AppServer, AppShelf};
pub use error::CliError;
pub use home::{Home, HomeLock};
pub use judge::Judge;
pub use open_store::{open_store, store_directory};
pub use progress::{Meter, ProgressMode, metered};
pub use report::{Mode, Report, Rows};
pub use session::Session;
pub use shelf::Shelf;
pub use world::{Interrupts, World};

use args::Cli;
use clap::Parser;
use std::io::{self, Write};
use std::process::ExitCode;

/// The program: everything from the world of this process.
#[must_use]
pub fn main() -> ExitCode {
    #[cfg(feature = "embedded")]
    if let Some(code) = walg_driver::engine::dispatch_engine() {
        return code;
    }
    match World::real() {
        Ok(mut world) => ExitCode::from(run(&mut world)),
        Err(e) => {
            // There is no world to print into yet.
            let _ = writeln!(io::stderr(), "error: cannot set a signal handler: {e}");
            let args: Vec<_> = std::env::args_os().collect();
            if app::wal_get::is_meant(&args) { app::wal_get::FAILED.into() } else { ExitCode::FAILURE }
        }
    }
}

/// Runs one command in a world, and returns its exit code.
pub fn run(world: &mut World) -> u8 {
    if let Some(code) = app::wal_get::dispatch(world) {
        return code;
    }
    let wants_json = world.args.iter().any(|arg| arg == "--json");
    let cli = match Cli::try_parse_from(&world.args) {
        Ok(cli) => cli,
        Err(e) => return usage(world, wants_json, &e),
    };
    let wants_json = wants_json || cli.command.wants_json();
    let (verbose, quiet, color) = (cli.global.verbose, cli.global.quiet, cli.global.color);
    let (report, context, warnings) = match Session::new(world, cli.global) {
        Ok(session) => {
            let report = usecase::dispatch(&session, &cli.command);
            let report = report.unwrap_or_else(|error| cli.command.failed(session.explain(error)));
            (report, session.context.to_string(), session.take_warnings())
        }
        Err(error) => (cli.command.failed(error), String::new(), Vec::new()),
    };
    let style = view::Style::choose(color, world);
    let printed = if wants_json {
        deliver(world, |out| report.write_envelope(out, &context, &warnings))
    } else {
        let printed = print(world, &style.text(&report.text));
        let mut complaints = String::new();
        if !quiet {
            complaints.extend(warnings.iter().map(|warning| format!("warning: {warning}\n")));
        }
        if let Some(error) = &report.error {
            complaints += &view::error_text(error, verbose);
        }
        // Standard error may be closed; the exit code still tells.
        let _ = world.err.write_all(style.complaint(&complaints).as_bytes());
        printed
    };
    if let Err(e) = printed {
        let _ = writeln!(world.err, "error: cannot write to standard output: {e}");
        return if report.exit == 0 { 1 } else { report.exit };
    }
    report.exit
}

fn print(world: &mut World, text: &str) -> io::Result<()> {
    deliver(world, |out| out.write_all(text.as_bytes()))
}

/// A closed pipe is a reader who has seen enough.
fn deliver(world: &mut World, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    match write(&mut *world.out).and_then(|()| world.out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

fn usage(world: &mut World, wants_json: bool, error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        let text = error.render();
        let text = if world.out_is_terminal { text.ansi().to_string() } else { text.to_string() };
        return u8::from(print(world, &text).is_err());
    }
    if wants_json {
        let error = CliError::usage(
            in_one_line(error),
            "'si-backup help' lists the commands, and 'si-backup help COMMAND' its options",
        );
        let report = Report::failed("backup", error);
        // Nothing more can be told than that the words make no command.
        let _ = print(world, &format!("{:#}\n", report.envelope("", &[])));
    } else {
        let text = error.render();
        let text = if world.err_is_terminal { text.ansi().to_string() } else { text.to_string() };
        let _ = world.err.write_all(text.as_bytes());
    }
    2
}

/// What is wrong with the words: clap's message with what it lists below, without how the command is typed.
fn in_one_line(error: &clap::Error) -> String {
    use clap::error::ErrorKind;
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a subcommand is missing".into();
    }
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let told: Vec<_> = lines.filter(|line| !line.is_empty() && !line.starts_with("For more")).collect();
    told.join(" ").trim_start_matches("error: ").to_owned()
}
