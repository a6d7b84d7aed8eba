//! What was once written is read for ever.

use super::super::record::{Record, WayBack};
use super::support::{now, permit};
use crate::{Act, Phase, Plan};

const RECORD: &str = include_str!("data/journal-1.json");
const PLAN: &str = include_str!("data/plan-1.json");
const WAY_BACK: &str = include_str!("data/undo-1.json");

#[test]
fn the_files_of_version_1_are_read() {
    let record: Record = serde_json::from_str(RECORD).unwrap();
    assert_eq!((record.version, record.phase, record.begun_at), (1, Phase::Undoing, now()));
    assert_eq!(&record.grant, permit().grant());
    let plan: Plan = serde_json::from_str(PLAN).unwrap();
    let acts: Vec<_> =
        plan.steps().iter().map(|step| (step.path.as_str(), step.act(), step.log.is_some())).collect();
    assert_eq!(
        acts,
        [
            ("events.jsonl", Act::Replace, true),
            ("new.json", Act::Add, false),
            ("old.json", Act::Remove, false)
        ]
    );
    assert_eq!(plan.new_directories().count(), 0);
    let back: WayBack = serde_json::from_str(WAY_BACK).unwrap();
    assert_eq!(
        (back.version, back.moves.len(), back.moves[0].carried.as_deref()),
        (1, 3, Some(".si-carried-1-0"))
    );
    // And written again they are the same.
    for (text, value) in [
        (RECORD, serde_json::to_value(&record)),
        (PLAN, serde_json::to_value(&plan)),
        (WAY_BACK, serde_json::to_value(&back)),
    ] {
        assert_eq!(serde_json::from_str::<serde_json::Value>(text).unwrap(), value.unwrap());
    }
}
