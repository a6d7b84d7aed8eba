//! Random schedules of faults over put, get, list, delete and lease, and the laws that hold whatever happens:
//!
//! - nothing is ever reported stored that is not, and nothing is stored twice;
//! - nothing is read that was not written, and nothing that was stored is reported missing;
//! - a lease has one holder at a time, and each of its generations one writer;
//! - nothing is left behind after the sweep.
//!
//! Two actors, each with a connection of its own through a proxy of its own, do what a seed says; what is true is then
//! looked up without a proxy, and with the SDK alone.

mod actor;
mod beliefs;
mod truth;

use crate::support::{Bucket, config, hasty};
use actor::Actor;
use backup_store::S3Store;
use backup_store::s3::S3Limits;
use beliefs::Beliefs;
use si_backup_tests::Random;
use si_backup_tests::servers::{BucketKind, Proxy, Schedule};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many operations each actor does.
const STEPS: usize = 14;
/// How many schedules run beside one another: they wait most of the time.
const BESIDE: usize = 4;

/// Whether the tests that take long are wanted whole.
pub(crate) fn full() -> bool {
    std::env::var_os("SI_BACKUP_FULL").is_some_and(|value| value == "1")
}

/// How the operations of a schedule ended.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    done: u32,
    failed: u32,
    faults: u32,
    leases: u32,
}

fn limits() -> S3Limits {
    S3Limits {
        call: Duration::from_millis(250),
        stall: Duration::from_millis(120),
        retry_budget: Duration::from_secs(2),
        attempts: 4,
        threads: 1,
        ..hasty()
    }
}

fn play(seed: u64, buckets: &[Bucket]) -> Tally {
    let mut random = Random::new(seed).fork("schedule");
    let bucket = random.pick(&buckets.iter().collect::<Vec<_>>());
    let prefix = format!("schedule-{seed}");
    let percent = random.pick(&[3, 10, 20, 40]);
    let ttl = random.pick(&[Duration::from_millis(60), Duration::from_hours(1)]);
    let beliefs = Beliefs::new(ttl);
    let (keys, server) = (bucket.server.keys(), bucket.server.address());
    let direct = S3Store::connect(config(&bucket.server.endpoint(), keys, &bucket.name, &prefix)).unwrap();
    let proxies: Vec<_> = (0..2).map(|_| Proxy::before(server)).collect();
    let stores: Vec<_> = proxies
        .iter()
        .zip(1..)
        .map(|(proxy, number)| {
            let mut schedule = Schedule::new(seed * 2 + number, percent);
            proxy.plan(move |asked| schedule.next(asked.reads_object()));
            let mut settings = config(&proxy.endpoint(), keys, &bucket.name, &prefix);
            settings.limits = limits();
            S3Store::connect(settings).unwrap()
        })
        .collect();
    let mut actors: Vec<_> = stores
        .iter()
        .enumerate()
        .map(|(number, store)| Actor::new(number, store, &beliefs, random.fork(&format!("actor {number}"))))
        .collect();
    std::thread::scope(|scope| {
        for actor in &mut actors {
            scope.spawn(|| (0..STEPS).for_each(|_| actor.step()));
        }
    });
    proxies.iter().for_each(Proxy::clear);
    // With the network whole again everybody finishes, and then the truth is looked at.
    let mut tally = Tally::default();
    let mut histories = Vec::new();
    for actor in actors {
        let (history, done, failed) = actor.finish();
        histories.push(history);
        (tally.done, tally.failed) = (tally.done + done, tally.failed + failed);
    }
    tally.leases = beliefs.hold();
    drop(stores);
    let faults = |proxy: &Proxy| {
        let met =
            proxy.asked().iter().filter(|asked| asked.fault != si_backup_tests::servers::Fault::None).count();
        u32::try_from(met).unwrap()
    };
    tally.faults = proxies.iter().map(faults).sum();
    drop(proxies);
    truth::holds(&histories, &direct, bucket, &prefix);
    tally
}

#[test]
fn the_laws_hold_whatever_the_network_does() {
    let kinds = [BucketKind::Plain, BucketKind::Versioned, BucketKind::Locked];
    let Some(buckets) = kinds.into_iter().map(Bucket::new).collect::<Option<Vec<_>>>() else { return };
    let one: Option<u64> = std::env::var("S3_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    let (first, count) = one.map_or((1, if full() { 1_000 } else { 60 }), |seed| (seed, 1));
    let next = AtomicU64::new(first);
    let all = Mutex::new((Tally::default(), Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..BESIDE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    let played = catch_unwind(AssertUnwindSafe(|| play(seed, &buckets)));
                    let mut all = all.lock().unwrap();
                    match played {
                        Ok(tally) => {
                            all.0.done += tally.done;
                            all.0.failed += tally.failed;
                            all.0.faults += tally.faults;
                            all.0.leases += tally.leases;
                        }
                        Err(_) => all.1.push(seed),
                    }
                }
            });
        }
    });
    let (tally, broken) = all.into_inner().unwrap();
    assert!(broken.is_empty(), "broken with S3_TEST_SEED={broken:?}");
    // A store that refuses everything would keep every law.
    assert!(tally.done > 3 * tally.failed, "{tally:?}");
    assert!(
        one.is_some() || (u64::from(tally.faults) > count * 5 && u64::from(tally.leases) > count),
        "{tally:?}"
    );
}
