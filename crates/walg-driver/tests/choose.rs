//! Full or delta, on the buckets that an engine wrote.

mod support;

use backup_store::DirStore;
use support::fixture;
use walg_driver::Cipher;
use walg_driver::bucket::{Bucket, Root};
use walg_driver::engine::{Choice, Situation, WhyFull, choose};
use walg_driver::wal::Timeline;

const SYSTEM: u64 = 7_711_480_237_486_108_024;

fn chosen(change: impl FnOnce(&mut Bucket, &mut Situation<'_>)) -> Result<String, WhyFull> {
    let dir = fixture("plain");
    let store = DirStore::open(dir.path()).unwrap();
    let mut bucket = Bucket::read(&store, &Root::default(), &Cipher::None).unwrap();
    let empty =
        Bucket::read(&store, &Root::new(backup_store::Prefix::new("nothing").unwrap()), &Cipher::None)
            .unwrap();
    let mut situation = Situation {
        bucket: &empty,
        timeline: Timeline(1),
        system_identifier: SYSTEM,
        is_asked: false,
        is_due: &|_| false,
        is_sound: &|_| true,
    };
    change(&mut bucket, &mut situation);
    let situation = Situation { bucket: &bucket, ..situation };
    match choose(&situation) {
        Choice::Delta(full) => Ok(full.id.to_string()),
        Choice::Full(why) => Err(why),
    }
}

#[test]
fn a_delta_hangs_on_the_newest_full_that_can_be_counted_on() {
    assert_eq!(chosen(|_, _| {}).as_deref(), Ok("base_000000010000000000000002"));
    assert_eq!(chosen(|_, asked| asked.is_asked = true), Err(WhyFull::Asked));
    assert_eq!(chosen(|bucket, _| bucket.backups.clear()), Err(WhyFull::NoFull));
    assert_eq!(chosen(|_, at| at.system_identifier = 7), Err(WhyFull::NoFull));
    assert_eq!(chosen(|_, at| at.timeline = Timeline(2)), Err(WhyFull::OtherTimeline));
    assert_eq!(chosen(|_, at| at.is_due = &|_| true), Err(WhyFull::Due));
    assert_eq!(chosen(|_, at| at.is_sound = &|_| false), Err(WhyFull::Unsound));
    let many = |bucket: &mut Bucket| {
        let delta = bucket.backups[1].clone();
        bucket.backups.extend(std::iter::repeat_n(delta, 100));
    };
    assert_eq!(chosen(|bucket, _| many(bucket)), Err(WhyFull::ManyDeltas));
}
