use crate::report::row;
use crate::view::{self, AuditRow, ChainRow};
use crate::{CliError, Report, Rows, Session};
use restore_guard::{ChainReport, TrailLine, merge, verify_context};
use std::fmt::Write;

/// Lists the entries of every chain, oldest first: those of other hosts by their copies in the store.
pub(super) fn list(session: &Session<'_>) -> Result<Report, CliError> {
    let reports = reports(session)?;
    let unsound = reports.iter().any(|report| !report.is_sound());
    let rows: Vec<_> = merge(reports.into_iter().map(|report| report.lines)).iter().map(audit_row).collect();
    if unsound {
        session.warn("something is wrong with the trail: see 'si-backup audit verify'");
    }
    let text = if rows.is_empty() {
        "the trail is empty\n".to_owned()
    } else {
        view::table(["TIME", "OPERATOR", "ACTION", "OUTCOME", "SNAPSHOT"], rows.iter().map(line))
    };
    Ok(Report::new("backup audit list", rows.iter().map(row).collect(), text))
}

/// Checks every chain, and holds the own one against the store's copies.
pub(super) fn verify(session: &Session<'_>) -> Result<Report, CliError> {
    let mut checks = Vec::new();
    let mut text = String::new();
    let mut count = 0;
    for report in reports(session)? {
        let name = format!("{}/{}", report.context, report.writer);
        for finding in &report.findings {
            let harmless = finding.is_harmless();
            let word = if harmless { "warning" } else { "error" };
            let _ = writeln!(text, "{word}: {name}: {finding} [{}]", finding.code());
            checks.push(row(&ChainRow {
                name: name.clone(),
                ok: harmless,
                detail: finding.to_string(),
                code: Some(finding.code()),
                sequence: finding.sequence(),
            }));
            if !harmless {
                count += 1;
            }
        }
        let uncopied = match report.unpublished() {
            Some(0) | None => String::new(),
            Some(n) => format!(", {n} not yet copied into the store"),
        };
        if report.is_sound() {
            let detail =
                format!("{}, whole and in order{uncopied}", view::count(report.last, "entry", "entries"));
            let _ = writeln!(text, "ok: {name}: {detail}");
            checks.push(row(&ChainRow { name, ok: true, detail, code: None, sequence: None }));
        }
    }
    let mut report = Report::new("backup audit verify", Vec::new(), text);
    report.rows = Rows::Checks(checks);
    if count == 0 {
        return Ok(report);
    }
    Ok(report.with_error(CliError::Findings {
        code: "trail-findings",
        message: format!("{} in the trail", view::count(count, "finding", "findings")),
        hint: "find out who changed it; the store's copies below audit/ are the other witness",
    }))
}

fn reports(session: &Session<'_>) -> Result<Vec<ChainReport>, CliError> {
    let trail = session.home.trail(&session.context)?;
    let store = session.open_store()?;
    Ok(verify_context(&*store, &trail)?)
}

fn audit_row(line: &TrailLine) -> AuditRow {
    let entry = &line.entry;
    AuditRow {
        writer: entry.writer.to_string(),
        sequence: entry.sequence,
        at: entry.at,
        operator: entry.operator.clone(),
        action: entry.action.to_string(),
        subject: entry.subject.clone(),
        id: entry.id.clone(),
        outcome: entry.outcome.to_string(),
        digest: line.digest,
    }
}

fn line(row: &AuditRow) -> [String; 5] {
    [
        view::time(row.at),
        row.operator.clone(),
        row.action.clone(),
        row.outcome.clone(),
        row.id.as_ref().map(ToString::to_string).unwrap_or_default(),
    ]
}
