//! Time per point, from a thousand to a million points: it must not grow.
#![expect(clippy::unwrap_used, reason = "a bench may panic")]

use std::hint::black_box;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use retention::{
    Counting, Counts, Locking, Policy, Schedule, Snapshot, explain, forecast, lock_horizons, plan,
};

fn now() -> DateTime<Utc> {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

/// Everything that could cost: several groups, chains of deltas, locks, evidence, times out of order.
fn points(count: u32) -> Vec<Snapshot<String>> {
    let point = |n: u32| {
        let id = |n: u32| format!("base_{n:012}");
        let time = now() - TimeDelta::minutes(i64::from(n) * 10);
        let chain = n % 24;
        let snapshot = match chain {
            23 => Snapshot::full(id(n), time).verified(),
            _ => Snapshot::delta(id(n), time, id(n + 1)),
        };
        let snapshot =
            if n.is_multiple_of(7) { snapshot.locked_until(now() + TimeDelta::days(3)) } else { snapshot };
        snapshot.in_group(if (n / 24).is_multiple_of(3) { "app:shop" } else { "state" })
    };
    // A step that is coprime to the count visits each once, far from the order of time.
    let step = 7919;
    (0..count).map(|at| point(u32::try_from(u64::from(at) * step % u64::from(count)).unwrap())).collect()
}

/// What may cost, one thing at a time.
#[derive(Clone, Copy)]
enum Shape {
    Fulls,
    /// Of a full and 23 deltas.
    Chains,
    /// One of all points: its links are followed without recursion, each once.
    OneChain,
    /// Of 50 points each.
    Groups,
    /// Chains, of which every seventh point is locked: most parents stay for them.
    Locks,
}

impl Shape {
    const ALL: [(&str, Self); 5] = [
        ("fulls", Self::Fulls),
        ("chains", Self::Chains),
        ("one chain", Self::OneChain),
        ("groups", Self::Groups),
        ("locks", Self::Locks),
    ];

    /// Oldest first, as a listing has them.
    fn points(self, count: u32) -> Vec<Snapshot<String>> {
        let id = |n: u32| format!("base_{n:012}");
        let point = |n: u32| {
            let time = now() - TimeDelta::minutes(i64::from(count - n) * 10);
            let begins = match self {
                Self::Fulls | Self::Groups => true,
                Self::Chains | Self::Locks => n.is_multiple_of(24),
                Self::OneChain => n == 0,
            };
            let point = if begins {
                Snapshot::full(id(n), time).verified()
            } else {
                Snapshot::delta(id(n), time, id(n - 1))
            };
            match self {
                Self::Groups => point.in_group(format!("group {}", n / 50)),
                Self::Locks if n.is_multiple_of(7) => point.locked_until(now() + TimeDelta::days(3)),
                _ => point,
            }
        };
        (0..count).map(point).collect()
    }
}

fn shapes(c: &mut Criterion) {
    let mut group = c.benchmark_group("shape");
    group.sample_size(10);
    for (name, shape) in Shape::ALL {
        for count in [1_000, 10_000, 100_000, 1_000_000] {
            let points = shape.points(count);
            group.throughput(Throughput::Elements(count.into()));
            group.bench_with_input(BenchmarkId::new(name, count), &points, |b, points| {
                b.iter_batched(
                    || points.clone(),
                    |points| plan(black_box(points), &Policy::baseline(), now()).unwrap(),
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}

fn plans(c: &mut Criterion) {
    let mut group = c.benchmark_group("plan");
    group.sample_size(10);
    for count in [1_000, 10_000, 100_000, 1_000_000] {
        let points = points(count);
        group.throughput(Throughput::Elements(count.into()));
        for counting in [Counting::Exclusive, Counting::Shared] {
            let policy = Policy::baseline().with_counting(counting).with_time_zone(chrono_tz::Europe::Berlin);
            group.bench_with_input(BenchmarkId::new(counting.as_str(), count), &points, |b, points| {
                b.iter_batched(
                    || points.clone(),
                    |points| plan(black_box(points), &policy, now()).unwrap(),
                    BatchSize::PerIteration,
                );
            });
        }
        // Nothing is let go: every tier is walked to its end and every point has its reasons.
        let all = Counts::default().hourly(u32::MAX).daily(u32::MAX).weekly(u32::MAX).monthly(u32::MAX);
        let policy = Policy::new(all).unwrap().with_time_zone(chrono_tz::Europe::Berlin);
        group.bench_with_input(BenchmarkId::new("everything kept", count), &points, |b, points| {
            b.iter_batched(
                || points.clone(),
                |points| plan(black_box(points), &policy, now()).unwrap(),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn answers(c: &mut Criterion) {
    let mut group = c.benchmark_group("answers");
    group.sample_size(10);
    for count in [10_000, 100_000, 1_000_000] {
        group.throughput(Throughput::Elements(count.into()));
        let plan = plan(points(count), &Policy::baseline(), now()).unwrap();
        group.bench_with_input(BenchmarkId::new("lock horizons", count), &plan, |b, plan| {
            b.iter(|| lock_horizons(plan, &Locking::default()));
        });
        group.bench_with_input(BenchmarkId::new("deletions", count), &plan, |b, plan| {
            b.iter(|| plan.deletions().len());
        });
        group.bench_with_input(BenchmarkId::new("explain one", count), &plan, |b, plan| {
            b.iter(|| explain(plan, count as usize - 1).remedies().len());
        });
        group.bench_with_input(BenchmarkId::new("forecast 30 days", count), &plan, |b, plan| {
            b.iter(|| forecast(plan, &Schedule::daily_with_hourly_deltas(NaiveTime::MIN), 30));
        });
        group.bench_with_input(BenchmarkId::new("canonical", count), &plan, |b, plan| {
            b.iter(|| {
                let mut text = String::new();
                plan.write_canonical(&mut text).unwrap();
                text.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, shapes, plans, answers);
criterion_main!(benches);
