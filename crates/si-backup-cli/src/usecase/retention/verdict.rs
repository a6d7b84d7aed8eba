use super::policy::policy;
use super::state::plan_of;
use crate::args::PolicyArgs;
use crate::{CliError, Session, Shelf};
use backup_contract::Snapshot;
use backup_store::Store;
use retention::{PlanRow, ReasonRow, explain};

/// What the retention of the settings says of one snapshot now.
#[derive(Debug)]
pub(in crate::usecase) struct Verdict {
    pub(in crate::usecase) keep: bool,
    pub(in crate::usecase) reasons: Vec<ReasonRow>,
    pub(in crate::usecase) drop_reason: Option<&'static str>,
    pub(in crate::usecase) drop_detail: Option<String>,
    /// Why, and what would change it, a line each.
    pub(in crate::usecase) lines: Vec<String>,
}

impl Verdict {
    /// Plans over everything that there is, for a snapshot is kept or dropped among the others.
    pub(in crate::usecase) fn on(
        session: &Session<'_>,
        store: &dyn Store,
        shelf: &Shelf<'_>,
        snapshot: &Snapshot,
    ) -> Result<Self, CliError> {
        let policy = policy(&PolicyArgs::default(), Some(session.context_settings()?))?;
        let (plan, _) = plan_of(session, store, shelf, &policy, session.now())?;
        let Some(at) = plan.snapshots().iter().position(|point| **point.id() == *snapshot.id.as_str()) else {
            return Ok(Self {
                keep: true,
                reasons: Vec::new(),
                drop_reason: None,
                drop_detail: None,
                lines: vec!["nothing can be said about it, so it is left alone".into()],
            });
        };
        let explanation = explain(&plan, at);
        let decision = explanation.decision();
        let row = PlanRow::from(decision);
        let lines = if row.keep {
            let say = |(reason, ending): &(_, _)| {
                format!("{}; until {}", decision.say(*reason), explanation.say_ending(*ending))
            };
            explanation.endings().iter().map(say).collect()
        } else {
            let remedies: Vec<_> = explanation.remedies().iter().map(ToString::to_string).collect();
            let why = row.drop_detail.clone().unwrap_or_default();
            vec![why, format!("would be kept by {}", remedies.join(", or "))]
        };
        Ok(Self {
            keep: row.keep,
            reasons: row.reasons,
            drop_reason: row.drop_reason,
            drop_detail: row.drop_detail,
            lines,
        })
    }
}
