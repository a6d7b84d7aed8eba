use crate::report::row;
use crate::view;
use crate::{CliError, Report, Session};
use paas_state::{Event, newest_events};

/// How much is told of one event for people, in characters; the rows of `--json` have everything.
const TOLD: usize = 120;

/// Lists the newest events of the context, newest last.
pub(super) fn list(session: &Session<'_>, limit: usize) -> Result<Report, CliError> {
    let events = newest_events(&session.open_context()?, limit)?;
    let lines = events.iter().map(|event| {
        [
            event.timestamp.clone(),
            event.source.clone(),
            event.command.clone(),
            event.status.clone(),
            told(event),
        ]
    });
    let text = if events.is_empty() {
        "no events\n".to_owned()
    } else {
        view::table(["TIME", "SOURCE", "COMMAND", "STATUS", "WHAT"], lines)
    };
    Ok(Report::new("backup events list", events.iter().map(row).collect(), text))
}

/// What went wrong first, then the fields, the short ones before the long ones, as far as a line has room for them.
fn told(event: &Event) -> String {
    let more = event.more.iter().filter(|(name, _)| name.starts_with("error_"));
    let more =
        more.map(|(name, value)| (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    let mut fields: Vec<_> = event.fields.iter().map(|(name, value)| (name, value.clone())).collect();
    fields.sort_by_key(|(_, value)| value.len());
    let mut told = String::new();
    for (name, value) in more.chain(fields) {
        let between = if told.is_empty() { "" } else { " " };
        let item = format!("{between}{name}={value}");
        let room = TOLD.saturating_sub(told.chars().count());
        match item.char_indices().nth(room) {
            None => told += &item,
            // Half a value misleads, but for the first one, which would be nothing at all.
            Some((at, _)) => return told.clone() + if told.is_empty() { &item[..at] } else { " " } + "...",
        }
    }
    told
}
