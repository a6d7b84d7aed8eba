//! The shapes of JSON rows: what comes in, what a plan says (feature `serde`).

use std::fmt::Display;

use chrono::{DateTime, Utc};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

use crate::error::Error;
use crate::period::{Slot, Tier};
use crate::plan::{Decision, Plan};
use crate::policy::{Count, Counts};
use crate::reason::{DropReason, Reason, Rule};
use crate::snapshot::{Kind, Snapshot};

/// One snapshot as any tool can write it. Only `id` and `time` are needed; what is not known here is passed over.
///
/// ```
/// # use retention::{Row, Snapshot};
/// let row: Row<String> = serde_json::from_str(
///     r#"{"id": "b", "time": "2026-11-24T02:00:00+01:00", "kind": "delta", "parent": "a", "verified": true}"#,
/// )?;
/// let snapshot = Snapshot::try_from(row)?;
/// assert_eq!(snapshot.time().to_rfc3339(), "2026-11-24T01:00:00+00:00");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, Serialize)]
#[non_exhaustive]
pub struct Row<Id> {
    /// Its name within its group.
    pub id: Id,
    /// The moment whose state it holds, with its offset (RFC 3339).
    pub time: DateTime<Utc>,
    /// Full where nothing is said and no parent is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// What a delta needs; passed over for a full one.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id>,
    /// The group without a name where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// There is evidence that it can be restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// Somebody wants it kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
    /// Taken while nobody knew whether the subject was sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspect: Option<bool>,
    /// An object lock holds it until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_until: Option<DateTime<Utc>>,
    /// It was written to its end; true where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
}

/// `default` alone would ask for `Id: Default`.
fn none<Id>() -> Option<Id> {
    None
}

impl<Id: Display> TryFrom<Row<Id>> for Snapshot<Id> {
    type Error = Error;

    fn try_from(row: Row<Id>) -> Result<Self, Error> {
        let mut snapshot = match (row.kind, row.parent) {
            // Some tools name the previous snapshot as parent of one that needs nothing. Guessing either way loses data.
            (None, Some(_)) => return Err(Error::UnclearKind { id: row.id.to_string() }),
            (None | Some(Kind::Full), _) => Self::full(row.id, row.time),
            (Some(Kind::Delta), Some(parent)) => Self::delta(row.id, row.time, parent),
            (Some(Kind::Delta), None) => Self::orphan(row.id, row.time),
        };
        if let Some(group) = row.group {
            snapshot = snapshot.in_group(group);
        }
        if row.verified == Some(true) {
            snapshot = snapshot.verified();
        }
        if row.pinned == Some(true) {
            snapshot = snapshot.pinned();
        }
        if row.suspect == Some(true) {
            snapshot = snapshot.suspect();
        }
        if row.complete == Some(false) {
            snapshot = snapshot.incomplete();
        }
        if let Some(until) = row.locked_until {
            snapshot = snapshot.locked_until(until);
        }
        Ok(snapshot)
    }
}

/// One row of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct PlanRow<'p, Id> {
    /// The snapshot.
    pub id: &'p Id,
    /// Its group, where it has one.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub group: &'p str,
    /// Its time.
    pub time: DateTime<Utc>,
    /// Whether the policy keeps it.
    pub keep: bool,
    /// Every reason to keep it.
    pub reasons: Vec<ReasonRow>,
    /// Why the policy lets it go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_reason: Option<&'static str>,
    /// The same for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_detail: Option<String>,
    /// Until when an object lock holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked_until: Option<DateTime<Utc>>,
    /// Whether it can be restored.
    pub restorable: bool,
}

/// One reason of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ReasonRow {
    /// The rule.
    pub rule: Rule,
    /// The slot that it fills.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub slot: Option<Slot>,
    /// Its place in the tier, 1 for the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// For a person.
    pub detail: String,
}

impl<'p, Id: Display> From<Decision<'p, Id>> for PlanRow<'p, Id> {
    fn from(decision: Decision<'p, Id>) -> Self {
        let snapshot = decision.snapshot();
        Self {
            id: snapshot.id(),
            group: snapshot.group(),
            time: snapshot.time(),
            keep: decision.is_kept(),
            reasons: decision.reasons().map(|reason| reason_row(&decision, reason)).collect(),
            drop_reason: decision.drop_reason().map(|reason| reason.as_str()),
            drop_detail: decision.drop_reason().map(|reason| decision.say_drop(reason)),
            locked_until: snapshot.lock(),
            restorable: decision.chain().is_restorable(),
        }
    }
}

fn reason_row<Id: Display>(decision: &Decision<'_, Id>, reason: Reason) -> ReasonRow {
    ReasonRow { rule: reason.rule(), slot: reason.slot(), rank: reason.rank(), detail: decision.say(reason) }
}

impl<Id: Display> Plan<Id> {
    /// The rows to print, in the order of the input.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = PlanRow<'_, Id>> {
        self.decisions().map(PlanRow::from)
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_u32(0),
            Self::Keep(n) => serializer.serialize_u32(n.get()),
            Self::All => serializer.serialize_str("all"),
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrAll;

        impl Visitor<'_> for NumberOrAll {
            type Value = Count;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number or \"all\"")
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Count, E> {
                let unfit = |_| E::invalid_value(de::Unexpected::Unsigned(n), &self);
                u32::try_from(n).map(Count::from).map_err(unfit)
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Count, E> {
                let unfit = |_| E::invalid_value(de::Unexpected::Signed(n), &self);
                u32::try_from(n).map(Count::from).map_err(unfit)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Count, E> {
                text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(NumberOrAll)
    }
}

/// As in settings: `{ daily = 7, weekly = 4, monthly = "all" }`.
#[derive(serde::Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct CountsRow {
    #[serde(default, skip_serializing_if = "is_none")]
    last: Count,
    #[serde(default, skip_serializing_if = "is_none")]
    hourly: Count,
    #[serde(default, skip_serializing_if = "is_none")]
    daily: Count,
    #[serde(default, skip_serializing_if = "is_none")]
    weekly: Count,
    #[serde(default, skip_serializing_if = "is_none")]
    monthly: Count,
    #[serde(default, skip_serializing_if = "is_none")]
    yearly: Count,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none(count: &Count) -> bool {
    *count == Count::None
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        CountsRow {
            last: self.get(Tier::Last),
            hourly: self.get(Tier::Hourly),
            daily: self.get(Tier::Daily),
            weekly: self.get(Tier::Weekly),
            monthly: self.get(Tier::Monthly),
            yearly: self.get(Tier::Yearly),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let row = CountsRow::deserialize(deserializer)?;
        Ok(Self::default()
            .last(row.last)
            .hourly(row.hourly)
            .daily(row.daily)
            .weekly(row.weekly)
            .monthly(row.monthly)
            .yearly(row.yearly))
    }
}

impl Serialize for DropReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
