use crate::report::row;
use crate::view;
use crate::{CliError, Report, Session};
use paas_state::newest_events;

/// Lists the newest events of the context, newest last.
pub(super) fn list(session: &Session<'_>, limit: usize) -> Result<Report, CliError> {
    let events = newest_events(&session.open_context()?, limit)?;
    let lines = events.iter().map(|event| {
        [
            event.timestamp.clone(),
            event.source.clone(),
            event.command.clone(),
            event.status.clone(),
            event.fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "),
        ]
    });
    let text = if events.is_empty() {
        "no events\n".to_owned()
    } else {
        view::table(["TIME", "SOURCE", "COMMAND", "STATUS", "FIELDS"], lines)
    };
    Ok(Report::new("backup events list", events.iter().map(row).collect(), text))
}
