//! The ways through an archive, against a slow and obvious second opinion.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its data fails")]

use chrono::{DateTime, Utc};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use walg_driver::wal::{Archive, ArchiveBuilder, History, Lsn, SegmentSize, Stop, Timeline};

const SIZE: SegmentSize = SegmentSize::DEFAULT;

fn at(number: u64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + i64::try_from(number).unwrap(), 0).unwrap()
}

fn segment(timeline: u32, number: u64) -> String {
    SIZE.name(Timeline(timeline), number).unwrap().to_string()
}

fn archive(segments: &BTreeSet<(u32, u64)>, histories: &[History]) -> Archive {
    let mut builder = ArchiveBuilder::default();
    for (timeline, number) in segments {
        builder.add(&format!("{}.zst", segment(*timeline, *number)), 1, at(*number));
    }
    builder.build(SIZE, histories.iter().cloned())
}

/// Timelines 2, 3 and 4, each leaving one before it at a place of its own.
fn histories() -> impl Strategy<Value = Vec<History>> {
    vec((any::<proptest::sample::Index>(), 0_u64..6), 0..3).prop_map(|branches| {
        let mut all = vec![History::of_first(Timeline(1))];
        for (from, further) in branches {
            let parent = all[from.index(all.len())].clone();
            let timeline = Timeline(u32::try_from(all.len()).unwrap() + 1);
            let least = parent.ancestors().last().map_or(0x200_0000, |last| last.until.0);
            let left = (parent.timeline, Lsn(least + further * 0xA0_0000));
            let earlier = parent.ancestors().iter().map(|ancestor| (ancestor.timeline, ancestor.until));
            let mut text = String::new();
            for (timeline, until) in earlier.chain([left]) {
                writeln!(text, "{}\t{until}\tno recovery target specified", timeline.0).unwrap();
            }
            all.push(History::parse(timeline, &text).unwrap());
        }
        all
    })
}

/// Segment by segment: whether the stream's `number` is in the archive on the way to `history`'s timeline.
fn is_there(segments: &BTreeSet<(u32, u64)>, history: &History, number: u64) -> bool {
    let mut begin = 0;
    for ancestor in history.ancestors() {
        let last = (ancestor.until.0 - 1) / SIZE.bytes();
        if begin / SIZE.bytes() <= number
            && number <= last
            && segments.contains(&(ancestor.timeline.0, number))
        {
            return true;
        }
        begin = ancestor.until.0;
    }
    begin / SIZE.bytes() <= number && segments.contains(&(history.timeline.0, number))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn reach_is_what_walking_segment_by_segment_finds(
        histories in histories(),
        segments in btree_set((1_u32..5, 0_u64..16), 0..50),
        start in 0x10_0000_u64..0x800_0000,
        length in 1_u64..0x400_0000,
        timeline in 1_u32..5,
    ) {
        let archive = archive(&segments, &histories);
        let (start, finish) = (Lsn(start), Lsn(start + length));
        let (first, last) = (start.0 / SIZE.bytes(), (finish.0 - 1) / SIZE.bytes());
        let known: Vec<History> = (1..5)
            .map(|number| {
                let known = histories.iter().find(|history| history.timeline.0 == number).cloned();
                known.unwrap_or_else(|| History::of_first(Timeline(number)))
            })
            .filter(|history| {
                // A timeline of which nothing is known and nothing is there is not there.
                histories.contains(history) || segments.iter().any(|(timeline, _)| *timeline == history.timeline.0)
            })
            .filter(|history| history.left(Timeline(timeline)).is_some_and(|left| left >= finish))
            .collect();
        let expected: Vec<_> = known
            .iter()
            .filter(|history| (first..=last).all(|number| is_there(&segments, history, number)))
            .map(|history| {
                let end = (first..64).take_while(|number| is_there(&segments, history, *number)).last().unwrap();
                let beyond = (end + 1..64).filter(|number| is_there(&segments, history, *number)).count();
                (history.timeline, Lsn((end + 1) * SIZE.bytes()), u64::try_from(beyond).unwrap())
            })
            .collect();
        let found: Vec<_> = archive
            .reach(Timeline(timeline), start, finish)
            .into_iter()
            .map(|reach| {
                let beyond = match reach.stop { Stop::Newest => 0, Stop::Hole { beyond, .. } => beyond };
                (reach.timeline, reach.end, beyond)
            })
            .collect();
        prop_assert_eq!(&found, &expected);
        let missing = archive.missing(Timeline(timeline), start, finish);
        prop_assert_eq!(missing.is_none(), !expected.is_empty());
        if let Some(hole) = missing {
            let gone: Vec<_> =
                (first..=last).filter(|number| !segments.contains(&(timeline, *number))).collect();
            prop_assert_eq!(hole.count, gone.len() as u64);
            let named: Vec<_> = gone.iter().take(3).map(|number| segment(timeline, *number)).collect();
            prop_assert_eq!(hole.named.iter().map(ToString::to_string).collect::<Vec<_>>(), named);
        }
    }

    #[test]
    fn runs_and_holes_together_are_the_timeline(numbers in btree_set(0_u64..40, 0..30)) {
        let segments = numbers.iter().map(|number| (1, *number)).collect();
        let archive = archive(&segments, &[]);
        let present: u64 = archive.runs(Timeline(1)).iter().map(|run| run.count).sum();
        let missing: u64 = archive.holes(Timeline(1)).iter().map(|hole| hole.count).sum();
        prop_assert_eq!(present, numbers.len() as u64);
        let extent = numbers.last().map_or(0, |last| last - numbers.first().unwrap() + 1);
        prop_assert_eq!(present + missing, extent);
    }
}

#[test]
fn a_promotion_is_followed_through_the_segment_in_which_it_happened() {
    // Timeline 1 has 1 to 3 whole and 4 as a partial; timeline 2 left it within 4, and has 4 and 5.
    let mut builder = ArchiveBuilder::default();
    for name in ["1:1", "1:2", "1:3", "2:4", "2:5"] {
        let (timeline, number) = name.split_once(':').unwrap();
        let name = segment(timeline.parse().unwrap(), number.parse().unwrap());
        builder.add(&format!("{name}.lz4"), 1, at(0));
    }
    builder.add(&format!("{}.partial.lz4", segment(1, 4)), 1, at(0));
    builder.add("00000002.history.lz4", 1, at(0));
    assert_eq!(builder.histories().len(), 1);
    let history = History::parse(Timeline(2), "1\t0/4800000\tno recovery target specified\n").unwrap();
    let archive = builder.build(SIZE, [history]);
    let reach = archive.reach(Timeline(1), Lsn(0x200_0028), Lsn(0x200_0100));
    let told: Vec<_> = reach.iter().map(|reach| (reach.timeline.0, reach.end.to_string())).collect();
    assert_eq!(told, [(1, "0/4000000".to_owned()), (2, "0/6000000".to_owned())]);
    // What ended after the promotion's place is not on the way to the new timeline.
    assert_eq!(archive.reach(Timeline(1), Lsn(0x300_0028), Lsn(0x490_0000)), []);
}

#[test]
fn a_segment_size_is_known_where_names_and_places_agree_on_one() {
    let mut builder = ArchiveBuilder::default();
    let name = |text: &str| text.parse().unwrap();
    assert_eq!(builder.size(&[]), SegmentSize::DEFAULT, "nothing is known yet");
    let large = SegmentSize::new(64 << 20).unwrap();
    let backup = (name("000000010000000000000002"), Lsn(0x0800_0028));
    assert_eq!(builder.size(&[backup]), large);
    builder.add("00000001000000000000003F.zst", 1, at(0));
    assert_eq!(builder.size(&[backup]), large);
    // A segment that no cluster of that size writes, and a sentinel that was altered: each is wrong alone.
    builder.add("000000010000000000000040.zst", 1, at(0));
    assert_eq!(builder.size(&[backup]), large);
    let other = (name("000000010000000000000003"), Lsn(0x0C00_0028));
    let altered = (name("000000010000000000000004"), Lsn(0x0500_0028));
    assert_eq!(builder.size(&[altered, backup, other]), large);
    // Without a backup the names alone tell.
    let mut small = ArchiveBuilder::default();
    small.add("000000010000000000000F00.zst", 1, at(0));
    assert_eq!(small.size(&[]), SegmentSize::new(1 << 20).unwrap());
}
