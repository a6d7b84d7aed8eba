//! What each command does, one file a verb: it composes the libraries, and decides nothing that they could.

mod app;
mod app_status;
mod audit;
mod contract;
mod diff;
mod doctor;
mod events;
mod extract;
mod guard;
mod init;
mod kit;
mod list;
mod pin;
mod policy;
mod prove;
mod recover;
mod restore;
mod retention;
mod run;
mod settings_copy;
mod show;
mod status;
mod verify;

use crate::args::{AuditCommand, Command, EventsCommand};
use crate::{CliError, Report, Session};

/// Does what the command says.
///
/// # Errors
/// Whatever kept it from being done before there was anything to report; otherwise the report has the error.
pub fn dispatch(session: &Session<'_>, command: &Command) -> Result<Report, CliError> {
    match command {
        Command::Init(args) if args.recover => recover::recover(session, args),
        Command::Init(args) => init::init(session, args),
        Command::Kit(args) => kit::kit(session, args),
        Command::Contract(args) => contract::contract(session, args),
        Command::Run(args) => match &args.subject.app {
            Some(app) => app::run(session, args, app),
            None => run::run(session, args),
        },
        Command::Status(args) => match &args.subject.app {
            Some(app) => app::status(session, app),
            None => status::status(session),
        },
        Command::List(args) => match &args.subject.app {
            Some(app) => app::list(session, app),
            None => list::list(session),
        },
        Command::Show(args) => match &args.subject.app {
            Some(app) => app::show(session, args, app),
            None => show::show(session, args),
        },
        Command::Diff(args) => diff::diff(session, args),
        Command::Verify(args) => match &args.subject.app {
            Some(app) => app::verify(session, args, app),
            None => verify::verify(session, args),
        },
        Command::Extract(args) => match &args.subject.app {
            Some(app) => app::extract(session, args, app),
            None => extract::extract(session, args),
        },
        Command::Restore(args) => restore::restore(session, args),
        Command::Guard(command) => guard::guard(session, command),
        Command::App(command) => app_status::app(session, command),
        Command::Pin(args) => pin::pin(session, args),
        Command::Unpin(args) => pin::unpin(session, args),
        Command::Retention(command) => retention::retention(session, command),
        Command::Policy(args) => policy::policy(session, args),
        Command::Audit(AuditCommand::List) => audit::list(session),
        Command::Audit(AuditCommand::Verify) => audit::verify(session),
        Command::Events(EventsCommand::List { limit }) => events::list(session, *limit),
        Command::Doctor => Ok(doctor::doctor(session)),
    }
}
