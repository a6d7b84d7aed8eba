//! What an operator asks for: counts, a way of counting, a recovery window.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use chrono::TimeDelta;
use chrono_tz::Tz;

use crate::error::Error;
use crate::period::Tier;

/// How many slots a tier has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Count {
    /// The tier is not used.
    #[default]
    None,
    /// The newest so many periods that hold a snapshot.
    Keep(NonZeroU32),
    /// Every period that holds a snapshot.
    All,
}

impl Count {
    pub(crate) fn is_filled_by(self, filled: u32) -> bool {
        match self {
            Self::None => true,
            Self::Keep(n) => filled >= n.get(),
            Self::All => false,
        }
    }
}

impl From<u32> for Count {
    /// Zero is [`Count::None`].
    fn from(n: u32) -> Self {
        NonZeroU32::new(n).map_or(Self::None, Self::Keep)
    }
}

impl FromStr for Count {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.trim() {
            "all" => Ok(Self::All),
            number => number
                .parse::<u32>()
                .map(Self::from)
                .map_err(|_| Error::InvalidCount { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("0"),
            Self::Keep(n) => n.fmt(f),
            Self::All => f.write_str("all"),
        }
    }
}

/// The counts of all tiers. Starts empty: `Counts::default().daily(7)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Counts {
    by_tier: [Count; Tier::ALL.len()],
}

impl Counts {
    /// The baseline: 7 daily, 4 weekly, 3 monthly.
    #[must_use]
    pub fn baseline() -> Self {
        Self::default().daily(7).weekly(4).monthly(3)
    }

    /// These counts with another one for `tier`.
    #[must_use]
    pub fn with(mut self, tier: Tier, count: impl Into<Count>) -> Self {
        self.by_tier[tier.index()] = count.into();
        self
    }

    /// The newest `count` snapshots, whatever their times.
    #[must_use]
    pub fn last(self, count: impl Into<Count>) -> Self {
        self.with(Tier::Last, count)
    }

    /// One a clock hour.
    #[must_use]
    pub fn hourly(self, count: impl Into<Count>) -> Self {
        self.with(Tier::Hourly, count)
    }

    /// One a calendar day.
    #[must_use]
    pub fn daily(self, count: impl Into<Count>) -> Self {
        self.with(Tier::Daily, count)
    }

    /// One an ISO week.
    #[must_use]
    pub fn weekly(self, count: impl Into<Count>) -> Self {
        self.with(Tier::Weekly, count)
    }

    /// One a calendar month.
    #[must_use]
    pub fn monthly(self, count: impl Into<Count>) -> Self {
        self.with(Tier::Monthly, count)
    }

    /// One a calendar year.
    #[must_use]
    pub fn yearly(self, count: impl Into<Count>) -> Self {
        self.with(Tier::Yearly, count)
    }

    /// The count of one tier.
    #[must_use]
    pub fn get(&self, tier: Tier) -> Count {
        self.by_tier[tier.index()]
    }

    /// The tiers that are used, finest first.
    pub fn used(&self) -> impl Iterator<Item = (Tier, Count)> + '_ {
        Tier::ALL.into_iter().map(|tier| (tier, self.get(tier))).filter(|(_, count)| *count != Count::None)
    }
}

/// Whether a snapshot may fill the slots of several tiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Counting {
    /// A snapshot fills one tier only, the finest that wants it (Borg's meaning). 7 + 4 + 3 holds 14 snapshots.
    #[default]
    Exclusive,
    /// A snapshot may fill a slot in every tier (restic's meaning). 7 + 4 + 3 holds 9 to 12 snapshots.
    Shared,
}

impl Counting {
    /// The name that settings use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::Shared => "shared",
        }
    }
}

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Counting {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.trim() {
            "exclusive" => Ok(Self::Exclusive),
            "shared" => Ok(Self::Shared),
            _ => Err(Error::InvalidCounting { text: text.to_owned() }),
        }
    }
}

/// A complete policy. It always counts something: an empty one cannot be made.
///
/// ```
/// use retention::{Counting, Counts, Error, Policy};
///
/// let policy = Policy::new(Counts::default().daily(14).yearly("all".parse::<retention::Count>()?))?
///     .with_counting(Counting::Shared)
///     .with_time_zone("Europe/Berlin".parse().unwrap());
/// assert_eq!(policy.recovery_window(), chrono::TimeDelta::days(7));
///
/// assert_eq!(Policy::new(Counts::default()).unwrap_err(), Error::EmptyPolicy);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    counts: Counts,
    counting: Counting,
    zone: Tz,
    recovery_window: TimeDelta,
    incomplete_grace: TimeDelta,
    future_tolerance: TimeDelta,
}

impl Policy {
    /// A policy with these counts: counted exclusively, in UTC, with a recovery window of 7 days, a grace time of a
    /// day for incomplete snapshots, and a tolerance of an hour for clocks that are ahead.
    pub fn new(counts: Counts) -> Result<Self, Error> {
        // A window alone is refused too: it keeps no history, and a forgotten count looks just like it.
        if counts.used().next().is_none() {
            return Err(Error::EmptyPolicy);
        }
        Ok(Self::from_used(counts))
    }

    /// The baseline: 7 daily, 4 weekly and 3 monthly, and everything from the last 7 days.
    #[must_use]
    pub fn baseline() -> Self {
        Self::from_used(Counts::baseline())
    }

    fn from_used(counts: Counts) -> Self {
        Self {
            counts,
            counting: Counting::Exclusive,
            zone: Tz::UTC,
            recovery_window: TimeDelta::days(7),
            incomplete_grace: TimeDelta::days(1),
            future_tolerance: TimeDelta::hours(1),
        }
    }

    /// Counts in another way.
    #[must_use]
    pub fn with_counting(mut self, counting: Counting) -> Self {
        self.counting = counting;
        self
    }

    /// Cuts the periods in another zone.
    #[must_use]
    pub fn with_time_zone(mut self, zone: Tz) -> Self {
        self.zone = zone;
        self
    }

    /// Keeps everything this far back, and what it takes to reach every moment of it. Zero: nothing.
    pub fn with_recovery_window(mut self, window: TimeDelta) -> Result<Self, Error> {
        self.recovery_window = not_negative(window, "the recovery window")?;
        Ok(self)
    }

    /// Keeps incomplete snapshots while they are younger than this: their upload may still be running.
    pub fn with_incomplete_grace(mut self, grace: TimeDelta) -> Result<Self, Error> {
        self.incomplete_grace = not_negative(grace, "the grace time")?;
        Ok(self)
    }

    /// Believes time stamps that are at most this far ahead of now.
    pub fn with_future_tolerance(mut self, tolerance: TimeDelta) -> Result<Self, Error> {
        self.future_tolerance = not_negative(tolerance, "the tolerance for the future")?;
        Ok(self)
    }

    /// The same policy with other counts.
    pub fn with_counts(mut self, counts: Counts) -> Result<Self, Error> {
        self.counts = Self::new(counts)?.counts;
        Ok(self)
    }

    /// How many slots each tier has.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Whether a snapshot may fill several tiers.
    #[must_use]
    pub fn counting(&self) -> Counting {
        self.counting
    }

    /// The zone in which the periods are cut.
    #[must_use]
    pub fn time_zone(&self) -> Tz {
        self.zone
    }

    /// How far back every moment can be reached.
    #[must_use]
    pub fn recovery_window(&self) -> TimeDelta {
        self.recovery_window
    }

    /// How long incomplete snapshots are left alone.
    #[must_use]
    pub fn incomplete_grace(&self) -> TimeDelta {
        self.incomplete_grace
    }

    /// How far ahead a time stamp may be.
    #[must_use]
    pub fn future_tolerance(&self) -> TimeDelta {
        self.future_tolerance
    }
}

fn not_negative(length: TimeDelta, what: &'static str) -> Result<TimeDelta, Error> {
    if length < TimeDelta::zero() { Err(Error::NegativeDuration { what }) } else { Ok(length) }
}

/// "7 daily, 4 weekly, 3 monthly, counted exclusive in UTC, recovery window 7 days".
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (tier, count) in self.counts.used() {
            write!(f, "{count} {tier}, ")?;
        }
        write!(f, "counted {} in {}, ", self.counting, self.zone.name())?;
        let window = self.recovery_window;
        if window.is_zero() {
            f.write_str("no recovery window")
        } else if window == TimeDelta::days(window.num_days()) {
            write!(f, "recovery window {} days", window.num_days())
        } else {
            write!(f, "recovery window {} s", window.num_seconds())
        }
    }
}
